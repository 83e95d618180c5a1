"""The evacuations that a guard begins and goes on with: each a process of its own, which outlives the guard."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from naru.operate import compute
from naru.operate.evacuate.work import Work
from naru.operate.guard import begun, ledger
from naru.operate.guard.begun import AGAIN, Begun
from naru.operate.guard.ledger import Entry
from naru.operate.guard.state import Directory
from naru.operate.guard.verdict import Verdict

ENDED_WELL = (0, 3, 130)
"""Exit codes that are no failure: done, paused or cancelled by people, interrupted."""


class Evacuations:
    """Those in a guard's directory; `options` are those of `naru host evacuate` that all have. `say` is told what is
    worth a line."""

    def __init__(self, directory: Directory, options: Sequence[str], say: Callable[[str], None]) -> None:
        self._directory, self._options, self._say = directory, options, say
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self.found: list[Begun] = []

    def look(self, services: list[compute.Item]) -> None:
        """Reads how far each is, and writes down which have failed, and whose host people have given back."""
        self._reap()
        self.found = []
        for path in self._directory.begun():
            one = begun.read(path, is_running=path.name in self._children)
            if one.returned:
                self.mark(one, begun.RETURNED)  # for good: that it is enabled afterwards is another return
            elif begun.is_back(one, services):
                self.mark(one, begun.RETURNED)
                one = one._replace(returned=True)
                self._say(f"{one.host}: it is in use again: its evacuation in {path} is over")
            self.found.append(one)

    def in_flight(self) -> set[str]:
        """The hosts that are proved off."""
        return {one.host for one in self.found if one.fenced and not one.is_over}

    def given_up(self) -> dict[str, str]:
        """By host the directory of one that a human has to see to."""
        return {one.host: str(self._path(one)) for one in self.found if one.is_given_up}

    def open_entries(self, entries: Sequence[Entry]) -> dict[str, Entry]:
        """By host the entry of the one that has not fenced it yet."""
        hosts = {one.host for one in self.found if not one.is_over and not one.fenced}
        return {one.host: one for one in sorted(entries, key=lambda entry: entry.at) if one.host in hosts}

    def withdraw(self, verdicts: Sequence[Verdict]) -> None:
        """Those whose host was found to be well before it was fenced are over."""
        well = {one.host for one in verdicts if begun.is_well(one)}
        for at, one in enumerate(self.found):
            if one.host in well and not one.fenced and not one.is_over:
                self.mark(one, begun.WITHDRAWN)
                self.found[at] = one._replace(withdrawn=True)
                self._say(f"{one.host}: it is well, or somebody's: its evacuation is withdrawn")

    def begin(self, verdict: Verdict) -> None:
        """Begins one: written down first, so that it counts whatever becomes of us."""
        if not begun.may_begin([one for one in self.found if one.host == verdict.host]):
            return
        path = self._directory.begin(ledger.entry(verdict.case.host, time.time()), self._off(verdict.host))
        self.start(verdict.host, path, self._off(verdict.host))

    def go_on(self, verdicts: Sequence[Verdict]) -> None:
        """Begins again what has not come to its end: after a restart of ours, or a failure."""
        said = {one.host: one for one in verdicts}
        for one in self.found:
            since = time.monotonic() - self._started.get(one.name, -AGAIN)
            if begun.may_go_on(one, said.get(one.host), since):
                # what it was fenced by stays; before that, what people say now counts
                self.start(one.host, self._path(one), self.fenced_by(one) if one.fenced else self._off(one.host))

    def mark(self, one: Begun, what: str) -> None:
        """Writes down that it was withdrawn, or that its host has returned."""
        begun.write(self._path(one), what)

    def fenced_by(self, one: Begun) -> str:
        """On whose word the host of one is off."""
        return Work(self._path(one)).settings.off

    def start(self, host: str, path: Path, off: str) -> None:
        """Begins the process of one; `off` is on whose word the host is off."""
        words = ["host", "evacuate", host, "--work", str(path), *self._options, *(["--off", off] if off else [])]
        self._say(f"{host}: evacuation in {path}")
        with (path / "output.txt").open("ab") as output:
            # a session of its own: it goes on when we are stopped
            self._children[path.name] = subprocess.Popen(
                [sys.executable, "-m", "naru.cli.main", "-q", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started[path.name] = time.monotonic()

    def _reap(self) -> None:
        for name, child in list(self._children.items()):
            code = child.poll()
            if code is None:
                continue
            del self._children[name]
            if code > 0 and code not in ENDED_WELL:
                begun.write_failure(self._directory.path / "evacuations" / name)

    def _off(self, host: str) -> str:
        said = self._directory.approved().get(host, {}).get("off")
        return said.by if said else ""

    def _path(self, one: Begun) -> Path:
        return self._directory.path / "evacuations" / one.name
