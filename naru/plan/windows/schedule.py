"""The schedule of many units: which wave goes when. A file that an operator writes, from a suggested one.

The file calls units and phases what the capability calls them (`Vocabulary`). Its times carry their zone. The schedule
that was run last is in the journal. So the same schedule can be run again even when its times are over, while new times
have to be in the future.
"""

import datetime
import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import pydantic

from naru import yamlfile
from naru.errors import InputError
from naru.plan.journal import Journal
from naru.plan.windows.needs import UnitNeed, needed, together
from naru.plan.windows.vocabulary import Vocabulary

FORMAT = 1
NOTE = "schedule"
"""The key under which the journal remembers the schedule."""
EXAMPLE = "2026-12-01T22:00:00+09:00"
DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d")


def _moment(value: Any) -> Any:
    """Refuses values that pydantic would take for a time, such as a day alone, or a number of seconds."""
    if value is None:
        raise ValueError(f"no time yet; write one like {EXAMPLE}")
    if not isinstance(value, str) or not DAY_AND_TIME.match(value):
        raise ValueError(f"{value} is not a date and time with a time zone; write it like {EXAMPLE}")
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
        """The name of the field in a file."""
        return cls.model_fields[field].alias or field


class Window(_Model):
    """When the window's phase begins: not before `start`, and not after `latest`."""

    start: Moment
    latest: Moment


class Wave(_Model):
    """Units (names or ids) that go in one window, `at_once` of them at a time. In a file, the fields of the phases have
    the names that the capability's `Vocabulary` gives them."""

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
        """When preparing begins; None: immediately. All of a plan is prepared together."""
        return next((wave.prepare for wave in self.waves if wave.prepare), None)


@functools.cache
def form(words: Vocabulary) -> type[Schedule]:
    """The model of a schedule in the words of a capability."""

    def called(name: str, default: Any = ...) -> Any:
        alias = words.units if name == "units" else getattr(words.phases, name)
        return (Wave.__annotations__[name], pydantic.Field(default, alias=alias))

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


def load(words: Vocabulary, file: Path) -> Schedule:
    """Reads a schedule. Raises InputError that names the file, every wrong field and what to write there."""
    if not file.exists():
        raise InputError(f"there is no schedule {file}", hint=f"Write one with: {words.listing} --suggest FILE")
    raw = yamlfile.load(file, times=False)
    if not isinstance(raw, dict) or type(raw.get("naru_schedule")) is not int:
        raise InputError(f"{file} is not a schedule", hint=f"Its first line is `naru_schedule: {FORMAT}`.")
    if raw["naru_schedule"] > FORMAT:
        raise InputError(f"{file} was written for a newer Naru (naru_schedule: {raw['naru_schedule']})")
    try:
        return form(words).model_validate(raw)
    except pydantic.ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {_explain(words, item)}" for item in error.errors()]
        raise InputError(
            f"{file} is not a valid schedule", detail="\n".join(lines[:20]), hint="Correct these fields."
        ) from error


def _explain(words: Vocabulary, item: Any) -> str:
    """The problem with a field, and what to write."""
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        schedule = form(words)
        # `loc` is where the field is: (field), (waves, number, field) or (waves, number, window, field)
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
        return f"{item['input']!r} is not a time; write it like {EXAMPLE}"
    if kind == "string_type":
        return "give a name, in quotes when it looks like a number"
    return message.removeprefix("Value error, ")


def _wave(schedule: type[Schedule]) -> type[Wave]:
    """The model of its waves."""
    wave: type[Wave] = get_args(schedule.model_fields["waves"].annotation)[0]
    return wave


# -- checking


def check(
    words: Vocabulary,
    file: Path,
    schedule: Schedule,
    names: Mapping[str, str],
    needs: Sequence[UnitNeed],
    *,
    now: datetime.datetime,
    before: Schedule | None,
    passed: Collection[str] = (),
) -> list[list[str]]:
    """The ids of each wave's units. `names` are those of all units by id, `before` the schedule that was run last,
    `passed` the units that are through their window already. Raises InputError that lists every problem of the file."""
    checker = _Check(words, schedule, names, needs, now, before, passed)
    if problems := list(checker.problems()):
        raise InputError(
            f"{file} does not fit the {words.plan}", detail="\n".join(problems), hint="Correct these fields."
        )
    return checker.ids


