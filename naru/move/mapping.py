"""What of the old cloud becomes what of the new one: `map.yaml`.

A project's things are made anew, but they stand on things that are the cloud's: external networks, volume types,
flavors, roles, zones. Each that the projects use has to be named here, with its counterpart, or `create` to have it
made as it was. `suggest` writes what can be matched and says why; what cannot is left `null`, which a plan refuses.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml

from naru import yamlfile
from naru.errors import InputError, NaruError
from naru.inventory.rows import Row
from naru.move.facts import Facts
from naru.text import plural

CREATE = "create"
DEFAULT = "default"
"""The container that the new cloud puts backups into by itself."""
FORMAT = 1


@dataclass(frozen=True)
class Need:
    """Something of the old cloud that the projects use: which section names it, by which key (its name, or its id
    where the name is not unique), who uses it, and the row itself (None for what is nothing but a name)."""

    section: str
    key: str
    users: str
    row: Row | None = None


@dataclass(frozen=True)
class Choice:
    """What a need becomes: a name or id on the new cloud, CREATE, or None for what is not decided; and why."""

    need: Need
    target: str | None
    why: str


class Map(pydantic.BaseModel):
    """The file's content. Keys are names or ids of the old cloud; values names or ids of the new one, or `create`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    naru_map: int = FORMAT
    old: str = pydantic.Field("", alias="from")
    new: str = pydantic.Field("", alias="to")
    domains: dict[str, str | None] = {}
    roles: dict[str, str | None] = {}
    flavors: dict[str, str | None] = {}
    images: dict[str, str | None] = {}
    volume_types: dict[str, str | None] = {}
    compute_zones: dict[str, str | None] = {}
    volume_zones: dict[str, str | None] = {}
    backup_containers: dict[str, str | None] = {}
    networks: dict[str, str | None] = {}
    physical_networks: dict[str, str | None] = {}

    def section(self, name: str) -> dict[str, str | None]:
        """One section by its name."""
        found: dict[str, str | None] = getattr(self, name)
        return found


EMPTY = Map.model_validate({})


@dataclass(frozen=True)
class Section:
    """A section of the file. `kind` is what its values name ("" for mere names); its keys name the same, or only
    something that things of the old cloud say, with `mentioned`. `what` is its comment, `creatable` whether `create`
    may stand there, `match` finds a counterpart: (target, why)."""

    name: str
    kind: str
    what: str
    creatable: bool
    match: Callable[[Facts, Need], tuple[str | None, str]]
    mentioned: bool = False  # a zone may be gone whose name its servers still have


# -- what the projects need


def needs(facts: Facts) -> list[Need]:
    """Everything of the old cloud's own that the projects use, by section and key."""
    found: dict[tuple[str, str], tuple[Row | None, dict[str, int]]] = {}

    def need(section: str, row: Row | None, key: str, user: str) -> None:
        _, users = found.setdefault((section, key), (row, {}))
        users[user] = users.get(user, 0) + 1

    def needed(section: str, kind: str, identity: Any, user: str) -> None:
        row = facts.old.all(kind).get(str(identity or ""))
        if row and row.project not in facts.projects:
            need(section, row, _key(facts, row), user)

    for kind, rows in (("project", facts.projects), ("user", facts.users), ("group", facts.groups)):
        for row in rows.values():
            needed("domains", "domain", row.body.get("domain_id"), kind)
    for row in facts.assignments:
        needed("roles", "role", row.body["role"]["id"], "role assignment")
    for row in facts.owned("server"):
        needed("flavors", "flavor", row.body.get("flavor_link", {}).get("id") or _flavor_of(facts, row), "server")
        needed("images", "image", (row.body.get("image") or {}).get("id"), "server")
        if zone := row.body.get("OS-EXT-AZ:availability_zone"):
            need("compute_zones", None, zone, "server")
    for kind in ("volume", "snapshot", "backup"):
        for row in facts.owned(kind):
            for volume_type in facts.old.named("volume type", str(row.body.get("volume_type") or "")):
                needed("volume_types", "volume type", volume_type.id, kind)
            if zone := row.body.get("availability_zone"):
                need("volume_zones", None, zone, kind)
    for row in facts.owned("backup"):
        if (container := row.body.get("container")) and not own_container(row):
            need("backup_containers", None, container, "backup")
    for kind in ("router", "port", "floating IP"):
        for row in facts.owned(kind):
            for _, target, identity in row.references():
                if target == "network":
                    needed("networks", "network", identity, kind)
    for row in facts.owned("network"):
        if physical := row.body.get("provider:physical_network"):
            need("physical_networks", None, physical, "network")
    order = {section.name: number for number, section in enumerate(SECTIONS)}
    return [
        Need(section, key, ", ".join(f"{count} {plural(user, count)}" for user, count in users.items()), row)
        for (section, key), (row, users) in sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]


