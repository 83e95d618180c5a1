"""Server groups, made as their users, who own them."""

from collections.abc import Iterator
from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.accepts import compute
from naru.move.acting import actor, entered, owner_changes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts, Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import texts
from naru.move.mapping import Match, Need, Section, Use


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
    dispensable=("find.ignore.*",),
    owned=True,
    terraform="openstack_compute_servergroup_v2",
)
NO_RULES = message(
    "move.server_group.no_rules", en="groups of {cloud} have none", ko="{cloud} 클라우드의 서버 그룹에는 없습니다"
)
NO_METADATA = message("move.server_group.no_metadata", en="Nova keeps none", ko="Nova가 저장하지 않습니다")


TOO_LARGE = message(
    "move.server_group.too_large",
    en="{members} servers are to be on different hosts, and {cloud} has {hosts}; soft-anti-affinity puts up with that,"
    " anti-affinity insists",
    ko="서버 {members}대를 서로 다른 호스트에 두어야 하는데 {cloud} 클라우드의 호스트는 {hosts}대입니다."
    " soft-anti-affinity는 이를 허용하고 anti-affinity는 허용하지 않습니다",
)
NO_POLICY = message(
    "move.server_group.no_policy",
    en="server_groups: {key}: {policy} is no policy for that; write soft-anti-affinity or anti-affinity",
    ko="server_groups: {key}: 쓸 수 없는 정책입니다({policy}). soft-anti-affinity나 anti-affinity를 적어 주십시오",
)
APART, SOFTLY = "anti-affinity", "soft-anti-affinity"


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    """Groups with more servers than the new cloud has hosts for: the first that is too many would not be booted."""
    hosts = _hosts(facts.new)
    known = facts.old.all("server")
    for row in facts.owned(KIND.name):
        members = [identity for identity in row.body.get("members") or [] if identity in known]
        each = int((row.body.get("rules") or {}).get("max_server_per_host") or 1)
        if hosts and _policy(row, "") == APART and len(members) > hosts * each:
            yield from (Use("server", row) for _ in members)


def _hosts(side: Side) -> int:
    """The hosts that a server may be booted on; 0 where that is not known."""
    services = [row.body for row in side.all("compute service").values() if row.name == "nova-compute"]
    return len([one for one in services if (one.get("status"), one.get("state")) == ("enabled", "up")])


def _match(facts: Facts, need: Need) -> Match:
    return None, TOO_LARGE(members=need.users["server"], cloud=facts.new.cloud, hosts=_hosts(facts.new))


SECTION = Section("server_groups", "", "larger than the new cloud: the policy that they get", _uses, _match)


# -- rules


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
    rules, policy = row.body.get("rules") or {}, _policy(row, "")
    body: dict[str, Any] = {"name": row.name}
    changes = texts.mend(draft, row, body, {"name": compute.NAME})
    choice = draft.choice(SECTION.name, row)
    if choice and choice.target not in (None, APART, SOFTLY):
        said = NO_POLICY(key=choice.need.key, policy=choice.target)
        draft.report("error", said, about=f"map {SECTION.name}")
    elif choice and choice.target == SOFTLY:
        policy, rules = SOFTLY, {}
        changes.append(FieldChange("policy", APART, SOFTLY, choice.why))
        changes += [FieldChange("rules", row.body["rules"], {}, choice.why)] if row.body.get("rules") else []
    if draft.facts.new.supports(KIND.service, compute.GROUP_POLICY):
        return {**body, "policy": policy, **({"rules": rules} if rules else {})}, changes
    if rules:
        changes.append(FieldChange("rules", rules, {}, NO_RULES(cloud=draft.new)))
    return {**body, "policies": [policy]}, changes
