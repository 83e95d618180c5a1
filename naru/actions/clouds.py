"""The clouds that steps talk to: one client of each for the whole process; looking, waiting, deleting there."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from naru.actions.arguments import url
from naru.cloud.client import Call, Cloud, CloudError, Unavailable
from naru.cloud.transport import GaveUp
from naru.errors import NaruError
from naru.inventory.kinds import values
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry

T = TypeVar("T")

SETTLE = 3.0
"""Seconds after which the request of a killed process has surely left its trace."""
POLL = (0.3, 2.0)
"""Seconds between two looks at what is under way: at first, and at most."""
RETRY = (
    Retry(on=(Unavailable,), tries=5, pause=2.0),
    Retry(on=(Transient,), tries=12, pause=0.5, longest=5.0),
)
DEADLINE = 1800.0

_clouds: dict[str, Cloud] = {}
# as users: a token and the endpoints serve many steps
_acting: dict[tuple[str, str, str], Cloud] = {}
_lock = threading.Lock()
_running = threading.local()


def cloud(context: Context, name: str) -> Cloud:
    """The cloud of clouds.yaml, one client of it for all steps; what it is asked is logged with the calling step."""
    # the step that asked last in this thread is the one whose log has the requests: a step runs in one thread
    _running.context = context
    with _lock:
        if name not in _clouds:
            _clouds[name] = Cloud(name, record=_record, patience=_patience)
        return _clouds[name]


def _record(call: Call) -> None:
    context: Context | None = getattr(_running, "context", None)
    if context is not None:
        context.log(f"{call.method} {call.service} {call.url} {call.status}", call.request_id)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Of what this thread asks a cloud, nothing is waited for longer than so many seconds in all: then it is
    Unavailable."""
    _running.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _running.until = None


def _patience() -> float:
    """The seconds that the step of this thread is ready to wait. Raises what ends it when it is to stop."""
    context: Context | None = getattr(_running, "context", None)
    left = math.inf
    if context is not None:
        context.check()
        if context.deadline is not None:
            left = context.started + context.deadline - time.monotonic()
    until: float | None = getattr(_running, "until", None)
    if until is not None:
        left = min(left, until - time.monotonic())
        if left <= 0:
            raise GaveUp("no answer in time")
    return left


def client(context: Context, args: Mapping[str, Any]) -> Cloud:
    """The cloud that the (resolved) arguments name, as whom they name: `actor` has project, and user and password when
    it is not the administrator who acts in the project."""
    found = cloud(context, args["cloud"])
    who = args.get("actor")
    if not who:
        return found
    key = (found.name, who["project"], who.get("user", ""))
    with _lock:
        if key not in _acting:
            _acting[key] = found.acting(who["project"], who.get("user", ""), who.get("password", ""))
        return _acting[key]


def matches(item: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether the item has each wanted value at its path. Addresses are compared in any case of letters."""
    return all(
        wanted in found or (isinstance(wanted, str) and wanted.lower() in [str(value).lower() for value in found])
        for path, wanted in where.items()
        for found in [list(values(item, path))]
    )


def get(client: Cloud, service: str, path: str, wrap: str, version: str = "") -> Any:
    """The thing at the path, None when there is none."""
    try:
        found = client(service, "GET", path, version=version)
    except CloudError as error:
        if error.status == 404:
            return None
        raise
    return found[wrap] if wrap and wrap in found else found


def polling(context: Context, most: float = POLL[1]) -> Iterator[None]:
    """Turns at which to look at what is under way: the first one immediately, each further one after a pause, of `most`
    seconds at most."""
    pause = POLL[0]
    while True:
        yield
        context.sleep(pause)
        pause = min(most, pause * 1.4)


def remove(
    context: Context,
    client: Cloud,
    service: str,
    path: str,
    wrap: str = "",
    version: str = "",
    gone: bool = False,
    query: str = "",
) -> None:
    """Deletes what is at the path, if it is there; `query` is what that request has after the path. With `gone`, waits
    until it is not. Raises Transient while something else still holds it."""
    for _ in polling(context):
        try:
            client(service, "DELETE", path + query, version=version)
        except CloudError as error:
            if error.status == 409 and query:
                continue  # Octavia is still at work on it: making it takes as long as a server's boot
            if error.status in (400, 409):
                raise Transient(error.summary, detail=error.detail) from error
            if error.status != 404:
                raise
        break
    if gone:
        for _ in polling(context):
            item = get(client, service, path, wrap, version)
            # Octavia's first releases show what is deleted to whoever asks for it by its id
            if item is None or item.get("provisioning_status") == "DELETED":
                return
            status = str(item.get("status") or item.get("provisioning_status") or "")
            if status.lower().startswith("error"):
                raise Transient(f"{path} could not be deleted: {status}")


def send(client: Cloud, service: str, request: Mapping[str, Any]) -> Any:
    """The answer to a request of a `cloud.call`; None when it says that it was done before."""
    try:
        return client(
            *(service, request["method"], url(request["path"]), request.get("body")),
            version=request.get("version", ""),
            headers=request.get("headers"),
            again=True,
        )
    except CloudError as error:
        if error.status in request.get("ok", ()) or _there(client, service, request, error):
            return None
        if error.status == 409 and request.get("busy"):
            raise Transient(error.summary, detail=error.detail) from error
        raise


def _there(client: Cloud, service: str, request: Mapping[str, Any], error: CloudError) -> bool:
    """Whether a request was refused because what it makes is there already, where the status alone does not say so."""
    there = request.get("there")
    if not there or isinstance(error, Unavailable):
        return False
    items = client.items(service, url(request["path"]), there["collection"])
    return any(matches(item, there["where"]) for item in items)


class TooLong(NaruError):
    """What was waited for has not come in time."""


def wait_for(
    context: Context,
    look: Callable[[], T],
    done: Callable[[Any], bool],
    what: str,
    limit: float,
    most: float = POLL[1],
) -> T:
    """Waits until `done` is true of what `look` gives, and returns that; `most` seconds are between two looks. Raises
    TooLong after `limit` seconds, which begins with `what`."""
    end = time.monotonic() + limit
    for _ in polling(context, most):
        found = look()
        if done(found):
            return found
        if time.monotonic() > end:
            raise TooLong(f"{what} after {limit:.0f} s", hint="See the cloud's own logs; then: naru plan retry.")
    raise AssertionError


def deadline(args: Mapping[str, Any]) -> float:
    """Seconds that a step may take, by its arguments."""
    return float(args.get("deadline", DEADLINE))
