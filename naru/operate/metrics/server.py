"""The exporter's HTTP server: /metrics, from what the collector keeps."""

import socket
import ssl
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, ThreadingWSGIServer, gzip_accepted

from naru.errors import InputError
from naru.listen import Address, Tls

SECONDS = 15.0
"""How long a client may take to say what it wants."""


class Answering(Protocol):
    """What scrapes are answered by."""

    def answer(self, *, packed: bool) -> bytes:
        """Metrics in Prometheus' text format, or that `packed` by gzip."""


class _Quiet(WSGIRequestHandler):
    """Logs no requests, waits for no client for ever, and speaks TLS in the request's own thread: a client that says
    nothing holds up nobody."""

    timeout = SECONDS

    def setup(self) -> None:
        self.request.settimeout(SECONDS)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class _Server(ThreadingWSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or has not the right certificate, is nothing to tell."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


def server(collector: Answering, address: Address, tls: Tls | None) -> ThreadingWSGIServer:
    """The server, bound and not yet serving. Raises InputError where it cannot be bound."""
    kind = _Server6 if ":" in address.host else _Server
    try:
        made = make_server(address.host, address.port, _application(collector), kind, handler_class=_Quiet)
    except OSError as error:
        raise InputError(
            f"{address.what} {address.host}:{address.port}: {error.strerror or error}",
            hint="Name an address and port.",
        ) from error
    if tls:
        made.socket = tls.context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    return made


_PAGE = b'<html><head><title>naru exporter</title></head><body><a href="/metrics">metrics</a></body></html>\n'


def _application(collector: Answering) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    def application(environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)]
        if environment["REQUEST_METHOD"] != "GET":
            start("405 Method Not Allowed", [("Allow", "GET")])
            return [b""]
        match environment["PATH_INFO"]:
            case "/metrics":
                packed = gzip_accepted(environment.get("HTTP_ACCEPT_ENCODING", ""))
                body = collector.answer(packed=packed)
                headers += [("Content-Encoding", "gzip")] if packed else []
            case "/":
                body, headers = _PAGE, [("Content-Type", "text/html; charset=utf-8")]
            case _:
                start("404 Not Found", headers)
                return [b"there is /metrics\n"]
        start("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application
