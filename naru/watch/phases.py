"""The verbs of a watch, which commands call: what the deployed code prints, files followed, groups shown."""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.files import FileLock
from naru.text import one_line
from naru.watch import states, streams
from naru.watch.alerts import sender, telling
from naru.watch.alerts.outbox import Outbox
from naru.watch.change.changes import CODE
from naru.watch.change.differences import since_change
from naru.watch.following import following
from naru.watch.group import HOLE
from naru.watch.match import Matcher
from naru.watch.notifications import events, listen
from naru.watch.notifications.listen import listening
from naru.watch.place import Changed
from naru.watch.request import Joined, Reader, around, join
from naru.watch.sources import Settings, Sources, opened, push
from naru.watch.sources.stream import Window
from naru.watch.statements import ANY, Package
from naru.watch.store import Example, Store
from naru.watch.times import Clock, zone

LOCK = "watch.lock"
EVERY = 1.0
"""Seconds between two rounds over what is watched."""
WEEK, DAY = 7 * 86400.0, 86400.0
MOST_TOLD = 50
"""Groups that are told of a part of what was read."""
Tell = Callable[[str], None]


def packages(settings: Settings, only: Sequence[str] = ()) -> list[Package]:
    """The packages of what is deployed with what they print, each read once. Raises InputError and NaruError."""
    with opened(settings) as sources:
        return [package for code in sources.codes(only) for package in code.packages]


def run(directory: Path, given: Settings, *, once: bool, came: Tell) -> dict[str, Any]:
    """Reads what is new of all files and groups it, `once` or until interrupted; what there is then. What is not given
    is as it was the last time. `came` is told of each group that is new or has come back. Raises InputError and
    NaruError."""
    with Store(directory, make=True) as store, FileLock(directory / LOCK) as lock:
        if not lock.take():
            raise NaruError(f"{directory}: another naru watch run goes on here", hint="There is one at a time.")
        settings = given.over(Settings.kept(store))
        telling.check(directory, settings)
        # the code is read again when a change of it has ended
        while not _follow(directory, store, settings, once, came):
            settings = Settings.kept(store)
        return health(store)


def _follow(directory: Path, store: Store, settings: Settings, once: bool, came: Tell) -> bool:
    """Reads until there is other code; whether all was read that is wanted."""
    code = store.setting(CODE)
    with opened(settings) as sources:
        matcher = Matcher(sources.statements())
        if store.setting(CODE) == code:
            settings.keep(store)
        reader = partial(_reader, store, settings, sources)
        news = partial(_news, store, came=came)
        heard = partial(_news, came=came)  # with the store of the thread that listens

        def is_current() -> bool:
            return bool(store.setting(CODE) == code)

        with (
            following(store, settings, sources, matcher, news, is_current, once=once) as together,
            listening(directory, sources.buses(), matcher, heard, once=once) as listeners,
            telling.telling(directory, store, settings, reader, came, once=once) as round_is_over,
        ):
            while is_current():
                store.set("unreachable", together.go(None if once else EVERY, EVERY))
                for listener in listeners:
                    listener.check()
                round_is_over()
                store.set("read", time.time())
                if once:
                    return is_current()
    return False


def _news(store: Store, keys: list[str], came: Tell) -> None:
    for key, group in Outbox(store).groups(keys[:MOST_TOLD]).items():
        change = since_change(store, group)
        said = one_line(what(group), 300)
        came(f"{key} {group['state']}: {group['binary']}: {said}{change and f' ({change})'}")
    if len(keys) > MOST_TOLD:
        came(f"and {len(keys) - MOST_TOLD} more groups")


def check(settings: Settings) -> list[tuple[str, bool, str]]:
    """Each source that is no file, whether it can be read, and what is there or why not. Raises InputError."""
    found = []
    with opened(settings) as sources:
        for stream in sources.streams():
            try:
                found.append((stream.name, True, stream.check()))
            except NaruError as error:
                found.append((stream.name, False, str(error)))
        if told := sources.pushed():
            found.append((push.NAME, True, told))
    return found


def health(store: Store) -> dict[str, Any]:
    """How much was read, and what could not be: of lines that were not understood, records without a statement, parts
    that were gone. Shares are of 1."""
    read, others = [one for _, one in streams.every(store)], len(streams.streams(store))
    lines, judged = sum(one.lines for one in read), sum(one.judged for one in read)
    unread, unmatched = sum(one.unread for one in read), sum(one.unmatched for one in read)
    groups, found = store.totals()
    notifications, failures = events.count(store.connection)
    return {
        "files": len(read) - others,
        "other sources": others,
        "lines": lines,
        "records": sum(one.records for one in read),
        "warnings and worse": found,
        "groups": groups,
        "lines not understood": unread,
        "share of lines not understood": round(unread / lines, 5) if lines else 0.0,
        "records without statement": unmatched,
        "share without statement": round(unmatched / judged, 5) if judged else 0.0,
        "times lines were lost": int(store.setting("lost") or 0),
        "notifications": notifications,
        "notifications of failures": failures,
        "read up to": store.setting("read"),
    }


