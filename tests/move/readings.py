"""Readings of clouds as small files: a snapshot of an archive written as JSON lines, and put into an archive again.

The readings in the directory `golden` were made on the lab's clouds, `old` (Pike) and `new` (the newest release), with
the samples `demo` and `wide` (all but some of its floating IPs) and the tests' `crossing` in the old one. They hold no
volume's content. To make others in their place, of a lab that has these, and whose ids all differ:

    OS_CLIENT_CONFIG_FILE=LAB/clouds.yaml python -m tests.move.readings
"""

import json
import lzma
import os
import tempfile
from pathlib import Path

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import Reading
from naru.inventory.rows import Row
from naru.move import reading

GOLDEN = Path(__file__).with_name("golden")
PROJECTS = ["hanok", "hanok-lab", "carpenters", "hanok-closed", "crossing", "wide"]


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


def main() -> None:
    """Reads the clouds `old` and `new` of clouds.yaml for a move of all these projects."""
    lab = str(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).absolute().parent)
    with tempfile.TemporaryDirectory() as directory, Archive(Path(directory) / "archive.db") as archive:
        with Cloud("old") as old, Cloud("new") as new:
            facts = reading.read(archive, old, new, PROJECTS, None, print)
        for side in (facts.old, facts.new):
            save(archive, side.snapshot, GOLDEN / f"{side.cloud}.jsonl.xz", lab)


if __name__ == "__main__":
    main()