def own_container(backup: Row) -> bool:
    """Whether the backup is in a container of its own, as a driver for files calls it when nobody else does."""
    return backup.id in str(backup.body.get("container"))


def _key(facts: Facts, row: Row) -> str:
    """The name, when it means this thing alone."""
    return row.name if row.name and len(facts.old.named(row.kind, row.name)) == 1 else row.id


def _flavor_of(facts: Facts, server: Row) -> str:
    """The id of a server's flavor where no version told it: by its name. Empty for one that was deleted."""
    rows = facts.old.named("flavor", str(server.body.get("flavor", {}).get("original_name") or ""))
    return rows[0].id if rows else ""


# -- what they become


def _same_name(facts: Facts, kind: str, need: Need) -> Sequence[Row]:
    return facts.new.named(kind, need.row.name if need.row else need.key)


def _known(facts: Facts, kind: str) -> str:
    names = sorted({row.name for row in facts.new.all(kind).values()})
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{facts.new.cloud} has {shown}" if names else f"there is none on {facts.new.cloud}"


def _domain(facts: Facts, need: Need) -> tuple[str | None, str]:
    found = _same_name(facts, "domain", need)
    return (found[0].name, "same name") if found else (CREATE, "not there")


def _role(facts: Facts, need: Need) -> tuple[str | None, str]:
    found = [row for row in _same_name(facts, "role", need) if not row.body.get("domain_id")]
    if found:
        return found[0].name, "same name"
    if need.key == "_member_" and facts.new.named("role", "member"):
        return "member", "what _member_ became"
    return CREATE, "not there"


_FLAVOR_FIELDS = {
    "ram": 0,
    "vcpus": 0,
    "disk": 0,
    "OS-FLV-EXT-DATA:ephemeral": 0,
    "swap": 0,
    "rxtx_factor": 1.0,
}


def _flavor(facts: Facts, need: Need) -> tuple[str | None, str]:
    found = _same_name(facts, "flavor", need)
    if not found:
        return CREATE, "not there"
    assert need.row
    ours, theirs = (side.extra_specs(row.id) for side, row in ((facts.old, need.row), (facts.new, found[0])))
    differing = [f"extra_specs {ours} -> {theirs}"] if ours != theirs else []
    differing += [
        f"{field.rpartition(':')[2]} {_value(need.row, field, missing)} -> {_value(found[0], field, missing)}"
        for field, missing in _FLAVOR_FIELDS.items()
        if field in need.row.body and _value(need.row, field, missing) != _value(found[0], field, missing)
    ]
    if differing:
        return None, f"one of that name is different: {', '.join(differing)}"
    return found[0].name, "same name and size"


def _value(row: Row, field: str, missing: Any) -> Any:
    """A flavor's field; Nova of 2017 writes no swap as an empty text."""
    value = row.body.get(field, missing)
    return missing if value in ("", None) else value


def _image(facts: Facts, need: Need) -> tuple[str | None, str]:
    found = _same_name(facts, "image", need)
    assert need.row
    checksum = need.row.body.get("checksum")
    same = [row for row in found if checksum and row.body.get("checksum") == checksum]
    if same:
        return same[0].id if len(found) > 1 else same[0].name, "same name and content"
    if found:
        return None, "one of that name has other content"
    return CREATE, "not there"


def _volume_type(facts: Facts, need: Need) -> tuple[str | None, str]:
    found = _same_name(facts, "volume type", need)
    if not found:
        return None, f"not there; {_known(facts, 'volume type')}"
    assert need.row
    old, new = (
        {name: value for name, value in (row.body.get("extra_specs") or {}).items() if name != "volume_backend_name"}
        for row in (need.row, found[0])
    )
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return found[0].name, "same name" + (f", but other {', '.join(differing)}" if differing else "")


