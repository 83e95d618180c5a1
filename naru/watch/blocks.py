"""Which identifiers stand in which part of a file: an index of some hundredth of what it is of.

Of each identifier the first four bytes are kept, by part, in one of 64 rows: a question for one reads a sixty-fourth of
the index. Few parts that hold none of those asked for are among the answers.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS block (file INTEGER NOT NULL, begin INTEGER NOT NULL, end INTEGER NOT NULL,
    first TEXT NOT NULL, last TEXT NOT NULL, ids BLOB NOT NULL, PRIMARY KEY (file, begin)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block_ids (bucket INTEGER NOT NULL, file INTEGER NOT NULL, begin INTEGER NOT NULL,
    ids BLOB NOT NULL, PRIMARY KEY (bucket, file, begin)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS block_ids_file ON block_ids (file);
"""
_SHIFT = 2
"""Of an identifier's first byte so many bits do not count for its row."""


@dataclass
class Block:
    """A part of a file: from byte to byte, the times of its first and last record as lines have them, and the first
    four bytes of every identifier in it."""

    begin: int
    end: int
    first: str
    last: str
    ids: bytes


def add(database: sqlite3.Connection, file: int, block: Block, most: int) -> None:
    """A part that was read; it becomes one with that before it, as long as they are not more bytes than `most`."""
    query = "SELECT begin, first FROM block WHERE file = ? AND end = ? AND end - begin < ?"
    before = database.execute(query, (file, block.begin, most)).fetchone()
    begin = before[0] if before else block.begin
    if before:
        database.execute(
            "UPDATE block SET end = ?, first = ?, last = ? WHERE file = ? AND begin = ?",
            (block.end, before[1] or block.first, block.last, file, begin),
        )
    else:
        row = file, begin, block.end, block.first, block.last
        database.execute("INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?, x'')", row)
    buckets: dict[int, list[bytes]] = {}
    for at in range(0, len(block.ids), 4):
        buckets.setdefault(block.ids[at] >> _SHIFT, []).append(block.ids[at : at + 4])
    database.executemany(
        "INSERT INTO block_ids VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET ids = CAST(ids || excluded.ids AS BLOB)",
        [(bucket, file, begin, b"".join(ids)) for bucket, ids in buckets.items()],
    )


def holding(database: sqlite3.Connection, ids: Iterable[bytes]) -> list[tuple[int, int, int]]:
    """File, begin and end of the parts that hold one of these identifiers, by their first four bytes."""
    ways = list(ids)
    found: set[tuple[int, int, int]] = set()
    query = (
        "SELECT file, begin, end FROM block_ids i JOIN block USING (file, begin) "
        "WHERE bucket = ? AND instr(i.ids, ?) > 0"
    )
    for one in ways:
        found.update(database.execute(query, (one[0] >> _SHIFT, one)))
    if database.execute("SELECT 1 FROM block WHERE ids != x'' LIMIT 1").fetchone():  # as an older Naru kept them
        for one in ways:
            found.update(database.execute("SELECT file, begin, end FROM block WHERE instr(ids, ?) > 0", (one,)))
    return sorted(found)


def forget(database: sqlite3.Connection, file: int) -> None:
    """What was read of a file is not there any more."""
    for table in ("block", "block_ids"):
        database.execute(f"DELETE FROM {table} WHERE file = ?", (file,))


def hand_over(database: sqlite3.Connection, file: int, other: int) -> None:
    """What was read of one file is of the other from now on."""
    for table in ("block", "block_ids"):
        database.execute(f"UPDATE {table} SET file = ? WHERE file = ?", (other, file))