@dataclass
class _Check:
    """One schedule with all that it is compared to. `ids` (of each wave's units) is filled by `problems`."""

    words: Vocabulary
    schedule: Schedule
    names: Mapping[str, str]
    needs: Sequence[UnitNeed]
    now: datetime.datetime
    before: Schedule | None
    passed: Collection[str]
    ids: list[list[str]] = field(default_factory=list)

    def problems(self) -> Iterator[str]:
        """Every problem, with the field that has it."""
        yield from self._resolve()
        yield from self._times()
        wave_of = {identity: number for number, wave in enumerate(self.ids) for identity in wave}
        yield from self._order(wave_of)
        yield from self._together(wave_of)

    def _resolve(self) -> Iterator[str]:
        """Fills `ids`. A name that two units have is not in `names`."""
        words = self.words
        known = {name: identity for identity, name in self.names.items()} | {
            identity: identity for identity in self.names
        }
        hint = f"{words.listing} shows the {words.units} of the {words.plan}."
        waves: dict[str, str] = {}
        seen: dict[str, str] = {}
        for number, wave in enumerate(self.schedule.waves):
            where = f"waves.{number}"
            if wave.name in waves:
                yield f"{where}.name: {waves[wave.name]} is called {wave.name}, too; give another name"
            waves.setdefault(wave.name, where)
            self.ids.append([])
            for position, text in enumerate(wave.units):
                place = f"{where}.{words.units}.{position}"
                identity = known.get(text)
                if identity is None:
                    yield f"{place}: the {words.plan} has no {words.unit} {text}; {hint}"
                elif identity in seen:
                    yield f"{place}: {text} is at {seen[identity]} already; leave one of them"
                else:
                    seen[identity] = place
                    self.ids[-1].append(identity)

    def _times(self) -> Iterator[str]:
        phases, schedule, before = self.words.phases, self.schedule, self.before
        start, latest = f"{phases.window}.start", f"{phases.window}.latest"
        known = {(wave.name, *item) for wave in before.waves for item in wave.times.items()} if before else set()
        for number, wave in enumerate(schedule.waves):
            where, window = f"waves.{number}", wave.window
            for name, at in wave.times.items():
                if at < self.now and (wave.name, name, at) not in known:
                    yield f"{where}.{name}: {at.isoformat()} is over; give a time to come"
            if window.latest < window.start:
                yield f"{where}.{latest}: is before {start}; give a later time"
            if wave.prepare and wave.prepare > window.start:
                yield f"{where}.{phases.prepare}: is later than {start}; give an earlier time"
            if wave.prepare and wave.prepare != schedule.prepare:
                assert schedule.prepare
                yield (
                    f"{where}.{phases.prepare}: the waves of one plan are prepared together;"
                    f" write {schedule.prepare.isoformat()} as in the wave before, or leave it out"
                )
            if wave.end and wave.end <= window.latest:
                yield f"{where}.{phases.end}: is not later than {latest}; give a later time"
            if schedule.prepare and not wave.prepare and schedule.prepare > window.start:
                begins = schedule.prepare.isoformat()
                yield f"{where}.{start}: is before {begins}, when preparing begins; give a later time"

    def _order(self, wave_of: Mapping[str, int]) -> Iterator[str]:
        """Needs whose unit comes too late, or not at all."""
        waves, names = self.schedule.waves, self.names
        seen: set[tuple[str, str]] = set()
        for need in self.needs:
            pair = (need.unit, need.needs)
            if need.unit not in wave_of or need.needs in self.passed or pair in seen:
                continue
            seen.add(pair)
            mine, theirs = wave_of[need.unit], wave_of.get(need.needs)
            where = f"waves.{mine}.{self.words.units}: {need.text(names)}"
            if theirs is None:
                yield f"{where}; put {names[need.needs]} into this wave or an earlier one"
            elif waves[theirs].window.start > waves[mine].window.start:
                later = f"{where}, and that is {self.words.passed} later"
                yield f"{later}; put both into one wave, or change the order"

    def _together(self, wave_of: Mapping[str, int]) -> Iterator[str]:
        """Groups that go together and are in several waves."""
        for group in together(wave_of, needed(self.needs)):
            if len({wave_of[unit] for unit in group if unit in wave_of}) > 1:
                called = ", ".join(self.names[unit] for unit in group)
                yield f"waves: {called} need one another, and are {self.words.passed} together; put them into one wave"


# -- what was run


def last(words: Vocabulary, journal: Journal) -> Schedule | None:
    """The schedule that was run last."""
    found = journal.recall(NOTE)
    return None if found is None else form(words).model_validate(found)


def remember(journal: Journal, schedule: Schedule) -> None:
    """Writes into the journal that this is the schedule from now on."""
    dumped = schedule.model_dump(mode="json", by_alias=True)
    if dumped != journal.recall(NOTE):
        journal.remember(NOTE, dumped)


# -- writing


def text(
    words: Vocabulary, waves: Sequence[Sequence[str]], names: Mapping[str, str], why: Sequence[Sequence[str]]
) -> str:
    """A file with these waves (ids) and what binds them, whose times are still to be written."""
    lines = [
        f"naru_schedule: {FORMAT}",
        f"# Times with their zone, like {EXAMPLE}; null is not decided yet.",
        "waves:",
    ]
    for number, (wave, reasons) in enumerate(zip(waves, why, strict=True), 1):
        lines.append(f"  - name: wave-{number}")
        lines.append(f"    {words.units}:")
        lines += [f"      - {yamlfile.scalar(names[unit])}" for unit in wave]
        lines += [f"    # {_printable(reason)}" for reason in reasons]
        lines += [
            f"    {words.phases.window}:",
            f"      start: null  # {words.openings} begin",
            "      latest: null  # and none begins after this",
            f"    at_once: 1  # {words.units} at a time",
        ]
    lines += [
        f"# Each wave may also have `{words.phases.prepare}: TIME` (the same in all: not before it; else at once) and",
        f"# `{words.phases.end}: TIME` (no rollback after it; else nothing is {words.ended}).",
    ]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    """The text as one line of a comment, whatever characters a name has."""
    return "".join(character if character.isprintable() else " " for character in text)
