"""Flavors of the servers: matched by the map, or made anew, with the projects that may use private ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.accepts import compute
from naru.move.called import name_of
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import Facts, Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import texts
from naru.move.kinds.rbac_policy import NO_PROJECT
from naru.move.mapping import ABSENT, CREATE, Match, Need, Section, Use, of_others, same_but_case


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    names = ("swap", "OS-FLV-EXT-DATA:ephemeral")
    return {**{name: row.body.get(name) or 0 for name in names}, "extra_specs": side.extra_specs(row.id)}


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    return users.having("server", "flavor_link.id", row.id)


KIND = Kind(
    "flavor",
    path="/flavors",
    wrap="flavor",
    sent=(
        *("ram", "vcpus", "disk", "rxtx_factor", "OS-FLV-EXT-DATA:ephemeral", "os-flavor-access:is_public"),
        "description",
    ),
    handled=frozenset(("name", "swap", "extra_specs")),
    derived=frozenset(("OS-FLV-DISABLED:disabled",)),
    compared=_compared,
    used_by=_used_by,
)
ACCESS = Kind("flavor access", handled=frozenset(("flavor_id", "tenant_id")), relation=True)

VERSION = "2.61"
"""The last microversion that takes any extra spec: what a cloud has had for years may have a typing error in it."""

SAME = message("move.flavor.same", en="same name and size", ko="이름과 크기가 같습니다")
DIFFERENT = message(
    "move.flavor.different",
    en="one of that name is different: {fields}",
    ko="이름은 같지만 사양이 다릅니다(기존 -> 새 값): {fields}",
)
NAME_TAKEN = message(
    "move.flavor.name_taken",
    en="another flavor on the new cloud has this name",
    ko="새 클라우드에 이름이 같은 다른 Flavor가 있습니다",
)
NO_DESCRIPTION = message(
    "move.flavor.no_description",
    en="flavors of {cloud} have none",
    ko="{cloud} 클라우드의 Flavor에는 설명이 없습니다",
)
OWN_ID = message("move.flavor.own_id", en="the new cloud gives its own", ko="새 클라우드가 새로 부여합니다")
STAND_IN = message(
    "move.flavor.stand_in",
    en="it was deleted while servers have it: a private one stands in",
    ko="서버가 사용하는 중에 삭제된 Flavor이므로 비공개 Flavor를 대신 만듭니다",
)
SPECS = message("move.title.extra_specs", en="extra specs of {thing}", ko="{thing}의 추가 사양")
MAY_USE = message("move.title.may_use", en="{project} may use {thing}", ko="프로젝트 {project}에 {thing} 사용 허용")


NOT_ALLOWED = message(
    "move.flavor.not_allowed",
    en="{thing} is private on {cloud}: {project} is given access, which a rollback takes back",
    ko="{thing}: {cloud} 클라우드에서 비공개이므로 프로젝트 {project}에 사용을 허용합니다. 되돌리면 다시 회수합니다",
)


@dataclass
class Usable:
    """When servers can be booted with a flavor, all by old ids. `ready`: by flavor, the step after which it is whole,
    where one comes after that which makes it. `access`: by (project, flavor), the step that lets the project use it.
    `names`: those of the flavors that are made, in lower case; one may have been deleted and made anew by its name."""

    ready: dict[str, str] = field(default_factory=dict)
    access: dict[tuple[str, str], str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


def flavor_id(side: Side, server: Row) -> str:
    """The id of a server's flavor, which may have been deleted; of one that the cloud gives no id of, its name."""
    if identity := str((server.body.get("flavor_link") or {}).get("id") or ""):
        return identity
    name = str((server.body.get("flavor") or {}).get("original_name") or "")
    rows = side.named(KIND.name, name)
    return rows[0].id if rows else name


def of_server(side: Side, server: Row) -> dict[str, Any]:
    """The sizes of a server's flavor: the flavor's fields, or what the server remembers of one that was deleted."""
    identity = flavor_id(side, server)
    found = side.all(KIND.name).get(identity)
    return dict((found or _stand_in(identity, server)).body)


