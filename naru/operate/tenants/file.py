"""Reading `tenants.yaml`, or a directory of such files as if they were one: classes put in, every mistake told."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.operate.tenants.model import FORMAT, PRUNE, AddressGroup, Body, Network, Router, SecurityGroup, Tenants

HEADER = "naru_tenants"
PROJECT = "{project}"
"""What stands in a class for the name of each project that has it."""
SHOWN = 20
"""So many mistakes are told at a time."""


def load(path: Path) -> Tenants:
    """What the file says, or all `*.yaml` files of a directory together. Raises InputError that lists every mistake by
    file and field."""
    files = _files(path)
    raw = {file: _raw(file) for file in files}
    problems: list[str] = []
    classes = _classes(raw, problems)
    parts = [_part(file, found, classes, problems) for file, found in raw.items()]
    if not problems:
        problems += _twice(path, parts)
    if problems:
        more = len(problems) - SHOWN
        lines = problems[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise InputError(f"{path} has mistakes", detail="\n".join(lines), hint="Correct these fields.")
    lists = ("domains", "roles", "users", "groups", "flavors", "volume_types", "projects")
    joined = {name: tuple(item for part in parts for item in getattr(part, name)) for name in lists}
    return Tenants(prune=frozenset().union(*(part.prune for part in parts)), **joined)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        hint = f"Write one, or have one written: naru tenant export {path} --cloud CLOUD"
        raise InputError(f"there is no file {path}", hint=hint)
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.yaml"))
    if not found:
        raise InputError(f"{path} has no *.yaml file", hint="Name a file, or the directory that they are in.")
    return found


def _raw(file: Path) -> dict[str, Any]:
    raw = yamlfile.load(file, times=False)
    if not isinstance(raw, dict) or type(raw.get(HEADER)) is not int or raw[HEADER] < 1:
        raise InputError(f"{file} declares no tenants", hint=f"Its first line is `{HEADER}: {FORMAT}`.")
    if raw[HEADER] > FORMAT:
        raise InputError(f"{file} was written for a newer Naru ({HEADER}: {raw[HEADER]})", hint="Use that one.")
    return {name: value for name, value in raw.items() if name != HEADER}


# -- classes


def _classes(raw: Mapping[Path, dict[str, Any]], problems: list[str]) -> dict[str, Any]:
    """The classes of all files, by name."""
    found: dict[str, Any] = {}
    for file, content in raw.items():
        declared = content.pop("classes", None) or {}
        if not isinstance(declared, dict):
            problems.append(f"{file}: classes: write a mapping, as in {{NAME: {{quotas: ...}}}}")
            continue
        for name, body in declared.items():
            if name in found:
                problems.append(f"{file}: classes: {name}: another class has this name")
            problems += _mistakes(file, ("classes", name), Body, body)
            found[name] = body
    return found


def _with_classes(file: Path, place: str, project: Any, classes: Mapping[str, Any], problems: list[str]) -> Any:
    """The project's fields, over those of its classes."""
    if not isinstance(project, dict) or "class" not in project:
        return project
    own = {name: value for name, value in project.items() if name != "class"}
    names = project["class"] if isinstance(project["class"], list) else [project["class"]]
    merged: dict[str, Any] = {}
    for name in names:
        if not isinstance(name, str) or name not in classes:
            known = ", ".join(sorted(map(str, classes))) or "none"
            problems.append(f"{file}: {place}.class: there is no class {name}; classes: {known}")
        elif isinstance(classes[name], dict):
            merged = merge(merged, _put(classes[name], str(own.get("name", ""))))
    return merge(merged, own)


def _put(value: Any, project: str) -> Any:
    """The value with the project's name in its places."""
    if isinstance(value, str):
        return value.replace(PROJECT, project)
    if isinstance(value, list):
        return [_put(item, project) for item in value]
    if isinstance(value, dict):
        return {name: _put(item, project) for name, item in value.items()}
    return value


def merge(below: Any, above: Any) -> Any:
    """Both together: mappings by key, lists of named things by name, of which the one above says each field that it
    has; members one list after the other. Anything else is as it is above."""
    if isinstance(below, dict) and isinstance(above, dict):
        joined = dict(below)
        for name, value in above.items():
            if name == "members" and isinstance(value, list) and isinstance(below.get(name), list):
                joined[name] = [*below[name], *(item for item in value if item not in below[name])]
            else:
                joined[name] = merge(below[name], value) if name in below else value
        return joined
    if isinstance(below, list) and isinstance(above, list) and _all_named(below) and _all_named(above):
        found = {item["name"]: item for item in below}
        for item in above:
            found[item["name"]] = merge(found[item["name"]], item) if item["name"] in found else item
        return list(found.values()) if len({item["name"] for item in above}) == len(above) else [*below, *above]
    return above


