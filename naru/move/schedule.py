"""The schedule of a move of many projects: which wave is moved when. `naru move waves --suggest` writes one.

Its times carry their zone. The schedule that was run last is in the journal, so that the same one goes on whatever its
times are by then, while new times have to be times to come.
"""

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic
import yaml

from naru import yamlfile
from naru.errors import InputError
from naru.move import mapfile
from naru.move.dependencies import Dependency, needed, together
from naru.plan.journal import Journal

FORMAT = 1
NOTE = "schedule"
"""Under which the journal remembers the schedule."""
EXAMPLE = "2026-12-01T22:00:00+09:00"
DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d")
PROJECT_HINT = "naru move waves WORK shows the projects of the move."


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


class Window(_Model):
    """When cut-overs begin: not before `start`, and not after `latest`."""

    start: Moment
    latest: Moment


class Wave(_Model):
    """Projects (names or ids) that are moved in one window, `at_once` of them at a time."""

    name: Annotated[str, pydantic.AfterValidator(_some)]
    projects: Annotated[tuple[str, ...], pydantic.AfterValidator(_some)]
    prepare: Moment | None = None
    cutover: Window
    finalize: Moment | None = None
    at_once: Annotated[int, pydantic.Field(ge=1, strict=True)] = 1

    @property
    def times(self) -> dict[str, datetime.datetime]:
        """The times that the wave names, by field."""
        found = {
            "prepare": self.prepare,
            "cutover.start": self.cutover.start,
            "cutover.latest": self.cutover.latest,
            "finalize": self.finalize,
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


# -- reading


def load(file: Path) -> Schedule:
    """Reads a schedule. Raises InputError that names the file, every wrong field and what to write there."""
    try:
        raw = yamlfile.parse(file.read_text(), times=False)
    except FileNotFoundError as error:
        raise InputError(
            f"there is no schedule {file}", hint="Write one with: naru move waves WORK --suggest FILE"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read", detail=str(error)) from error
    if not isinstance(raw, dict) or type(raw.get("naru_schedule")) is not int:
        raise InputError(f"{file} is not a schedule", hint=f"Its first line is `naru_schedule: {FORMAT}`.")
    if raw["naru_schedule"] > FORMAT:
        raise InputError(f"{file} was written for a newer Naru (naru_schedule: {raw['naru_schedule']})")
    try:
        return Schedule.model_validate(raw)
    except pydantic.ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {_explain(item)}" for item in error.errors()]
        raise InputError(
            f"{file} is not a valid schedule", detail="\n".join(lines[:20]), hint="Correct these fields."
        ) from error


def _explain(item: Any) -> str:
    """What is wrong with a field, and what to write."""
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        models: dict[int, type[_Model]] = {1: Schedule, 3: Wave, 4: Window}
        return f"there is no such field; there are: {', '.join(models[len(item['loc'])].model_fields)}"
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


# -- checking


def check(
    file: Path,
    schedule: Schedule,
    names: Mapping[str, str],
    dependencies: Sequence[Dependency],
    *,
    now: datetime.datetime,
    before: Schedule | None,
    cut_over: Collection[str] = (),
) -> list[list[str]]:
    """The ids of each wave's projects. `names` are the projects' of the move by id, `before` the schedule that was run
    last, `cut_over` the projects that are so already. Raises InputError that lists every problem of the file."""
    problems: list[str] = []
    ids = _resolve(schedule, names, problems)
    _check_times(schedule, now, before, problems)
    _check_order(schedule, ids, names, dependencies, cut_over, problems)
    if problems:
        raise InputError(f"{file} does not fit the move", detail="\n".join(problems), hint="Correct these fields.")
    return ids


def _resolve(schedule: Schedule, names: Mapping[str, str], problems: list[str]) -> list[list[str]]:
    """Projects by id. `names` of twins are no names."""
    known = {name: identity for identity, name in names.items()} | {identity: identity for identity in names}
    waves: dict[str, str] = {}
    seen: dict[str, str] = {}
    found: list[list[str]] = []
    for number, wave in enumerate(schedule.waves):
        where = f"waves.{number}"
        if wave.name in waves:
            problems.append(f"{where}.name: {waves[wave.name]} is called {wave.name}, too; give another name")
        waves.setdefault(wave.name, where)
        found.append([])
        for place, text in enumerate(wave.projects):
            field = f"{where}.projects.{place}"
            identity = known.get(text)
            if identity is None:
                problems.append(f"{field}: the move has no project {text}; {PROJECT_HINT}")
            elif identity in seen:
                problems.append(f"{field}: {text} is at {seen[identity]} already; leave one of them")
            else:
                seen[identity] = field
                found[-1].append(identity)
    return found


def _check_times(schedule: Schedule, now: datetime.datetime, before: Schedule | None, problems: list[str]) -> None:
    known = {(wave.name, *item) for wave in before.waves for item in wave.times.items()} if before else set()
    for number, wave in enumerate(schedule.waves):
        where, window = f"waves.{number}", wave.cutover
        for field, at in wave.times.items():
            if at < now and (wave.name, field, at) not in known:
                problems.append(f"{where}.{field}: {at.isoformat()} is over; give a time to come")
        if window.latest < window.start:
            problems.append(f"{where}.cutover.latest: is before cutover.start; give a later time")
        if wave.prepare and wave.prepare > window.start:
            problems.append(f"{where}.prepare: is later than cutover.start; give an earlier time")
        if wave.prepare and wave.prepare != schedule.prepare:
            assert schedule.prepare
            problems.append(
                f"{where}.prepare: the waves of one plan are prepared together;"
                f" write {schedule.prepare.isoformat()} as in the wave before, or leave it out"
            )
        if wave.finalize and wave.finalize <= window.latest:
            problems.append(f"{where}.finalize: is not later than cutover.latest; give a later time")
        if schedule.prepare and not wave.prepare and schedule.prepare > window.start:
            begins = schedule.prepare.isoformat()
            problems.append(f"{where}.cutover.start: is before {begins}, when preparing begins; give a later time")


def _check_order(
    schedule: Schedule,
    ids: list[list[str]],
    names: Mapping[str, str],
    dependencies: Sequence[Dependency],
    cut_over: Collection[str],
    problems: list[str],
) -> None:
    place = {identity: number for number, wave in enumerate(ids) for identity in wave}
    told: set[tuple[str, str]] = set()
    for dependency in dependencies:
        pair = (dependency.project, dependency.needs)
        if dependency.project not in place or dependency.needs in cut_over or pair in told:
            continue
        told.add(pair)
        mine, theirs = place[dependency.project], place.get(dependency.needs)
        where = f"waves.{mine}.projects: {dependency.text(names)}"
        if theirs is None:
            problems.append(f"{where}; put {names[dependency.needs]} into this wave or an earlier one")
        elif schedule.waves[theirs].cutover.start > schedule.waves[mine].cutover.start:
            problems.append(f"{where}, and that is cut over later; put both into one wave, or change the order")
    _check_together(ids, names, dependencies, place, problems)


def _check_together(
    ids: list[list[str]],
    names: Mapping[str, str],
    dependencies: Sequence[Dependency],
    place: Mapping[str, int],
    problems: list[str],
) -> None:
    needs = needed(dependencies)
    for group in together([project for wave in ids for project in wave], needs):
        if len({place[project] for project in group if project in place}) > 1:
            called = ", ".join(names[project] for project in group)
            problems.append(f"waves: {called} need one another, and are cut over together; put them into one wave")


# -- what was run


def last(journal: Journal) -> Schedule | None:
    """The schedule that was run last."""
    found = journal.recall(NOTE)
    return None if found is None else Schedule.model_validate(found)


def remember(journal: Journal, schedule: Schedule) -> None:
    """Writes into the journal that this is the schedule from now on."""
    if schedule != last(journal):
        journal.remember(NOTE, schedule.model_dump(mode="json"))


# -- writing


def text(waves: Sequence[Sequence[str]], names: Mapping[str, str], why: Sequence[Sequence[str]]) -> str:
    """A file with these waves (ids) and what binds them, whose times are still to be written."""
    lines = [
        f"naru_schedule: {FORMAT}",
        f"# Times with their zone, like {EXAMPLE}; null is not decided yet.",
        "waves:",
    ]
    for number, (wave, reasons) in enumerate(zip(waves, why, strict=True), 1):
        lines.append(f"  - name: wave-{number}")
        lines.append("    projects:")
        lines += [f"      - {mapfile.scalar(names[project])}" for project in wave]
        lines += [f"    # {_printable(reason)}" for reason in reasons]
        lines += [
            "    cutover:",
            "      start: null  # cut-overs begin",
            "      latest: null  # and none begins after this",
            "    at_once: 1  # projects at a time",
        ]
    lines += [
        "# Each wave may also have `prepare: TIME` (the same in all: not before it; else at once) and",
        "# `finalize: TIME` (no way back after it; else nothing is finalized).",
    ]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    """The text as one line of a comment, whatever characters a name has."""
    return "".join(character if character.isprintable() else " " for character in text)
