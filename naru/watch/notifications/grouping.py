"""Notifications of failures to groups: by the program that sent them, what happened, the exception, and what raised
it."""

import datetime
from collections.abc import Iterable

from naru.watch.group import CLIENT, Group, key_of, kind_of, masked, status_of
from naru.watch.match import Matcher
from naru.watch.notifications.events import Event
from naru.watch.notifications.message import Notification
from naru.watch.records import Record
from naru.watch.store import FIRST, Counted, Example

HOW = "notification"
_AUDIT = "keystone"
_BODY = 8 << 10


def group_of(sent: Notification, matcher: Matcher) -> Group:
    """The group of a notification. Where it does not name the exception, as in Pike, that is known by its text, if the
    code is; else the text itself, without what varies, is part of what happened."""
    failed = sent.failure
    exception = failed.exception
    if not exception and failed.message and sent.exchange != _AUDIT:
        exception = matcher.exception_of(failed.message)
    text = f"notification {sent.kind}"
    if not exception and failed.message:
        text += f": {masked(failed.message)}"
    status = failed.status or (status_of(exception, matcher) if exception else 0)
    kind = CLIENT if sent.exchange == _AUDIT else kind_of(failed.message, exception, status)
    key = key_of(sent.program, sent.exchange, text, exception, failed.frame)
    return Group(key, sent.program, sent.exchange, text, exception, failed.frame, sent.level, kind, HOW)


def counted(events: Iterable[Event], matcher: Matcher) -> tuple[list[Counted], dict[int, str]]:
    """What events add to groups, and by event the key of its group."""
    found: dict[str, Counted] = {}
    keys = {}
    for event in events:
        sent = event.sent
        its = group_of(sent, matcher)
        keys[event.id] = its.key
        one = found.setdefault(its.key, Counted(its, 0, sent.moment, sent.moment))
        one.count += 1
        one.first, one.last = min(one.first, sent.moment), max(one.last, sent.moment)
        minute = int(sent.moment // 60), sent.host
        one.minutes[minute] = one.minutes.get(minute, 0) + 1
        if len(one.examples) > FIRST:
            one.examples.pop()  # the first ones, and the last
        one.examples.append(Example(sent.moment, sent.host, event.id, body(sent)))
    return list(found.values()), keys


def body(sent: Notification) -> dict[str, object]:
    """What an example shows of it."""
    failed = sent.failure
    said = {
        **{"time": written(sent.moment), "level": sent.level, "logger": sent.kind},
        **{"request": _request(sent.request_id), "global_request": _request(sent.global_id)},
        **{"user": sent.user, "project": sent.project, "instance": sent.object},
        **{"message": failed.message[:_BODY], "traceback": failed.traceback[-_BODY:], "payload": sent.payload},
    }
    return {name: value for name, value in said.items() if value}


def record(event: Event) -> Record:
    """It as a record of a log, for the list of what belongs to a request."""
    sent, failed = event.sent, event.sent.failure
    about = f" {sent.object}" if sent.object else ""
    what = ": ".join(filter(None, (failed.exception, failed.message)))
    return Record(
        event.id,
        written(sent.moment),
        "",
        sent.level,
        sent.kind,
        _request(sent.global_id),
        _request(sent.request_id),
        sent.user,
        sent.project,
        sent.object if sent.exchange == "nova" else "",
        f"notification {sent.kind}{about}" + (f": {what}" if what else ""),
        failed.traceback.splitlines(),
    )


def _request(identity: str) -> str:
    return identity and f"req-{identity}"


def written(moment: float) -> str:
    """A moment as logs have it, with its zone."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(" ", "milliseconds")
