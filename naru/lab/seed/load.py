"""From a declaration's file to a checked `Sample`: finding it, its parameters, its repetitions, its references."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import yaml

from naru.errors import InputError
from naru.lab.bootstrap import EXTERNAL_NETWORKS, FLAVORS, VOLUME_TYPES
from naru.lab.seed.model import Ref
from naru.lab.seed.model_extra import Project, Sample

SAMPLES = Path(__file__).parent.parent / "samples"
LIMIT = 20_000  # repetitions of one item
_PLACEHOLDER = re.compile(r"\{(\w+)(?::(0?\d+))?\}")


class Key(NamedTuple):
    """What a declared thing is called in the whole declaration; `project` is "" for what belongs to the cloud."""

    kind: str
    project: str
    ref: str

    def __str__(self) -> str:
        where = f"{self.project}/" if self.project else ""
        return f"{self.kind.replace('_', ' ')} {where}{self.ref}"


# what the lab has made before any sample
BUILT_IN = {
    *(Key("network", "", name) for name in EXTERNAL_NETWORKS),
    *(Key("volume_type", "", name) for name in VOLUME_TYPES),
    *(Key("flavor", "", name) for name, *_ in FLAVORS),
}
# where things lie in a project: kind by field
KINDS = {
    "address_scopes": "address_scope",
    "subnet_pools": "subnet_pool",
    "address_groups": "address_group",
    "security_groups": "security_group",
    "qos_policies": "qos_policy",
    "networks": "network",
    "routers": "router",
    "ports": "port",
    "trunks": "trunk",
    "floating_ips": "floating_ip",
    "images": "image",
    "volumes": "volume",
    "server_groups": "server_group",
    "servers": "server",
    "containers": "container",
    "load_balancers": "load_balancer",
    "zones": "zone",
    "secrets": "secret",
}
# things inside things that may be referred to by themselves
NESTED = {"network": {"subnets": "subnet"}, "volume": {"snapshots": "snapshot", "backups": "backup"}}
CLOUD_WIDE = {
    "domains": "domain",
    "roles": "role",
    "volume_types": "volume_type",
    "flavors": "flavor",
    "users": "user",
    "groups": "group",
    "projects": "project",
}


@dataclass(frozen=True)
class Declaration:
    """A checked sample: its name and every declared thing by its key."""

    name: str
    sample: Sample
    things: Mapping[Key, Any]

    def resolve(self, kind: Ref, project: str, text: str) -> Key | None:
        """The key that the reference `text` in `project` means, None when nothing is called so."""
        if kind.everywhere:
            keys = [Key(kind.kind, "", text)]
        else:
            other, _, ref = text.partition("/")
            keys = [Key(kind.kind, project, text), Key(kind.kind, other, ref), Key(kind.kind, "", text)]
        return next((key for key in keys if key in self.things or key in BUILT_IN), None)


def load(name: str, settings: Mapping[str, int] | None = None) -> Declaration:
    """The declaration called `name`: one of the samples that come with Naru, or a file's path.

    `settings` replace the file's `parameters`. Raises InputError that names file, field and what to do.
    """
    file = Path(name) if "/" in name or name.endswith((".yaml", ".yml")) else SAMPLES / f"{name}.yaml"
    try:
        raw = yaml.safe_load(file.read_text())
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in SAMPLES.glob("*.yaml")))
        raise InputError(f"there is no sample {name!r}", hint=f"Samples: {known}; or give a file's path.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read", detail=str(error)) from error
    if not isinstance(raw, dict):
        raise InputError(f"{file}: a sample is a mapping with `projects` and more", hint="See docs/reference.")
    parameters = raw.pop("parameters", {})
    if not isinstance(parameters, dict) or not all(type(value) is int for value in parameters.values()):
        raise InputError(f"{file}: parameters: give names with whole numbers, as in `parameters: {{servers: 20}}`")
    for key in settings or {}:
        if key not in parameters:
            known = ", ".join(parameters) or "none"
            raise InputError(f"{file.stem} has no parameter {key!r}", hint=f"It has: {known}.")
    expanded = expand(raw, {**parameters, **(settings or {})}, file)
    try:
        sample = Sample.model_validate(expanded)
    except pydantic.ValidationError as error:
        raise InputError(f"{file} is not a valid sample", detail=_explain(error, expanded)) from error
    return check(Declaration(file.stem, sample, _things(sample, file)), file)


def _explain(error: pydantic.ValidationError, raw: Any) -> str:
    lines = []
    for problem in error.errors()[:20]:
        path = problem["loc"]
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            text = "there is no such field; correct or remove it"
        elif problem["type"] == "missing":
            text = "is missing; add it"
        lines.append(f"{_words(path, raw)}: {text}")
    return "\n".join(lines)


def _words(path: Sequence[int | str], raw: Any) -> str:
    """A field's path with the names of things in place of their positions: projects[hanok].volumes[logs].size."""
    words = ""
    for part in path:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
        if isinstance(part, int):
            name = raw.get("key") or raw.get("name") if isinstance(raw, dict) else None
            words += f"[{name or part}]"
        else:
            words += f".{part}" if words else part
    return words


