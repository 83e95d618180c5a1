"""Domains, projects, users, groups, roles and who has which: Keystone's, which all else stands on."""

import re
from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import Draft, Rule, ref
from naru.move.mapping import CREATE
from naru.move.steps import PASSWORD
from naru.plan.model import BARRIER

SERVICE = "identity"
EVERYTHING = "everything"
"""The point after which no project is made any more."""
PROJECT = ("name", "description", "tags", "options")
USER = ("name", "description", "email", "options")
GROUP = ("name", "description")
ITS_ID = re.compile("[0-9a-f]{32}")
# what Keystone has of its own; whatever else it tells is somebody's, and is kept
ITS_OWN = frozenset(
    (
        *("id", "links", "domain_id", "parent_id", "is_domain", "enabled", "default_project_id", "password_expires_at"),
        *("federated", "name"),
    )
)


def domains(draft: Draft) -> None:
    """Domains are matched by the map, or made."""
    rows = [*draft.facts.projects.values(), *draft.facts.users.values(), *draft.facts.groups.values()]
    known = draft.facts.old.all("domain")
    for identity in sorted({str(row.body.get("domain_id")) for row in rows}):
        row = known.get(identity)
        if row is None:
            continue
        if target := draft.target("domains", "domain", row):
            draft.match(row, target, draft.chosen("domains", row).why)  # type: ignore[union-attr]
        else:
            # Keystone keeps a domain's id where it is asked to: the ids of a directory's users are made of it
            body = {**_own(row), "enabled": row.body.get("enabled", True), "explicit_domain_id": row.id}
            draft.create(
                *(row, body),
                path="/domains",
                wrap="domain",
                where={"name": row.name},
                closing={"method": "PATCH", "body": {"domain": {"enabled": False}}},  # only such a one can be deleted
            )


def _own(row: Row) -> dict[str, Any]:
    """Name, description and all else that people have given the thing, attributes of their own invention included."""
    return {"name": row.name, **{name: value for name, value in row.body.items() if name not in ITS_OWN}}


def projects(draft: Draft) -> None:
    """Projects, parents first. One of the same name in the mapped domain is taken; it is made enabled, whatever it was,
    since nobody could act in it otherwise, and is switched off at the end."""
    rows = draft.facts.projects
    for row in sorted(rows.values(), key=lambda row: _depth(draft, row)):
        domain = draft.ref("domain", row.body.get("domain_id"))
        if found := _matched(draft, row, domain, PROJECT):
            owned = _owned(draft, found)
            if owned:
                draft.find(
                    "warning",
                    f"project {row.name}: {draft.new} has it already, with {owned} in it",
                    detail="What is moved comes beside that. Names may be there twice.",
                    about=row.id,
                    hint="Move into an empty project where you can.",
                )
            continue
        body = {**_own(row), "domain_id": domain, "enabled": True}
        parent = row.body.get("parent_id")
        rules = []
        if parent and parent != row.body.get("domain_id"):
            if draft.ref("project", parent) is not None:
                body["parent_id"] = draft.ref("project", parent)
            else:
                rules.append(Rule("parent_id", parent, None, "its parent is not moved with it"))
        draft.create(
            *(row, body),
            path="/projects",
            wrap="project",
            where={"name": row.name, "domain_id": domain},
            rules=rules,
        )


def _depth(draft: Draft, row: Row) -> tuple[int, str]:
    depth, parent = 0, str(row.body.get("parent_id") or "")
    while parent in draft.facts.projects:
        depth, parent = depth + 1, str(draft.facts.projects[parent].body.get("parent_id") or "")
    return depth, row.name


def _differences(old: Row, new: Row, fields: tuple[str, ...]) -> list[Rule]:
    return [
        Rule(name, old.body.get(name), new.body.get(name), "what the new cloud has already is left as it is")
        for name in fields
        if name in old.body and old.body.get(name) != new.body.get(name)
    ]


def _matched(draft: Draft, row: Row, domain: Any, fields: tuple[str, ...]) -> Row | None:
    """What the new cloud has of that kind and name in the domain is taken, and answered."""
    for other in draft.facts.new.named(row.kind, row.name):
        if other.name == row.name and other.body.get("domain_id") == domain:
            draft.match(row, other.id, "same name in the same domain", _differences(row, other, fields))
            return other
    return None


def _owned(draft: Draft, project: Row) -> str:
    counts = {
        kind: len(draft.facts.new.of(kind, project.id)) for kind in ("server", "volume", "network", "router", "image")
    }
    return ", ".join(f"{count} {kind}s" for kind, count in counts.items() if count)


