"""The guard's directory: all that outlives its process, and what people tell it.

work.json            whose it is
guard.lock           one guard at a time
state.json           what was seen, the newest numbers of senders, all evacuations that were begun
now.json             the verdicts of the newest round
verdicts.jsonl       every verdict that was another one than before, with its evidence
labels.jsonl         what verdicts turned out to be
approvals.json       what people have said of hosts
believed.json        hosts whose power controller has lied, and is believed again
hold.json            that nothing is to be begun, and who says so
identities.json      by host the UUID that it and its power controller have
evacuations/HOST-N/  the work directory of an evacuation
"""

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from naru.errors import InputError
from naru.files import FileLock, write_whole
from naru.operate.guard.ledger import Entry
from naru.operate.guard.verdict import APPROVED_BY
from naru.work.directory import WorkDirectory

CAPABILITY = "guard"
LOCK = "guard.lock"
BEGUN = "begun.json"
IDENTITIES = "identities.json"
"""By host the UUID that its controller had while the host lived and had the same."""
APPROVED_FOR = 1800.0
"""Seconds that an approval counts: what was true when it was given may not be so later."""


@dataclass
class Kept:
    """`seen`: pairs (host, source) that were ever alive; `liars`: hosts whose controllers have lied; `newest`: the last
    numbers of senders; `wall`: what the clock said last, `leaps`: when it leapt forward, as (before, after)."""

    seen: set[tuple[str, str]] = field(default_factory=set)
    liars: set[str] = field(default_factory=set)
    newest: dict[str, tuple[int, int]] = field(default_factory=dict)
    wall: float = 0.0
    leaps: list[tuple[float, float]] = field(default_factory=list)


class Approval(NamedTuple):
    """What somebody has said of a host: `what` is `go` or `off`; when (seconds since 1970)."""

    host: str
    what: str
    by: str
    at: float


