"""Who has which roles on projects and domains."""

from collections.abc import Iterable
from typing import Any

from naru.inventory.kinds import values
from naru.inventory.rows import Row
from naru.operate.tenants.draft import CLOUD, Draft
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.model import Member
from naru.operate.tenants.names import Thing

INHERITED = "scope.OS-INHERIT:inherited_to"
Key = tuple[str, str, str, bool]
"""Of an assignment on one project or domain: user or group, its id, the role's id, whether it is inherited."""


def members(draft: Draft) -> None:
    """Role assignments of all declared projects and domains."""
    for kind in ("domain", "project"):
        for thing, written, _ in draft.things.get(kind, ()):
            if "members" in written.model_fields_set:
                _of(draft, kind, thing, written.members)


def _of(draft: Draft, kind: str, scope: Thing, members: Iterable[Member]) -> None:
    there = {_key(row): row for row in draft.facts.assignments.get((kind, scope.id), ())}
    declared: set[Key] = set()
    seen: set[str] = set()
    unit = f"project {scope.label}" if kind == "project" else CLOUD
    for member in members:
        what = "user" if member.user else "group"
        named = member.user or member.group
        assert named
        place = f"{kind}s: {scope.label}: members"
        actor = draft.names.of_domain(what, named, place)
        for role_name in member.roles:
            role = draft.names.plain("role", role_name, place)
            if actor is None or role is None:
                continue
            told = _told(what, actor.label, role.name, member.inherited)
            if told in seen:  # a class of the project says it, too
                continue
            seen.add(told)
            key = (what, actor.id, role.id, member.inherited)
            if actor.row and role.row and scope.row:
                declared.add(key)
                if key in there:
                    continue
            _assign(draft, kind, scope, (what, actor.target, role.target, member.inherited), told, unit)
    for key, row in there.items():
        if key in declared:
            continue
        told = _called(draft, row, key)
        if draft.prunes("members"):
            _assign(draft, kind, scope, key, told, unit, remove=True)
        else:
            draft.undeclared(scope, "members", told)


def _assign(
    draft: Draft,
    kind: str,
    scope: Thing,
    key: tuple[str, Any, Any, bool],
    told: str,
    unit: str,
    *,
    remove: bool = False,
) -> None:
    what, actor, role, inherited = key
    path = [f"/{kind}s/", scope.target, f"/{what}s/", actor, "/roles/", role]
    if inherited:
        path = ["/OS-INHERIT", *path, "/inherited_to_projects"]
    put, delete = {"method": "PUT", "path": path}, {"method": "DELETE", "path": path, "ok": [404]}
    requests = (delete, put) if remove else (put, delete)
    draft.link(scope, "members", told, "identity", requests[:1], requests[1:], unit=unit, remove=remove)


def _key(row: Row) -> Key:
    what = "user" if "user" in row.body else "group"
    inherited = bool(next(values(row.body, INHERITED), ""))
    return what, str(row.body[what]["id"]), str(row.body["role"]["id"]), inherited


def _told(what: str, actor: str, role: str, inherited: bool) -> str:
    return f"{what} {actor}: {role}" + (" (inherited)" if inherited else "")


def _called(draft: Draft, row: Row, key: Key) -> str:
    what, identity, role, inherited = key
    actor, known = draft.names.of_id(what, identity), draft.facts.all("role").get(role)
    return _told(what, actor.label if actor else identity, known.name if known else role, inherited)


def export(out: Exporter) -> None:
    """The roles of all that are in the file, by who has them."""
    for kind in ("domain", "project"):
        for scope in out.rows(kind):
            roles: dict[tuple[str, str, bool], set[str]] = {}
            for row in out.facts.assignments.get((kind, scope.id), ()):
                what, identity, role, inherited = _key(row)
                if identity not in out.facts.all(what):
                    out.leave("project", scope, f"the {what} {identity}, who has a role, is not there any more")
                elif out.has(what, identity) and out.has("role", role):
                    roles.setdefault((what, identity, inherited), set()).add(out.facts.all("role")[role].name)
            written = [
                {what: out.ref(what, identity), "roles": sorted(names)} | ({"inherited": True} if inherited else {})
                for (what, identity, inherited), names in roles.items()
            ]
            out.more(scope, "members", _ordered(written))


def _ordered(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        written, key=lambda one: ("group" in one, str(one.get("user") or one.get("group")), "inherited" in one)
    )