def doubts(store: Store) -> list[str]:
    """What makes groups unreliable: files of which lines are not understood, statements that do not fit, lost lines."""
    found = []
    settings = Settings.kept(store)
    code = bool(settings.environments or settings.site)
    for what, file in streams.every(store):
        if file.is_not_understood:
            found.append(
                f"{what}: {file.unread / file.lines:.0%} of its lines are of no known format; give "
                "--log-format as the service's configuration says it"
            )
        if code and file.is_not_matched:
            found.append(
                f"{what}: {file.unmatched / file.judged:.0%} of its warnings and errors are printed by no known "
                "statement; is --venv that of its service, and of its release?"
            )
    found += [f"not read: {why}" for why in (store.setting("unreachable") or {}).values()]
    lost = int(store.setting("lost") or 0)
    if lost:
        found.append(f"lines were lost by rotation {lost} times, before they were read")
    return [*found, *sender.doubts(store), *listen.doubts(store, time.time())]


def groups(store: Store, *, since: float, asked: str, kinds: Sequence[str], now: float) -> list[dict[str, Any]]:
    """The groups with a record within so many seconds, of a state (`states.wanted`) and of classes (none: all); the
    most frequent first."""
    start = now - since
    hosts = store.hosts(start)
    found = []
    for group in store.groups():
        if group["last"] < start or (kinds and group["class"] not in kinds):
            continue
        minutes = store.minutes(group["key"], now - 8 * states.DAY)
        state = states.state(group, minutes, now)
        if not states.wanted(state, asked):
            continue
        there = hosts.get(group["key"], {})
        within = sum(there.values())
        hour = sum(n for minute, n in minutes.items() if minute * 60 >= now - 3600)
        shown = {**group, "state": state, "count": within, "hour": hour, "hosts": there, "what": what(group)}
        found.append({**shown, "where": group["frame"] or group["module"]})
    return sorted(found, key=lambda one: (-one["count"], one["key"]))


def what(group: dict[str, Any]) -> str:
    """What a group's records say, with its exception."""
    text = group["text"].replace(ANY, HOLE)
    return ": ".join(filter(None, (text, group["exception"]))) or "(nothing but a variable)"


def group_of(store: Store, key: str) -> dict[str, Any]:
    """The group of a key, of which the first characters are enough. Raises InputError."""
    found = [one for one in store.groups() if one["key"].startswith(key)]
    if len(found) != 1:
        told = "there is no such group" if not found else f"{len(found)} groups begin so"
        raise InputError(f"{key}: {told}", hint="naru watch groups DIR --state all lists them.")
    return found[0]


def show(store: Store, key: str, now: float) -> tuple[dict[str, Any], list[Example], dict[str, int]]:
    """A group, its examples, and how many records each host has of it. Raises InputError."""
    group = group_of(store, key)
    group["state"] = states.state(group, store.minutes(group["key"], now - 8 * states.DAY), now)
    return group, store.examples(group["key"]), store.hosts().get(group["key"], {})


def request(directory: Path, identity: str, since: float = WEEK) -> tuple[list[Joined], list[str]]:
    """The records of one request in all files and sources of a watch, and which of these could not be looked through
    whole. Sources that are no files are asked for so many seconds back. Raises InputError."""
    with Store(directory) as store:
        settings = Settings.kept(store)
        with opened(settings) as sources:
            reader = _reader(store, settings, sources, since)
            return join(reader, identity), reader.skipped


def _reader(store: Store, settings: Settings, sources: Sources, since: float = DAY) -> Reader:
    """What finds records again; sources that are no files are asked for so many seconds back."""
    places = {source.place.host: source.place for source in sources.all}
    clocks = {host: Clock(zone(sources.zone(host))) for host in places}
    window = Window(time.time() - since, time.time() + 60)
    return Reader(store, places, settings.form, Clock(zone(settings.zone)), clocks, sources.streams(), window)


def before(store: Store, example: Example) -> list[str]:
    """The lines before an example in its file; none where that is gone, or its host cannot be reached."""
    file = next((file for file in store.files(example.host) if file.id == example.file), None)
    if file is None:
        return []
    with opened(Settings.kept(store)) as sources:
        place = next((source.place for source in sources.all if source.place.host == file.host), None)
        try:
            return around(partial(place.read, file.path), example.place) if place is not None else []
        except (Changed, NaruError):
            return []


def mark(
    store: Store,
    key: str,
    state: str,
    *,
    until: float | None = None,
    per_hour: float | None = None,
    why: str = "",
    now: float,
) -> dict[str, Any]:
    """Mutes, resolves or opens a group, mutes it up to so many records an hour; the group as it is then. Raises
    InputError."""
    group = group_of(store, key)
    by = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    with store.transaction():
        store.mark(group["key"], state, now, until, by, why)
        Outbox(store).limit(group["key"], per_hour)
    return group_of(store, group["key"])
