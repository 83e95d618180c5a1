"""Roles, and who has which on the projects and on domains that the move makes."""

from collections.abc import Iterable, Iterator
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts, Side
from naru.move.kind import Kind
from naru.move.kinds.keystone import SERVICE, given, matched, one_of_two, relation
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
INFERENCE = Kind(
    "role inference", handled=frozenset(("prior_role", "implies")), relation=True, used_by=showing.everybody
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
NO_DOMAIN = message(
    "move.role.no_domain",
    en="it is a role of a domain that is not moved",
    ko="이전하지 않는 도메인에만 있는 역할입니다",
)
NOT_IMPLIED = message(
    "move.role.not_implied",
    en="role {role} implies {roles:list} on the old cloud, and not on {cloud}: {people:list} would lose that",
    ko="역할 {role}: 기존 클라우드에서는 {roles:list} 역할을 포함하지만 {cloud} 클라우드에서는 그렇지 않습니다. 다음"
    " 사용자와 그룹의 권한이 줄어듭니다: {people:list}",
)
IMPLY = message(
    "move.role.imply",
    en="If it may for everybody there: openstack implied role create {role} --implied-role {implied}",
    ko="새 클라우드 전체에 적용해도 된다면 다음 명령을 실행해 주십시오:"
    " openstack implied role create {role} --implied-role {implied}",
)
IMPLIES = message("move.title.implies", en="role {role} implies {implied}", ko="역할 {role}에 {implied} 포함")
FROM_ABOVE = message(
    "move.role.from_above",
    en="{who:kind} {holder} is {role} on {projects:list} by what is above them, and is not moved with them",
    ko="상위 도메인이나 프로젝트에서 물려받은 권한이며 새 클라우드에 대응하는 것이 없습니다({who:kind} {holder}, 역할"
    " {role}, 프로젝트 {projects:list})",
)
GIVE_DIRECTLY = message(
    "move.role.give_directly",
    en="Give the role on the new cloud by hand, if it is wanted there.",
    ko="새 클라우드에서도 필요한 권한이면 직접 할당해 주십시오.",
)
NOW_DIRECT = message(
    "move.role.now_direct",
    en="it came from above, which is not moved",
    ko="상위에서 물려받은 권한인데 상위를 이전하지 않습니다",
)
MADE_DIRECT = message(
    "move.role.made_direct",
    en="{who:kind} {holder} is {role} on {projects:list} by what is above them: it is given on these themselves",
    ko="상위에서 물려받은 권한을 프로젝트에 직접 부여합니다({who:kind} {holder}, 역할 {role}, 프로젝트"
    " {projects:list})",
)
MEMBER = message("move.role.member", en="what _member_ became", ko="_member_ 역할의 새 이름입니다")


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    for row in facts.assignments:
        yield from of_others(facts, KIND.name, row.body["role"]["id"], ASSIGNMENT.name)
    for identity in sorted(_used(facts)):
        for implied in _implied(facts.old, identity):
            yield from of_others(facts, KIND.name, implied, INFERENCE.name)


def _implied(side: Side, role: str) -> list[str]:
    """The ids of the roles that a role gives by itself."""
    row = side.all(INFERENCE.name).get(role)
    return [str(one["id"]) for one in row.body["implies"]] if row else []


def _used(facts: Facts) -> set[str]:
    """The ids of the roles that somebody has on the projects, and of all that these imply."""
    return _given(facts.old, (str(row.body["role"]["id"]) for row in facts.assignments))


def _given(side: Side, roles: Iterable[str]) -> set[str]:
    """The ids of the roles and of all that they imply."""
    found: set[str] = set()
    todo = set(roles)
    while todo:
        found |= todo
        todo = {implied for role in todo for implied in _implied(side, role)} - found
    return found


def _match(facts: Facts, need: Need) -> Match:
    domain = _domain_name(facts.old, need.row) if need.row else ""
    found, why = same_but_case(facts, KIND.name, need, lambda row: _domain_name(facts.new, row) == domain)
    if found:
        return found[0].id if len(facts.new.named(KIND.name, found[0].name)) > 1 else found[0].name, why
    if need.key == "_member_" and facts.new.named(KIND.name, "member"):
        return "member", MEMBER()
    return CREATE, ABSENT()


def _domain_name(side: Side, role: Row) -> str:
    """The name of the domain that alone has the role, "" for a role of all; names say which domains correspond."""
    domain = side.all("domain").get(str(role.body.get("domain_id")))
    return domain.name.casefold() if domain else ""


SECTION = Section("roles", "role", "that somebody has on the projects", _uses, _match, creatable=True)


# -- rules


def roles(draft: Draft) -> None:
    """Roles that somebody has on the projects: mapped, or made by name."""
    known = draft.facts.old.all(KIND.name)
    for identity in sorted(_used(draft.facts)):
        row = known.get(identity)
        if row is None:
            continue  # who has it is told that it is not there
        choice, target = draft.choice(SECTION.name, row), draft.target(SECTION.name, KIND.name, row)
        if choice and target:
            renamed = [FieldChange("name", row.name, choice.target, choice.why)] if choice.target != row.name else []
            draft.match(row, target, choice.why, renamed)
        elif choice and choice.target == CREATE:
            domain = row.body.get("domain_id")
            if domain and draft.ref("domain", domain) is None:
                draft.leave(row, NO_DOMAIN())
                continue
            new = draft.ref("domain", domain) if domain else None
            if new and matched(draft, KIND, row, new):
                continue  # the map gives the domain another name
            if not new:
                one_of_two(draft, row)
            body = {**given(row), **({"domain_id": new} if domain else {})}
            listing = ["/roles?domain_id=", new] if domain else ""
            where = {"name": row.name, "domain_id": new}
            draft.create(row, KIND.creation(draft.new, body, where=where, listing=listing))
    _inferences(draft)


def _inferences(draft: Draft) -> None:
    """What a role implies: given to roles that the move makes; of one that is there already nothing is changed, since
    it is others', too, and who has it is told what is missing."""
    known = draft.facts.old.all(KIND.name)
    for row in draft.facts.old.all(INFERENCE.name).values():
        prior = row.body["prior_role"]["id"]
        decision = draft.decisions.get((KIND.name, prior))
        if decision is None or decision.decision == "leave" or prior not in known:
            continue
        wanted = [(one, draft.ref(KIND.name, one)) for one in _implied(draft.facts.old, prior)]
        if decision.decision == "match":
            there = list(_given(draft.facts.new, [decision.new]))  # looked for in it: references, too
            missing = [known[one].name if one in known else one for one, new in wanted if new not in there]
            _not_implied(draft, known[prior], decision.name, missing, _holders(draft, prior))
            continue
        for one, new in wanted:
            if new is not None and one in known:
                path = [f"{KIND.path}/", draft.ref(KIND.name, prior), "/implies/", new]
                title = IMPLIES(role=known[prior].name, implied=known[one].name)
                undo = [{"method": "DELETE", "path": path, "ok": [404]}]
                request = {"method": "PUT", "path": path, "ok": [409]}
                draft.call(f"{row.kind}/{prior} {one}", SERVICE, [request], title, undo=undo, about=known[prior])


def _not_implied(draft: Draft, role: Row, new: str, missing: list[str], people: list[str]) -> None:
    """Tells people of the roles (by name) that they have by the `role` and would not have by `new`, its counterpart."""
    if missing and people:
        said = NOT_IMPLIED(role=role.name, roles=missing, cloud=draft.new, people=people)
        draft.report("warning", said, about=role.id, hint=IMPLY(role=new, implied=missing[0]))


def _beyond(draft: Draft, people: dict[tuple[str, str], set[str]]) -> None:
    """As `_inferences`, of roles that nobody has on a project itself: who (names) has which by an assignment on what is
    above, by the role's id on both clouds."""
    known = draft.facts.old.all(KIND.name)
    for (old, new), names in people.items():
        if old in _used(draft.facts) or not (target := draft.facts.new.all(KIND.name).get(new)):
            continue
        there, missing = list(_given(draft.facts.new, [new])), []
        for one in sorted(_given(draft.facts.old, [old]) - {old}):
            if one in known and (draft.ref(KIND.name, one) or _same_role(draft, known[one])) not in there:
                missing.append(known[one].name)
        _not_implied(draft, known[old], target.name, missing, sorted(names))


def _holders(draft: Draft, role: str) -> list[str]:
    """The names of the users and groups that have the role on the projects, or another one that implies it."""
    found, giving = set(), {role}
    rows = draft.facts.old.all(INFERENCE.name)
    while more := {one for one in rows if one not in giving and giving.intersection(_implied(draft.facts.old, one))}:
        giving |= more
    for row in draft.facts.assignments:
        who = "user" if "user" in row.body else "group"
        holder = draft.facts.old.all(who).get(row.body[who]["id"])
        if row.body["role"]["id"] in giving and holder:
            found.add(holder.name)
    return sorted(found)


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
    return ["/OS-INHERIT", *path, "/inherited_to_projects"] if _inherited(row) else path


def _inherited(row: Row) -> bool:
    """Whether it counts on the projects below, and not where it is given."""
    return bool(row.body["scope"].get("OS-INHERIT:inherited_to"))


def domain_assignments(draft: Draft) -> None:
    """Roles on whole domains: only on those that the move makes. On a domain that exists already a role reaches
    projects that have nothing to do with the move."""
    known = draft.facts.old.all(KIND.name)
    people: dict[tuple[str, str], set[str]] = {}
    for row in draft.facts.old.all(ASSIGNMENT.name).values():
        body = row.body
        domain = (body["scope"].get("domain") or {}).get("id")
        who = "user" if "user" in body else "group"
        holders = draft.facts.users if who == "user" else draft.facts.groups
        decision = draft.decisions.get(("domain", str(domain)))
        above = decision is not None and decision.decision != "create" and _inherited(row)
        if domain is None or decision is None or body[who]["id"] not in holders or above:
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
        people.setdefault((role.id, str(new)), set()).add(names["holder"])
    _beyond(draft, people)


def from_above(draft: Draft) -> None:
    """Access that a project has from a domain or a project above it, which is not made anew: given on the project
    itself where the role and who has it are on the new cloud, else told."""
    people: dict[tuple[str, str], set[str]] = {}
    for row in draft.facts.old.all(ASSIGNMENT.name).values():
        projects = _below(draft, row)
        if not projects or (row.kind, row.id) in draft.decisions:
            continue
        who = "user" if "user" in row.body else "group"
        holder = draft.facts.old.all(who).get(row.body[who]["id"])
        role = draft.facts.old.all(KIND.name).get(row.body["role"]["id"])
        if holder is None or role is None:
            continue
        names = {"who": who, "holder": holder.name, "role": role.name, "projects": [one.name for one in projects]}
        new = draft.ref(KIND.name, role.id) or draft.target(SECTION.name, KIND.name, role) or _same_role(draft, role)
        here = draft.ref(who, holder.id)
        if new is None or here is None:
            draft.leave(row, FROM_ABOVE(**names), hint=GIVE_DIRECTLY())
            continue
        for project in projects:
            path = ["/projects/", draft.ref("project", project.id), f"/{who}s/", here, "/roles/", new]
            step = draft.call(
                f"{row.kind}/{row.id} {project.id}",
                SERVICE,
                [{"method": "PUT", "path": path, "ok": [409]}],
                ON_PROJECT(who=who, holder=holder.name, role=role.name, project=project.name),
                undo=[{"method": "DELETE", "path": path, "ok": [404]}],
                about=row,
                project=project.id,
            )
        draft.made(row, step, why=NOW_DIRECT())
        draft.report("info", MADE_DIRECT(**names), about=row.id)
        people.setdefault((role.id, str(new)), set()).add(holder.name)
    _beyond(draft, people)


def _below(draft: Draft, row: Row) -> list[Row]:
    """The projects of the move that the assignment reaches from above: from their domain, or from a project above them
    that is not moved."""
    scope = row.body["scope"]
    if not _inherited(row):
        return []
    if domain := (scope.get("domain") or {}).get("id"):
        return [one for one in draft.facts.projects.values() if one.body.get("domain_id") == domain]
    top = (scope.get("project") or {}).get("id")
    return [one for one in draft.facts.projects.values() if top != one.id and top in _above(draft, one)]


def _above(draft: Draft, project: Row) -> list[str]:
    """The ids of the projects above one, up to the first that is moved: from there on access comes by that."""
    found: list[str] = []
    parent = str(project.body.get("parent_id") or "")
    known = draft.facts.old.all("project")
    while parent in known and parent not in found and parent not in draft.facts.projects:
        found.append(parent)
        parent = str(known[parent].body.get("parent_id") or "")
    return found


def _same_role(draft: Draft, role: Row) -> str | None:
    found = draft.facts.new.alike(KIND.name, role.name, lambda row: not row.body.get("domain_id"))
    return found[0].id if found else None