def _all_named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in items)


# -- one file


def _part(file: Path, raw: dict[str, Any], classes: Mapping[str, Any], problems: list[str]) -> Tenants:
    projects = raw.get("projects")
    if isinstance(projects, list):
        before = len(problems)
        raw["projects"] = [
            _with_classes(file, f"projects.{number}", project, classes, problems)
            for number, project in enumerate(projects)
        ]
        if len(problems) > before:
            return Tenants()
    prune = raw.get("prune")
    if isinstance(prune, list):
        strange = [str(name) for name in prune if name not in PRUNE]
        if strange:
            problems.append(
                f"{file}: prune: {', '.join(strange)}: cannot be pruned; those that can: {', '.join(PRUNE)}"
            )
    raw = {name: value for name, value in raw.items() if value is not None or name not in Tenants.model_fields}
    problems += _mistakes(file, (), Tenants, raw)
    return Tenants() if problems else Tenants.model_validate(raw)


def _mistakes(file: Path, place: tuple[str, ...], model: type[pydantic.BaseModel], raw: Any) -> list[str]:
    try:
        model.model_validate(raw)
    except pydantic.ValidationError as error:
        return [f"{file}: {_field([*place, *item['loc']], raw, len(place))}: {_told(item)}" for item in error.errors()]
    return []


def _field(location: Iterable[Any], raw: Any, skip: int) -> str:
    """The place of a field: things by their names, where they have one."""
    words: list[str] = []
    here = raw
    for number, step in enumerate(location):
        if number >= skip:
            try:
                here = here[step]
            except (TypeError, KeyError, IndexError):
                here = None
                if isinstance(step, str) and step.startswith("function-"):
                    continue
        name = here.get("name") if isinstance(here, dict) and isinstance(step, int) else None
        words.append(str(name) if isinstance(name, str) and name else str(step))
    return ": ".join(words) or "the file"


def _told(item: Any) -> str:
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "is missing"
    if kind in ("tuple_type", "frozen_set_type"):
        return "give a list"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return "give a mapping"
    if kind == "string_type":
        return "give a text, in quotes when it looks like a number"
    return message.removeprefix("Value error, ")


def _twice(path: Path, parts: Iterable[Tenants]) -> list[str]:
    """What is declared more than once: then neither would count."""
    counts = Counter(key for part in parts for key in _keys(part))
    hint = "give each a description (an image: a checksum) of its own, or declare it once"
    return [f"{path}: {key[0]} is declared {count} times: {hint}" for key, count in counts.items() if count > 1]


def _keys(part: Tenants) -> Iterator[tuple[str, ...]]:
    """Of each thing what it is called, and what else tells it from others."""
    yield from ((f"domain {one.name}",) for one in part.domains)
    yield from ((f"role {one.name}",) for one in part.roles)
    yield from ((f"flavor {one.name}",) for one in part.flavors)
    yield from ((f"volume type {one.name}",) for one in part.volume_types)
    yield from ((f"group {one.name}", one.domain or "") for one in part.groups)
    for user in part.users:
        yield f"user {user.name}", user.domain or ""
        yield from ((f"key pair {pair.name} of user {user.name}", user.domain or "") for pair in user.key_pairs)
    for project in part.projects:
        called, domain = f"project {project.name}", project.domain or ""
        yield called, domain
        named: list[tuple[str, AddressGroup | SecurityGroup | Network | Router]] = [
            *(("address group", one) for one in project.address_groups),
            *(("security group", one) for one in project.security_groups),
            *(("network", one) for one in project.networks),
            *(("router", one) for one in project.routers),
        ]
        yield from ((f"{kind} {one.name} of {called}", domain, one.description or "") for kind, one in named)
        for image in project.images:
            yield f"image {image.name} of {called}", domain, image.checksum or ""
        for network in project.networks:
            where = domain, network.description or ""
            for subnet in network.subnets:
                yield f"subnet {subnet.name} of network {network.name} of {called}", *where, subnet.description or ""
