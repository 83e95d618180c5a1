"""Requests to one account of object storage. Each is small and there are millions: so they go over urllib3 itself, and
not through the client of the other services, which costs several times as much for each."""

import http.client
import json
import random
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import certifi
import urllib3
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from naru.cloud.client import Cloud, CloudError, Unavailable, words

RETRIABLE = frozenset((408, 429, 498, 499, 500, 502, 503, 504))
"""Answers of a service, or a proxy before it, that is overloaded or being restarted; 498 is Swift's rate limit."""
TRIES = 6
TIMEOUT = urllib3.Timeout(connect=20.0, read=120.0)
LONGEST_PAUSE = 10.0
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_ONCE = urllib3.Retry.from_int(False, redirect=False)
_MARK = "x-naru-name-"

Headers = dict[str, str]
"""Names in lower case; names and values hold bytes, each as the character of its number (as WSGI has them)."""


def lower(name: str) -> str:
    """The header's name with its letters of ASCII in lower case, all other bytes as they are."""
    return name.translate(_LOWER)


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


class Stream:
    """An answer whose body is read piece by piece; to be closed."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = _headers(answer)

    def read(self, most: int) -> bytes:
        """The next bytes, none at the end. Raises HTTPError, OSError."""
        return self._answer.read(most)

    def whole(self) -> Answer:
        """The answer with what there is of its body, up to 2,000 bytes: what a service says of a refusal."""
        return Answer(self.status, self.headers, self.read(2000))

    def close(self) -> None:
        """Gives the connection back if all was read, else ends it."""
        if self._answer.length_remaining:
            self._answer.close()
        self._answer.release_conn()


FAULTS = (HTTPError, http.client.HTTPException, OSError)
"""What a request raises that had no whole answer."""


class Account:
    """One account: `label` names it for people, `path` is that of its URL. May be used by many threads.

    `tick` is called while something is waited for, and may raise to end it. Raises CloudError for what is refused,
    Unavailable when there was no good answer in several tries.
    """

    def __init__(self, cloud: Cloud, label: str, url: str, connections: int = 16) -> None:
        self.cloud = cloud
        self.label = label
        self.url = url.rstrip("/")
        self.path = urlsplit(self.url).path
        self.tick: Callable[[], None] = lambda: None
        self._pool = _pool(cloud, self.url, connections)

    @property
    def name(self) -> str:
        """The account's own name, as in AUTH_ and the project's id."""
        return self.path.rpartition("/")[2]

    def close(self) -> None:
        """Gives the connections back."""
        self._pool.close()

    def info(self) -> dict[str, Any]:
        """What the service can, as its /info says; empty where it does not say it."""
        prefix = self.path.rpartition("/v1")[0]
        try:
            answer = self._again("GET", f"{prefix}/info", {}, b"")
            found = json.loads(answer.body) if answer.status == 200 else {}
        except (CloudError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def request(
        self,
        method: str,
        container: str = "",
        name: str = "",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        accept: Iterable[int] = (),
    ) -> Answer:
        """The whole answer. A status from 400 on raises CloudError, unless it is in `accept`."""
        answer = self._again(method, self.place(container, name, query), dict(headers or {}), body)
        if answer.status >= 400 and answer.status not in accept:
            raise self.refused(method, container, name, answer)
        return answer

    def get(self, container: str, name: str, query: str = "", headers: Mapping[str, str] | None = None) -> Stream:
        """The object, to be read piece by piece, whatever the status. Raises Unavailable."""
        where = self.place(container, name, query)
        for pause in _pauses():
            try:
                found = Stream(self._ask("GET", where, dict(headers or {}), b""))
            except FAULTS as error:
                fault, status = str(error), 0
            else:
                if found.status not in RETRIABLE and found.status != 401:
                    return found
                fault, status = str(found.status), found.status
                found.close()
                self._renew(status)
            self._rest(pause, fault, status)
        raise AssertionError("the last pause is None")

    def put(
        self, container: str, name: str, query: str, headers: Mapping[str, str], body: bytes | Iterable[bytes]
    ) -> Answer:
        """The answer to one try, whatever it is: what is behind a stream cannot be sent twice. Raises FAULTS."""
        answer = self._ask("PUT", self.place(container, name, query), dict(headers), body)
        return Answer(answer.status, _headers(answer), answer.read())

    def refused(self, method: str, container: str, name: str, answer: Answer) -> CloudError:
        """What was refused, for people."""
        what = "/".join(part for part in (container, name) if part) or "the account"
        said = words(answer.body[:2000].decode(errors="replace").strip())
        hint = ""
        if answer.status in (401, 403):
            hint = (
                "It takes the role admin or swiftoperator in the project, or ResellerAdmin in one's own: what the "
                "cloud's proxy-server.conf names."
            )
        kind = Unavailable if answer.status in RETRIABLE else CloudError
        return kind(
            f"{self.label}: {method} {what!r} is refused ({answer.status})",
            status=answer.status,
            detail=said,
            hint=hint,
            request_id=answer.headers.get("x-openstack-request-id", ""),
        )

    def place(self, container: str, name: str, query: str = "") -> str:
        """The path of a container or object, with a query."""
        path = self.path + "".join(f"/{quote(part, safe='/')}" for part in (container, name) if part)
        return f"{path}?{query}" if query else path

    def rest(self, attempt: int, fault: str, status: int = 0) -> None:
        """Waits before another attempt of something larger, the first being 0. Raises Unavailable after the last."""
        self._renew(status)
        self._rest(list(_pauses())[min(attempt, TRIES - 1)], fault, status)

    def _ask(
        self, method: str, place: str, headers: dict[str, str], body: bytes | Iterable[bytes]
    ) -> urllib3.BaseHTTPResponse:
        sent: dict[Any, str] = {name if name.isascii() else name.encode("latin-1"): headers[name] for name in headers}
        sent["X-Auth-Token"] = self.cloud.token
        if isinstance(body, bytes) and (body or method in ("PUT", "POST")):
            sent["Content-Length"] = str(len(body))
        return self._pool.urlopen(
            method,
            place,
            body=body or None,
            headers=sent,
            retries=_ONCE,
            redirect=False,
            timeout=TIMEOUT,
            preload_content=False,
            decode_content=False,
            assert_same_host=False,
        )

    def _again(self, method: str, place: str, headers: dict[str, str], body: bytes) -> Answer:
        for pause in _pauses():
            try:
                found = self._ask(method, place, headers, body)
                answer = Answer(found.status, _headers(found), found.read())
            except FAULTS as error:
                fault, status = str(error), 0
            else:
                if answer.status not in RETRIABLE and (answer.status != 401 or pause is None):
                    return answer
                fault, status = f"{answer.status} {answer.body[:300].decode(errors='replace')}", answer.status
                self._renew(status)
            self._rest(pause, fault, status)
        raise AssertionError("the last pause is None")

    def _renew(self, status: int) -> None:
        if status == 401:
            self.cloud.renew()

    def _rest(self, pause: float | None, fault: str, status: int) -> None:
        if pause is None:
            raise Unavailable(
                f"{self.label}: object storage does not answer",
                status=status,
                detail=fault,
                hint="Check that the cloud is up and that this machine reaches its endpoint. The same command goes on.",
            )
        end = time.monotonic() + pause
        while (left := end - time.monotonic()) > 0:
            self.tick()
            time.sleep(min(left, 0.2))


def _pauses() -> Iterator[float | None]:
    """The seconds between the tries; None after the last."""
    pause = 0.5
    for _ in range(TRIES - 1):
        yield pause * (1 - random.random() / 2)
        pause = min(LONGEST_PAUSE, pause * 2)
    yield None


def _headers(answer: urllib3.BaseHTTPResponse) -> Headers:
    found = {lower(name): value for name, value in answer.headers.items()}
    for name in [name for name in found if name.startswith(_MARK)]:
        found[lower(bytes.fromhex(name.removeprefix(_MARK)).decode("latin-1"))] = found.pop(name)
    return found


class _Names:
    """The lines of an answer's head. Names of metadata may have any bytes; Python's parser ends the head at the first
    name that is not ASCII (bpo-37093) and takes the rest for the body: such a name is given in digits."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readline(self, most: int) -> bytes:
        line: bytes = self._file.readline(most)
        name, colon, rest = line.partition(b":")
        if colon and not name.isascii():
            return _MARK.encode() + name.hex().encode() + colon + rest
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        plain: Any = self.fp
        self.fp = _Names(plain)  # type: ignore[assignment]
        super().begin()
        if self.fp is not None:
            self.fp = plain


class _Plain(HTTPConnection):
    response_class = _Response


class _Secure(HTTPSConnection):
    response_class = _Response


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


def _pool(cloud: Cloud, url: str, connections: int) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(url)
    verify, cert = cloud.trust
    options: dict[str, Any] = {"maxsize": connections, "block": False}
    if parts.scheme == "https":
        options["cert_reqs"] = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        options["ca_certs"] = verify if isinstance(verify, str) else certifi.where() if verify else None
        options["cert_file"], options["key_file"] = cert if isinstance(cert, tuple) else (cert, None)
    if proxy := get_environ_proxies(url).get(parts.scheme):
        manager = urllib3.ProxyManager(proxy)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        manager.connection_pool_kw.update(options)
        return manager.connection_from_url(url)
    kind = _SecurePool if parts.scheme == "https" else _PlainPool
    return kind(str(parts.hostname), parts.port, **options)
