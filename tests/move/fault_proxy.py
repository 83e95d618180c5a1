"""An HTTP proxy before each service of a cloud that does to a share of the requests what bad networks, and proxies and
services under load, do: before the service has seen the request, or after it has done what was asked.

Every service gets a port of its own on loopback. In what is answered as JSON (Keystone's catalogue, version documents,
links) the services' addresses are replaced by the proxies', so that a client that begins here stays here.
"""

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cloud.service import reset

BEFORE = ("500", "502", "503", "504", "429", "reset", "silence", "cut")
# a service that counts requests says 429 before it does anything
AFTER = ("500", "502", "503", "504", "reset", "silence", "cut", "short")
# of silence less than of the others: each takes the client's time-out
WEIGHTS = {"silence": 0.25}
# seconds that a request is left without an answer, unless the client goes away before
SILENCE = 120.0
PIECE = 1 << 16
HOP_BY_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"))


class Faults:
    """Which request gets which fault: `rate` of all, by a random generator with a seed, and each one to a service whose
    port is among `broken`, the fault there. `given` counts them as (when, fault), `asked` all requests."""

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self.given: Counter[tuple[str, str]] = Counter()
        self.asked = 0
        self.broken: dict[int, str] = {}
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self, port: int) -> tuple[str, str]:
        """(`before` or `after`, the fault) for the next request to the service on that port; a pair of "" for one that
        is left alone."""
        with self._lock:
            self.asked += 1
            if fault := self.broken.get(port):
                self.given["before", fault] += 1
                return "before", fault
            if self._random.random() >= self.rate:
                return "", ""
            when, kinds = self._random.choice((("before", BEFORE), ("after", AFTER)))
            fault = self._random.choices(kinds, [WEIGHTS.get(kind, 1.0) for kind in kinds])[0]
            self.given[when, fault] += 1
            return when, fault


class Proxy(ThreadingHTTPServer):
    """The proxy before the service on loopback's port `port`. `names` is what is replaced in answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, faults: Faults, names: Mapping[bytes, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.backend = port
        self.faults = faults
        self.names = names

    def handle_error(self, *_: object) -> None:
        """A client that went away, and a service that did, are what this is about."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def relay(self) -> None:
        when, fault = self.server.faults.draw(self.server.backend)
        upload = self.headers.get("Transfer-Encoding") == "chunked"
        body: Any = self._pieces() if upload else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if when == "before" and not (fault == "cut" and upload):
            return self._spoil(fault if fault != "cut" else "reset")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        if upload:
            headers["Transfer-Encoding"] = "chunked"
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend, timeout=600)
        try:
            if when == "before":  # of the image the first pieces arrive, then both ends are gone
                body = self._first(body)
            backend.request(self.command, self.path, body=body or None, headers=headers, encode_chunked=upload)
            answer = backend.getresponse()
            if (answer.getheader("Content-Type") or "").startswith("application/octet-stream"):
                self._download(answer, fault)
            else:
                self._answer(answer, fault)
        except Broken:
            reset(self)
        finally:
            backend.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = relay

    # -- what comes

    def _pieces(self) -> Iterator[bytes]:
        """The pieces of a chunked body."""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            left = size
            while left:
                piece = self.rfile.read(min(PIECE, left))
                if not piece:
                    raise Broken
                left -= len(piece)
                yield piece
            self.rfile.readline()
        self.rfile.readline()

    def _first(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for number, piece in enumerate(pieces):
            if number:
                raise Broken
            yield piece
        raise Broken

    # -- what goes back

    def _head(self, answer: http.client.HTTPResponse, **more: str) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, self._named(value.encode("latin-1")).decode("latin-1"))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _named(self, text: bytes) -> bytes:
        for real, ours in self.server.names.items():
            text = text.replace(real, ours)
        return text

    def _answer(self, answer: http.client.HTTPResponse, fault: str) -> None:
        """Something small: read whole, then sent, or not."""
        body = answer.read()
        if (answer.getheader("Content-Type") or "").startswith("application/json"):
            body = self._named(body)
        if fault in ("cut", "short") and len(body) < 2:
            fault = "reset"
        if fault and fault not in ("cut", "short"):
            return self._spoil(fault)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        if fault == "short":
            body = body[: len(body) // 2]
            length = str(len(body))
        bodiless = answer.status in (204, 304)
        self._head(answer, **({} if bodiless or length is None else {"Content_Length": length}))
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        if fault:
            self.close_connection = True

    def _download(self, answer: http.client.HTTPResponse, fault: str) -> None:
        """An image: sent as it comes. `cut` breaks off what was announced, `short` ends in good order too soon."""
        if fault and fault not in ("cut", "short"):
            return self._spoil(fault)
        size = int(answer.getheader("Content-Length") or 0)
        announced = {} if fault == "short" or not size else {"Content_Length": str(size)}
        self._head(answer, Connection="close", **announced)
        self.close_connection = True
        left = size // 2 if fault else None
        while piece := answer.read(PIECE if left is None else min(PIECE, left)):
            self.wfile.write(piece)
            left = None if left is None else left - len(piece)

    def _spoil(self, fault: str) -> None:
        self.close_connection = True
        if fault == "reset":
            reset(self)
        elif fault == "silence":
            self.connection.settimeout(SILENCE)
            self.connection.recv(1)
        else:
            self.send_response_only(int(fault), "fault")
            told = b"<html>the proxy says no</html>"
            headers = {"Content-Type": "text/html", "Content-Length": str(len(told)), "Connection": "close"}
            for name, value in {**headers, **({"Retry-After": "1"} if fault in ("429", "503") else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Nothing: `Faults` counts."""


class Broken(Exception):
    """The connection ends in the middle of a body."""


@contextmanager
def proxied(ports: Iterable[int], faults: Faults) -> Iterator[dict[str, str]]:
    """Proxies before the services on these ports of loopback: the address of each, by the service's own."""
    names: dict[bytes, bytes] = {}
    proxies = [Proxy(port, faults, names) for port in ports]
    addresses = {
        f"http://127.0.0.1:{proxy.backend}": f"http://127.0.0.1:{proxy.server_address[1]}" for proxy in proxies
    }
    names |= {real.encode(): ours.encode() for real, ours in addresses.items()}
    threads = [threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True) for proxy in proxies]
    for thread in threads:
        thread.start()
    try:
        yield addresses
    finally:
        for proxy, thread in zip(proxies, threads, strict=True):
            proxy.shutdown()
            thread.join()
            proxy.server_close()
