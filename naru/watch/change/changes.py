"""Changes of a cloud: a deploy, another configuration, an upgrade. What each did to its errors is in `differences`.

A change has a beginning and an end, at each of which it is kept what the deployed code could print. So of a new group
it is known whether its statement is new, too (new code) or was there before (new behaviour); and a group whose text or
function has another name in the new code goes on as it was (`carried`).
"""

from pathlib import Path
from typing import Any, NamedTuple

from naru.errors import InputError
from naru.messages import say
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import reading
from naru.watch.change.code_sets import AFTER, BEFORE, became, keep, load
from naru.watch.group import Group
from naru.watch.sources import Settings, opened
from naru.watch.store import Store

WINDOW = ("cloud", "old computes", "new computes")
"""The units of an upgrade's plan in which it stops, changes and starts services."""
CODE = "code"
"""The setting by which a watch that runs sees that there is other code."""
DAY = 86400.0


class Change(NamedTuple):
    """A change of the cloud: from when to when, in seconds since 1970 (None while it goes on)."""

    id: int
    what: str
    begun: float
    ended: float | None


class Upgrade(NamedTuple):
    """What the journal of an upgrade says: its plan, and when services began to be changed and were all changed (None
    for what has not been)."""

    what: str
    begun: float | None
    ended: float | None


def upgrade(directory: Path) -> Upgrade:
    """Of an upgrade's work directory. Raises InputError where it is none."""
    with Journal.open(directory, as_it_is=True) as journal:
        title = say(journal.plan(rollbacks=False).title)
        with reading(journal) as now:
            steps = [step for unit in WINDOW for step in now.steps(unit=unit)]
    if not steps:
        raise InputError(
            f"--upgrade {directory}: its plan changes no services",
            hint="Name the work directory of a naru upgrade that is prepared.",
        )
    began = [step.started for step in steps if step.started is not None]
    ended = [step.ended for step in steps if step.ended is not None]
    over = all(step.state in OVER for step in steps)
    return Upgrade(title, min(began, default=None), max(ended, default=None) if over else None)


def listed(store: Store) -> list[Change]:
    """All changes, the last one last."""
    query = (
        "SELECT id, what, moment, iif(change IS NULL, moment, ended) FROM change LEFT JOIN change_span ON change = id "
        "ORDER BY moment, id"
    )
    return [Change(*row) for row in store.connection.execute(query)]


def change_of(store: Store, number: int) -> Change:
    """The change of a number. Raises InputError."""
    found = next((one for one in listed(store) if one.id == number), None)
    if found is None:
        raise InputError(f"{number}: there is no such change", hint="naru watch changes DIR lists them.")
    return found


def begin(store: Store, what: str, at: float, given: Settings) -> Change:
    """A change begins: what is deployed now is kept as the code before it. `given` is where the code is that runs,
    where the watch does not know it. Raises InputError while another change goes on, NaruError where the code cannot be
    read."""
    going = _open(store)
    if going:
        raise InputError(
            f"change {going.id} ({going.what}) has begun, and has not ended", hint="First: naru watch change end DIR"
        )
    with opened(given.over(Settings.kept(store))) as sources:
        codes = list(sources.codes())
    with store.transaction():
        number = store.add_change(at, what)
        store.connection.execute("INSERT INTO change_span VALUES (?, NULL)", (number,))
        keep(store.connection, number, BEFORE, codes)
    return change_of(store, number)


def end(store: Store, at: float, given: Settings) -> Change:
    """The change that goes on ends: what is deployed now is kept as the code after it, and is what is watched from now
    on. Raises InputError when none goes on, or it began later, NaruError where the code cannot be read."""
    going = _open(store)
    if going is None:
        raise InputError("no change has begun that has not ended", hint='naru watch change begin DIR --what "..."')
    if at < going.begun:
        raise InputError(f"change {going.id} began later than that", hint="Give --at a later time.")
    settings = given.over(Settings.kept(store))
    with opened(settings) as sources:
        codes = list(sources.codes())
    with store.transaction():
        store.connection.execute("UPDATE change_span SET ended = ? WHERE change = ?", (at, going.id))
        keep(store.connection, going.id, AFTER, codes)
        settings.keep(store)
        store.set(CODE, going.id)
        _carry(store, going)
        rows = counts(store, going.begun - DAY, going.begun).items()
        store.connection.executemany(
            "INSERT INTO change_rate VALUES (?, ?, ?)", [(going.id, key, n) for key, n in rows]
        )
    return change_of(store, going.id)


def _open(store: Store) -> Change | None:
    return next((one for one in listed(store) if one.ended is None), None)


def _carry(store: Store, change: Change) -> None:
    """Keeps what the texts of known groups have become, and has those that came with the new code already go on."""
    before, after = load(store.connection, change.id, BEFORE), load(store.connection, change.id, AFTER)
    if not before.modules or not after.modules:
        return
    groups = store.groups()
    for module, text in {(one["module"], one["text"]) for one in groups if one["first"] < change.begun}:
        if not before.has(module, text):
            continue
        found = became(before, after, module, text)
        if found is not None and found.how != "same":
            store.connection.execute(
                "INSERT OR REPLACE INTO carried VALUES (?, ?, ?, ?, ?, ?)", (change.id, module, text, *found)
            )
    for one in groups:
        if one["first"] >= change.begun and one["state"] == "open":
            store.carry_over(group_of(one), one["first"], one["last"], one["changed"])


def group_of(row: dict[str, Any]) -> Group:
    """The group of its row."""
    names = ("key", "binary", "module", "text", "exception", "frame", "level", "class", "how")
    return Group(*(row[name] for name in names))


def counts(store: Store, begin: float, end: float) -> dict[str, int]:
    """By group how many records between two moments, to the minute."""
    query = "SELECT grp, sum(n) FROM rate WHERE minute >= ? AND minute < ? GROUP BY 1"
    return dict(store.connection.execute(query, (int(begin // 60), int(-(-end // 60)))).fetchall())
