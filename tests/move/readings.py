"""Readings of clouds as small files: a snapshot of an archive written as JSON lines, and put into an archive again.

The readings in the directory `golden` were made on the lab's clouds, `old` (Pike) and `new` (the newest release), with
the sample `demo` and the tests' `crossing` in the old one. What planning asked the clouds beside them is in
`live.json`.
"""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import Reading
from naru.inventory.rows import Row


def save(archive: Archive, snapshot: int, file: Path, lab: str) -> None:
    """Writes a snapshot that is whole: first the cloud's name and how each kind was read, then a row a line; the
    directory `lab` as /golden."""
    (known,) = [found for found in archive.snapshots() if found.number == snapshot]
    lines = [json.dumps({"cloud": known.cloud, "readings": [vars(reading) for reading in known.readings]})]
    lines += [json.dumps([row.kind, row.body], ensure_ascii=False) for row in archive.rows(snapshot)]
    text = "".join(f"{line}\n" for line in lines).replace(lab, "/golden")
    file.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def load(archive: Archive, file: Path) -> tuple[int, str]:
    """Adds the snapshot in `file` to the archive: its number and the cloud's name."""
    first, *lines = lzma.decompress(file.read_bytes()).decode().split("\n")[:-1]
    header = json.loads(first)
    snapshot = archive.begin(header["cloud"])
    archive.add(snapshot, [Row.of(BY_NAME[kind], body) for kind, body in map(json.loads, lines)])
    archive.end(snapshot, [Reading(**reading) for reading in header["readings"]])
    return snapshot, header["cloud"]


class Recorded:
    """What a cloud answered when planning asked it."""

    def __init__(self, directory: Path, cloud: str) -> None:
        self._told = json.loads((directory / "live.json").read_text())[cloud]
        self.user_id: str = self._told["user_id"]

    def supports(self, service: str, version: str) -> bool:
        return bool(self._told["supports"][f"{service} {version}"])

    def extensions(self, service: str) -> frozenset[str]:
        return frozenset(self._told["extensions"][service])

    def items(self, service: str, path: str, collection: str, version: str = "") -> Iterator[dict[str, Any]]:
        return iter(self._told["items"][f"{service} {path}"])
