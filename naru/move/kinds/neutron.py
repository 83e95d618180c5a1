"""What all of Neutron's kinds share: they are made by the administrator, for the project. What has no natural key bears
a mark in its description until all of its project is made; tags take a request of their own."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from naru.actions.arguments import ref
from naru.actions.create import Create
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, Position, thing
from naru.move.kind import Kind
from naru.move.marks import mark, marked

SERVICE = "network"
TAGS = message("move.title.tags", en="tags of {thing}", ko="{thing}의 태그")
POLICY_NOT_MOVED = message(
    "move.qos_policy.not_moved", en="that QoS policy is not moved", ko="그 QoS 정책을 이전하지 않습니다"
)


# owners of ports that the cloud makes itself, or that come with what they belong to
_SERVICES = ("network:", "Octavia", "neutron:LOADBALANCER", "octavia:")


def is_services(port: Row) -> bool:
    """Whether a service has made the port for itself."""
    return str(port.body.get("device_owner") or "").startswith(_SERVICES)


def make(
    draft: Draft,
    kind: Kind,
    row: Row,
    body: dict[str, Any],
    changes: Iterable[FieldChange],
    *,
    where: Mapping[str, Any] | None = None,
    title: Text = "",
    action: type[Create] = Create,
    **position: Unpack[Position],
) -> str:
    """The step that makes a thing of a project, by the `action`; it is found by `where`, else by the mark in its
    description."""
    body |= {"project_id": draft.ref("project", row.project)}
    final = body.get("description", "")
    if where is None:
        body["description"] = mark(row)
    found = where or {"description": mark(row)}
    request = action(**kind.creation_fields(draft.new, body, found))
    step = draft.create(row, request, title=title, changes=changes, **position)
    if where is None:
        unmark = {"method": "PUT", "body": {kind.wrap: {"description": final}}}
        marked(draft, kind, row, step, field="description", unmark=unmark)
    tags(draft, kind, row, step)
    return step


def tags(draft: Draft, kind: Kind, row: Row, step: str) -> None:
    """The step that gives the thing its tags."""
    if row.body.get("tags"):
        path = f"/{kind.path.rpartition('/')[2]}/"  # those of a QoS policy are at /policies
        request = {"method": "PUT", "path": [path, ref(step), "/tags"], "body": {"tags": row.body["tags"]}}
        draft.call(f"{step} tags", SERVICE, [request], TAGS(thing=thing(row)), about=row, project=row.project)


def policy(draft: Draft, body: dict[str, Any], changes: list[FieldChange]) -> None:
    """Puts the counterpart of a thing's QoS policy into its body."""
    if body.get("qos_policy_id"):
        found = draft.ref("QoS policy", body["qos_policy_id"])
        if found is None:
            changes.append(FieldChange("qos_policy_id", body.pop("qos_policy_id"), None, POLICY_NOT_MOVED()))
        else:
            body["qos_policy_id"] = found
    else:
        body.pop("qos_policy_id", None)
