"""Server groups, made as their users, who own them."""

from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.accepts import compute
from naru.move.acting import actor, entered, owner_changes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import texts


def _policy(row: Row, missing: str | None) -> Any:
    """The group's policy; an older Nova has a list of one."""
    return row.body.get("policy") or next(iter(row.body.get("policies") or []), missing)


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"policy": _policy(row, None), "rules": row.body.get("rules") or {}}


KIND = Kind(
    "server group",
    path="/os-server-groups",
    wrap="server_group",
    handled=frozenset(("name", "policy", "policies", "rules")),
    derived=frozenset(("members",)),
    not_compared=frozenset(("policies", "metadata")),
    compared=_compared,
    owned=True,
    terraform="openstack_compute_servergroup_v2",
)
NO_RULES = message(
    "move.server_group.no_rules", en="groups of {cloud} have none", ko="{cloud} 클라우드의 서버 그룹에는 없습니다"
)
NO_METADATA = message("move.server_group.no_metadata", en="Nova keeps none", ko="Nova가 저장하지 않습니다")


def server_groups(draft: Draft) -> None:
    """Server groups, as their users. Nothing in a group can bear a mark: one of its name is not what the step made when
    it existed before, or when another step made it."""
    named: dict[tuple[str, str], list[str]] = {}
    for row in draft.facts.owned(KIND.name):
        body, changes = _body(draft, row)
        who = actor(draft, row)
        existing = [group.id for group in draft.existing(KIND.name, row.project)]
        twins = named.setdefault((body["name"], row.project), [])
        creation = KIND.creation(
            draft.new,
            body,
            listing="/os-server-groups?all_projects=1",
            where={"name": body["name"], "project_id": draft.ref("project", row.project)},
            ignore=[*existing, *map(ref, twins)],
            version=draft.facts.new.version(KIND.service, compute.GROUP_POLICY),
            actor=who,
        )
        changes += owner_changes(draft, row)
        if row.body.get("metadata"):
            changes.append(FieldChange("metadata", row.body["metadata"], {}, NO_METADATA()))
        twins.append(draft.create(row, creation, changes=changes, after=[entered(draft, row)]))


def _body(draft: Draft, row: Row) -> tuple[dict[str, Any], list[FieldChange]]:
    """The request for it: an older Nova takes a list of one policy, and no rules."""
    rules = row.body.get("rules") or {}
    body: dict[str, Any] = {"name": row.name}
    changes = texts.mend(draft, row, body, {"name": compute.NAME})
    if draft.facts.new.supports(KIND.service, compute.GROUP_POLICY):
        return {**body, "policy": _policy(row, ""), **({"rules": rules} if rules else {})}, changes
    if rules:
        changes.append(FieldChange("rules", rules, {}, NO_RULES(cloud=draft.new)))
    return {**body, "policies": [_policy(row, "")]}, changes
