"""Journals for tests: real files, written by systemd-journal-remote from journald's export format."""

import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

REMOTE = "/lib/systemd/systemd-journal-remote"
BOOT = uuid.uuid4().hex
there = bool(shutil.which("journalctl")) and Path(REMOTE).exists()


class JournalFile:
    """A directory with a journal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self._last = 0

    def write(self, entries: Sequence[dict[str, str]], at: float | None = None) -> None:
        """Adds entries, written at a moment (a minute ago) and soon after one another."""
        moment = max(int((time.time() - 60 if at is None else at) * 1e6), self._last + 10)
        exported = []
        for entry in entries:
            fields = {
                **{"__REALTIME_TIMESTAMP": str(moment), "__MONOTONIC_TIMESTAMP": str(moment)},
                **{"_BOOT_ID": BOOT, "_HOSTNAME": "h1", **entry},
            }
            exported.append(b"".join(map(_field, fields, fields.values())) + b"\n")
            self._last, moment = moment, moment + 10
        file = self.directory / "system.journal"
        words = [REMOTE, "-o", str(file), "--compress=no", "-"]
        subprocess.run(words, input=b"".join(exported), check=True, timeout=60, capture_output=True)


def _field(name: str, value: str) -> bytes:
    data = value.encode()
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