# -- parameters and repetitions


def expand(raw: Any, values: Mapping[str, int], file: Path) -> Any:
    """`raw` with every `{name}` of `values` in its strings replaced, and every list item that has a `repeat`
    (`repeat: {server: 20}`, or a parameter's name in place of the number) made that often, `{server}` counting
    from 1. A string that is nothing but `{name}` becomes the number; `{name:03}` pads with zeros."""
    if isinstance(raw, str):
        return _fill(raw, values)
    if isinstance(raw, dict):
        return {_fill(key, values) if isinstance(key, str) else key: expand(raw[key], values, file) for key in raw}
    if not isinstance(raw, list):
        return raw
    items = []
    for item in raw:
        if isinstance(item, dict) and "repeat" in item:
            rest = {key: value for key, value in item.items() if key != "repeat"}
            name, times = _times(item["repeat"], values, file)
            items += [expand(rest, {**values, name: number}, file) for number in range(1, times + 1)]
        else:
            items.append(expand(item, values, file))
    return items


def _times(repeat: Any, values: Mapping[str, int], file: Path) -> tuple[str, int]:
    if isinstance(repeat, dict) and len(repeat) == 1:
        ((name, times),) = repeat.items()
        times = values.get(times, times) if isinstance(times, str) else times
        if isinstance(name, str) and type(times) is int and 0 <= times <= LIMIT:
            return name, times
    raise InputError(
        f"{file}: repeat: {repeat!r} is not a repetition",
        hint=f"Write `repeat: {{NAME: NUMBER}}`, the number 0 to {LIMIT} or one of: {', '.join(values) or '-'}.",
    )


def _fill(text: str, values: Mapping[str, int]) -> str | int:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole and not whole[2] and whole[1] in values:
        return values[whole[1]]

    def one(match: re.Match[str]) -> str:
        return format(values[match[1]], match[2] or "") if match[1] in values else match[0]

    return _PLACEHOLDER.sub(one, text)


# -- what is declared, and whether all references lead somewhere


def _things(sample: Sample, file: Path) -> dict[Key, Any]:
    found: dict[Key, Any] = {}

    def add(kind: str, project: str, thing: Any) -> None:
        key = Key(kind, project, thing.ref)
        if key in found:
            raise InputError(f"{file}: {key} is declared twice", hint="Give one of the two a `key` of its own.")
        found[key] = thing
        for field, nested in NESTED.get(kind, {}).items():
            for item in getattr(thing, field):
                add(nested, project, item)

    for field, kind in CLOUD_WIDE.items():
        for thing in getattr(sample, field):
            add(kind, "", thing)
    for project in sample.projects:
        for field, kind in KINDS.items():
            for thing in getattr(project, field):
                add(kind, project.ref, thing)
    return found


def references(thing: pydantic.BaseModel, path: str = "") -> Iterator[tuple[str, Ref, str]]:
    """Every reference in `thing`: the field's path, the kind it means, its text. Projects' contents are not entered."""
    for name, field in type(thing).model_fields.items():
        if isinstance(thing, Project) and name in KINDS:
            continue
        value = getattr(thing, name)
        marks = [mark for mark in field.metadata if isinstance(mark, Ref)] or _inner_marks(field.annotation)
        yield from _walk(value, marks[0] if marks else None, f"{path}.{name}".lstrip("."))


def _inner_marks(annotation: Any) -> list[Ref]:
    """The marks inside `list[...]`, `... | None` and a mapping's key."""
    marks = [mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Ref)]
    for argument in getattr(annotation, "__args__", ()):
        marks += _inner_marks(argument)
    return marks


def _walk(value: Any, mark: Ref | None, path: str) -> Iterator[tuple[str, Ref, str]]:
    if isinstance(value, pydantic.BaseModel):
        yield from references(value, path)
    elif isinstance(value, (list, dict)):
        for item in value:
            yield from _walk(item, mark, path)
    elif isinstance(value, str) and mark:
        yield path, mark, value


def check(declaration: Declaration, file: Path) -> Declaration:
    """Raises InputError listing every reference that leads nowhere; returns the declaration."""
    problems = []
    for key, thing in declaration.things.items():
        if key.kind in ("subnet", "snapshot", "backup"):
            continue  # seen inside their network or volume
        for path, mark, text in references(thing):
            everybody = mark.kind == "project" and text == "*" and path.endswith("shared_with")
            if not everybody and declaration.resolve(mark, key.project, text) is None:
                problems.append(f"{key}: {path}: there is no {mark.kind.replace('_', ' ')} {text!r}")
    for assignment in declaration.sample.role_assignments:
        for path, mark, text in references(assignment):
            if declaration.resolve(mark, "", text) is None:
                problems.append(f"role assignment of {assignment.role}: {path}: there is no {mark.kind} {text!r}")
    if problems:
        raise InputError(
            f"{file} refers to what it does not declare",
            detail="\n".join(problems[:20]),
            hint="Declare it, or correct the name (a `key` counts in place of a name; PROJECT/NAME means another's).",
        )
    return declaration
