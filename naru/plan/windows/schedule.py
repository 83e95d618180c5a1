"""The schedule of many units: which wave goes when. A file that an operator writes, from one that the tenant suggests.

The file calls units and phases what the tenant calls them (`Phases`). Its times carry their zone. The schedule that was
run last is in the journal, so that the same one goes on whatever its times are by then, while new times have to be
times to come.
"""

import datetime
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import pydantic
import yaml

from naru import yamlfile
from naru.errors import InputError
from naru.plan.journal import Journal
from naru.plan.windows.needs import Need, needed, together
from naru.plan.windows.phases import Phases

FORMAT = 1
NOTE = "schedule"
"""Under which the journal remembers the schedule."""
EXAMPLE = "2026-12-01T22:00:00+09:00"
DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d")


def _moment(value: Any) -> Any:
    """Refuses what pydantic would take for a time, such as a day alone, or a number of seconds."""
    if value is None:
        raise ValueError(f"no time yet; write one like {EXAMPLE}")
    if not isinstance(value, str) or not DAY_AND_TIME.match(value):
        raise ValueError(f"{value} is no day with a time and a zone; write it like {EXAMPLE}")
    return value


def _some(value: Any) -> Any:
    if not value:
        raise ValueError("is empty; give at least one")
    return value


Moment = Annotated[pydantic.AwareDatetime, pydantic.BeforeValidator(_moment)]


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def written(cls, field: str) -> str:
        """What the field is called in a file."""
        return cls.model_fields[field].alias or field


class Window(_Model):
    """When the window's phase begins: not before `start`, and not after `latest`."""

    start: Moment
    latest: Moment


class Wave(_Model):
    """Units (names or ids) that go in one window, `at_once` of them at a time; see `Phases` for the phases."""

    name: Annotated[str, pydantic.AfterValidator(_some)]
    units: Annotated[tuple[str, ...], pydantic.AfterValidator(_some)]
    prepare: Moment | None = None
    window: Window
    end: Moment | None = None
    at_once: Annotated[int, pydantic.Field(ge=1, strict=True)] = 1

    @property
    def times(self) -> dict[str, datetime.datetime]:
        """The times that the wave names, by the file's field."""
        window = self.written("window")
        found = {
            self.written("prepare"): self.prepare,
            f"{window}.start": self.window.start,
            f"{window}.latest": self.window.latest,
            self.written("end"): self.end,
        }
        return {field: at for field, at in found.items() if at is not None}


class Schedule(_Model):
    """The file's content."""

    naru_schedule: int = FORMAT
    waves: Annotated[tuple[Wave, ...], pydantic.AfterValidator(_some)]

    @property
    def prepare(self) -> datetime.datetime | None:
        """When preparing begins; None: at once. All of a plan is prepared together."""
        return next((wave.prepare for wave in self.waves if wave.prepare), None)


@functools.cache
def form(phases: Phases) -> type[Schedule]:
    """A schedule in the words of a tenant."""

    def called(name: str, default: Any = ...) -> Any:
        return (Wave.__annotations__[name], pydantic.Field(default, alias=getattr(phases, name)))

    wave: Any = pydantic.create_model(
        "Wave",
        __base__=Wave,
        units=called("units"),
        prepare=called("prepare", None),
        window=called("window"),
        end=called("end", None),
    )
    waves = Annotated[tuple[wave, ...], pydantic.AfterValidator(_some)]
    return pydantic.create_model("Schedule", __base__=Schedule, waves=(waves, ...))


# -- reading


