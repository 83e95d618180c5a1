"""Domains, roles, projects, users and groups."""

from typing import Any

from naru.actions.request import Request
from naru.inventory.rows import Row
from naru.operate.tenants.draft import Draft, OfProject
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.kind import TEXT, Field, Kind
from naru.operate.tenants.model import Group, User
from naru.operate.tenants.names import Thing, label
from naru.operate.tenants.steps import SetPassword

SERVICE = "identity"
FLAG = Field(True)
TAGS = "project_tags"
"""What a Keystone has that knows tags of projects: Queens and later."""


def _kind(name: str, *, fixed: dict[str, Field] | None = None, **fields: Field) -> Kind:
    return Kind(name, SERVICE, f"/{name}s", name, f"{name}s", {**fields, **(fixed or {})}, method="PATCH")


DOMAIN = _kind("domain", description=TEXT, enabled=FLAG)
ROLE = _kind("role")
PROJECT = _kind(
    "project",
    description=TEXT,
    enabled=FLAG,
    tags=Field([], unordered=True, extension=TAGS),
    parent_id=Field(fixed=True),
)
USER = _kind("user", description=TEXT, email=TEXT, enabled=FLAG, default_project_id=Field())
GROUP = _kind("group", description=TEXT)


# -- declared


def declare(draft: Draft) -> None:
    """All of the file, so that each may name any other."""
    names = draft.names
    for domain in draft.tenants.domains:
        found = names.all("domain", "", domain.name)
        _take(draft, draft.declare("domain", found, domain.name, domain.name, "", ""), domain, None)
    for role in draft.tenants.roles:
        found = names.all("role", "", role.name)
        _take(draft, draft.declare("role", found, role.name, role.name, "", ""), role, None)
    for kind, things in (
        *(("project", draft.tenants.projects), ("user", draft.tenants.users)),
        ("group", draft.tenants.groups),
    ):
        for one in things:
            place = f"{kind}s: {one.name}: domain"
            in_domain = names.domain(one.domain, place)
            owner = names.domain_label(one.domain)
            found = names.all(kind, owner, one.name)
            thing = draft.declare(kind, found, one.name, label(owner, one.name), owner, "")
            _take(draft, thing, one, in_domain)
    draft.projects = [OfProject(thing, written) for thing, written, _ in draft.things.get("project", ())]


def _take(draft: Draft, thing: Thing, written: Any, more: Any) -> None:
    if thing.row is None:
        draft.names.add(thing)
    draft.things.setdefault(thing.kind, []).append((thing, written, more))


# -- planned


def domains(draft: Draft) -> None:
    """Domains; one that is made can be taken back, for it is disabled first."""
    for thing, written, _ in draft.things.get("domain", ()):
        body = _fields(DOMAIN, written.written())
        if thing.row:
            draft.change(DOMAIN, thing, body)
        else:
            # only a disabled one can be deleted
            closing = Request(method="PATCH", body={DOMAIN.wrap: {"enabled": False}})
            draft.create(DOMAIN, thing, {"name": thing.name, **body}, {"name": thing.name}, closing=closing)


def roles(draft: Draft) -> None:
    """Roles of the whole cloud."""
    for thing, _, _ in draft.things.get("role", ()):
        if not thing.row:
            draft.create(ROLE, thing, {"name": thing.name}, {"name": thing.name, "domain_id": None})


def projects(draft: Draft) -> None:
    """Projects, each after the one that it is below."""
    _check_circles(draft)
    for thing, written, domain in draft.things.get("project", ()):
        if domain is None:
            continue
        body = _fields(PROJECT, written.written())
        shown = {}
        if written.parent:
            parent = draft.names.of_domain("project", written.parent, f"projects: {thing.label}: parent")
            if parent is None:
                continue
            body["parent_id"] = parent.target
            shown["parent_id"] = (_called(draft, thing.row, "parent_id"), parent.label)
        body = draft.known(PROJECT, thing, body)
        unit = f"project {thing.label}"
        if thing.row:
            draft.change(PROJECT, thing, body, unit=unit, shown=shown)
        else:
            where = {"name": thing.name, "domain_id": domain.target}
            listing = ["/projects?domain_id=", domain.target]
            draft.create(PROJECT, thing, {**where, **body}, where, unit=unit, listing=listing)


