"""QoS policies with their rules."""

from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import SERVICE, make

_OWN = ("id", "qos_policy_id", "project_id", "tenant_id")


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    rules = [{name: value for name, value in rule.items() if name not in _OWN} for rule in row.body.get("rules", [])]
    return {"rules": sorted(rules, key=str)}


KIND = Kind(
    "QoS policy",
    path="/qos/policies",
    wrap="policy",
    sent=("name", "description", "is_default"),
    handled=frozenset(("rules", "tags")),
    derived=frozenset(("shared",)),  # that is an RBAC policy's
    compared=_compared,
    owned=True,
    terraform="openstack_networking_qos_policy_v2",
    used_by=showing.shared_or("port", "qos_policy_id"),
)
RULES = message("move.title.qos_rules", en="rules of {thing}", ko="{thing}의 규칙")


def qos_policies(draft: Draft) -> None:
    """QoS policies with their rules, each of which has a path by its type."""
    for row in draft.facts.owned(KIND.name):
        body, rules = draft.sent(KIND, row)
        step = make(draft, KIND, row, body, rules)
        requests = []
        for rule in row.body.get("rules", []):
            name = f"{rule['type']}_rule"
            fields = {key: value for key, value in rule.items() if key not in (*_OWN, "type")}
            path = ["/qos/policies/", ref(step), f"/{name}s"]
            requests.append({"method": "POST", "path": path, "body": {name: fields}, "ok": [409]})
        if requests:
            title = RULES(thing=thing(row))
            draft.call(f"{step} rules", SERVICE, requests, title, about=row, project=row.project)
