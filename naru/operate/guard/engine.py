"""A round of the guard: what was seen goes in, verdicts come out. The service and the tests' simulator run the same
one; it asks nobody and changes nothing."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.operate.guard import ledger
from naru.operate.guard.evidence import Host, Witness, around
from naru.operate.guard.ledger import Entry, Leaps
from naru.operate.guard.memory import Clock, Memory, Reading
from naru.operate.guard.policy import Policy
from naru.operate.guard.verdict import Verdict, judge


@dataclass(frozen=True)
class Seen:
    """What was seen in a round. `hosts` are by Nova alone, without signs; `reports` when each last reported, by Nova's
    own word, so that old answers are told from new ones; `approved` what a human has said, by host."""

    hosts: Sequence[Host]
    readings: Sequence[Reading]
    witnesses: tuple[Witness, ...]
    reports: Mapping[str, str] = field(default_factory=dict)
    readable: bool = True
    unknown_cells: tuple[str, ...] = ()
    health: Mapping[str, bool | None] = field(default_factory=dict)
    held: str = ""
    approved: Mapping[str, Collection[str]] = field(default_factory=dict)
    force_down: bool = True


class Engine:
    """The rounds of one guard since it has begun. `steady` is a clock that only goes forward, `wall` the time of day;
    both are seconds."""

    def __init__(
        self,
        policy: Policy,
        memory: Memory,
        steady: Callable[[], float],
        wall: Callable[[], float],
        leaps: Leaps | None = None,
    ) -> None:
        self.policy = policy
        self.memory = memory
        self.leaps = leaps or Leaps()
        self._steady, self._wall = steady, wall
        self._clock = Clock(wall, steady)
        self._began = steady()
        self._last = steady()
        self._reports: Mapping[str, str] = {}

    def round(self, seen: Seen, entries: Sequence[Entry], begun: Mapping[str, Entry] | None = None) -> list[Verdict]:
        """The verdicts now, by host. `entries` are all evacuations that were ever begun; `begun` by host those that
        have not come so far that it is proved off: it is judged by what the others have taken of the limits."""
        now, wall, policy = self._steady(), self._wall(), self.policy
        if now - self._last > self.memory.patience:
            self._began = now  # it was stopped, and has heard nothing meanwhile
        self._last = now
        self.leaps.see(wall, now)
        self.memory.take(seen.readings, now)
        for one in seen.hosts:
            self.memory.power(one.name, one.power == "off", now)
        hosts = [
            dataclasses.replace(one, signs=self.memory.signs(one.name, now), **self._known(one, now))
            for one in seen.hosts
        ]
        limits = self._limits(entries, wall)
        found = around(
            hosts,
            policy,
            witnesses=seen.witnesses,
            clock=self._clock.leap(),
            listening=now - self._began,
            readable=seen.readable,
            unknown_cells=seen.unknown_cells,
            moved=self._moved(seen.reports),
            **limits,
            health=seen.health,
            held=seen.held,
            force_down=seen.force_down,
        )
        own = {name: self._limits(ledger.before(entries, one), wall) for name, one in (begun or {}).items()}
        verdicts = judge(hosts, found, policy, seen.approved, own)
        for verdict in verdicts:
            self.memory.held(verdict.host, verdict.outcome in ("hold", "ask"), now)
        return verdicts

    def _limits(self, entries: Sequence[Entry], wall: float) -> dict[str, Any]:
        """What has been taken of the limits."""
        hours = self.policy.budget.hours
        entries = self.leaps.counted(entries, wall, hours)
        return {
            "spent": ledger.spent(entries, wall, hours),
            "last": ledger.last(entries, wall),
            "repeated": ledger.repeated(entries, wall, hours),
        }

    def _known(self, host: Host, now: float) -> dict[str, Any]:
        """What earlier rounds have found out about a host."""
        lies = host.name in self.memory.liars
        return {"held_for": self.memory.held_for(host.name, now), "identified": False if lies else host.identified}

    def _moved(self, reports: Mapping[str, str]) -> int | None:
        """How many hosts have reported since the last reading."""
        before, self._reports = self._reports, reports
        return sum(before.get(host) != report for host, report in reports.items()) if before and reports else None