def _check_circles(draft: Draft) -> None:
    """Projects that are each below the other can be made in no order."""
    parents: dict[str, str] = {}
    for thing, written, _ in draft.things.get("project", ()):
        if written.parent:
            above = written.parent
            parents[thing.label] = label(draft.names.domain_label(above.domain), above.name)
    for start in parents:
        way = [start]
        while way[-1] in parents and parents[way[-1]] not in way:
            way.append(parents[way[-1]])
        if way[-1] in parents and parents[way[-1]] == start:
            circle = " -> ".join([*way, start])
            draft.names.problem(f"projects: {start}: parent", f"projects are below each other: {circle}")
            for one in way:
                parents[one] = ""
            return


def users(draft: Draft) -> None:
    """Users, with a password where the file says where one is, and they are made."""
    for thing, written, domain in draft.things.get("user", ()):
        if domain is None:
            continue
        user: User = written
        body = _fields(USER, user.written())
        shown = {}
        if "default_project" in user.model_fields_set:
            default = user.default_project
            project = default and draft.names.of_domain("project", default, f"users: {thing.label}: default_project")
            if default and project is None:
                continue
            body["default_project_id"] = project.target if project else None
            there = _called(draft, thing.row, "default_project_id")
            shown["default_project_id"] = (there, project.label if project else None)
        if thing.row:
            draft.change(USER, thing, body, shown=shown)
            continue
        where = {"name": thing.name, "domain_id": domain.target}
        body = {name: value for name, value in body.items() if value is not None}
        draft.create(USER, thing, {**where, **body}, where, listing=["/users?domain_id=", domain.target])
        if user.password:
            action = SetPassword(
                cloud=draft.cloud,
                service=SERVICE,
                user=thing.target,
                name=thing.label,
                directory=str(draft.directory),
                file=user.password.file,
                command=user.password.command,
            )
            draft.password(thing, action)


def groups(draft: Draft) -> None:
    """Groups and who is in them."""
    for thing, written, domain in draft.things.get("group", ()):
        if domain is None:
            continue
        group: Group = written
        body = _fields(GROUP, group.written())
        if thing.row:
            draft.change(GROUP, thing, body)
        else:
            where = {"name": thing.name, "domain_id": domain.target}
            listing = ["/groups?domain_id=", domain.target]
            draft.create(GROUP, thing, {**where, **body}, where, listing=listing)
        if "members" in group.model_fields_set:
            _members_of(draft, thing, group)


def _members_of(draft: Draft, thing: Thing, group: Group) -> None:
    memberships = draft.facts.of("group membership", "group_id", thing.id) if thing.row else ()
    there = {str(row.body["id"]): str(row.body.get("name") or row.body["id"]) for row in memberships}

    def link(called: str, user: Any, remove: bool) -> None:
        path = ["/groups/", thing.target, "/users/", user]
        put, delete = {"method": "PUT", "path": path}, {"method": "DELETE", "path": path, "ok": [404]}
        requests = (delete, put) if remove else (put, delete)
        draft.link(thing, "members", called, SERVICE, requests[:1], requests[1:], remove=remove)

    draft.named(thing, "members", "user", group.members, there, "group_members", link)


def _fields(kind: Kind, written: dict[str, Any]) -> dict[str, Any]:
    """Those of the kind's fields that are written under the API's own name."""
    return {name: kind.fields[name].sent(_plain(value)) for name, value in written.items() if name in kind.fields}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _called(draft: Draft, row: Row | None, field: str) -> str | None:
    """What the project in a row's field is called."""
    identity = str(row.body.get(field) or "") if row else ""
    found = draft.names.of_id("project", identity)
    return found.label if found else identity or None


# -- written into a file


def export(out: Exporter) -> None:
    """Domains, roles, users and groups that the projects have to do with; the projects themselves."""
    for row in out.rows("domain"):
        out.put("domains", {"name": row.name, **out.fields(DOMAIN, row)}, row)
    for row in out.rows("role"):
        out.put("roles", row.name)
    for row in out.rows("user"):
        default = str(row.body.get("default_project_id") or "")
        chosen = {"default_project": out.ref("project", default)} if out.names.of_id("project", default) else {}
        out.put("users", {**out.name(row), **out.fields(USER, row, without=("default_project_id",)), **chosen}, row)
    for row in out.rows("group"):
        found = out.facts.of("group membership", "group_id", row.id)
        users = [str(one.body["id"]) for one in found if out.has("user", str(one.body["id"]))]
        members = {"members": out.refs("user", users)} if users else {}
        out.put("groups", {**out.name(row), **out.fields(GROUP, row), **members}, row)
    for row in out.projects:
        parent = str(row.body.get("parent_id") or "")
        below = {"parent": out.ref("project", parent)} if out.names.of_id("project", parent) else {}
        out.put("projects", {**out.name(row), **out.fields(PROJECT, row, without=("parent_id",)), **below}, row)
