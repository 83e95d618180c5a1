"""What the starting of compute services and agents does to a cloud, measured over its hosts, and their number kept by
`naru.upgrade.agents.law`."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.plan import control
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import load as load_kinds
from naru.plan.queries import JournalView, reading
from naru.plan.ready import Scope
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status
from naru.site import rabbitmq
from naru.site import site as sites
from naru.site.database import asked_anywhere
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.agents.latency import Latency
from naru.upgrade.agents.law import BLIND, Law, Load
from naru.upgrade.agents.law import LIMITS as LAW
from naru.upgrade.agents.starting import LeftAlone
from naru.upgrade.check.rows import in_schemas, tables
from naru.upgrade.window import queues
from naru.upgrade.window.window import LIMITS, LOAD, NEW, START

KEY = "load limits"
"""What the journal remembers: the limits that were given, by name."""
FAILURES = 5
PAUSE = 5.0
"""Seconds between two looks."""
OVERDUE = 45.0
"""Seconds after which somebody who reports every ten or thirty is late: taken for dead is who is so for 60 or 75."""
SECONDS = 10.0
OF_ALL = "_fanout_"
"""What the names of queues have that take what goes to all; a program makes new ones at each start, and those that it
had go on taking for half an hour."""
NOTIFICATIONS = "notifications"
"""What the names of queues have that nobody may read."""
_REPORTS = {
    "nova": "SELECT TIMESTAMPDIFF(SECOND, updated_at, UTC_TIMESTAMP()) FROM services "
    "WHERE deleted = 0 AND updated_at > UTC_TIMESTAMP() - INTERVAL {since} SECOND",
    "neutron": "SELECT TIMESTAMPDIFF(SECOND, heartbeat_timestamp, UTC_TIMESTAMP()) FROM agents "
    "WHERE heartbeat_timestamp > UTC_TIMESTAMP() - INTERVAL {since} SECOND",
}
"""How old the reports are of those who have reported in so many seconds."""


def measure(site: Site, fleet: Fleet, since: float, latency: Latency) -> tuple[Load, list[str]]:
    """The load now, and why something of it is not known; `since` is how many seconds ago the first was started."""
    whys: list[str] = []

    def known(ask: Callable[[], Sequence[float | None]], number: int) -> Sequence[float | None]:
        try:
            return ask()
        except NaruError as error:
            whys.append(error.summary)
            return [None] * number

    unacked, ready, left = known(lambda: _messages(site, fleet), 3)
    threads, late = known(lambda: _databases(site, fleet, since), 2)
    [seconds] = known(lambda: [latency.seconds()], 1)
    return Load(unacked, ready, threads, late, seconds, left), whys


def limits(journal: Journal) -> dict[str, float]:
    """The limits by name, with how many `failures` there may be before no more are started: those that were given, of
    the others the usual ones."""
    return {**LAW._asdict(), "failures": FAILURES, **(journal.recall(KEY) or {})}


class Governor:
    """What looks at the load while compute services and agents are started."""

    def __init__(self, directory: Path, site_file: Path, terminal: Terminal, *, next_part: bool = True) -> None:
        self._directory, self._site_file, self._terminal = directory, site_file, terminal
        self._next_part = next_part
        self._law = Law()
        self.spent = False
        """Whether more have failed than may."""

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Keeps the limit group LOAD of the journal by the law, for as long."""
        over = threading.Event()
        if not _limit(self._directory, self._law.allowed):
            yield
            return
        thread = threading.Thread(target=self._govern, args=(over,), name="naru-load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(3 * SECONDS)
            lift(self._directory)

    def _govern(self, over: threading.Event) -> None:
        try:
            self._looks(over)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody is to wait for what nobody looks at
            _limit(self._directory, BLIND)
            reason = error.summary if isinstance(error, NaruError) else repr(error)
            self._terminal.warn(f"the load cannot be measured: {reason}: {BLIND} at a time")

    def _looks(self, over: threading.Event) -> None:
        began, told, said = time.monotonic(), set[str](), ""
        law, terminal = self._law, self._terminal
        with (
            Journal.open(self._directory) as journal,
            Fleet(sites.load(self._site_file, next_part=self._next_part)) as fleet,
            closing(Latency(fleet)) as latency,
        ):
            while not over.is_set():
                load, whys = measure(fleet.site, fleet, time.monotonic() - began, latency)
                for one in [one for one in whys if one not in told]:
                    terminal.warn(f"a part of the load is not known: {one}")
                    told.add(one)
                with reading(journal) as now:
                    starting = len(now.steps(unit=NEW, purpose=START, states=["running"]))
                    failed = _failed(now)
                given = limits(journal)
                may = int(given.pop("failures"))
                law.limits = Load(**given)
                if failed > may:
                    control.limit(journal, LOAD, 0)
                    self.spent = True
                    terminal.warn(f"{failed} have not started, and {may} may: no more are started")
                    return
                before = law.allowed
                allowed, colour, why = law.look(load, full=starting >= before)
                if allowed != before:
                    control.limit(journal, LOAD, allowed)
                line = f"{colour}: {why}"
                if colour != "green" and line != said:
                    terminal.say(f"{line}: {allowed or 'none'} at a time")
                said = line
                over.wait(PAUSE)


def _failed(now: JournalView) -> int:
    """How many have not started. What was left alone for the sake of one of them is one of its own loss, and no sign
    that others will not start."""
    failed = now.steps(unit=NEW, purpose=START, states=["failed"])
    return sum(step.error_type != LeftAlone.__name__ for step in failed)


def governed(
    journal: Journal,
    directory: Path,
    site_file: Path,
    terminal: Terminal,
    given: Mapping[str, float],
    scope: Scope | None = None,
    *,
    next_part: bool = True,
) -> Status:
    """Runs what a journal in a work directory has, its starts by the law, measured of the site as it will be, or
    without `next_part` as it is. `given` are limits of the load by name, and how many `failures` there may be; where it
    is under way in another terminal, that has them from then on."""
    if given and journal.is_running():
        journal.remember(KEY, {**limits(journal), **given})
        terminal.say(f"what starts them has these limits within {PAUSE:.0f} s")
        return status(journal)
    with journal.exclusive():
        journal.remember(KEY, dict(given))
    load_kinds(journal.modules())
    control.retry_any_failed(journal)  # before they are counted
    governor = Governor(directory, site_file, terminal, next_part=next_part)
    with governor.looking():
        return run(journal, terminal, scope=scope, wait_for_limits=lambda: not governor.spent)


def lift(directory: Path) -> None:
    """Lets nothing wait for the load: what was killed may have left it at none."""
    _limit(directory, LIMITS[LOAD])


def _limit(directory: Path, value: int) -> bool:
    """Sets the limit group; False for a plan of before there was one."""
    with Journal.open(directory) as journal:
        try:
            control.limit(journal, LOAD, value)
        except PlanInputError:
            return False
    return True


def _messages(site: Site, fleet: Fleet) -> list[float]:
    """Messages that are not acknowledged, and that wait, in all queues but those of notifications: of those
    that run, the new ones, and those that are left behind as long as they answer; and queues that are left over. Of the
    site as it is, those that run alone: after the way back nobody is at the new ones."""
    now = Site(site.content, site.file)
    pairs = [] if site.part is site.content else queues.pairs(site)
    left = [pair.old for pair in pairs]
    every = [(site, pair.new) for pair in pairs] + [(now, queue) for queue in site.content.queues]
    if not every:
        raise NaruError(f"{site.file}: queues: is missing")
    found = []
    for of, queue in every:
        try:
            found.append(rabbitmq.anywhere(of, fleet, queue, _queues))
        except NaruError:
            if queue not in left:
                raise  # one that is left behind may be off by now
    return [sum(each) for each in zip(*found, strict=True)]


def _queues(get: rabbitmq.Get) -> tuple[float, float, float]:
    wanted = "name,consumers,messages_unacknowledged,messages_ready"
    rows: list[dict[str, Any]] = [one for one in get(f"queues?columns={wanted}") if NOTIFICATIONS not in one["name"]]
    return (
        sum(float(one.get("messages_unacknowledged") or 0) for one in rows),
        sum(float(one.get("messages_ready") or 0) for one in rows),
        float(sum(OF_ALL in one["name"] and one.get("consumers") == 0 for one in rows)),
    )


def _databases(site: Site, fleet: Fleet, since: float) -> list[float]:
    """Statements that run, and of a hundred who have reported since then, how many are overdue."""
    threads, ages = 0.0, list[float]()

    def work(connection: "Connection[Cursor]") -> tuple[float, list[float]]:
        table = tables(connection, SECONDS)
        running = float(table("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1])
        found: list[float] = []

        def look(statement: str) -> None:
            found.extend(float(age) for (age,) in table(statement.format(since=int(since))))

        in_schemas(table, {usual: partial(look, statement) for usual, statement in _REPORTS.items()})
        return running, found

    for database in site.part.databases:
        running, found = asked_anywhere(site, fleet, database, work, seconds=SECONDS)
        threads, ages = threads + running, ages + found
    late = 100 * sum(age > OVERDUE for age in ages) / len(ages) if ages else 0.0
    return [threads, late]
