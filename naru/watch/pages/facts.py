"""What the page says, read from the watch's database and, for joined requests, from the files themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.errors import NaruError
from naru.watch import phases, streams
from naru.watch.change import changes, differences
from naru.watch.change.changes import Change
from naru.watch.change.differences import Difference
from naru.watch.pages.rates import Period
from naru.watch.request import Joined, Reader, join
from naru.watch.sources import Settings, opened
from naru.watch.store import Example, Store
from naru.watch.times import Clock, zone

DETAILED = 25
"""Groups of which everything is said."""
SHOWN_CHANGES = 3
_WORST = ("regressed", "escalating", "new", "open")
_CLASSES = ("unknown", "retry", "client", "deprecation")


@dataclass
class Request:
    """The records of the request of an example, or why they could not be read."""

    id: str
    records: list[Joined] = field(default_factory=list)
    why: str = ""


@dataclass
class Detail:
    """All of a group: its examples, its records by host and minute, its last example's request, the change that it came
    with."""

    group: dict[str, Any]
    examples: list[Example]
    hosts: dict[str, dict[int, int]]
    request: Request | None
    came_with: tuple[str, Change] | None


@dataclass
class Facts:
    """All that the page says. `groups` are all of the period, the worst first; `minutes` their records."""

    name: str
    period: Period
    read: float
    groups: list[dict[str, Any]]
    minutes: dict[str, dict[int, int]]
    details: list[Detail]
    wanted: int
    changes: list[tuple[Change, list[Difference]]]
    every_change: list[Change]
    health: dict[str, Any]
    doubts: list[str]
    bad: dict[str, list[str]]


def facts(store: Store, name: str, since: float, now: float, show: Callable[[str], None]) -> Facts:
    """The facts of the last `since` seconds. `show` is told what is being read. Raises InputError."""
    found = phases.groups(store, since=since, asked="all", kinds=(), now=now)
    found.sort(key=_rank)
    begin = now - since
    minutes = {one["key"]: store.minutes(one["key"], begin) for one in found}
    wanted = [one for one in found if one["state"] in _WORST]
    details = _details(store, wanted[:DETAILED], begin, show)
    every = changes.listed(store)
    shown = [one for one in every if one.ended is None or one.ended >= begin][-SHOWN_CHANGES:]
    health = phases.health(store)
    unreachable = store.setting("unreachable") or {}
    read = streams.every(store)
    return Facts(
        name,
        Period(begin, now),
        health["read up to"] or 0.0,
        found,
        minutes,
        details,
        len(wanted),
        [(one, differences.differences(store, one, differences.sides(store, one), now)) for one in reversed(shown)],
        every,
        health,
        phases.doubts(store),
        {
            "unreachable": sorted(unreachable.values()),
            "unread": [name for name, one in read if one.is_not_understood],
            "unmatched": [name for name, one in read if one.is_not_matched],
        },
    )


def _rank(group: dict[str, Any]) -> tuple[int, int, int, str]:
    state, kind = group["state"], group["class"]
    return (
        _WORST.index(state) if state in _WORST else len(_WORST),
        _CLASSES.index(kind) if kind in _CLASSES else 0,
        -group["count"],
        group["key"],
    )


def _details(store: Store, groups: Sequence[dict[str, Any]], begin: float, show: Callable[[str], None]) -> list[Detail]:
    settings = Settings.kept(store)
    if not groups:
        return []
    made = []
    with opened(settings) as sources:
        places = {source.place.host: source.place for source in sources.all}
        reader = Reader(store, places, settings.form, Clock(zone(settings.zone)))
        requests: dict[str, Request] = {}
        for number, group in enumerate(groups, 1):
            show(f"group {number} of {len(groups)}")
            examples = store.examples(group["key"])
            asked = next((one.body["request"] for one in reversed(examples) if one.body.get("request")), "")
            if asked and asked not in requests:
                requests[asked] = _joined(asked, reader)
            hosts = _by_host(store, group["key"], begin)
            made.append(Detail(group, examples, hosts, requests.get(asked), differences.came_with(store, group)))
    return made


def _joined(identity: str, reader: Reader) -> Request:
    reader.forget()
    try:
        return Request(identity, join(reader, identity))
    except NaruError as error:  # a host that cannot be reached, or an id of another form
        return Request(identity, why=error.summary)


def _by_host(store: Store, key: str, begin: float) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    query = "SELECT host, minute, n FROM rate WHERE grp = ? AND minute >= ?"
    for host, minute, n in store.connection.execute(query, (key, int(begin // 60))):
        found.setdefault(host, {})[minute] = n
    return dict(sorted(found.items(), key=lambda one: (-sum(one[1].values()), one[0])))
