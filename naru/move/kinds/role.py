"""Roles, and who has which on the projects and on domains that the move makes."""

from collections.abc import Iterable, Iterator
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.kind import Kind
from naru.move.kinds.keystone import given, relation
from naru.move.mapping import ABSENT, CREATE, Match, Need, Section, Use, of_others, same_but_case


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    """Of a role on a domain: the projects of who has it."""
    if "user" in row.body:
        return users.of_user.get(row.body["user"]["id"], ())
    return users.of_group.get(row.body["group"]["id"], ())


KIND = Kind(
    "role",
    path="/roles",
    wrap="role",
    sent=("name", "description", "options"),
    handled=frozenset(("domain_id",)),
    used_by=showing.everybody,
)
ASSIGNMENT = Kind(
    "role assignment",
    handled=frozenset(("role", "user", "group", "scope")),
    relation=True,
    owned=True,
    used_by=_used_by,
)

NO_ROLE = message("move.role.no_role", en="its role is not on the new cloud", ko="해당 역할이 새 클라우드에 없습니다")
NO_NAMED_ROLE = message(
    "move.role.no_named_role",
    en="its role {role} is not on the new cloud",
    ko="해당 역할이 새 클라우드에 없습니다({role})",
)
NO_HOLDER = {
    "user": message(
        "move.role.no_user", en="its user is not on the new cloud", ko="해당 사용자가 새 클라우드에 없습니다"
    ),
    "group": message(
        "move.role.no_group", en="its group is not on the new cloud", ko="해당 그룹이 새 클라우드에 없습니다"
    ),
}
ON_PROJECT = message(
    "move.title.role_on_project",
    en="{who:kind} {holder} is {role} on {project}",
    ko="{who:kind} {holder}에게 프로젝트 {project}의 역할 부여: {role}",
)
ON_DOMAIN = message(
    "move.title.role_on_domain",
    en="{who:kind} {holder} is {role} on the domain {domain}",
    ko="{who:kind} {holder}에게 도메인 {domain}의 역할 부여: {role}",
)
ON_EXISTING_DOMAIN = message(
    "move.role.on_existing_domain",
    en="{who:kind} {holder} has role {role} on the domain {domain}",
    ko="도메인 {domain}에 대해 {who:kind} {holder}에게 할당된 역할입니다({role})",
)
GIVE_BY_HAND = message(
    "move.role.give_by_hand",
    en="Give it on the new cloud by hand, if it is wanted on all of that domain.",
    ko="그 도메인 전체에 필요한 역할이라면 새 클라우드에서 직접 할당해 주십시오.",
)
MEMBER = message("move.role.member", en="what _member_ became", ko="_member_ 역할의 새 이름입니다")


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    for row in facts.assignments:
        yield from of_others(facts, KIND.name, row.body["role"]["id"], ASSIGNMENT.name)


def _match(facts: Facts, need: Need) -> Match:
    rows, why = same_but_case(facts, KIND.name, need)
    found = [row for row in rows if not row.body.get("domain_id")]
    if found:
        return found[0].name, why
    if need.key == "_member_" and facts.new.named(KIND.name, "member"):
        return "member", MEMBER()
    return CREATE, ABSENT()


SECTION = Section("roles", "role", "that somebody has on the projects", _uses, _match, creatable=True)


# -- rules


def roles(draft: Draft) -> None:
    """Roles that somebody has on the projects: mapped, or made by name."""
    known = draft.facts.old.all(KIND.name)
    for identity in sorted({row.body["role"]["id"] for row in draft.facts.assignments}):
        row = known[identity]
        choice, target = draft.choice(SECTION.name, row), draft.target(SECTION.name, KIND.name, row)
        if choice and target:
            renamed = [FieldChange("name", row.name, choice.target, choice.why)] if choice.target != row.name else []
            draft.match(row, target, choice.why, renamed)
        elif choice and choice.target == CREATE:
            where = {"name": row.name, "domain_id": None}
            draft.create(row, KIND.creation(draft.new, given(row), where=where))


def assignments(draft: Draft) -> None:
    """Who has which role on the projects, inherited ones as such."""
    for row in draft.facts.assignments:
        body = row.body
        who = "user" if "user" in body else "group"
        role = draft.ref(KIND.name, body["role"]["id"])
        holder = draft.ref(who, body[who]["id"])
        project = draft.ref("project", body["scope"]["project"]["id"])
        if role is None or holder is None:
            draft.leave(row, NO_ROLE() if role is None else NO_HOLDER[who]())
            continue
        title = ON_PROJECT(
            who=who,
            holder=draft.facts.old.all(who)[body[who]["id"]].name,
            role=draft.facts.old.all(KIND.name)[body["role"]["id"]].name,
            project=draft.facts.projects[body["scope"]["project"]["id"]].name,
        )
        path = _path(row, ["/projects/", project, f"/{who}s/", holder, "/roles/", role])
        relation(draft, row, path, title, row.project)


def _path(row: Row, path: list[Any]) -> list[Any]:
    """The path of an assignment; inherited ones have another."""
    inherited = row.body["scope"].get("OS-INHERIT:inherited_to")
    return ["/OS-INHERIT", *path, "/inherited_to_projects"] if inherited else path


def domain_assignments(draft: Draft) -> None:
    """Roles on whole domains: only on those that the move makes. On a domain that exists already a role reaches
    projects that have nothing to do with the move."""
    known = draft.facts.old.all(KIND.name)
    for row in draft.facts.old.all(ASSIGNMENT.name).values():
        body = row.body
        domain = (body["scope"].get("domain") or {}).get("id")
        who = "user" if "user" in body else "group"
        holders = draft.facts.users if who == "user" else draft.facts.groups
        decision = draft.decisions.get(("domain", str(domain)))
        if domain is None or decision is None or body[who]["id"] not in holders:
            continue
        role, holder = known[body["role"]["id"]], draft.ref(who, body[who]["id"])
        names = {"who": who, "holder": holders[body[who]["id"]].name, "role": role.name, "domain": decision.name}
        if decision.decision != "create" or holder is None:
            draft.leave(row, ON_EXISTING_DOMAIN(**names), hint=GIVE_BY_HAND())
            continue
        new = draft.ref(KIND.name, role.id) or draft.target(SECTION.name, KIND.name, role) or _same_role(draft, role)
        if new is None:
            draft.leave(row, NO_NAMED_ROLE(role=role.name))
            continue
        path = _path(row, ["/domains/", draft.ref("domain", domain), f"/{who}s/", holder, "/roles/", new])
        relation(draft, row, path, ON_DOMAIN(**names), "")


def _same_role(draft: Draft, role: Row) -> str | None:
    found = [row.id for row in draft.facts.new.alike(KIND.name, role.name) if not row.body.get("domain_id")]
    return found[0] if found else None
