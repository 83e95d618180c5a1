"""Which gates a schedule opens and which it holds at a moment. It reads and writes nothing.

The answer follows from the schedule, the time and how far the units are, and from nothing it remembers: so a run
that was killed at any instant goes on where it was.
"""

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from naru.plan.windows.needs import together
from naru.plan.windows.phases import ROLLED_BACK, Phases, UnitProgress
from naru.plan.windows.schedule import Schedule, Wave
from naru.plan.windows.vocabulary import Vocabulary


class GateChange(NamedTuple):
    """The gate before a unit's phase is to be released, or held again."""

    phase: str
    unit: str
    release: bool


class Next(NamedTuple):
    """What comes next, and when."""

    at: datetime.datetime
    what: str


class UnitState(NamedTuple):
    """Where a unit is: `state` is `done` (as far as it was to come), `failed`, ROLLED_BACK, or `held`, and `why`."""

    wave: str
    unit: str
    reached: str
    state: str
    why: str


class AgendaRow(NamedTuple):
    """When (as text) a phase begins for units of a wave, and how many of them go at a time (None: all). Units that go
    together are joined by +."""

    at: str
    phase: str
    wave: str
    units: str
    at_once: int | None


@dataclass(frozen=True)
class Conductor:
    """`ids` are the units of each wave, `needs` the units that each needs, `until` the last phase that is run."""

    words: Vocabulary
    schedule: Schedule
    ids: Sequence[Sequence[str]]
    needs: Mapping[str, Collection[str]]
    names: Mapping[str, str]
    until: str

    @property
    def phases(self) -> Phases:
        return self.words.phases

    def due(self, progress: Mapping[str, UnitProgress], now: datetime.datetime) -> list[GateChange]:
        """The gates that are to be released or held again now."""
        changes: list[GateChange] = []
        for wave, units in self._waves(progress):
            if self._runs(self.phases.window):
                changes += self._open_window(wave, units, progress, now)
            if self._runs(self.phases.end) and wave.end and now >= wave.end:
                changes += [
                    GateChange(self.phases.end, unit, True)
                    for unit in units
                    if self._done(progress[unit], self.phases.window) and self.phases.end not in progress[unit].open
                ]
        return changes

    def _open_window(
        self, wave: Wave, units: Sequence[str], progress: Mapping[str, UnitProgress], now: datetime.datetime
    ) -> Iterator[GateChange]:
        under_way = sum(1 for unit in units if self._under_way(progress[unit]))
        for group in self._groups(units):
            closed = [unit for unit in group if self.phases.window not in progress[unit].open]
            if any(progress[unit].begun for unit in group):
                # one without the other would be worse than one that is late
                yield from (GateChange(self.phases.window, unit, True) for unit in closed)
            elif now > wave.window.latest:
                yield from (GateChange(self.phases.window, unit, False) for unit in group if unit not in closed)
            elif closed and now >= wave.window.start and not self._waits_for(group, progress):
                count = under_way + len(closed)
                # a group that is larger than the bound goes alone
                if count <= wave.at_once or not under_way:
                    under_way = count
                    yield from (GateChange(self.phases.window, unit, True) for unit in closed)

    def next(self, progress: Mapping[str, UnitProgress], now: datetime.datetime) -> Next | None:
        """The next moment at which something may become due; None when there is none any more."""
        found: list[Next] = []
        if self.schedule.prepare and not all(
            self._done(progress[name], self.phases.prepare) for _, wave in self._waves(progress) for name in wave
        ):
            found.append(Next(self.schedule.prepare, "preparing begins"))
        for wave, units in self._waves(progress):
            window = wave.window
            ahead = [
                unit
                for group in self._groups(units)
                if not any(progress[member].begun for member in group)
                for unit in group
            ]
            if ahead and self._runs(self.phases.window):
                called = self._called(ahead)
                found.append(Next(window.start, f"{self.words.opening} of wave {wave.name} begins: {called}"))
                found.append(Next(window.latest, f"the window of wave {wave.name} closes for {called}"))
            to_come = [
                unit
                for unit in units
                if not self._done(progress[unit], self.phases.end)
                and (now <= window.latest or self._goes_through(progress[unit]))
            ]
            if to_come and wave.end and self._runs(self.phases.end):
                found.append(Next(wave.end, f"wave {wave.name} is {self.words.ended}: {self._called(to_come)}"))
        return min((item for item in found if item.at > now), default=None)

    def agenda(self, progress: Mapping[str, UnitProgress]) -> list[AgendaRow]:
        """All that is to come, in the order of the times."""
        found: list[tuple[datetime.datetime | None, int, tuple[str, str, str, int | None]]] = []
        for number, (wave, units) in enumerate(self._waves(progress)):
            window = wave.window
            times = dict(zip(self.phases.names, (self.schedule.prepare, window.start, wave.end), strict=True))
            for phase, at in times.items():
                groups = [
                    "+".join(self.names[unit] for unit in left)
                    for group in (self._groups(units) if phase == self.phases.window else [(name,) for name in units])
                    if (left := [unit for unit in group if not self._done(progress[unit], phase)])
                ]
                if groups and self._runs(phase) and (at or phase == self.phases.prepare):
                    many = wave.at_once if phase == self.phases.window else None
                    found.append((at, number, (phase, wave.name, ", ".join(groups), many)))
        # what has no time begins immediately
        earliest = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        found.sort(key=lambda item: (item[0] or earliest, item[1]))
        return [AgendaRow(at.isoformat() if at else "at once", *rest) for at, _, rest in found]

    def states(self, progress: Mapping[str, UnitProgress], now: datetime.datetime) -> list[UnitState]:
        """Where every unit is."""
        found = []
        for wave, units in zip(self.schedule.waves, self.ids, strict=True):
            target = self.phases.end if wave.end else self.phases.window
            target = min(target, self.until, key=self.phases.number)
            for unit in units:
                mine = progress[unit]
                reached = self.phases.last(mine)
                state, why = "held", ""
                if mine.rolled_back:
                    state, why = ROLLED_BACK, self.words.again
                elif self._done(mine, target):
                    state = "done"
                elif mine.stuck:
                    state, why = "failed", "naru plan steps --state failed shows the steps"
                else:
                    why = self._why(wave, unit, progress, now)
                found.append(UnitState(wave.name, self.names[unit], reached, state, why))
        return found

    def _why(self, wave: Wave, unit: str, progress: Mapping[str, UnitProgress], now: datetime.datetime) -> str:
        """The reason why a unit that has not failed waits."""
        mine = progress[unit]
        if mine.begun or not self._runs(self.phases.window):
            return "its steps wait: naru plan status shows for what"
        group = next(group for group in self._groups(self._wave_of(unit)) if unit in group)
        waits = self._waits_for(group, progress)
        if now > wave.window.latest:
            late = f"its window closed at {wave.window.latest.isoformat()}"
            return f"{late}; {waits}" if waits else late
        return waits or f"its window opens at {wave.window.start.isoformat()}"

    def _wave_of(self, unit: str) -> Sequence[str]:
        return next(units for units in self.ids if unit in units)

    def _waits_for(self, group: Sequence[str], progress: Mapping[str, UnitProgress]) -> str:
        """The reason that keeps the group from its window; empty when there is none."""
        unprepared = [unit for unit in group if not self._done(progress[unit], self.phases.prepare)]
        others = {other for unit in group for other in self.needs.get(unit, ()) if other not in group}
        not_passed = sorted(other for other in others if not self._done(progress[other], self.phases.window))
        rolled_back = [other for other in not_passed if progress[other].rolled_back]
        not_passed = [other for other in not_passed if other not in rolled_back]
        parts = (
            [f"{self._called(unprepared)} {'is' if len(unprepared) == 1 else 'are'} not prepared"] if unprepared else []
        )
        if not_passed:
            parts.append(f"needs {self._called(not_passed)}, not {self.words.passed} yet")
        if rolled_back:
            parts.append(f"needs {self._called(rolled_back)}, {ROLLED_BACK}")
        return "; ".join(parts)

    def _groups(self, units: Sequence[str]) -> list[tuple[str, ...]]:
        """Those of a wave's units that go together, each group after those that it needs."""
        inside = {name: [other for other in self.needs.get(name, ()) if other in units] for name in units}
        return together(units, inside)

    def _waves(self, progress: Mapping[str, UnitProgress]) -> Iterator[tuple[Wave, Sequence[str]]]:
        """Each wave with its units, but for those that were rolled back."""
        for wave, units in zip(self.schedule.waves, self.ids, strict=True):
            yield wave, [unit for unit in units if not progress[unit].rolled_back]

    def _runs(self, phase: str) -> bool:
        return self.phases.number(phase) <= self.phases.number(self.until)

    def _called(self, units: Collection[str]) -> str:
        return ", ".join(self.names[unit] for unit in units)

    def _under_way(self, progress: UnitProgress) -> bool:
        """Whether the unit is in its window's phase, or is about to be: it takes one of its wave's places."""
        begun = self.phases.window in progress.open or progress.begun
        return begun and not self._done(progress, self.phases.window) and not progress.stuck

    def _goes_through(self, progress: UnitProgress) -> bool:
        """Whether the unit is in its window's phase, or was."""
        return self._done(progress, self.phases.window) or self._under_way(progress)

    def _done(self, progress: UnitProgress, phase: str) -> bool:
        return self.phases.done(progress, phase)
