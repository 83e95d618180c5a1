"""Groups that go on as other ones after a change of the code, so that not everything is new after an upgrade.

The key of a group has the statement's module and text and the function in which the exception was raised. Where new
code prints another text, or the function has another name, the group has another key: it is the same error, with the
state of before.
"""

import sqlite3
from typing import NamedTuple

from naru.watch.change.code_sets import AFTER, BEFORE, CodeSet, load
from naru.watch.group import Group

SCHEMA = """
CREATE TABLE IF NOT EXISTS carried (change INTEGER NOT NULL, old_module TEXT NOT NULL, old_text TEXT NOT NULL,
    module TEXT NOT NULL, text TEXT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (change, old_module, old_text))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS carried_new ON carried (module, text);
CREATE TABLE IF NOT EXISTS mapped (grp TEXT PRIMARY KEY, old TEXT NOT NULL, change INTEGER NOT NULL, how TEXT NOT NULL)
    WITHOUT ROWID;
"""


class Forerunner(NamedTuple):
    """The group that a new one was before a change. `how`: as `code_sets.Became` says it, or `function` (the function
    in which the exception was raised has another name, or is in another module)."""

    key: str
    change: int
    how: str


def forerunner(database: sqlite3.Connection, group: Group) -> Forerunner | None:
    """Which group of before a change a new one is; None where it is none of them. The exception is the same one."""
    query = (
        "SELECT g.key, c.change, c.how FROM carried c JOIN grp g ON g.module = c.old_module AND g.text = c.old_text "
        "WHERE c.module = ? AND c.text = ? AND g.exception = ? AND g.key != ? AND "
        "g.first < (SELECT moment FROM change WHERE id = c.change) "
        "ORDER BY c.change DESC, g.binary = ? DESC, g.frame = ? DESC, g.count DESC LIMIT 1"
    )
    wanted = group.module, group.text, group.exception, group.key, group.binary, group.frame
    if found := database.execute(query, wanted).fetchone():
        return Forerunner(*found)
    return _by_function(database, group) if group.frame else None


def _by_function(database: sqlite3.Connection, group: Group) -> Forerunner | None:
    """The same statement and exception, raised in a function that the code of before did not have, where one that it
    had is gone."""
    last = database.execute("SELECT id, moment FROM change ORDER BY moment DESC, id DESC LIMIT 1").fetchone()
    if last is None:
        return None
    change, moment = last
    file, function = _apart(group.frame)
    query = (
        "SELECT key, frame FROM grp WHERE module = ? AND text = ? AND exception = ? AND binary = ? AND key != ? AND "
        "first < ? AND frame != '' ORDER BY count DESC"
    )
    wanted = group.module, group.text, group.exception, group.binary, group.key, moment
    for key, frame in database.execute(query, wanted).fetchall():
        old_file, old = _apart(frame)
        packages = sorted({one.partition(".")[0] for one in (file, old_file)})
        before, after = (load(database, change, side, packages) for side in (BEFORE, AFTER))
        gone = _has(before, old_file, old) and not _has(after, old_file, old)
        new = _has(after, file, function) and not _has(before, file, function)
        if gone and new and (file == old_file or function == old):
            return Forerunner(key, change, "function")
    return None


def _apart(frame: str) -> tuple[str, str]:
    """Module and function of a frame, which is as in `nova/compute/manager.py:spawn`."""
    file, _, function = frame.rpartition(":")
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", "."), function


def _has(code: CodeSet, module: str, function: str) -> bool:
    return module in code.modules and function in code.modules[module].functions