def users(draft: Draft) -> None:
    """Users with a role on the projects, or with something in them. One of the same name in the mapped domain is
    taken; others are made, with new passwords. They are made enabled, for things are made as them."""
    for row in draft.facts.users.values():
        domain = draft.ref("domain", row.body.get("domain_id"))
        if _matched(draft, row, domain, USER) or _elsewhere(draft, row):
            continue
        body: dict[str, Any] = {
            **_own(row),
            "domain_id": domain,
            "enabled": True,
            "password": {PASSWORD: whose(draft, row.id), "key": draft.key},
        }
        where = {"name": row.name, "domain_id": domain}
        step = draft.create(row, body, path="/users", wrap="user", where=where)
        if project := row.body.get("default_project_id"):
            if draft.ref("project", project) is not None:
                _default_project(draft, row, step, project)
            else:
                why = "that project is not moved with it"
                draft.rule(row, Rule("default_project_id", project, None, why))


def _elsewhere(draft: Draft, row: Row) -> bool:
    """Leaves, and tells of, a user or group that Keystone did not make: its own have a UUID for their id, those of a
    directory (LDAP) what the directory calls them or, in all but the default domain, a hash of that."""
    if ITS_ID.fullmatch(row.id):
        return False
    hint = "Connect the domain on the new cloud to the same directory, or make it there by hand; then plan again."
    draft.leave(row, "it comes from a directory, and is not there yet", severity="error", hint=hint)
    return True


def _default_project(draft: Draft, user: Row, step: str, project: str) -> None:
    """A step of the project's: the user, who may be others' too, does not rest on it."""

    def request(value: Any, **more: Any) -> dict[str, Any]:
        body = {"user": {"default_project_id": value}}
        return {"method": "PATCH", "path": ["/users/", ref(step)], "body": body, **more}

    name = draft.facts.projects[project].name
    draft.step(
        f"{step} default project",
        "move.call",
        {
            "cloud": draft.new,
            "service": SERVICE,
            "requests": [request(draft.ref("project", project))],
            "undo": [request(None, ok=[404])],
        },
        title=f"{name} is the default project of user {user.name}",
        project=project,
    )


def whose(draft: Draft, user: str) -> str:
    """What a new user's password is derived from."""
    return f"{draft.old}/{user}"


def groups(draft: Draft) -> None:
    """Groups with a role on the projects, and their members among the users."""
    for row in draft.facts.groups.values():
        domain = draft.ref("domain", row.body.get("domain_id"))
        if not _matched(draft, row, domain, GROUP) and not _elsewhere(draft, row):
            body = {**_own(row), "domain_id": domain}
            where = {"name": row.name, "domain_id": domain}
            draft.create(row, body, path="/groups", wrap="group", where=where)
    for row in draft.facts.old.all("group membership").values():
        group, user = row.body["group_id"], row.body["id"]
        if group in draft.facts.groups and draft.ref("group", group) is not None:
            new_group, new_user = draft.ref("group", group), draft.ref("user", user)
            if new_user is None:
                draft.leave(row, "the user is not moved")
            else:
                names = draft.facts.users[user].name, draft.facts.groups[group].name
                path = ["/groups/", new_group, "/users/", new_user]
                _link(draft, row, path, "user {} is in the group {}".format(*names), "")


def _link(draft: Draft, row: Row, path: list[Any], title: str, project: str) -> None:
    """A relation that PUT makes and DELETE ends; a relation that the new cloud has already is matched."""
    if all(isinstance(part, str) for part in path) and _present(draft, row, path):
        draft.match(row, "/".join(path), "it is so already")
        return
    step = draft.step(
        f"{row.kind}/{row.id}",
        "move.call",
        {
            "cloud": draft.new,
            "service": SERVICE,
            "requests": [{"method": "PUT", "path": path, "ok": [409]}],
            "undo": [{"method": "DELETE", "path": path, "ok": [404]}],
        },
        title=title,
        project=project,
    )
    draft.made(row, step)


def _present(draft: Draft, row: Row, path: list[str]) -> bool:
    if row.kind == "group membership":
        return f"{path[1]}/{path[3]}" in draft.facts.new.all("group membership")
    return False


def roles(draft: Draft) -> None:
    """Roles that somebody has on the projects: mapped, or made by name."""
    known = draft.facts.old.all("role")
    for identity in sorted({row.body["role"]["id"] for row in draft.facts.assignments}):
        row = known[identity]
        if target := draft.target("roles", "role", row):
            choice = draft.chosen("roles", row)
            assert choice
            rules = [Rule("name", row.name, choice.target, choice.why)] if choice.target != row.name else []
            draft.match(row, target, choice.why, rules)
        elif (choice := draft.chosen("roles", row)) and choice.target == CREATE:
            draft.create(
                *(row, _own(row)),
                path="/roles",
                wrap="role",
                where={"name": row.name, "domain_id": None},
            )


def assignments(draft: Draft) -> None:
    """Who has which role on the projects, inherited ones as such."""
    for row in draft.facts.assignments:
        body = row.body
        who = "user" if "user" in body else "group"
        role = draft.ref("role", body["role"]["id"])
        actor = draft.ref(who, body[who]["id"])
        project = draft.ref("project", body["scope"]["project"]["id"])
        if role is None or actor is None:
            draft.leave(row, f"its {'role' if role is None else who} is not on the new cloud")
            continue
        path: list[Any] = ["/projects/", project, f"/{who}s/", actor, "/roles/", role]
        inherited = body["scope"].get("OS-INHERIT:inherited_to")
        if inherited:
            path = ["/OS-INHERIT", *path, "/inherited_to_projects"]
        name = draft.facts.old.all("role")[body["role"]["id"]].name
        holder = draft.facts.old.all(who)[body[who]["id"]].name
        where = draft.facts.projects[body["scope"]["project"]["id"]].name
        _link(draft, row, path, f"{who} {holder} is {name} on {where}", row.project)


