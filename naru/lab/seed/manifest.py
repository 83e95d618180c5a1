"""The checksum manifest: what every volume, snapshot and image held when a sample was done with it."""

import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One volume, snapshot or image. `backend` is "" for images, `size` in bytes, `extents` are offset and length of
    everything the sample wrote; what a volume was made from is in its checksum and not in its extents."""

    kind: str
    id: str
    name: str
    project_id: str
    backend: str
    size: int
    sha256: str
    extents: list[list[int]] = field(default_factory=list)


class Manifest:
    """The file `manifest-SAMPLE.json` of one cloud, readable by its owner alone. Safe to use from many threads.

    `written` are the volumes whose last round of writes is done; they are never written again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.entries: dict[str, Entry] = {}
        self.written: dict[str, list[list[int]]] = {}
        if path.exists():
            raw = json.loads(path.read_text())
            self.entries = {row["id"]: Entry(**row) for row in raw["entries"]}
            self.written = raw["written"]

    def add(self, entry: Entry) -> None:
        """Adds or replaces an entry, and saves."""
        with self._lock:
            self.entries[entry.id] = entry
            self._save()

    def mark(self, volume: str, extents: list[list[int]]) -> None:
        """Notes that a volume has been written to its end, and saves."""
        with self._lock:
            self.written[volume] = extents
            self._save()

    def forget(self, ids: set[str]) -> None:
        """Drops entries of what is there no longer."""
        with self._lock:
            if self.entries.keys() & ids or self.written.keys() & ids:
                self.entries = {key: entry for key, entry in self.entries.items() if key not in ids}
                self.written = {key: extents for key, extents in self.written.items() if key not in ids}
                self._save()

    def _save(self) -> None:
        rows: list[dict[str, Any]] = [asdict(entry) for _, entry in sorted(self.entries.items())]
        temporary = self.path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps({"entries": rows, "written": self.written}, indent=1) + "\n")
        temporary.replace(self.path)
