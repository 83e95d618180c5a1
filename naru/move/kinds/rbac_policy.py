"""RBAC policies: what a project shares with others, or with all."""

from dataclasses import dataclass, field
from typing import Any

from naru.inventory.kinds import POLICY_KINDS
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.called import name_of
from naru.move.draft import Draft, kept
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import make


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"object_id": mapped(POLICY_KINDS.get(row.body["object_type"], ""), row.body["object_id"])}


KIND = Kind(
    "RBAC policy",
    path="/rbac-policies",
    wrap="rbac_policy",
    sent=("object_type", "action"),
    handled=frozenset(("object_id", "target_tenant")),
    compared=_compared,
    owned=True,
    terraform="openstack_networking_rbac_policy_v2",
)
NO_OBJECT = message("move.rbac_policy.no_object", en="its {kind} is not moved", ko="대상을 이전하지 않습니다({kind})")
NO_PROJECT = message(
    "move.project_not_moved",
    en="project {project} is not moved with it",
    ko="프로젝트를 함께 이전하지 않습니다({project})",
)
SHARED_THERE = message(
    "move.rbac_policy.there",
    en="the new cloud shares it already",
    ko="새 클라우드에서 이미 공유하고 있습니다",
)
SHARE_LATER = message(
    "move.rbac_policy.share_later",
    en="Move that project, too, or share it on the new cloud when that project is there.",
    ko="그 프로젝트도 함께 이전하거나, 그 프로젝트가 새 클라우드에 생긴 뒤 공유해 주십시오.",
)


def there(draft: Draft, identity: Any, project: Any, action: str) -> Row | None:
    """The policy by which the new cloud shares a thing that it has with the project, or with all, already."""
    for row in draft.facts.new.by(KIND.name, "object_id", identity) if isinstance(identity, str) else ():
        if row.body["action"] == action and row.body["target_tenant"] in ("*", project):
            return row
    return None


@dataclass
class Shares:
    """(old id of what is shared, project or "*" for all): the steps that share it with that one."""

    steps: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def sharing(draft: Draft) -> None:
    """RBAC policies of what is moved, towards projects that are moved, or all."""
    guests: dict[str, list[Row]] = {}
    for port in draft.facts.owned("port"):
        made = draft.decisions.get(("port", port.id))
        if made and made.step:
            guests.setdefault(port.body["network_id"], []).append(port)
    for row in draft.facts.owned(KIND.name):
        thing = draft.ref(POLICY_KINDS.get(row.body["object_type"], ""), row.body["object_id"])
        target = row.body["target_tenant"]
        towards = "*" if target == "*" else draft.ref("project", target)
        if thing is None:
            draft.leave(row, NO_OBJECT(kind=row.body["object_type"]))
        elif towards is None:
            draft.leave(row, NO_PROJECT(project=name_of(draft.facts.old, "project", target)), hint=SHARE_LATER())
        elif existing := there(draft, thing, towards, row.body["action"]):
            draft.match(row, existing.id, SHARED_THERE())
        else:
            body = {**kept(row, KIND.sent), "object_id": thing, "target_tenant": towards}
            where = {"object_id": thing, "target_tenant": towards, "action": row.body["action"]}
            joins = target in draft.facts.projects and target != row.project
            step = make(draft, KIND, row, body, (), where=where, joins=joins)
            draft.note(Shares).steps.setdefault((row.body["object_id"], target), []).append(step)
            # Neutron ends no sharing of a network while those it is shared with have ports there
            for port in guests.get(row.body["object_id"], ()):
                if port.project != row.project and target in ("*", port.project):
                    draft.plan.order(step, draft.decisions["port", port.id].step)
