"""Journals, read by journalctl: of this machine, of a directory that has others' journals, and of a site's hosts."""

import base64
import gzip
import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from naru.errors import NaruError
from naru.site.ssh import Fleet, Ran
from naru.watch.formats import Format
from naru.watch.sources.entries import SETTLED, Entry, join, of_tracebacks
from naru.watch.sources.fields import journal_entry
from naru.watch.sources.stream import DAY, PAGE, Batch, Window
from naru.watch.tally import Arrived

_SECONDS = 120.0
_MOST = 20_000
"""Entries of one request that are looked at."""
Shell = Callable[[str], Ran]
"""Runs a line for the shell where the journal is. Raises NaruError."""


class Journal:
    """The journal that `shell` has. Of some `units` alone, as patterns; none: all of it. Without a cursor it begins
    `since` seconds ago. `host` is what all entries are of ("": what they say themselves)."""

    def __init__(
        self,
        name: str,
        shell: Shell,
        formats: Sequence[Format],
        units: Sequence[str] = (),
        directory: str = "",
        host: str = "",
        since: float = DAY,
    ) -> None:
        self.name = name
        self._shell, self._formats, self._host, self._since = shell, formats, host, since
        where = ["-D", directory] if directory else []
        self._words = ["journalctl", "--no-pager", "--quiet", "--all", "--output=json", *where]
        self._units = [word for unit in units for word in ("-u", unit)]

    def follow(self, cursor: str) -> Batch:
        """What is new: entries that are two seconds old, since lines that belong together come one by one."""
        at: dict[str, Any] = json.loads(cursor) if cursor else {}
        begin = f"--cursor={at['cursor']}" if at else f"--since=@{time.time() - self._since:.0f}"
        rows = list(self._rows([*self._units, begin], PAGE + 1))
        full = len(rows) > PAGE
        entries = [self._entry(row) for row in rows[:PAGE]]
        # what was read last is there still, unless the journal has thrown away what followed, too
        there = bool(at and entries and entries[0].id == at["cursor"])
        lost = bool(at and not there and at["units"] == self._units)
        if there and not at["held"]:
            entries = entries[1:]
        settled = time.time() - SETTLED
        if not full:
            entries = entries[: next((n for n, one in enumerate(entries) if one.moment > settled), len(entries))]
        if not entries:
            return Batch([], cursor if not lost else "", lost=lost)
        seen = set(at.get("seen", ()))
        new = [entry for entry in entries if entry.id not in seen]
        joined = join(new, self._formats, entries[-1].moment - SETTLED if full else settled)
        if full and not joined.used:  # nothing but one record
            joined = join(new, self._formats)
        seen |= {new[place].id for place in joined.used}
        held = next((place for place, one in enumerate(entries) if one.id not in seen), len(entries) - 1)
        behind = [one.id for one in entries[held + 1 :] if one.id in seen]
        kept = {"cursor": entries[held].id, "held": entries[held].id not in seen, "seen": behind}
        kept["units"] = self._units
        return Batch(joined.arrived, json.dumps(kept), len(joined.used), joined.unread, lost, full)

    def by_request(self, ids: Sequence[str], window: Window) -> list[Arrived]:
        """By the field that oslo.log gives its request's id in, and by its messages' text."""
        times = [f"--since=@{window.begin:.0f}", f"--until=@{window.end:.0f}"]
        matches = [f"REQUEST_ID={way}{one}" for one in ids for way in ("req-", "")]
        found: dict[str, Entry] = {}

        def look(words: Sequence[str]) -> None:
            for row in self._rows([*times, *words], _MOST):
                entry = self._entry(row)
                found[entry.id] = entry

        look(matches)
        look([*self._units, f"--grep={'|'.join(ids)}"])
        if others := of_tracebacks(list(found.values())):
            look([*self._units, f"--grep={others}"])
        entries = sorted(found.values(), key=lambda one: one.moment)
        return join(entries, self._formats, lowest=0).arrived

    def check(self) -> str:
        """Of which program the newest entry is."""
        rows = list(self._rows([*self._units, "-n", "1"], 1))
        if not rows:
            raise NaruError(f"{self.name}: there are no entries", hint="Are the units' names right (systemctl)?")
        return f"the newest entry is of {self._entry(rows[0]).program}"

    def _rows(self, words: Sequence[str], most: int) -> Iterator[dict[str, Any]]:
        line = f"{shlex.join([*self._words, *words])} | head -n {most} | gzip -c | base64 -w0"
        ran = self._shell(line)
        try:
            lines = gzip.decompress(base64.b64decode(ran.out)).split(b"\n")
            said = [json.loads(line) for line in lines if line.startswith(b"{")]
        except (ValueError, OSError, EOFError) as error:
            raise NaruError(f"{self.name}: cannot be read", detail=ran.errors.strip()[-500:]) from error
        if not said and ran.errors.strip():
            reason = ran.errors.strip().splitlines()[-1]
            raise NaruError(
                f"{self.name}: {reason}", hint="Whoever reads it has to be root, or in the group systemd-journal."
            )
        return iter(said)

    def _entry(self, row: dict[str, Any]) -> Entry:
        return journal_entry(row, str(row.get("__CURSOR", "")), self._host, self._formats)


def here(line: str) -> Ran:
    """Runs a line on this machine."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NaruError(f"journalctl gives no answer within {_SECONDS:g} s") from error
    return Ran(done.returncode, done.stdout.decode("ascii", "replace"), done.stderr.decode(errors="replace"))


def there(fleet: Fleet, host: str) -> Shell:
    """Runs lines on a host of a site."""
    return lambda line: fleet.run(host, line, seconds=_SECONDS)