def _zone(kind: str) -> Callable[[Facts, Need], tuple[str | None, str]]:
    def match(facts: Facts, need: Need) -> tuple[str | None, str]:
        names = sorted(row.name for row in facts.new.all(kind).values() if row.name != "internal")
        if need.key in names:
            return need.key, "same name"
        if len(names) == 1:
            return names[0], "the only one"
        return None, f"not there; {_known(facts, kind)}"

    return match


def _network(facts: Facts, need: Need) -> tuple[str | None, str]:
    assert need.row
    external = need.row.body.get("router:external")
    found = [row for row in _same_name(facts, "network", need) if row.body.get("router:external") == external]
    ours = _cidrs(need.row, facts.old.all("subnet").values())
    if not found:
        same = [
            row for row in facts.new.all("network").values() if ours & _cidrs(row, facts.new.all("subnet").values())
        ]
        if external and len(same) == 1:
            return same[0].name, "same CIDR"
        return None, f"not there; {_known(facts, 'network')}"
    target = found[0].name if len(found) == 1 else found[0].id
    if not external:
        return target, "shared, same name"
    missing = ours - _cidrs(found[0], facts.new.all("subnet").values())
    return target, "same name and CIDR" if not missing else f"same name, but without {', '.join(sorted(missing))}"


def _cidrs(network: Row, subnets: Iterable[Row]) -> set[str]:
    return {str(ipaddress.ip_network(row.body["cidr"])) for row in subnets if row.body["network_id"] == network.id}


def _physical_network(facts: Facts, need: Need) -> tuple[str | None, str]:
    known = {row.body.get("provider:physical_network") for row in facts.new.all("network").values()} - {None}
    if need.key in known:
        return need.key, "a network there has the same"
    return None, "no network there is on one of that name"


# what Cinder's drivers call the one container that they put all backups into
_CONTAINERS = ("backups", "volumebackups")


def _backup_container(facts: Facts, need: Need) -> tuple[str | None, str]:
    projects = {row.project for row in facts.old.all("backup").values() if row.body.get("container") == need.key}
    if need.key in _CONTAINERS or len(projects) > 1:
        return DEFAULT, f"{facts.old.cloud} puts all of them there; {facts.new.cloud} has its own"
    return need.key, "as its users called it"


SECTIONS = (
    Section("domains", "domain", "of the projects, their users and groups", True, _domain),
    Section("roles", "role", "that somebody has on the projects", True, _role),
    Section("flavors", "flavor", "of servers", True, _flavor),
    Section("images", "image", "of others, that servers were booted from", True, _image),
    Section("volume_types", "volume type", "of volumes", False, _volume_type),
    Section(
        "compute_zones",
        "compute availability zone",
        "where servers are",
        False,
        _zone("compute availability zone"),
        mentioned=True,
    ),
    Section(
        "volume_zones",
        "volume availability zone",
        "where volumes are",
        False,
        _zone("volume availability zone"),
        mentioned=True,
    ),
    Section("backup_containers", "", "that backups are in", False, _backup_container),
    Section("networks", "network", "of others: external and shared ones", False, _network),
    Section("physical_networks", "", "that networks of the projects lie on", False, _physical_network),
)
BY_NAME: Mapping[str, Section] = {section.name: section for section in SECTIONS}


def choose(facts: Facts, written: Map) -> list[Choice]:
    """What every need becomes: as `written`, else as a match suggests. Raises InputError that lists every key of
    `written` that the old cloud does not have, and every target that the new one does not."""
    _check(facts, written)
    choices = []
    for need in needs(facts):
        decided = written.section(need.section)
        key = next((key for key in (need.key, need.row.id if need.row else need.key) if key in decided), None)
        if key is not None and decided[key] is not None:
            choices.append(Choice(need, decided[key], "as written"))
        else:
            choices.append(Choice(need, *BY_NAME[need.section].match(facts, need)))
    return choices


def check_clouds(written: Map, old: str, new: str) -> None:
    """Raises InputError for a map that was written for other clouds."""
    if problems := _strange(written, old, new):
        hint = "Give the map of these clouds, or correct its `from` and `to`."
        raise InputError("the map does not fit --from and --to", detail="\n".join(problems), hint=hint)


def _strange(written: Map, old: str, new: str) -> list[str]:
    return [
        f"it was written for {ours}, not for {theirs}"
        for ours, theirs in ((written.old, old), (written.new, new))
        if ours and ours != theirs
    ]