def asked_of(side: Side, server: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sizes of a server's flavor, as `of_server`, and its extra specs."""
    fields = of_server(side, server)
    return fields, fields.get("extra_specs") or side.extra_specs(flavor_id(side, server))


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    for server in facts.owned("server"):
        yield from of_others(facts, KIND.name, flavor_id(facts.old, server), "server")


_SIZES = {"ram": 0, "vcpus": 0, "disk": 0, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0, "rxtx_factor": 1.0}
"""The fields that make two flavors of one name the same, with what it means that a cloud does not have them."""


def _match(facts: Facts, need: Need) -> Match:
    found, why = same_but_case(facts, KIND.name, need)
    if not found:
        return CREATE, ABSENT()
    assert need.row
    ours, theirs = (side.extra_specs(row.id) for side, row in ((facts.old, need.row), (facts.new, found[0])))
    differing = [f"extra_specs {ours} -> {theirs}"] if ours != theirs else []
    differing += [
        f"{name.rpartition(':')[2]} {_value(need.row, name, missing)} -> {_value(found[0], name, missing)}"
        for name, missing in _SIZES.items()
        if name in need.row.body and _value(need.row, name, missing) != _value(found[0], name, missing)
    ]
    if differing:
        return None, DIFFERENT(fields=", ".join(differing))
    return found[0].name, why if found[0].name != need.row.name else SAME()


def _value(row: Row, name: str, missing: Any) -> Any:
    """A flavor's field; Nova of 2017 writes no swap as an empty text."""
    value = row.body.get(name, missing)
    return missing if value in ("", None) else value


SECTION = Section("flavors", "flavor", "of servers", _uses, _match, creatable=True)


# -- rules


def flavors(draft: Draft) -> None:
    """Flavors of the servers: mapped, or made with the same id where it is free. For one that was deleted while
    servers have it, a private one stands in."""
    known = draft.facts.old.all(KIND.name)
    for row in sorted(_used(draft), key=lambda row: row.id not in known):  # those that are there keep their names
        choice = draft.choice(SECTION.name, row)
        if target := draft.target(SECTION.name, KIND.name, row):
            assert choice
            same = choice.target in (row.name, row.id)
            changes = [] if same else [FieldChange("name", row.name, choice.target, choice.why)]
            draft.match(row, target, choice.why, changes)
            continue
        gone = row.id not in known
        if not gone and not (choice and choice.target == CREATE):
            continue  # not decided: the checks say so
        _create(draft, row, gone)
    for server in draft.facts.owned("server"):
        _may_use(draft, server)


def _may_use(draft: Draft, server: Row) -> None:
    """A server's project may use its flavor on the new cloud: one that is there already may be private to others, and
    the old cloud's may have been taken away from the project since."""
    identity = _flavor_of(draft, server)
    decision = draft.decisions.get((KIND.name, identity))
    if decision is None or (server.project, identity) in draft.note(Usable).access:
        return
    side, named = (draft.facts.new, decision.new) if decision.new else (draft.facts.old, identity)
    row = side.all(KIND.name).get(named)
    if row is None or row.body.get("os-flavor-access:is_public", True):
        return
    project = draft.ref("project", server.project)
    if decision.new and any(one.body["tenant_id"] == project for one in side.by(ACCESS.name, "flavor_id", named)):
        return
    old = draft.facts.old.all(KIND.name)[identity]
    _access(draft, old, draft.ref(KIND.name, identity), server.project)
    said = NOT_ALLOWED(project=draft.facts.projects[server.project].name, thing=thing(old), cloud=draft.new)
    draft.report("info", said, about=identity)


def _create(draft: Draft, row: Row, gone: bool) -> None:
    """The steps that make it, whole; `gone`: the old cloud has it no more."""
    body, changes = draft.sent(KIND, row)
    body = {name: value for name, value in body.items() if value is not None}
    body |= {"name": row.name, "swap": int(row.body.get("swap") or 0)}
    if not draft.facts.new.supports(KIND.service, compute.FLAVOR_DESCRIPTIONS) and body.pop("description", None):
        changes.append(FieldChange("description", row.body["description"], None, NO_DESCRIPTION(cloud=draft.new)))
    changes += texts.mend(draft, row, body, {"name": compute.NAME, "description": compute.FLAVOR_DESCRIPTION})
    new = draft.facts.new.all(KIND.name)
    taken = draft.note(Usable).names
    if draft.facts.new.alike(KIND.name, body["name"]) or body["name"].casefold() in taken:
        body["name"] = f"{row.name}-{row.id[:8]}"
        changes.append(FieldChange("name", row.name, body["name"], NAME_TAKEN()))
    taken.add(body["name"].casefold())
    if compute.FLAVOR_ID.fullmatch(row.id) and row.id not in new and not gone:
        body["id"] = row.id
    else:
        changes.append(FieldChange("id", row.id, None, OWN_ID()))
    where = {"name": body["name"]}
    creation = KIND.creation(
        draft.new, body, listing="/flavors/detail?is_public=None", where=where, version=_version(draft)
    )
    step = draft.create(row, creation, changes=changes, why=STAND_IN() if gone else "")
    _specs(draft, row, step)
    if gone:
        users = {server.project for server in draft.facts.owned("server") if _flavor_of(draft, server) == row.id}
        for project in sorted(users):
            _access(draft, row, ref(step), project)
        return
    for access in draft.facts.old.by(ACCESS.name, "flavor_id", row.id):
        project = access.body["tenant_id"]
        if draft.ref("project", project) is not None:
            draft.made(access, _access(draft, row, ref(step), project))
        else:
            draft.leave(access, NO_PROJECT(project=name_of(draft.facts.old, "project", project)), severity="info")


def _version(draft: Draft) -> str:
    return draft.facts.new.version(KIND.service, VERSION)


def _specs(draft: Draft, row: Row, step: str) -> None:
    """The step that gives it its extra specs."""
    specs = row.body.get("extra_specs") or draft.facts.old.extra_specs(row.id)
    if specs:
        path = [f"{KIND.path}/", ref(step), "/os-extra_specs"]
        request = {"method": "POST", "path": path, "body": {"extra_specs": specs}, "version": _version(draft)}
        title = SPECS(thing=thing(row))
        draft.note(Usable).ready[row.id] = draft.call(f"{step} specs", KIND.service, [request], title, about=row)


def _access(draft: Draft, row: Row, new: Any, project: str) -> str:
    """The step, one of the project's own, that lets it use the flavor whose id on the new cloud is `new`."""

    def request(action: str, *done: int) -> dict[str, Any]:
        body = {action: {"tenant": draft.ref("project", project)}}
        return {"method": "POST", "path": [f"{KIND.path}/", new, "/action"], "body": body, "ok": list(done)}

    made = draft.call(
        f"{KIND.name}/{row.id} access {project}",
        KIND.service,
        [request("addTenantAccess", 409)],
        MAY_USE(project=draft.facts.projects[project].name, thing=thing(row)),
        undo=[request("removeTenantAccess", 404)],
        about=row,
        project=project,
    )
    draft.note(Usable).access[project, row.id] = made
    return made


def _flavor_of(draft: Draft, server: Row) -> str:
    return flavor_id(draft.facts.old, server)


def _used(draft: Draft) -> list[Row]:
    """The flavors of the servers, with a row made up for those that were deleted."""
    found: dict[str, Row] = {}
    known = draft.facts.old.all(KIND.name)
    for server in draft.facts.owned("server"):
        identity = _flavor_of(draft, server)
        found[identity] = known[identity] if identity in known else _stand_in(identity, server)
    return list(found.values())


def _stand_in(identity: str, server: Row) -> Row:
    """A flavor as the server remembers it."""
    remembered = server.body.get("flavor") or {}
    name = str(remembered.get("original_name") or f"flavor-{identity}")
    body = {
        "ram": remembered.get("ram"),
        "vcpus": remembered.get("vcpus"),
        "disk": remembered.get("disk"),
        "OS-FLV-EXT-DATA:ephemeral": remembered.get("ephemeral"),
        "swap": remembered.get("swap"),
        "os-flavor-access:is_public": False,
        "extra_specs": remembered.get("extra_specs") or {},
    }
    return Row(KIND.name, identity, name, "", "", body)
