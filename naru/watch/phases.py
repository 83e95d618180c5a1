"""The verbs of a watch, which commands call: what the deployed code prints, files followed, groups shown."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.files import FileLock
from naru.watch import events, states
from naru.watch.changes import CODE
from naru.watch.differences import since_change
from naru.watch.follow import QUIET, Follower
from naru.watch.group import HOLE
from naru.watch.match import Matcher
from naru.watch.notifications import listen
from naru.watch.notifications.listen import listening
from naru.watch.place import Changed, Here
from naru.watch.request import Joined, Reader, around, join
from naru.watch.sources import Settings, Source, opened
from naru.watch.statements import ANY, Package
from naru.watch.store import Example, Store
from naru.watch.times import Clock, zone

LOCK = "watch.lock"
EVERY = 1.0
"""Seconds between two rounds over the files."""
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
        # the code is read again when a change of it has ended
        while not _follow(store, directory, settings, once, came):
            settings = Settings.kept(store)
        return health(store)


def _follow(store: Store, directory: Path, settings: Settings, once: bool, came: Tell) -> bool:
    """Reads until there is other code; whether all was read that is wanted."""
    clock, code = Clock(zone(settings.zone)), store.setting(CODE)
    with opened(settings) as sources:
        every, formats = sources.all, settings.form
        matcher = Matcher(sources.statements())
        if store.setting(CODE) == code:
            settings.keep(store)
        told = partial(_news, store, came=came)
        followers = {source.place.host: Follower(store, *source, formats, matcher, clock, told) for source in every}
        heard = partial(_news, came=came)  # with the store of the thread that listens
        with listening(directory, sources.buses(), matcher, heard, once=once) as listeners:
            if once:
                _let_settle(every)
            while store.setting(CODE) == code:
                store.set("unreachable", _round(followers))
                store.set("read", time.time())
                if once:
                    return True
                for listener in listeners:
                    listener.check()
                time.sleep(EVERY)
    return False


def _news(store: Store, keys: list[str], came: Tell) -> None:
    for group in store.groups():
        if group["key"] in keys:
            change = since_change(store, group)
            came(f"{group['key']} {group['state']}: {group['binary']}: {what(group)}{change and f' ({change})'}")


def _round(followers: Mapping[str, Follower]) -> dict[str, str]:
    """Reads all files of all hosts; by host why it could not be read."""
    failed = {}
    for host, follower in followers.items():
        try:
            for _ in follower.round():
                pass
        except NaruError as error:
            failed[host] = error.summary
    return failed


def _let_settle(sources: Sequence[Source]) -> None:
    """Waits until no file here has a record that may just be being written, as far as that takes no longer than it
    takes to be sure."""
    for place, patterns in sources:
        if isinstance(place, Here):
            youngest = max((one.modified for one in place.files(patterns)), default=0.0)
            time.sleep(min(max(QUIET - (place.now() - youngest), 0.0), QUIET))


def health(store: Store) -> dict[str, Any]:
    """How much was read, and what could not be: of lines that were not understood, records without a statement, parts
    that were gone. Shares are of 1."""
    files = store.files()
    lines, judged = sum(one.lines for one in files), sum(one.judged for one in files)
    unread, unmatched = sum(one.unread for one in files), sum(one.unmatched for one in files)
    groups = store.groups()
    notifications, failures = events.count(store.connection)
    return {
        "files": len(files),
        "lines": lines,
        "records": sum(one.records for one in files),
        "warnings and worse": sum(one["count"] for one in groups),
        "groups": len(groups),
        "lines not understood": unread,
        "share of lines not understood": round(unread / lines, 5) if lines else 0.0,
        "records without statement": unmatched,
        "share without statement": round(unmatched / judged, 5) if judged else 0.0,
        "times lines were lost": int(store.setting("lost") or 0),
        "notifications": notifications,
        "notifications of failures": failures,
        "read up to": store.setting("read"),
    }


MOST_UNREAD = 0.05
"""Shares of lines and of records from which on the watch itself is in doubt."""


def doubts(store: Store) -> list[str]:
    """What makes groups unreliable: files of which lines are not understood, statements that do not fit, lost lines."""
    found = []
    settings = Settings.kept(store)
    code = bool(settings.environments or settings.site)
    for file in store.files():
        if file.lines >= 20 and file.unread > MOST_UNREAD * file.lines:
            found.append(
                f"{file.path}: {file.unread / file.lines:.0%} of its lines are of no known format; give "
                "--log-format as the service's configuration says it"
            )
        if code and file.judged >= 20 and file.unmatched > MOST_UNREAD * file.judged:
            found.append(
                f"{file.path}: {file.unmatched / file.judged:.0%} of its warnings and errors are printed by no known "
                "statement; is --venv that of its service, and of its release?"
            )
    found += [f"not read: {why}" for why in (store.setting("unreachable") or {}).values()]
    lost = int(store.setting("lost") or 0)
    if lost:
        found.append(f"lines were lost by rotation {lost} times, before they were read")
    return [*found, *listen.doubts(store, time.time())]


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


def request(directory: Path, identity: str) -> tuple[list[Joined], list[str]]:
    """The records of one request in all files of a watch, and which files could not be looked through whole. Raises
    InputError."""
    with Store(directory) as store:
        settings = Settings.kept(store)
        with opened(settings) as sources:
            places = {source.place.host: source.place for source in sources.all}
            reader = Reader(store, places, settings.form, Clock(zone(settings.zone)))
            return join(reader, identity), reader.skipped


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
    store: Store, key: str, state: str, *, until: float | None = None, why: str = "", now: float
) -> dict[str, Any]:
    """Mutes, resolves or opens a group; the group as it is then. Raises InputError."""
    group = group_of(store, key)
    by = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    with store.transaction():
        store.mark(group["key"], state, now, until, by, why)
    return group_of(store, group["key"])