def load(phases: Phases, file: Path) -> Schedule:
    """Reads a schedule. Raises InputError that names the file, every wrong field and what to write there."""
    try:
        raw = yamlfile.parse(file.read_text(), times=False)
    except FileNotFoundError as error:
        raise InputError(
            f"there is no schedule {file}", hint=f"Write one with: {phases.listing} --suggest FILE"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read", detail=str(error)) from error
    if not isinstance(raw, dict) or type(raw.get("naru_schedule")) is not int:
        raise InputError(f"{file} is not a schedule", hint=f"Its first line is `naru_schedule: {FORMAT}`.")
    if raw["naru_schedule"] > FORMAT:
        raise InputError(f"{file} was written for a newer Naru (naru_schedule: {raw['naru_schedule']})")
    try:
        return form(phases).model_validate(raw)
    except pydantic.ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {_explain(phases, item)}" for item in error.errors()]
        raise InputError(
            f"{file} is not a valid schedule", detail="\n".join(lines[:20]), hint="Correct these fields."
        ) from error


def _explain(phases: Phases, item: Any) -> str:
    """What is wrong with a field, and what to write."""
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        schedule = form(phases)
        models: dict[int, type[_Model]] = {1: schedule, 3: _wave(schedule), 4: Window}
        model = models[len(item["loc"])]
        return f"there is no such field; there are: {', '.join(map(model.written, model.model_fields))}"
    if kind == "model_type":
        return "give its fields"
    if kind == "missing":
        return f"is missing; write a time like {EXAMPLE}" if item["loc"][-1] in ("start", "latest") else "is missing"
    if kind == "timezone_aware":
        return f"a time without a zone; write it like {EXAMPLE}"
    if kind.startswith("datetime"):
        return f"{item['input']!r} is no time; write it like {EXAMPLE}"
    if kind == "string_type":
        return "give a name, in quotes when it looks like a number"
    return message.removeprefix("Value error, ")


def _wave(schedule: type[Schedule]) -> type[Wave]:
    """The model of its waves."""
    wave: type[Wave] = get_args(schedule.model_fields["waves"].annotation)[0]
    return wave


# -- checking


def check(
    phases: Phases,
    file: Path,
    schedule: Schedule,
    names: Mapping[str, str],
    needs: Sequence[Need],
    *,
    now: datetime.datetime,
    before: Schedule | None,
    passed: Collection[str] = (),
) -> list[list[str]]:
    """The ids of each wave's units. `names` are those of all units by id, `before` the schedule that was run last,
    `passed` the units that are through their window already. Raises InputError that lists every problem of the file."""
    problems: list[str] = []
    ids = _resolve(phases, schedule, names, problems)
    _check_times(phases, schedule, now, before, problems)
    _check_order(phases, schedule, ids, names, needs, passed, problems)
    if problems:
        raise InputError(
            f"{file} does not fit the {phases.plan}", detail="\n".join(problems), hint="Correct these fields."
        )
    return ids


def _resolve(phases: Phases, schedule: Schedule, names: Mapping[str, str], problems: list[str]) -> list[list[str]]:
    """Units by id. `names` of twins are no names."""
    known = {name: identity for identity, name in names.items()} | {identity: identity for identity in names}
    hint = f"{phases.listing} shows the {phases.units} of the {phases.plan}."
    waves: dict[str, str] = {}
    seen: dict[str, str] = {}
    found: list[list[str]] = []
    for number, wave in enumerate(schedule.waves):
        where = f"waves.{number}"
        if wave.name in waves:
            problems.append(f"{where}.name: {waves[wave.name]} is called {wave.name}, too; give another name")
        waves.setdefault(wave.name, where)
        found.append([])
        for position, text in enumerate(wave.units):
            field = f"{where}.{phases.units}.{position}"
            identity = known.get(text)
            if identity is None:
                problems.append(f"{field}: the {phases.plan} has no {phases.unit} {text}; {hint}")
            elif identity in seen:
                problems.append(f"{field}: {text} is at {seen[identity]} already; leave one of them")
            else:
                seen[identity] = field
                found[-1].append(identity)
    return found


def _check_times(
    phases: Phases, schedule: Schedule, now: datetime.datetime, before: Schedule | None, problems: list[str]
) -> None:
    prepare, start, latest = phases.prepare, f"{phases.window}.start", f"{phases.window}.latest"
    known = {(wave.name, *item) for wave in before.waves for item in wave.times.items()} if before else set()
    for number, wave in enumerate(schedule.waves):
        where, window = f"waves.{number}", wave.window
        for field, at in wave.times.items():
            if at < now and (wave.name, field, at) not in known:
                problems.append(f"{where}.{field}: {at.isoformat()} is over; give a time to come")
        if window.latest < window.start:
            problems.append(f"{where}.{latest}: is before {start}; give a later time")
        if wave.prepare and wave.prepare > window.start:
            problems.append(f"{where}.{prepare}: is later than {start}; give an earlier time")
        if wave.prepare and wave.prepare != schedule.prepare:
            assert schedule.prepare
            problems.append(
                f"{where}.{prepare}: the waves of one plan are prepared together;"
                f" write {schedule.prepare.isoformat()} as in the wave before, or leave it out"
            )
        if wave.end and wave.end <= window.latest:
            problems.append(f"{where}.{phases.end}: is not later than {latest}; give a later time")
        if schedule.prepare and not wave.prepare and schedule.prepare > window.start:
            begins = schedule.prepare.isoformat()
            problems.append(f"{where}.{start}: is before {begins}, when preparing begins; give a later time")


def _check_order(
    phases: Phases,
    schedule: Schedule,
    ids: list[list[str]],
    names: Mapping[str, str],
    needs: Sequence[Need],
    passed: Collection[str],
    problems: list[str],
) -> None:
    wave_of = {identity: number for number, wave in enumerate(ids) for identity in wave}
    seen: set[tuple[str, str]] = set()
    for need in needs:
        pair = (need.unit, need.needs)
        if need.unit not in wave_of or need.needs in passed or pair in seen:
            continue
        seen.add(pair)
        mine, theirs = wave_of[need.unit], wave_of.get(need.needs)
        where = f"waves.{mine}.{phases.units}: {need.text(names)}"
        if theirs is None:
            problems.append(f"{where}; put {names[need.needs]} into this wave or an earlier one")
        elif schedule.waves[theirs].window.start > schedule.waves[mine].window.start:
            problems.append(f"{where}, and that is {phases.passed} later; put both into one wave, or change the order")
    _check_together(phases, ids, names, needs, wave_of, problems)


def _check_together(
    phases: Phases,
    ids: list[list[str]],
    names: Mapping[str, str],
    needs: Sequence[Need],
    wave_of: Mapping[str, int],
    problems: list[str],
) -> None:
    for group in together([unit for wave in ids for unit in wave], needed(needs)):
        if len({wave_of[unit] for unit in group if unit in wave_of}) > 1:
            called = ", ".join(names[unit] for unit in group)
            problems.append(
                f"waves: {called} need one another, and are {phases.passed} together; put them into one wave"
            )


# -- what was run


def last(phases: Phases, journal: Journal) -> Schedule | None:
    """The schedule that was run last."""
    found = journal.recall(NOTE)
    return None if found is None else form(phases).model_validate(found)


def remember(journal: Journal, schedule: Schedule) -> None:
    """Writes into the journal that this is the schedule from now on."""
    dumped = schedule.model_dump(mode="json", by_alias=True)
    if dumped != journal.recall(NOTE):
        journal.remember(NOTE, dumped)


# -- writing


def text(phases: Phases, waves: Sequence[Sequence[str]], names: Mapping[str, str], why: Sequence[Sequence[str]]) -> str:
    """A file with these waves (ids) and what binds them, whose times are still to be written."""
    lines = [
        f"naru_schedule: {FORMAT}",
        f"# Times with their zone, like {EXAMPLE}; null is not decided yet.",
        "waves:",
    ]
    for number, (wave, reasons) in enumerate(zip(waves, why, strict=True), 1):
        lines.append(f"  - name: wave-{number}")
        lines.append(f"    {phases.units}:")
        lines += [f"      - {yamlfile.scalar(names[unit])}" for unit in wave]
        lines += [f"    # {_printable(reason)}" for reason in reasons]
        lines += [
            f"    {phases.window}:",
            f"      start: null  # {phases.openings} begin",
            "      latest: null  # and none begins after this",
            f"    at_once: 1  # {phases.units} at a time",
        ]
    lines += [
        f"# Each wave may also have `{phases.prepare}: TIME` (the same in all: not before it; else at once) and",
        f"# `{phases.end}: TIME` (no rollback after it; else nothing is {phases.ended}).",
    ]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    """The text as one line of a comment, whatever characters a name has."""
    return "".join(character if character.isprintable() else " " for character in text)
