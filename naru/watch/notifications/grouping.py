"""Notifications of failures to groups: by the program that sent them, what happened, the exception, and what raised
it."""

import datetime
from collections.abc import Iterable

from naru.watch.group import CLIENT, Group, key_of, kind_of, masked, status_of
from naru.watch.match import Matcher
from naru.watch.notifications.events import Event
from naru.watch.records import Record
from naru.watch.store import FIRST, Counted, Example

HOW = "notification"
_AUDIT = "keystone"
_BODY = 8 << 10


def group_of(event: Event, matcher: Matcher) -> Group:
    """The group of a notification. Where it does not name the exception, as in Pike, that is known by its text, if the
    code is; else the text itself, without what varies, is part of what happened."""
    exception = event.exception
    if not exception and event.message and event.exchange != _AUDIT:
        exception = matcher.exception_of(event.message)
    text = f"notification {event.kind}"
    if not exception and event.message:
        text += f": {masked(event.message)}"
    status = event.status or (status_of(exception, matcher) if exception else 0)
    kind = CLIENT if event.exchange == _AUDIT else kind_of(event.message, exception, status)
    key = key_of(event.program, event.exchange, text, exception, event.frame)
    return Group(key, event.program, event.exchange, text, exception, event.frame, event.level, kind, HOW)


def counted(events: Iterable[Event], matcher: Matcher) -> tuple[list[Counted], dict[int, str]]:
    """What events add to groups, and by event the key of its group."""
    found: dict[str, Counted] = {}
    keys = {}
    for event in events:
        its = group_of(event, matcher)
        keys[event.id] = its.key
        one = found.setdefault(its.key, Counted(its, 0, event.moment, event.moment))
        one.count += 1
        one.first, one.last = min(one.first, event.moment), max(one.last, event.moment)
        minute = int(event.moment // 60), event.host
        one.minutes[minute] = one.minutes.get(minute, 0) + 1
        if len(one.examples) > FIRST:
            one.examples.pop()  # the first ones, and the last
        one.examples.append(Example(event.moment, event.host, event.id, body(event)))
    return list(found.values()), keys


def body(event: Event) -> dict[str, object]:
    """What an example shows of it."""
    said = {
        **{"time": written(event.moment), "level": event.level, "logger": event.kind},
        **{"request": event.rid and f"req-{event.rid}", "global_request": event.gid and f"req-{event.gid}"},
        **{"user": event.user, "project": event.project, "instance": event.object},
        **{"message": event.message[:_BODY], "traceback": event.traceback[-_BODY:], "payload": event.payload},
    }
    return {name: value for name, value in said.items() if value}


def record(event: Event) -> Record:
    """It as a record of a log, for the list of what belongs to a request."""
    about = f" {event.object}" if event.object else ""
    what = ": ".join(filter(None, (event.exception, event.message)))
    return Record(
        event.id,
        written(event.moment),
        "",
        event.level,
        event.kind,
        event.gid and f"req-{event.gid}",
        event.rid and f"req-{event.rid}",
        event.user,
        event.project,
        event.object if event.exchange == "nova" else "",
        f"notification {event.kind}{about}" + (f": {what}" if what else ""),
        event.traceback.splitlines(),
    )


def written(moment: float) -> str:
    """A moment as logs have it, with its zone."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(" ", "milliseconds")
