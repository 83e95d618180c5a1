"""A tiny cloud on loopback, of Keystone, one Nova and one Cinder, that does to each request what a test tells it."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Deed = Callable[["Handler"], None]
VERSIONS = {
    "/compute/v2.1": {"id": "v2.1", "version": "2.96", "min_version": "2.1"},
    "/network/v2.0": {"id": "v2.0"},
    "/volume/v3": {"id": "v3.0", "version": "3.71", "min_version": "3.0"},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Service"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size + 2)[:-2]
            self.rfile.readline()
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.asked.append((self.command, path))
            deeds = self.server.deeds.get((self.command, path), [])
            deed = deeds.pop(0) if deeds else None
        (deed or self.server.usual)(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at what was asked."""


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str]] = []
        self.deeds: dict[tuple[str, str], list[Deed]] = {}
        self.usual: Deed = usual
        self.tokens = 0
        self.good: set[str] = set()
        self.further: dict[str, str] = {}
        """Services in its catalogue beside Keystone, Nova and Cinder, with the paths of their APIs."""

    def count(self, method: str, path: str) -> int:
        """How often it was asked."""
        return self.asked.count((method, path))

    def handle_error(self, *_: object) -> None:
        """A client that went away is what the tests are about."""


def usual(request: Handler) -> None:
    """What a cloud without a fault answers."""
    server, path = request.server, request.path.partition("?")[0]
    if path == "/identity/v3/auth/tokens":
        server.tokens += 1
        server.good = {f"token-{server.tokens}"}
        request.answer(201, token(server), X_Subject_Token=f"token-{server.tokens}")
    elif path.rstrip("/") == "/identity/v3":
        link = [{"rel": "self", "href": f"{server.url}/identity/v3/"}]
        request.answer(200, {"version": {"id": "v3.14", "status": "stable", "links": link}})
    elif path.rstrip("/") in VERSIONS:
        link = [{"rel": "self", "href": f"{server.url}{path.rstrip('/')}/"}]
        request.answer(200, {"version": {**VERSIONS[path.rstrip("/")], "status": "CURRENT", "links": link}})
    elif request.headers.get("X-Auth-Token") not in server.good:
        request.answer(401, {"error": {"message": "no such token"}})
    else:
        request.answer(200 if request.command in ("GET", "PUT") else 202, {"servers": [{"id": "s1"}]})


def token(server: Service) -> dict[str, Any]:
    endpoints = [
        {"type": kind, "name": kind, "id": kind, "endpoints": [{"interface": "public", "region": "r", "url": url}]}
        for kind, url in (
            ("identity", f"{server.url}/identity/v3"),
            ("compute", f"{server.url}/compute/v2.1"),
            ("block-storage", f"{server.url}/volume/v3"),
            *((name, f"{server.url}/{path}") for name, path in server.further.items()),
        )
    ]
    user = {"id": "u", "name": "admin", "domain": {"id": "default", "name": "Default"}}
    project = {"id": "p", "name": "admin", "domain": {"id": "default", "name": "Default"}}
    times = {"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"}
    return {"token": {"methods": ["password"], "user": user, "project": project, "catalog": endpoints, **times}}


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[None]:
    """The server answers, in threads of its own, and is closed at the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(port: int = 0) -> Iterator[Service]:
    """A service that runs, on a free port if none is named."""
    server = Service(port)
    with answering(server):
        yield server


def clouds_yaml(directory: Path, server: Service, **more: Any) -> str:
    """A clouds.yaml with the cloud `c`."""
    auth = {"auth_url": f"{server.url}/identity/v3", "username": "admin", "password": "secret-of-admin"}
    names = {"project_name": "admin", "user_domain_id": "default", "project_domain_id": "default"}
    file = directory / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {"c": {"auth": auth | names, "region_name": "r", **more}}}))
    return str(file)


# -- faults


def status(code: int, **headers: str) -> Deed:
    """An answer of a proxy that is overloaded, or whose backend is."""
    return lambda request: request.answer(code, b"<html>no</html>", Content_Type="text/html", **headers)


def reset(request: Handler) -> None:
    """The connection is cut, with RST."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
    request.close_connection = True


def cut(request: Handler) -> None:
    """Half of an answer, then the end."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"servers": [')
    request.close_connection = True


def short(request: Handler) -> None:
    """Half of an answer, as if it were all of it."""
    request.answer(200, b'{"servers": [{"id": "s1"}')


def empty(request: Handler) -> None:
    """No answer, as if that were one."""
    request.answer(200)


def silence(request: Handler) -> None:
    """Nothing, until the client has enough of it."""
    request.connection.settimeout(30)
    request.rfile.read(1)
    request.close_connection = True
