"""What a schedule has to be done at a moment: which gates are opened and which are held. It reads and writes nothing.

What it says follows from the schedule, the time and how far the projects are, and from nothing it remembers: so a run
that was killed at any instant goes on where it was.
"""

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from naru.move.dependencies import together
from naru.move.progress import PHASES, Standing
from naru.move.schedule import Schedule, Wave

BACK = "rolled back"
"""The state of a project that is moved no more."""


class Deed(NamedTuple):
    """The gate before a project's phase is to be released, or held again."""

    phase: str
    project: str
    release: bool


class Next(NamedTuple):
    """What comes next, and when."""

    at: datetime.datetime
    what: str


class Verdict(NamedTuple):
    """Where a project is: `state` is `done` (as far as it was to come), `failed`, BACK, or `held`, and `why`."""

    wave: str
    project: str
    reached: str
    state: str
    why: str


@dataclass(frozen=True)
class Conductor:
    """`ids` are the projects of each wave, `needs` the projects that each needs, `until` the last phase that is run."""

    schedule: Schedule
    ids: Sequence[Sequence[str]]
    needs: Mapping[str, Collection[str]]
    names: Mapping[str, str]
    until: str = PHASES[-1]

    def due(self, standings: Mapping[str, Standing], now: datetime.datetime) -> list[Deed]:
        """What is to be done now."""
        deeds: list[Deed] = []
        for wave, projects in self._waves(standings):
            if self._runs("cutover"):
                deeds += self._cut_over(wave, projects, standings, now)
            if self._runs("finalize") and wave.finalize and now >= wave.finalize:
                deeds += [
                    Deed("finalize", project, True)
                    for project in projects
                    if standings[project].done("cutover") and "finalize" not in standings[project].open
                ]
        return deeds

    def _cut_over(
        self, wave: Wave, projects: Sequence[str], standings: Mapping[str, Standing], now: datetime.datetime
    ) -> Iterator[Deed]:
        under_way = sum(1 for project in projects if _under_way(standings[project]))
        for group in self._groups(projects):
            closed = [project for project in group if "cutover" not in standings[project].open]
            if any(standings[project].begun for project in group):
                # one without the other would be worse than one that is late
                yield from (Deed("cutover", project, True) for project in closed)
            elif now > wave.cutover.latest:
                yield from (Deed("cutover", project, False) for project in group if project not in closed)
            elif closed and now >= wave.cutover.start and not self._waits_for(group, standings):
                count = under_way + len(closed)
                # a group that is over the bound goes, too, but alone
                if count <= wave.at_once or not under_way:
                    under_way = count
                    yield from (Deed("cutover", project, True) for project in closed)

    def next(self, standings: Mapping[str, Standing], now: datetime.datetime) -> Next | None:
        """The next moment at which something may become due; None when there is none any more."""
        found: list[Next] = []
        if self.schedule.prepare and not all(
            standings[name].done("prepare") for _, wave in self._waves(standings) for name in wave
        ):
            found.append(Next(self.schedule.prepare, "preparing begins"))
        for wave, projects in self._waves(standings):
            window = wave.cutover
            ahead = [
                project
                for group in self._groups(projects)
                if not any(standings[member].begun for member in group)
                for project in group
            ]
            if ahead and self._runs("cutover"):
                called = self._called(ahead)
                found.append(Next(window.start, f"cut-over of wave {wave.name} begins: {called}"))
                found.append(Next(window.latest, f"the window of wave {wave.name} closes for {called}"))
            to_come = [
                project
                for project in projects
                if not standings[project].done("finalize")
                and (standings[project].done("cutover") or _under_way(standings[project]) or now <= window.latest)
            ]
            if to_come and wave.finalize and self._runs("finalize"):
                found.append(Next(wave.finalize, f"wave {wave.name} is finalized: {self._called(to_come)}"))
        return min((item for item in found if item.at > now), default=None)

    def agenda(self, standings: Mapping[str, Standing]) -> list[tuple[str, str, str, str, int | None]]:
        """(when, phase, wave, projects, how many at a time) of all that is to come, in the order of the times; those
        that are cut over together are joined by +."""
        found: list[tuple[datetime.datetime | None, int, tuple[str, str, str, int | None]]] = []
        for number, (wave, projects) in enumerate(self._waves(standings)):
            window = wave.cutover
            times = {"prepare": self.schedule.prepare, "cutover": window.start, "finalize": wave.finalize}
            for phase, at in times.items():
                groups = [
                    "+".join(self.names[project] for project in left)
                    for group in (self._groups(projects) if phase == "cutover" else [(name,) for name in projects])
                    if (left := [project for project in group if not standings[project].done(phase)])
                ]
                if groups and self._runs(phase) and (at or phase == "prepare"):
                    many = wave.at_once if phase == "cutover" else None
                    found.append((at, number, (phase, wave.name, ", ".join(groups), many)))
        found.sort(key=lambda item: (item[0] is not None, item[0] or window.start, item[1]))
        return [(at.isoformat() if at else "at once", *rest) for at, _, rest in found]

    def verdicts(self, standings: Mapping[str, Standing], now: datetime.datetime) -> list[Verdict]:
        """Where every project is."""
        found = []
        for wave, projects in zip(self.schedule.waves, self.ids, strict=True):
            target = "finalize" if wave.finalize else "cutover"
            target = min(target, self.until, key=PHASES.index)
            for project in projects:
                standing = standings[project]
                reached = PHASES[standing.reached - 1] if standing.reached else ""
                state, why = "held", ""
                if standing.back:
                    state, why = BACK, "naru move plan moves it anew, in another work directory"
                elif standing.done(target):
                    state = "done"
                elif standing.stuck:
                    state, why = "failed", "naru plan steps --state failed shows the steps"
                else:
                    why = self._why(wave, project, standings, now)
                found.append(Verdict(wave.name, self.names[project], reached, state, why))
        return found

    def _why(self, wave: Wave, project: str, standings: Mapping[str, Standing], now: datetime.datetime) -> str:
        """What a project waits for that has not failed."""
        standing = standings[project]
        if standing.begun or not self._runs("cutover"):
            return "its steps wait: naru plan status shows for what"
        group = next(group for group in self._groups(self._wave_of(project)) if project in group)
        waits = self._waits_for(group, standings)
        if now > wave.cutover.latest:
            late = f"its window closed at {wave.cutover.latest.isoformat()}"
            return f"{late}; {waits}" if waits else late
        return waits or f"its window opens at {wave.cutover.start.isoformat()}"

    def _wave_of(self, project: str) -> Sequence[str]:
        return next(projects for projects in self.ids if project in projects)

    def _waits_for(self, group: Sequence[str], standings: Mapping[str, Standing]) -> str:
        """What keeps the group from being cut over; empty when nothing does."""
        raw = [project for project in group if not standings[project].done("prepare")]
        others = {other for project in group for other in self.needs.get(project, ()) if other not in group}
        behind = sorted(other for other in others if not standings[other].done("cutover"))
        gone = [other for other in behind if standings[other].back]
        behind = [other for other in behind if other not in gone]
        parts = [f"{self._called(raw)} {'is' if len(raw) == 1 else 'are'} not prepared"] if raw else []
        if behind:
            parts.append(f"needs {self._called(behind)}, not cut over yet")
        if gone:
            parts.append(f"needs {self._called(gone)}, rolled back")
        return "; ".join(parts)

    def _groups(self, projects: Sequence[str]) -> list[tuple[str, ...]]:
        """Those of a wave's projects that are cut over together, each group after those that it needs."""
        inside = {name: [other for other in self.needs.get(name, ()) if other in projects] for name in projects}
        return together(projects, inside)

    def _waves(self, standings: Mapping[str, Standing]) -> Iterator[tuple[Wave, Sequence[str]]]:
        """Each wave with its projects, but for those that were rolled back."""
        for wave, projects in zip(self.schedule.waves, self.ids, strict=True):
            yield wave, [project for project in projects if not standings[project].back]

    def _runs(self, phase: str) -> bool:
        return PHASES.index(phase) <= PHASES.index(self.until)

    def _called(self, projects: Collection[str]) -> str:
        return ", ".join(self.names[project] for project in projects)


def _under_way(standing: Standing) -> bool:
    """Whether the project is being cut over, or is about to be: it takes one of its wave's places."""
    return ("cutover" in standing.open or standing.begun) and not standing.done("cutover") and not standing.stuck