def _check(facts: Facts, written: Map) -> None:
    problems = _strange(written, facts.old.cloud, facts.new.cloud)
    for section in SECTIONS:
        for key, target in written.section(section.name).items():
            where = f"{section.name}: {key}"
            if section.kind and not section.mentioned and not facts.old.named(section.kind, key):
                problems.append(f"{where}: {facts.old.cloud} has no such {section.kind}")
            if target == CREATE and not section.creatable:
                problems.append(f"{where}: a {section.name.rstrip('s')} cannot be created by a move; name one")
            elif target not in (None, CREATE) and section.kind:
                found = facts.new.named(section.kind, str(target))
                if len(found) > 1:
                    ids = ", ".join(row.id for row in found)
                    problems.append(f"{where}: {facts.new.cloud} has several called {target}; give an id: {ids}")
                if not found:
                    problems.append(f"{where}: no {section.kind} is called {target}; {_known(facts, section.kind)}")
    if problems:
        raise InputError("the map does not fit the clouds", detail="\n".join(problems), hint="Correct these lines.")


# -- the file


def load(file: Path) -> Map:
    """Reads a map. Raises InputError that names the file, the field and what is wrong with it."""
    try:
        raw = yamlfile.parse(file.read_text())
    except FileNotFoundError as error:
        raise InputError(f"there is no map {file}", hint="Write one with: naru move map --suggest") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read", detail=str(error)) from error
    if not isinstance(raw, dict) or type(raw.get("naru_map")) is not int or raw["naru_map"] < 1:
        raise InputError(f"{file} is not a map", hint=f"Its first line is `naru_map: {FORMAT}`.")
    if raw["naru_map"] > FORMAT:
        raise InputError(
            f"{file} was written for a newer Naru (naru_map: {raw['naru_map']})", hint="Use that one, or a newer one."
        )
    try:
        return Map.model_validate(raw)
    except pydantic.ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {_explain(item['type'], item['msg'])}" for item in error.errors()]
        raise InputError(f"{file} is not a valid map", detail="\n".join(lines[:20])) from error


def _explain(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no such section; it has: {', '.join(BY_NAME)}"
    if kind == "string_type":
        return "give a name or an id, in quotes when it looks like a number"
    if kind == "dict_type":
        return "give a mapping, as in {NAME: COUNTERPART}"
    return message


def text(facts: Facts, choices: list[Choice], written: Map) -> str:
    """The file with these choices, each line with its reason, and with what was `written` for other projects."""
    lines = [
        f"naru_map: {FORMAT}",
        f"from: {scalar(facts.old.cloud)}",
        f"to: {scalar(facts.new.cloud)}",
        f"# Written for: {', '.join(row.name for row in facts.projects.values())}.",
        "# The name or id on the new cloud for each thing of the old; `create` makes it there as it was; null is not",
        "# decided yet.",
    ]
    for section in SECTIONS:
        mine = [choice for choice in choices if choice.need.section == section.name]
        used = {key for choice in mine for key in (choice.need.key, choice.need.row.id if choice.need.row else "")}
        others = {key: target for key, target in written.section(section.name).items() if key not in used}
        if mine or others:
            lines += ["", f"{section.name}:  # {section.what}"]
        for choice in mine:
            named = choice.need.row.name if choice.need.row and choice.need.row.name != choice.need.key else ""
            remark = f"{choice.why}; {choice.need.users}" + (f"; called {named}" if named else "")
            lines.append(f"  {scalar(choice.need.key)}: {scalar(choice.target)}  # {' '.join(remark.split())}")
        lines += [f"  {scalar(key)}: {scalar(target)}  # not used by these" for key, target in others.items()]
    return "\n".join(lines) + "\n"


def scalar(value: str | None) -> str:
    """A YAML scalar on one line, whatever characters a name has."""
    style = '"' if value and not value.isprintable() else None
    dumped: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"), default_style=style)
    return dumped.removesuffix("\n").removesuffix("\n...")


def save(file: Path, content: str) -> None:
    """Writes the file whole or not at all."""
    temporary = file.with_name(f".{file.name}.new")
    try:
        temporary.write_text(content)
        temporary.replace(file)
    except OSError as error:
        raise NaruError(f"{file} cannot be written", detail=str(error)) from error
