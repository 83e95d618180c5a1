"""What an alert says: of one incident, or of many groups at once; as data, and as a text for people."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from naru.text import count, one_line, plural, shortened, utc
from naru.watch.alerts.outbox import DIGEST, Outbox
from naru.watch.group import HOLE
from naru.watch.hide import hidden
from naru.watch.request import Joined
from naru.watch.statements import ANY
from naru.watch.store import Example

_NAMED = 20
"""Groups that a digest names, and the others of an incident."""
_JOINED = 10
_HOSTS = 100
"""Hosts that are counted by name, those with most records."""
_MESSAGE, _TRACEBACK = 2000, 3000
"""Characters of an example in an alert."""


def what(group: Mapping[str, Any]) -> dict[str, Any]:
    """What the records of a group are."""
    return {
        **{"program": group["binary"], "module": group["module"], "text": hidden(group["text"].replace(ANY, HOLE))},
        **{"exception": group["exception"], "frame": group["frame"], "level": group["level"], "class": group["class"]},
    }


def of_incident(
    outbox: Outbox,
    why: str,
    root: str,
    keys: Sequence[str],
    *,
    examples: Mapping[str, Sequence[Example]],
    trusted: Callable[[Example], bool],
    joined: Sequence[Joined],
    known: Sequence[Mapping[str, Any]],
    now: float,
) -> dict[str, Any]:
    """What sinks are given of an incident. `trusted` says whether an example's context is its own; `joined` are records
    of its request."""
    store = outbox.store
    groups = outbox.groups(keys)
    group = groups[root]
    shown = list(examples.get(root, ()))
    every = [*shown, *(one for key in keys if key != root for one in examples.get(key, ()))]
    changes = [(moment, said) for moment, said in store.changes() if moment <= now]
    return {
        "why": why,
        "moment": utc(now),
        "group": root,
        "what": what(group),
        "where": dict(islice(outbox.hosts(root, now - 86400).items(), _HOSTS)),
        "who": _who(every, trusted),
        "how_often": _rates(outbox, root, group, now),
        "first": utc(group["first"]),
        "last": utc(group["last"]),
        "example": _example(shown[0]) if shown else {},
        "requests": _each([one for one in every if trusted(one)], "request"),
        "joined": [_record(one) for one in joined[:_JOINED]],
        "others": [{"group": key, **what(groups[key])} for key in keys if key != root][:_NAMED],
        "known": list(known),
        "last_change": {"moment": utc(changes[-1][0]), "what": changes[-1][1]} if changes else {},
    }


def _who(examples: Sequence[Example], trusted: Callable[[Example], bool]) -> dict[str, Any]:
    own = [one for one in examples if trusted(one)]
    return {
        "users": _each(own, "user"),
        "projects": _each(own, "project"),
        "instances": _each(examples, "instance"),
        "trusted": bool(own) or not any(one.body.get("request") for one in examples),
    }


def _each(examples: Sequence[Example], name: str) -> list[str]:
    return list(dict.fromkeys(str(one.body[name]) for one in examples if one.body.get(name)))


def _rates(outbox: Outbox, key: str, group: Mapping[str, Any], now: float) -> dict[str, int]:
    five, hour, day = outbox.rates([key], now).get(key, (0, 0, 0))
    requests = outbox.store.requests(key)
    return {"five_minutes": five, "hour": hour, "day": day, "total": group["count"], "requests": requests}


def _example(one: Example) -> dict[str, Any]:
    trace = str(one.body.get("traceback", ""))
    return {
        **{"time": one.body.get("time", ""), "host": one.host, "message": str(one.body.get("message", ""))[:_MESSAGE]},
        "traceback": trace if len(trace) <= _TRACEBACK else f"...\n{trace[-_TRACEBACK:]}",
    }


def _record(one: Joined) -> dict[str, Any]:
    return {
        **{"time": one.record.time, "host": one.host, "program": one.program, "level": one.record.level},
        **{"reason": one.reason, "trusted": one.trusted, "message": hidden(one.record.message)[:300]},
    }


def of_many(outbox: Outbox, because: str, keys: Sequence[str], now: float) -> dict[str, Any]:
    """What sinks are given of many groups at once: how many of each class, and those that are most frequent."""
    classes: dict[str, int] = {}
    first: list[tuple[int, str]] = []
    for at in range(0, len(keys), 1000):
        for key, group in outbox.groups(keys[at : at + 1000]).items():
            classes[group["class"]] = classes.get(group["class"], 0) + 1
            first.append((-group["count"] if group["class"] in ("unknown", "retry") else 0, key))
        first = sorted(first)[:_NAMED]
    groups = outbox.groups(key for _, key in first)
    return {
        "why": DIGEST,
        "moment": utc(now),
        "because": because,
        "count": len(keys),
        "classes": classes,
        "groups": [
            {"group": key, **what(groups[key]), "count": groups[key]["count"], "first": utc(groups[key]["first"])}
            for _, key in first
        ],
    }


def summary(body: Mapping[str, Any]) -> str:
    """An alert in one line."""
    if body["why"] == DIGEST:
        return f"{count(body['count'], 'group')} of errors: {body['because']}"
    return f"{body['why']}: {_told(body['what'])}"


def text(body: Mapping[str, Any]) -> str:
    """An alert as a person reads it."""
    return "\n".join(_digest(body) if body["why"] == DIGEST else _incident(body))


def _digest(body: Mapping[str, Any]) -> list[str]:
    classes = ", ".join(f"{n} {name}" for name, n in sorted(body["classes"].items()))
    lines = [f"{count(body['count'], 'group')} of errors ({classes}): {body['because']}", ""]
    lines += [f"{one['group']} {one['count']} times: {_told(one)}" for one in body["groups"]]
    more = body["count"] - len(body["groups"])
    return [*lines, *([f"and {more} more"] if more > 0 else []), "", "All of them: naru watch groups"]


def _told(one: Mapping[str, Any]) -> str:
    said = one_line(one["text"], 200)
    return f"{one['program']}: {': '.join(filter(None, (said, one['exception']))) or '(nothing but a variable)'}"


def _incident(body: Mapping[str, Any]) -> list[str]:
    group, often, who, example = body["what"], body["how_often"], body["who"], body["example"]
    lines = [
        f"{_told(group)}",
        f"{group['level']}, class {group['class']}, in {group['frame'] or group['module']}, group {body['group']}",
        "hosts: " + ", ".join(shortened((f"{host} {n}" for host, n in body["where"].items()), _NAMED)),
        f"how often: {often['five_minutes']} in 5 minutes, {often['hour']} in an hour, {often['day']} in a day, of "
        f"{often['requests']} {plural('request', often['requests'])}; first {body['first']}, last {body['last']}",
    ]
    names = {"user": who["users"], "project": who["projects"], "server": who["instances"]}
    lines += [f"{name}: {', '.join(values)}" for name, values in names.items() if values]
    if not who["trusted"]:
        lines.append("user, project and request: not told, for it is not certain that the record's context is its own")
    lines += [f"request: {one}" for one in body["requests"]]
    lines += [f"with it came {one['group']}: {_told(one)}" for one in body["others"]]
    lines += [f"known bug: {one['url']}: {one['message']} ({one['versions']})" for one in body["known"]]
    if body["last_change"]:
        lines.append(f"last change: {body['last_change']['moment']} {body['last_change']['what']}")
    if example:
        lines += ["", f"{example['time']} on {example['host']}", example["message"]]
        lines += example["traceback"].splitlines()[-12:]
    if body["joined"]:
        lines += ["", "the request:"]
        lines += [f"{one['time']} {one['program']} {one['level']} {one['message'][:150]}" for one in body["joined"]]
    return lines