def domain_assignments(draft: Draft) -> None:
    """Roles on whole domains: only on those that the move makes. On a domain that is there already a role reaches
    projects that have nothing to do with the move."""
    for row in draft.facts.old.all("role assignment").values():
        body = row.body
        domain = (body["scope"].get("domain") or {}).get("id")
        who = "user" if "user" in body else "group"
        actors = draft.facts.users if who == "user" else draft.facts.groups
        decision = draft.decisions.get(("domain", str(domain)))
        if domain is None or decision is None or body[who]["id"] not in actors:
            continue
        known = draft.facts.old.all("role")
        role, name = known[body["role"]["id"]], actors[body[who]["id"]].name
        if decision.decision != "create" or draft.ref(who, body[who]["id"]) is None:
            hint = "Give it on the new cloud by hand, if it is wanted on all of that domain."
            draft.leave(row, f"{who} {name} has role {role.name} on the domain {decision.name}", hint=hint)
            continue
        new = draft.ref("role", role.id) or draft.target("roles", "role", role) or _same_role(draft, role)
        if new is None:
            draft.leave(row, f"its role {role.name} is not on the new cloud")
            continue
        path: list[Any] = ["/domains/", draft.ref("domain", domain), f"/{who}s/", draft.ref(who, body[who]["id"])]
        path += ["/roles/", new]
        if body["scope"].get("OS-INHERIT:inherited_to"):
            path = ["/OS-INHERIT", *path, "/inherited_to_projects"]
        _link(draft, row, path, f"{who} {name} is {role.name} on the domain {decision.name}", "")


def _same_role(draft: Draft, role: Row) -> str | None:
    found = [row.id for row in draft.facts.new.named("role", role.name) if not row.body.get("domain_id")]
    return found[0] if found else None


def credentials(draft: Draft) -> None:
    """EC2 credentials keep access key and secret, which are read when they are written and stored nowhere; others are
    the users' own."""
    for row in draft.facts.old.all("credential").values():
        project = str(row.body.get("project_id") or "")
        user = str(row.body.get("user_id") or "")
        if user not in draft.facts.users or (project and project not in draft.facts.projects):
            continue
        if row.body.get("type") != "ec2" or not project:
            draft.leave(row, f"a credential of type {row.body.get('type')} is its user's own")
            continue
        if draft.ref("user", user) is None:
            draft.leave(row, "its user is not moved")
            continue
        step = draft.step(
            f"{row.kind}/{row.id}",
            "move.ec2",
            {
                "cloud": draft.new,
                "service": SERVICE,
                "old": draft.old,
                "id": row.id,
                "user": draft.ref("user", user),
                "project": draft.ref("project", project),
            },
            title=f"EC2 credential of {draft.facts.users[user].name} for {draft.facts.projects[project].name}",
            project=project,
        )
        draft.made(row, step)


def application_credentials(draft: Draft) -> None:
    """Nobody but their user can make application credentials, and their secret is known to nobody: tasks."""
    for row in draft.facts.old.all("application credential").values():
        if row.body.get("project_id") in draft.facts.projects and row.body.get("user_id") in draft.facts.users:
            draft.leave(row, "only its user can make it, with a new secret", severity="info")


def switched_off(draft: Draft) -> None:
    """Users and projects that were switched off are so again: a project when everything of it is in its place, a user
    when everything is, or was taken back. No cut-over waits for a user's: one project that cannot be made would hold
    all others."""
    everything = [step for steps in draft.since.values() for step in steps]
    own = {project: list(draft.since.get(project, [])) for project in ("", *draft.facts.projects)}
    waits = ""
    for kind, rows in (("user", draft.facts.users), ("project", draft.facts.projects)):
        for row in rows.values():
            decision = draft.decisions[kind, row.id]
            if row.body.get("enabled", True) or decision.decision != "create":
                continue
            if kind == "user" and not waits:
                made = "all of all projects is made, or was taken back"
                waits = draft.step(EVERYTHING, BARRIER, {}, title=made, project="", after=everything)
            path = [f"/{kind}s/", ref(decision.step)]
            request = {"method": "PATCH", "path": path, "body": {kind: {"enabled": False}}}
            draft.step(
                f"switch off {kind}/{row.id}",
                "move.call",
                {"cloud": draft.new, "service": SERVICE, "requests": [request]},
                title=f"{kind} {row.name} is switched off, as it was",
                project=row.id if kind == "project" else "",
                after=own[row.id] if kind == "project" else [waits],
            )
    draft.since[""] = own[""]
