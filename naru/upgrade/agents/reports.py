"""Which compute services and agents have reported, what they say that they work on, and which hosts have the same
routers or networks: as the databases have it."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.site.database import asked_anywhere
from naru.site.names import is_address
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check.rows import CELLS, Table, in_schemas, tables

SECONDS = 20.0
"""How long one statement may take."""
FRESH = 3.0
"""Seconds for which what was read is good enough for another one that asks."""
WORKS_ON = {
    "Open vSwitch agent": ("devices", "ports"),
    "Linux bridge agent": ("devices", "ports"),
    "L3 agent": ("routers", "routers"),
    "DHCP agent": ("networks", "networks"),
}
"""By an agent's type what its report calls the things that it works on, and what people call them."""
_SERVICES = "SELECT `binary`, host, updated_at FROM services WHERE deleted = 0"
_AGENTS = "SELECT id, `binary`, host, agent_type, heartbeat_timestamp, configurations FROM agents"
_PORTS = (
    "SELECT b.host, COUNT(*) FROM ml2_port_bindings b JOIN ports p ON p.id = b.port_id "
    "WHERE b.host <> '' AND p.status = 'ACTIVE' GROUP BY b.host"
)
_SHARED = (
    "SELECT router_id, l3_agent_id FROM routerl3agentbindings",
    "SELECT network_id, dhcp_agent_id FROM networkdhcpagentbindings",
)


class Report(NamedTuple):
    """What the database has of a service or agent: when it reported last (`stamp`, as the database writes it), how many
    `things` it said that it works on (None: such do not say), and how many are `due` by the database."""

    stamp: str
    has: int | None = None
    due: int = 0
    things: str = ""


class Seen(NamedTuple):
    """All reports, by program and host; and by a host's short name those of the hosts with which it shares a router or
    a network of DHCP."""

    reports: Mapping[tuple[str, str], Report]
    partners: Mapping[str, frozenset[str]]

    def find(self, program: str, host: str) -> Report | None:
        """That of a program on a host, which may have its domain in one place and not in the other; None where there
        is none, or several could be meant."""
        if found := self.reports.get((program, host)):
            return found
        like = [report for (name, at), report in self.reports.items() if name == program and short(at) == short(host)]
        return like[0] if len(like) == 1 else None


def short(host: str) -> str:
    """A host's name without its domain."""
    return host.lower() if is_address(host) else host.partition(".")[0].lower()


def lacks(before: Report, now: Report | None) -> str:
    """What is missing until it counts as started: a report after that of `before` it was started, and as many things as
    it had then, unless fewer are due by now. "" where nothing is."""
    if now is None or now.stamp == before.stamp:
        return "it has not reported since it was started"
    wanted = min(before.has or 0, now.due)
    if (now.has or 0) < wanted:
        return f"it works on {now.has or 0} of {wanted} {now.things}"
    return ""


def read(site: Site, fleet: Fleet) -> Seen:
    """What all databases of the site have now. Raises NaruError for one that cannot be asked."""
    reports: dict[tuple[str, str], Report] = {}
    partners: dict[str, frozenset[str]] = {}
    for database in site.part.databases:
        seen = asked_anywhere(site, fleet, database, look, seconds=2 * SECONDS)
        reports |= seen.reports
        partners |= seen.partners
    return Seen(reports, partners)


def look(connection: "Connection[Cursor]") -> Seen:
    """What one database server has now, in its schemas of Nova and Neutron. Raises NaruError."""
    reports: Reports = {}
    partners: dict[str, set[str]] = defaultdict(set)
    table = tables(connection, SECONDS)
    looks = {CELLS: _nova, "neutron": _neutron}
    in_schemas(table, {usual: partial(add, table, reports, partners) for usual, add in looks.items()})
    return Seen(reports, {host: frozenset(others) for host, others in partners.items()})


Reports = dict[tuple[str, str], Report]


def _nova(table: Table, reports: Reports, partners: dict[str, set[str]]) -> None:
    for program, host, updated in table(_SERVICES):
        reports[str(program), str(host)] = Report(str(updated))


def _neutron(table: Table, reports: Reports, partners: dict[str, set[str]]) -> None:
    ports = {str(host): int(count) for host, count in table(_PORTS)}
    agents = table(_AGENTS)
    hosts = {str(row[0]): str(row[2]) for row in agents}
    due: dict[str, int] = defaultdict(int)
    for statement in _SHARED:
        together: dict[str, list[str]] = defaultdict(list)
        for thing, agent in table(statement):
            due[str(agent)] += 1
            if str(agent) in hosts:
                together[str(thing)].append(short(hosts[str(agent)]))
        for group in {tuple(sorted(set(group))) for group in together.values()}:
            for host in group:
                partners[host].update(other for other in group if other != host)
    for id_, program, host, kind, heartbeat, configurations in agents:
        option, things = WORKS_ON.get(str(kind), ("", ""))
        wanted = ports.get(str(host), 0) if option == "devices" else due[str(id_)]
        reports[str(program), str(host)] = Report(str(heartbeat), _number(configurations, option), wanted, things)


def _number(configurations: Any, option: str) -> int | None:
    try:
        found = json.loads(configurations).get(option)
    except (ValueError, AttributeError, TypeError):
        return None
    return found if isinstance(found, int) else None


class Cache:
    """What was read a moment ago, for many that ask at the same time."""

    def __init__(self, ask: Callable[[], Seen], fresh: float = FRESH) -> None:
        self._ask, self._fresh = ask, fresh
        self._lock = threading.Lock()
        self._at, self._seen = 0.0, Seen({}, {})

    def get(self, since: float = 0.0) -> Seen:
        """What was read after `since` (a moment of time.monotonic()), and not long ago. Raises as what asks does."""
        with self._lock:
            if not self._at or self._at < since or time.monotonic() - self._at > self._fresh:
                began = time.monotonic()
                self._seen = self._ask()
                self._at = began
            return self._seen


class Turns:
    """Which hosts are at it, so that those that share something are not at the same time; and which of them did not
    come back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_it: dict[str, int] = defaultdict(int)
        self._lost: set[str] = set()

    def take(self, host: str, partners: Iterable[str]) -> str:
        """Takes a turn for the host, unless one of its partners has one; that partner's name then. "" where it has
        one."""
        with self._lock:
            if taken := next((one for one in sorted(partners) if self._at_it[one]), ""):
                return taken
            self._at_it[host] += 1
            return ""

    def give(self, host: str, *, lost: bool) -> None:
        """Ends a turn of the host, which did not come back when it is `lost`."""
        with self._lock:
            self._at_it[host] -= 1
            if lost:
                self._lost.add(host)

    def lost(self, partners: Iterable[str]) -> str:
        """One of these that did not come back; "" for none."""
        with self._lock:
            return next((one for one in sorted(partners) if one in self._lost), "")