class Directory:
    """The directory at `path`. Raises InputError for one that is something else."""

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self.path = path
        work = WorkDirectory(path, CAPABILITY, "naru guard run --work DIR")
        if make:
            work.prepare()
            work.own()
        elif work.owner != CAPABILITY:
            raise InputError(f"{path} is not the directory of a guard", hint="naru guard run --work DIR makes one.")
        self.path.joinpath("evacuations").mkdir(mode=0o700, exist_ok=True)

    def lock(self) -> FileLock:
        """The right to be the guard of this directory, for as long as the process lives. Raises InputError while
        another process has it."""
        found = FileLock(self.path / LOCK)
        if not found.take():
            found.close()
            raise InputError(f"another guard runs in {self.path}", hint="naru guard status shows it.")
        return found

    def load(self) -> Kept:
        """What was kept. A file that cannot be read stops the guard: without it limits would begin anew."""
        found = self._read("state.json", {})
        try:
            return Kept(
                {(host, source) for host, source in found.get("seen", ())},
                set(found.get("liars", ())),
                {name: (int(boot), int(number)) for name, (boot, number) in found.get("newest", {}).items()},
                float(found.get("wall", 0.0)),
                [(float(before), float(after)) for before, after in found.get("leaps", ())],
            )
        except (TypeError, ValueError) as error:
            raise self._damaged("state.json", error) from error

    def save(self, kept: Kept) -> None:
        """On disk when it returns."""
        text = {
            "seen": sorted(kept.seen),
            "liars": sorted(kept.liars),
            "newest": kept.newest,
            "wall": kept.wall,
            "leaps": kept.leaps,
        }
        self._write("state.json", text)

    def write_now(self, verdicts: Mapping[str, Mapping[str, Any]], more: Mapping[str, Any]) -> None:
        """The verdicts of the newest round, by host, and what else `naru guard status` says."""
        self._write("now.json", {"at": time.time(), **more, "verdicts": verdicts})

    def now(self) -> dict[str, Any]:
        """What was written last."""
        found: dict[str, Any] = self._read("now.json", {})
        return found

    def record(self, verdict: Mapping[str, Any]) -> None:
        """Adds a verdict to those that are kept."""
        self._append("verdicts.jsonl", verdict)

    def records(self) -> Iterator[dict[str, Any]]:
        """Those that are kept, oldest first. A line that a kill has cut off is the last one, and is left out."""
        yield from self._lines("verdicts.jsonl")

    def label(self, verdict: str, what: str, by: str) -> None:
        """Writes down what a verdict turned out to be: `right` or `wrong`."""
        self._append("labels.jsonl", {"verdict": verdict, "label": what, "by": by, "at": time.time()})

    def labels(self) -> dict[str, str]:
        """By verdict the newest label."""
        return {one["verdict"]: one["label"] for one in self._lines("labels.jsonl")}

    def approve(self, host: str, what: str, by: str) -> None:
        """Writes down what somebody says of a host."""
        if what not in APPROVED_BY:
            raise InputError(f"{what!r} is nothing that can be approved", hint=f"Give one of {', '.join(APPROVED_BY)}.")
        with FileLock(self.path / "approvals.lock") as lock:
            lock.take(wait=True)
            kept = [one for one in self._approvals() if (one.host, one.what) != (host, what)]
            self._write("approvals.json", [*kept, Approval(host, what, by, time.time())])

    def revoke(self, host: str) -> None:
        """What was said of a host counts no more."""
        with FileLock(self.path / "approvals.lock") as lock:
            lock.take(wait=True)
            self._write("approvals.json", [one for one in self._approvals() if one.host != host])

    def approved(self) -> dict[str, dict[str, Approval]]:
        """By host and kind what counts now."""
        found: dict[str, dict[str, Approval]] = {}
        for one in self._approvals():
            if 0 <= time.time() - one.at + 5 < APPROVED_FOR:
                found.setdefault(one.host, {})[one.what] = one
        return found

    def believe(self, host: str) -> None:
        """The power controller of a host, which has lied, is believed again, from the guard's next round on."""
        with FileLock(self.path / "approvals.lock") as lock:
            lock.take(wait=True)
            self._write("believed.json", sorted({*self._read("believed.json", []), host}))

    def believed(self) -> set[str]:
        """Of which hosts somebody has said so, and the guard has not written it down yet."""
        return set(self._read("believed.json", []))

    def forget_believed(self, hosts: Collection[str]) -> None:
        """The guard has written it down of these."""
        if not hosts:
            return
        with FileLock(self.path / "approvals.lock") as lock:
            lock.take(wait=True)
            self._write("believed.json", sorted(self.believed() - set(hosts)))

    def identify(self, host: str, uuid: str) -> None:
        """Keeps the UUID that a host, by the site's name, and its power controller have."""
        with FileLock(self.path / "identities.lock") as lock:
            lock.take(wait=True)
            self._write(IDENTITIES, {**self._read(IDENTITIES, {}), host: uuid})

    def off_now(self) -> set[str]:
        """The hosts of which somebody's word that they are off counts now."""
        return {host for host, said in self.approved().items() if "off" in said}

    def said_off(self) -> set[str]:
        """The hosts of which somebody has said so, be it long ago, and has not taken it back."""
        return {one.host for one in self._approvals() if one.what == "off"}

    def _approvals(self) -> list[Approval]:
        return [Approval(*one) for one in self._read("approvals.json", [])]

    def hold(self, by: str, why: str) -> None:
        """Nothing is begun any more, until `release`."""
        self._write("hold.json", {"by": by, "why": why, "at": time.time()})

    def release(self) -> None:
        self.path.joinpath("hold.json").unlink(missing_ok=True)

    def held(self) -> str:
        """Who holds it, and why; "" when nobody does. One that cannot be read holds."""
        file = self.path / "hold.json"
        if not file.exists():
            return ""
        try:
            found = json.loads(file.read_text())
            return f"{found['why'] or 'no reason given'} ({found['by']})"
        except (OSError, ValueError, KeyError, TypeError):
            return f"{file} cannot be read"

    def evacuations(self, host: str = "") -> list[Path]:
        """The work directories of evacuations, oldest first; of one host."""
        found = []
        for path in self.path.joinpath("evacuations").iterdir():
            name, _, number = path.name.rpartition("-")
            if number.isdigit() and host in ("", name):
                found.append((int(number), path))
        return [path for _, path in sorted(found)]

    def begin(self, entry: Entry, off: str) -> Path:
        """Writes down that an evacuation begins, by whose word its host is off, if by anybody's. That is one file: when
        it is there the limits count it, and it is gone on with; when not, neither."""
        path = self.following(entry.host)
        path.mkdir(mode=0o700, exist_ok=True)
        write_whole(path / BEGUN, json.dumps({"off": off, "entry": entry}) + "\n")
        return path

    def begun(self) -> list[Path]:
        """The directories of those that were begun, oldest first; not of one before whose file a kill came."""
        return [path for path in self.evacuations() if (path / BEGUN).exists()]

    def entries(self) -> list[Entry]:
        """All evacuations that were ever begun."""
        found = []
        for path in self.begun():
            try:
                host, areas, at, servers = json.loads((path / BEGUN).read_text())["entry"]
                found.append(Entry(host, tuple(areas), float(at), tuple(servers)))
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise self._damaged(f"evacuations/{path.name}/{BEGUN}", error) from error
        return found

    def following(self, host: str) -> Path:
        """The work directory of the next evacuation of a host."""
        numbers = [int(one.name.rpartition("-")[2]) for one in self.evacuations() if (one / BEGUN).exists()]
        return self.path / "evacuations" / f"{host}-{max(numbers, default=0) + 1}"

    def _read(self, name: str, default: Any) -> Any:
        file = self.path / name
        try:
            return json.loads(file.read_text())
        except FileNotFoundError:
            return default
        except (OSError, ValueError) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> InputError:
        hint = "Restore it from a copy. Without it limits would begin anew."
        return InputError(f"{self.path / name} cannot be read", detail=repr(error), hint=hint)

    def _write(self, name: str, content: Any) -> None:
        write_whole(self.path / name, json.dumps(content) + "\n")

    def _append(self, name: str, content: Any) -> None:
        with self.path.joinpath(name).open("ab") as opened:
            os.fchmod(opened.fileno(), 0o600)
            if not self._is_whole(name):
                opened.write(b"\n")  # the end of a line that a kill has cut off
            opened.write(json.dumps(content).encode() + b"\n")
            opened.flush()
            os.fsync(opened.fileno())

    def _is_whole(self, name: str) -> bool:
        """Whether the last line of a file has an end."""
        with self.path.joinpath(name).open("rb") as opened:
            if not opened.seek(0, os.SEEK_END):
                return True
            opened.seek(-1, os.SEEK_END)
            return opened.read() == b"\n"

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        file = self.path / name
        if not file.exists():
            return
        with file.open() as opened:
            for line in opened:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # cut off by a kill: what it said was said again
