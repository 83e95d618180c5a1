"""Flavors, key pairs and server groups."""

import re
from typing import Any
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from naru.inventory.rows import Row
from naru.move.draft import Draft, Rule, kept, ref, title
from naru.move.kinds.identity import whose
from naru.move.mapping import CREATE
from naru.move.steps import PASSWORD

SERVICE = "compute"
FLAVOR = (
    "ram",
    "vcpus",
    "disk",
    "rxtx_factor",
    "OS-FLV-EXT-DATA:ephemeral",
    "os-flavor-access:is_public",
    "description",
)
# the last version that takes any extra spec: what a cloud has had for years may have a typing error in it
SPECS_VERSION = "2.61"
KEY_HINT = "Servers keep the key in their disk; the user can add a newer one."
KEY_NAME = re.compile(r"[\w\- .@]{1,255}", re.ASCII)


def flavors(draft: Draft) -> None:
    """Flavors of the servers: mapped, or made with the same id where it is free. For one that was deleted while
    servers have it, a private one stands in."""
    for row in _used(draft):
        if target := draft.target("flavors", "flavor", row):
            choice = draft.chosen("flavors", row)
            assert choice
            rules = (
                [Rule("name", row.name, choice.target, choice.why)] if choice.target not in (row.name, row.id) else []
            )
            draft.match(row, target, choice.why, rules)
            continue
        choice = draft.chosen("flavors", row)
        gone = row.id not in draft.facts.old.all("flavor")
        if not gone and not (choice and choice.target == CREATE):
            continue  # not decided: the preflight says so
        body, rules = kept(row, FLAVOR), []
        body = {name: value for name, value in body.items() if value is not None}
        body |= {"name": row.name, "swap": int(row.body.get("swap") or 0)}
        taken = {other.name for other in draft.facts.new.all("flavor").values()}
        if row.name in taken:
            body["name"] = f"{row.name}-{row.id[:8]}"
            rules.append(Rule("name", row.name, body["name"], "another flavor there has this name"))
        if row.id and row.id not in draft.facts.new.all("flavor") and not gone:
            body["id"] = row.id
        else:
            rules.append(Rule("id", row.id, None, "the new cloud gives its own"))
        step = draft.create(
            *(row, body),
            path="/flavors",
            listing="/flavors/detail?is_public=None",
            wrap="flavor",
            where={"name": body["name"]},
            rules=rules,
            why="it was deleted while servers have it: a private one stands in" if gone else "",
            version=SPECS_VERSION,
        )
        _specs(draft, row, step, gone)


def _specs(draft: Draft, row: Row, step: str, gone: bool) -> None:
    specs = row.body.get("extra_specs") or draft.facts.old.extra_specs(row.id)
    if specs:
        path = ["/flavors/", ref(step), "/os-extra_specs"]
        request = {"method": "POST", "path": path, "body": {"extra_specs": specs}, "version": SPECS_VERSION}
        draft.step(
            f"{step} specs",
            "move.call",
            {"cloud": draft.new, "service": SERVICE, "requests": [request]},
            title=f"extra specs of {title(row)}",
            project="",
        )
        draft.bootable[row.id] = f"{step} specs"
    if gone:
        users = {server.project for server in draft.facts.owned("server") if flavor_id(draft, server) == row.id}
        for project in sorted(users):
            _access(draft, row, step, project)
        return
    for row_ in draft.facts.old.by("flavor access", "flavor_id", row.id):
        if draft.ref("project", row_.body["tenant_id"]) is not None:
            draft.made(row_, _access(draft, row, step, row_.body["tenant_id"]))
        else:
            draft.leave(row_, f"project {row_.body['tenant_id']} is not moved with it", severity="info")


def _access(draft: Draft, row: Row, step: str, project: str) -> str:
    """The step, one of the project's own, that lets it use the flavor that `step` makes."""

    def request(action: str, *known: int) -> dict[str, Any]:
        body = {action: {"tenant": draft.ref("project", project)}}
        return {"method": "POST", "path": ["/flavors/", ref(step), "/action"], "body": body, "ok": list(known)}

    draft.access[project, row.id] = draft.step(
        f"{step} access {project}",
        "move.call",
        {
            "cloud": draft.new,
            "service": SERVICE,
            "requests": [request("addTenantAccess", 409)],
            "undo": [request("removeTenantAccess", 404)],
        },
        title=f"{draft.facts.projects[project].name} may use {title(row)}",
        project=project,
    )
    return draft.access[project, row.id]


def _used(draft: Draft) -> list[Row]:
    """The flavors of the servers, with a row made up for those that were deleted."""
    found: dict[str, Row] = {}
    known = draft.facts.old.all("flavor")
    for server in draft.facts.owned("server"):
        identity = flavor_id(draft, server)
        if identity in known:
            found[identity] = known[identity]
        else:
            found[identity] = _stand_in(identity, server)
    return list(found.values())


def flavor_id(draft: Draft, server: Row) -> str:
    """The id of a server's flavor; of one without, its name."""
    told = str((server.body.get("flavor_link") or {}).get("id") or "")
    if told:
        return told
    name = str((server.body.get("flavor") or {}).get("original_name") or "")
    rows = draft.facts.old.named("flavor", name)
    return rows[0].id if rows else name


def _stand_in(identity: str, server: Row) -> Row:
    """A flavor as the server remembers it."""
    told = server.body.get("flavor") or {}
    name = str(told.get("original_name") or f"flavor-{identity}")
    body = {
        "ram": told.get("ram"),
        "vcpus": told.get("vcpus"),
        "disk": told.get("disk"),
        "OS-FLV-EXT-DATA:ephemeral": told.get("ephemeral"),
        "swap": told.get("swap"),
        "os-flavor-access:is_public": False,
        "extra_specs": told.get("extra_specs") or {},
    }
    return Row("flavor", identity, name, "", "", body)


