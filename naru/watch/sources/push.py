"""JSON pushed over HTTP, as Fluent Bit, Fluentd and Vector send it: answered when it is on disk, and not before.

Whoever gets no answer sends the same again. What was received is known by its content for a day, and is not counted
twice.
"""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from naru.errors import InputError
from naru.listen import Address, Tls
from naru.watch.formats import Format
from naru.watch.sources.documents import entry_of
from naru.watch.sources.entries import Entry, join
from naru.watch.sources.kolla import Pieces
from naru.watch.sources.stream import Batch

MOST = 16 << 20
"""Bytes of a request, and with `UNPACKED` of what is packed in it."""
UNPACKED = 32 << 20
CONNECTIONS = 256
AT_ONCE = 4
"""Requests that are read and wait for the disk at a time; more are told to come again."""
AGAIN = 2
"""Seconds after which they are to come again."""
SECONDS = 30.0
"""How long a client may say nothing, and how long one waits for the disk."""
NAME = "push"
Keep = Callable[[Batch, bytes], None]
"""Has a batch with its digest kept, and returns when that is on disk. Raises TimeoutError."""


@dataclass(frozen=True)
class Access:
    """Who may push: whoever knows the token, or the user's password."""

    token: str = ""
    user: str = ""
    password: str = ""

    def allows(self, said: str | None) -> bool:
        """Whether an Authorization header does."""
        kind, _, value = (said or "").partition(" ")
        if kind.lower() == "bearer" and self.token:
            return hmac.compare_digest(value.strip().encode(), self.token.encode())
        if kind.lower() == "basic" and self.user:
            try:
                given = base64.b64decode(value, validate=True)
            except ValueError:
                return False
            return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())
        return False


class Refused(Exception):
    """A request that is answered with this status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def documents(body: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a body: an array, one a line, one after the other, or one alone. Raises Refused."""
    text = body.decode("utf-8", "replace").strip("\ufeff \r\n\t")
    decoder, at = json.JSONDecoder(), 0
    found: list[Any] = []
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"no JSON: {error}") from error
        found += value if isinstance(value, list) else [value]
        while at < len(text) and text[at] in " \r\n\t,":
            at += 1
    if not all(isinstance(one, dict) for one in found):
        raise Refused(400, "not all of it are JSON objects")
    return found


def unpacked(body: bytes, encoding: str) -> bytes:
    """A body as it was before it was packed. Raises Refused."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise Refused(415, f"Content-Encoding {encoding}: gzip, deflate, or none")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        made = unpack.decompress(body, UNPACKED + 1)
    except zlib.error as error:
        raise Refused(400, f"it is not packed as it says: {error}") from error
    if len(made) > UNPACKED:
        raise Refused(413, f"more than {UNPACKED} bytes are packed in it")
    if not unpack.eof:
        raise Refused(400, "it is not all that was packed")
    return made


def batch_of(found: Sequence[dict[str, Any]], formats: Sequence[Format], host: str) -> Batch:
    """What documents of a client at an address `host` hold."""
    pieces = Pieces()
    entries: list[Entry] = []
    for document in found:
        made = pieces.entry(document, "", 0.0)
        entries.append(made if made is not None else entry_of(document, host=host, formats=formats))
    joined = join(entries, formats)
    return Batch(joined.arrived, "", joined.lines, joined.unread)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    server: "Server"

    def setup(self) -> None:
        self.request.settimeout(SECONDS)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_POST(self) -> None:
        try:
            self._take()
        except Refused as error:
            self._answer(error.status, error.why)

    do_PUT = do_POST

    def do_GET(self) -> None:
        self.close_connection = True
        self._answer(405, "POST JSON here")

    def _take(self) -> None:
        server = self.server
        if not server.access.allows(self.headers.get("Authorization")):
            raise Refused(401, "a token or a password is needed")
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "give Content-Length")
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError as error:
            raise Refused(411, "give Content-Length") from error
        if not 0 <= size <= MOST:
            raise Refused(413, f"more than {MOST} bytes; send less at a time")
        if not server.room.acquire(blocking=False):
            raise Refused(429, "too many at a time; come again")
        try:
            body = self.rfile.read(size)
            if len(body) < size:
                raise Refused(400, "less came than it says")
            body = unpacked(body, self.headers.get("Content-Encoding", "").strip().lower())
            found = documents(body)
            address = str(self.client_address[0])
            digest = hashlib.sha256(address.encode() + b"\0" + body).digest()
            if found:
                server.keep(batch_of(found, server.formats, address), digest)
        except TimeoutError as error:
            raise Refused(503, "it is not on disk yet; come again") from error
        finally:
            server.room.release()
        self._answer(200, f"{len(found)}")

    def _answer(self, status: int, said: str) -> None:
        body = (json.dumps({"status": status, "said": said}) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer, Basic realm="naru watch"')
        if status in (429, 503):
            self.send_header("Retry-After", str(AGAIN))
        if status >= 400:  # its body may not have been read
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Logs no requests."""


class Server(ThreadingHTTPServer):
    """Listens, and has what comes kept. Raises InputError where it cannot be bound, or anybody on the network would
    hear the secret."""

    daemon_threads = True

    def __init__(
        self, address: Address, tls: Tls | None, access: Access, formats: Sequence[Format], keep: Keep
    ) -> None:
        self.access, self.formats, self.keep = access, formats, keep
        self.room = threading.BoundedSemaphore(AT_ONCE)
        self._connections = threading.BoundedSemaphore(CONNECTIONS)
        where = f"push.listen {address.host}:{address.port}"
        if tls is None and not address.loopback:
            raise InputError(
                f"{where}: it is reached by others, and has no certificate",
                hint="Give push.certificate and push.key, or an address of loopback.",
            )
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            raise InputError(f"{where}: {error.strerror or error}", hint="Name an address and port.") from error
        if tls is not None:
            self.socket = tls.context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def start(self) -> None:
        """Serves, in a thread of its own, until `stop`."""
        threading.Thread(target=self.serve_forever, name="naru-watch-push", daemon=True).start()

    def stop(self) -> None:
        """Ends it: whoever has no answer sends again."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Each connection has a thread, and there are so many."""
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or speaks no TLS, is nothing to tell."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def keeping(post: Callable[[Callable[[], None]], None], keep: Callable[[Batch, bytes], object]) -> Keep:
    """Has `keep` called by the thread that `post` has something done by, and waits for it."""

    def wait(batch: Batch, digest: bytes) -> None:
        done = threading.Event()

        def work() -> None:
            keep(batch, digest)
            done.set()

        post(work)
        if not done.wait(SECONDS):
            raise TimeoutError

    return wait
