"""How requests travel: each has time-outs, and what may be asked again is, before anybody hears of a fault.

All of a cloud's requests go through here, those for tokens and version documents, too, which keystoneauth makes on its
own: it would take a service whose version document cannot be read for one of no versions.
"""

import datetime
import email.utils
import json
import logging
import math
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from naru.cloud.locks import LOOK

# seconds to connect, and to wait for the next bytes of an answer: Neutron may take a minute over what agents do for it
TIMEOUT = (20.0, 180.0)
# seconds for each piece of a stream to leave, and for the service to store what it was given
STREAM_TIMEOUT = (120.0, 600.0)
# answers of a service, or of the proxy before it, that is overloaded or being restarted: worth asking again
RETRIABLE = frozenset((429, 500, 502, 503, 504))
TRIES = 6
# seconds before the second try; then twice as long each time, less a random part, so that many do not come back at once
PAUSE = 0.5
LONGEST_PAUSE = 10.0
# a service that asks for a longer wait is not waited for here: whoever asked can do something else meanwhile
LONGEST_ASKED = 300.0
FAULTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)

_log = logging.getLogger(__name__)


class GaveUp(Exception):
    """There was no good answer to what was asked again and again. `status` is that of the last answer, 0 without one;
    `after` the seconds that it asked to wait. No kin of keystoneauth's errors, which its discovery passes over."""

    def __init__(self, what: str, *, status: int = 0, after: float = 0.0) -> None:
        super().__init__(what)
        self.status = status
        self.after = after


class Transport(requests.Session):
    """A session of `requests`, for keystoneauth.

    What changes nothing, or the same however often it is asked, is asked again after a fault: reads, PUT, PATCH,
    DELETE, tokens, and whatever is asked with `again`. Other requests, and those whose body is a stream, are asked
    again only when the service surely did not begin them.
    """

    def __init__(self, patience: Callable[[], float] | None = None, connections: int = 10) -> None:
        """`patience` says how many seconds whoever asks is ready to wait still (infinity for however long), and raises
        what is to end the waiting: it is asked before each try, and while there is a pause. `connections` is how many
        there may be to a service at a time."""
        super().__init__()
        self.patience = patience or (lambda: math.inf)
        self._connections = connections
        self._adding = threading.Lock()
        pool = self._pool()
        for scheme in ("http://", "https://"):
            self.mount(scheme, pool)

    def _pool(self) -> requests.adapters.HTTPAdapter:
        return requests.adapters.HTTPAdapter(pool_connections=16, pool_maxsize=self._connections, pool_block=True)

    def connect_apart(self, url: str) -> None:
        """Gives the service whose endpoint the URL is connections of its own: many services may be behind one host and
        port, each under a path, and one that hangs would take all that there may be to it."""
        parts = urlsplit(url)
        # what follows may be a version, and a project
        prefix = f"{parts.scheme}://{parts.netloc}/{parts.path.strip('/').partition('/')[0]}"
        with self._adding:
            if prefix not in self.adapters:
                # as a whole, the longest first, as requests wants it: other threads may be looking for theirs
                adapters = [*self.adapters.items(), (prefix, self._pool())]
                self.adapters = OrderedDict(sorted(adapters, key=lambda item: -len(item[0])))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.patience()
            time.sleep(min(left, LOOK))

    # the base class names two dozen parameters, all of which go through
    def request(self, method: str, url: str, *, again: bool = False, **options: Any) -> requests.Response:  # type: ignore[override]
        """The answer. Raises GaveUp for a request that was asked again in vain, what `requests` raises for others."""
        streams = options.get("data") is not None and not isinstance(options["data"], str | bytes)
        again = not streams and (again or method != "POST" or url.partition("?")[0].endswith("/auth/tokens"))
        if options.get("timeout") is None:
            options["timeout"] = STREAM_TIMEOUT if streams else TIMEOUT
        longest = options["timeout"]
        for pause in _pauses():
            options["timeout"] = _within(longest, self.patience())
            try:
                answer = super().request(method, url, **options)
                if not answer.ok:
                    answer.content  # noqa: B018 (of a stream, too: what is refused is told whole)
            except FAULTS as error:
                if _untrusted(error) or not (again or _not_sent(error)):
                    raise
                if pause is None:
                    raise GaveUp(f"{method} {url}: {error}") from error
                fault, status, asked = str(error), 0, 0.0
            else:
                fault, status, asked = _fault(method, answer, options), answer.status_code, retry_after(answer)
                if not fault or not (again or (status == 429 and not streams)):
                    return answer
            if pause is None or asked > LONGEST_ASKED:
                raise GaveUp(f"{method} {url}: {fault}", status=status, after=asked)
            _log.debug("%s %s again: %s", method, url, fault)
            self._pause(max(asked, pause))
        raise AssertionError("the last pause is None")


def _within(timeout: Any, patience: float) -> Any:
    """The seconds to connect, and to wait for each piece of the answer, within what is left of somebody's patience."""
    if patience == math.inf:
        return timeout
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return min(connect, max(0.1, patience)), min(read, max(0.1, patience))


def _fault(method: str, answer: requests.Response, options: Mapping[str, Any]) -> str:
    """What is wrong with an answer that asking again may fix, in words; empty when nothing is."""
    if answer.status_code in RETRIABLE:
        return f"{answer.status_code} {answer.text[:500].strip()}".strip()
    if not answer.ok or options.get("stream") or method == "HEAD":
        return ""
    if not answer.content:
        return "an empty answer" if method == "GET" and answer.status_code == 200 else ""
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return ""
    try:
        found = answer.json()
    except ValueError as error:
        return f"the answer is not whole: {error}"
    # parsed once: a list may be large
    answer.json = lambda **_: found  # type: ignore[method-assign]
    return ""


def _pauses() -> Iterator[float | None]:
    """The seconds between the tries; None after the last."""
    pause = PAUSE
    for _ in range(TRIES - 1):
        yield pause * (1 - random.random() / 2)
        pause = min(LONGEST_PAUSE, pause * 2)
    yield None


def _untrusted(error: Exception) -> bool:
    """Whether the other side's certificate is the reason: that does not pass."""
    return isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error)


def _not_sent(error: Exception) -> bool:
    """Whether there was no connection to send anything over."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def retry_after(answer: requests.Response) -> float:
    """The seconds that an answer asks to wait (RFC 9110, 10.2.3: seconds or a date); 0 when it asks for none."""
    told = answer.headers.get("Retry-After", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        until = email.utils.parsedate_to_datetime(told)
    except ValueError:  # nothing, or what nobody understands
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


def decoded(answer: requests.Response) -> Any:
    """The JSON of an answer, None when it is empty. Raises GaveUp for one that is not whole."""
    try:
        return answer.json() if answer.content else None
    except (*FAULTS, json.JSONDecodeError) as error:
        raise GaveUp(f"the answer is not whole: {error}") from error