def key_pairs(draft: Draft) -> None:
    """All key pairs of the users. One that the new Nova would refuse is left, and told."""
    for row in draft.facts.old.all("key pair").values():
        user = row.body["user_id"]
        pair = row.body["keypair"]
        if user not in draft.facts.users:
            continue
        owner = draft.ref("user", user)
        if owner is None:
            draft.leave(row, "its user is not moved")
            continue
        if isinstance(owner, str) and (there := draft.facts.new.all("key pair").get(f"{owner}/{row.name}")):
            if there.body["keypair"]["public_key"].split()[:2] == pair["public_key"].split()[:2]:
                draft.match(row, there.id, "same name and key")
            else:
                draft.leave(
                    row, "the user has another key of this name there", hint="Servers keep the key in their disk."
                )
            continue
        if why := _refused(pair):
            draft.leave(row, why, hint=KEY_HINT)
            continue
        body = {"name": row.name, "public_key": pair["public_key"], "type": pair.get("type", "ssh"), "user_id": owner}
        version = "2.92" if draft.facts.new.supports(SERVICE, "2.92") else "2.10"
        path = [f"/os-keypairs/{quote(row.name, safe='')}?user_id=", owner]
        step = draft.step(
            f"{row.kind}/{row.id}",
            "move.call",
            {
                "cloud": draft.new,
                "service": SERVICE,
                "requests": [
                    {
                        "method": "POST",
                        "path": "/os-keypairs",
                        "body": {"keypair": body},
                        "version": version,
                        "ok": [409],
                    }
                ],
                "undo": [{"method": "DELETE", "path": path, "version": version, "ok": [404]}],
            },
            title=f"key pair {row.name} of {draft.facts.users[user].name}",
            project="",
        )
        draft.made(row, step)


def _refused(pair: dict[str, Any]) -> str:
    """Why today's Nova would not take the key pair; empty when it would."""
    if not KEY_NAME.fullmatch(pair["name"]):
        return "the new Nova does not take its name"
    if pair.get("type", "ssh") == "ssh":
        try:
            load_ssh_public_key(pair["public_key"].encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            return f"the new Nova does not take a key like this ({error})"
    return ""


def server_groups(draft: Draft) -> None:
    """Server groups, made as their users, who own them."""
    named: dict[tuple[str, str], list[str]] = {}
    for row in draft.facts.owned("server group"):
        body: dict[str, Any] = {
            "name": row.name,
            "policy": row.body.get("policy") or next(iter(row.body.get("policies") or []), ""),
        }
        if row.body.get("rules"):
            body["rules"] = row.body["rules"]
        who = actor(draft, row)
        # nothing in a group can bear a mark: one of its name is not what the step made when it was there before, or
        # when another step made it
        there = [group.id for group in draft.there(row.kind, row.project)]
        twins = named.setdefault((row.name, row.project), [])
        step = draft.create(
            *(row, body),
            path="/os-server-groups",
            listing="/os-server-groups?all_projects=1",
            wrap="server_group",
            where={"name": row.name, "project_id": draft.ref("project", row.project)},
            ignore=[*there, *map(ref, twins)],
            version="2.64",
            rules=owner_rules(draft, row),
            after=[draft.actors[row.project, str(row.body.get("user_id") or "")]],
            actor=who,
        )
        if row.body.get("metadata"):
            draft.rule(row, Rule("metadata", row.body["metadata"], {}, "Nova keeps none"))
        twins.append(step)


def actor(draft: Draft, row: Row) -> dict[str, Any]:
    """Who makes the thing: its user, if the move has made that user and so knows the password, else the administrator
    in its project."""
    user = str(row.body.get("user_id") or "")
    decision = draft.decisions.get(("user", user))
    project = draft.ref("project", row.project)
    own = decision is not None and decision.decision == "create"
    if (row.project, user) not in draft.actors:
        draft.actors[row.project, user] = _enter(draft, row.project, user if own else "")
    if not own:
        return {"project": project}
    return {
        "project": project,
        "user": draft.ref("user", user),
        "password": {PASSWORD: whose(draft, user), "key": draft.key},
    }


def _enter(draft: Draft, project: str, user: str) -> str:
    """The step that lets somebody act in the project: a role for a while, unless the user has it anyway."""
    for row in draft.facts.owned("role assignment", project):
        decision, body = draft.decisions[row.kind, row.id], row.body
        own = user and body.get("user", {}).get("id") == user and "OS-INHERIT:inherited_to" not in body["scope"]
        if own and decision.decision != "leave" and draft.ref("role", body["role"]["id"]) == draft.role:
            return decision.step
    name = f"act in {project} as {user or 'administrator'}"
    if name in draft.steps:
        return name
    who = draft.ref("user", user) if user else draft.admin
    path = ["/projects/", draft.ref("project", project), "/users/", who, "/roles/", draft.role]
    called = draft.facts.users[user].name if user else "administrator"
    return draft.step(
        name,
        "move.call",
        {
            "cloud": draft.new,
            "service": "identity",
            "requests": [{"method": "PUT", "path": path}],
            "undo": [{"method": "DELETE", "path": path, "ok": [404]}],
        },
        title=f"a role in {draft.facts.projects[project].name} for a while, to act as {called}",
        project=project,
    )


def owner_rules(draft: Draft, row: Row) -> list[Rule]:
    """The rule for a thing that cannot be made as its user."""
    user = str(row.body.get("user_id") or "")
    decision = draft.decisions.get(("user", user))
    if decision is not None and decision.decision == "create":
        return []
    return [Rule("user_id", user, "the administrator", "only users that the move makes can be acted as")]
