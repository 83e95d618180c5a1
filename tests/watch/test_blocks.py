"""The index of identifiers finds every part that holds one, whatever was kept by an older Naru."""

import random
import sqlite3

import pytest

from naru.watch import blocks
from naru.watch.blocks import Block

pytestmark = pytest.mark.unit


def test_every_part_that_holds_one() -> None:
    database = sqlite3.connect(":memory:")
    for statement in blocks.SCHEMA.split(";"):
        database.execute(statement)
    chance = random.Random(1)
    held: dict[bytes, set[tuple[int, int, int]]] = {}
    for file in (1, 2):
        for number in range(50):
            ids = sorted({chance.randbytes(4) for _ in range(200)})
            part = (file, number * 100, number * 100 + 100)
            for begin, some in ((0, ids[:70]), (50, ids[70:])):  # read in two steps, kept as one part
                block = Block(part[1] + begin, part[1] + begin + 50, "a", "b", b"".join(some))
                blocks.add(database, file, block, 100)
            for one in ids:
                held.setdefault(one, set()).add(part)
    old = chance.randbytes(4)
    database.execute("INSERT INTO block VALUES (3, 0, 100, '', '', ?)", (old,))
    held[old] = {(3, 0, 100)}
    for one, parts in held.items():
        assert parts <= set(blocks.holding(database, [one]))
    some = chance.sample(sorted(held), 30)
    found = blocks.holding(database, some)
    assert set().union(*(held[one] for one in some)) <= set(found) and len(found) <= 40
    assert blocks.holding(database, []) == []
    blocks.hand_over(database, 1, 7)
    blocks.forget(database, 2)
    assert {file for one in held for file, _, _ in blocks.holding(database, [one])} == {3, 7}
