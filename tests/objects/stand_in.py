"""A small Swift in memory, for what no real one does when asked: faults, broken answers, a listing that is late."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..cloud.service import answering

Deed = Callable[["Handler"], None]
LIMIT = 100


class Object:
    """An object that is kept."""

    def __init__(self, body: bytes, headers: dict[str, str], moment: float) -> None:
        self.body = body
        self.headers = headers
        self.moment = moment

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "StandIn"

    def any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size + 2)[:-2]
            self.rfile.readline()
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query, keep_blank_values=True)
        words = [unquote(word) for word in parts.path.split("/", 4)[3:]]
        self.container, self.name = (*words, "", "")[:2]
        with self.server.lock:
            self.server.asked.append((self.command, self.container, self.name))
            deeds = self.server.deeds.get((self.command, self.name or self.container), [])
            deed = deeds.pop(0) if deeds else None
        (deed or Handler.usual)(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = any

    def usual(self) -> None:
        if self.path == "/info":
            return self.answer(200, json.dumps({"swift": {"container_listing_limit": LIMIT}}).encode())
        if self.headers.get("X-Auth-Token") != self.server.token:
            return self.answer(401)
        return self.of_object() if self.name else self.of_container()

    def of_container(self) -> None:
        held = self.server.containers
        if self.command == "PUT":
            held.setdefault(self.container, {})
            return self.answer(201)
        if self.command == "POST":
            return self.answer(204)
        if self.container and self.container not in held:
            return self.answer(404)
        if not self.container:
            rows = [{"name": name, "count": 0, "bytes": 0} for name in sorted(held)]
        else:
            rows = [
                {
                    "name": name,
                    "hash": one.etag,
                    "bytes": len(one.body),
                    "content_type": one.headers.get("content-type", ""),
                    "last_modified": f"2026-12-01T00:00:{one.moment:09.6f}",
                }
                for name, one in sorted(held[self.container].items())
            ]
        after = self.query.get("marker", [""])[0]
        page = [row for row in rows if row["name"] > after]
        self.answer(200, json.dumps(page[:LIMIT] if self.container else page).encode())

    def of_object(self) -> None:
        held = self.server.containers[self.container]
        if self.command == "PUT":
            kept = {key.lower(): value for key, value in self.headers.items()}
            tag = kept.pop("etag", "")
            if tag and tag != hashlib.md5(self.body).hexdigest():
                return self.answer(422)
            held[self.name] = Object(self.body, kept, self.server.tick())
            return self.answer(201, **self.told(held[self.name]))
        if self.name not in held:
            return self.answer(404)
        one = held[self.name]
        if self.command == "DELETE":
            del held[self.name]
            return self.answer(204)
        if self.command == "POST":
            one.headers = {key.lower(): value for key, value in self.headers.items()}
            one.moment = self.server.tick()
            return self.answer(202)
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        return self.answer(206 if "Range" in self.headers else 200, one.body[first:], **self.told(one))

    def told(self, one: Object) -> dict[str, str]:
        kept = {key: value for key, value in one.headers.items() if key.startswith(("x-object-", "content-t"))}
        seconds = int(-(-one.moment // 1))
        return {"etag": one.etag, "last-modified": f"Tue, 01 Dec 2026 00:00:{seconds:02} GMT"} | kept

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self, after: int) -> None:
        """The head of the answer, so many bytes of the object, and the end of the connection."""
        one = self.server.containers[self.container][self.name]
        self.send_response(200)
        for name, value in (self.told(one) | {"content-length": str(len(one.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(one.body[:after])
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


class StandIn(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1/AUTH_p"
        self.lock = threading.Lock()
        self.containers: dict[str, dict[str, Object]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.deeds: dict[tuple[str, str], list[Deed]] = {}
        self.token = "token-1"
        self._moment = 0.0

    def tick(self) -> float:
        """The seconds of a moment later than all before."""
        with self.lock:
            self._moment += 0.0001
            return self._moment

    def put(self, container: str, name: str, body: bytes, **headers: str) -> None:
        kept = {"content-type": "text/plain"} | {key.replace("_", "-"): value for key, value in headers.items()}
        self.containers.setdefault(container, {})[name] = Object(body, kept, self.tick())

    def handle_error(self, *_: object) -> None:
        """A client that went away is what the tests are about."""


class Cloud:
    """The identity of a stand-in: its token, which may have ended."""

    trust: Any = (True, None)

    def __init__(self, server: StandIn) -> None:
        self._server = server
        self.token = server.token

    def renew(self) -> None:
        time.sleep(0.01)
        self.token = self._server.token


@contextmanager
def standing() -> Iterator[StandIn]:
    server = StandIn()
    with answering(server):
        yield server
