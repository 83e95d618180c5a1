"""The file `map.yaml`: what of the old cloud becomes what of the new.

A project's things are made anew, but they stand on things that are the cloud's: external networks, volume types,
flavors, roles, zones. Each that the projects use has to be named here, with its counterpart, or `create` to have it
made as it was. `naru move map --suggest` writes what can be matched and says why; what cannot is left `null`, which a
plan refuses. Which sections there are is declared by the kinds (`naru.move.kinds.SECTIONS`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from naru import yamlfile
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.inventory.rows import Row
from naru.messages import say
from naru.move.facts import Facts
from naru.move.kinds import SECTIONS
from naru.move.mapping import AS_WRITTEN, CREATE, LEAVE, Choice, Need, Section, known

FORMAT = 1
SECTION_BY_NAME: Mapping[str, Section] = {section.name: section for section in SECTIONS}


class Map(pydantic.BaseModel):
    """The file's content. Keys of a section are names or ids of the old cloud; values names or ids of the new one, or
    `create`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    naru_map: int = FORMAT
    old: str = pydantic.Field("", alias="from")
    new: str = pydantic.Field("", alias="to")

    def section(self, name: str) -> dict[str, str | None]:
        """One section by its name."""
        found: dict[str, str | None] = getattr(self, name)
        return found


_FIELDS: dict[str, Any] = {name: (dict[str, str | None], {}) for name in SECTION_BY_NAME}
_Map: type[Map] = pydantic.create_model("Map", __base__=Map, **_FIELDS)


def parse(raw: Mapping[str, Any]) -> Map:
    """The map from the file's content. Raises pydantic.ValidationError."""
    return _Map.model_validate(raw)


EMPTY = parse({})


# -- what the projects need, and what it becomes


def needs(facts: Facts) -> list[Need]:
    """Everything of the old cloud's own that the projects use, by section and key."""
    found = []
    for section in SECTIONS:
        users: dict[str, tuple[Row | None, dict[str, int]]] = {}
        for use in section.uses(facts):
            _, counts = users.setdefault(_key(facts, use.row) if use.row else use.name, (use.row, {}))
            counts[use.user] = counts.get(use.user, 0) + 1
        for key, (row, counts) in sorted(users.items()):
            found.append(Need(section.name, key, counts, row))
    return found


def _key(facts: Facts, row: Row) -> str:
    """The name, when it means this thing alone."""
    return row.name if row.name and len(facts.old.named(row.kind, row.name)) == 1 else row.id


def choose(facts: Facts, written: Map) -> list[Choice]:
    """What every need becomes: as `written`, else as a match suggests. Raises InputError that lists every key of
    `written` that the old cloud does not have, and every target that the new one does not."""
    _check(facts, written)
    choices = []
    for need in needs(facts):
        decided = written.section(need.section)
        key = next((key for key in (need.key, need.row.id if need.row else need.key) if key in decided), None)
        if key is not None and decided[key] is not None:
            choices.append(Choice(need, decided[key], AS_WRITTEN()))
        else:
            choices.append(Choice(need, *SECTION_BY_NAME[need.section].match(facts, need)))
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
            if target in section.words:
                continue
            if section.only and target is not None:
                problems.append(f"{where}: {target} is none of {', '.join(section.words)}")
            elif target == CREATE and not section.creatable:
                problems.append(f"{where}: a {section.name.rstrip('s')} cannot be created by a move; name one")
            elif target == LEAVE and section.leavable:
                continue
            elif target not in (None, CREATE) and section.kind:
                found = facts.new.named(section.kind, str(target))
                if len(found) > 1:
                    ids = ", ".join(row.id for row in found)
                    problems.append(f"{where}: {facts.new.cloud} has several called {target}; give an id: {ids}")
                if not found:
                    problems.append(f"{where}: no {section.kind} is called {target}; {known(facts, section.kind)}")
    if problems:
        raise InputError("the map does not fit the clouds", detail="\n".join(problems), hint="Correct these lines.")


# -- the file


def load(file: Path) -> Map:
    """Reads a map. Raises InputError that names the file, the field and what is wrong with it."""
    if not file.exists():
        raise InputError(
            f"there is no map {file}",
            hint=f"Write one with: naru move map --from CLOUD --to CLOUD --project NAME --suggest --map {file}",
        )
    raw = yamlfile.load(file)
    if not isinstance(raw, dict) or type(raw.get("naru_map")) is not int or raw["naru_map"] < 1:
        raise InputError(f"{file} is not a map", hint=f"Its first line is `naru_map: {FORMAT}`.")
    if raw["naru_map"] > FORMAT:
        raise InputError(
            f"{file} was written for a newer Naru (naru_map: {raw['naru_map']})", hint="Use that one, or a newer one."
        )
    try:
        return parse(raw)
    except pydantic.ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {_explain(item['type'], item['msg'])}" for item in error.errors()]
        raise InputError(f"{file} is not a valid map", detail="\n".join(lines[:20])) from error


def _explain(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no such section; it has: {', '.join(SECTION_BY_NAME)}"
    if kind == "string_type":
        return "give a name or an id, in quotes when it looks like a number"
    if kind == "dict_type":
        return "give a mapping, as in {NAME: COUNTERPART}"
    return message


def text(facts: Facts, choices: list[Choice], written: Map) -> str:
    """The file with these choices, each line with its reason, and with what was `written` for other projects."""
    lines = [
        f"naru_map: {FORMAT}",
        f"from: {yamlfile.scalar(facts.old.cloud)}",
        f"to: {yamlfile.scalar(facts.new.cloud)}",
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
            remark = f"{say(choice.why)}; {say(choice.need.used_by)}" + (f"; called {named}" if named else "")
            lines.append(_line(choice.need.key, choice.target, " ".join(remark.split())))
        lines += [_line(key, target, "not used by these") for key, target in others.items()]
    return "\n".join(lines) + "\n"


def _line(key: str, target: str | None, remark: str) -> str:
    return f"  {yamlfile.scalar(key)}: {yamlfile.scalar(target)}  # {remark}"


def save(file: Path, content: str) -> None:
    """Writes the file whole or not at all. It holds no secret, and people share it: it has the mode that it had, or
    that new files have."""
    try:
        write_whole(file, content, private=False)
    except OSError as error:
        raise NaruError(f"{file} cannot be written", detail=str(error)) from error
