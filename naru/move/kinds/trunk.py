"""Trunks on their parent ports, with their subports."""

from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import make


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    subs = [{**sub, "port_id": mapped("port", sub["port_id"])} for sub in row.body.get("sub_ports", [])]
    return {"sub_ports": sorted(subs, key=str)}


KIND = Kind(
    "trunk",
    path="/trunks",
    wrap="trunk",
    sent=("name", "description", "admin_state_up"),
    handled=frozenset(("port_id", "sub_ports", "tags")),
    compared=_compared,
    dispensable=("body.sub_ports.*",),
    owned=True,
    terraform="openstack_networking_trunk_v2",
    importable=False,
)
NO_PARENT = message("move.trunk.no_parent", en="its port is not moved", ko="연결된 포트를 이전하지 않습니다")
NO_SUBPORT = message("move.trunk.no_subport", en="that port is not moved", ko="그 포트를 이전하지 않습니다")


def trunks(draft: Draft) -> None:
    """Trunks on their parent ports, with their subports."""
    for row in draft.facts.owned(KIND.name):
        parent = draft.ref("port", row.body["port_id"])
        if parent is None:
            draft.leave(row, NO_PARENT())
            continue
        body, changes = draft.sent(KIND, row)
        body |= {"port_id": parent, "sub_ports": []}
        for sub in row.body.get("sub_ports", []):
            found = draft.ref("port", sub["port_id"])
            if found is None:
                changes.append(FieldChange("sub_ports", sub, None, NO_SUBPORT()))
            else:
                body["sub_ports"].append({**sub, "port_id": found})
        make(draft, KIND, row, body, changes, where={"port_id": parent})
