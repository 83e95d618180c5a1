"""Whether an endpoint answers as users need it: requests to a server on loopback, with TLS."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from naru.errors import NaruError
from naru.site.ssh import Lost, Ran, Unreachable
from naru.upgrade.window import reached

pytestmark = pytest.mark.unit

NAME = "api.example"


class Answering(BaseHTTPRequestHandler):
    """Answers 503 below /broken, else 300."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path.startswith("/broken") else 300)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Host:
    """A host that knows where names are."""

    name = "db1"

    async def run(self, line: str, **_: Any) -> Ran:
        return Ran(0, "10.0.0.5\n" if NAME in line else "192.0.2.1\n", "")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One of the server's own, for a name, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)]), datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    file = tmp_path / "server.pem"
    kind = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    file.write_bytes(text + key.private_bytes(serialization.Encoding.PEM, *kind))
    return file


@pytest.fixture
def port(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server with TLS, at which each name is reached."""
    server = HTTPServer(("127.0.0.1", 0), Answering)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)

    @contextlib.asynccontextmanager
    async def opened(_: Any, __: str, port: int) -> AsyncIterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            yield sock

    monkeypatch.setattr(reached, "open_socket", opened)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join(10)
    server.server_close()


def asked(url: str, ca: Path | None) -> str:
    own = {"10.0.0.5", "10.0.0.6"}
    return asyncio.run(reached.asked(cast("Any", Host()), url, str(ca) if ca else None, own))


def test_a_certificate_has_to_have_the_endpoints_name(port: int, certificate: Path) -> None:
    assert asked(f"https://{NAME}:{port}/v3", certificate) == ""
    said = asked(f"https://10.0.0.6:{port}/v3", certificate)
    assert said.startswith("TLS: ") and "10.0.0.6" in said, said
    assert asked(f"https://{NAME}:{port}/v3", None).startswith("TLS: ")  # nobody knows who has signed it


def test_what_does_not_answer_is_told_and_what_is_elsewhere_is_not_asked(port: int, certificate: Path) -> None:
    assert asked(f"https://{NAME}:{port}/broken", certificate) == "it answers 503"
    assert asked("https://other.example:1/", certificate) == reached.ELSEWHERE
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "refused" in asked(f"http://10.0.0.5:{unused.getsockname()[1]}/", None)


@pytest.mark.parametrize("error", [NaruError("no end of getent"), Unreachable("no way"), Lost("gone")])
def test_a_name_that_is_not_found_in_time_is_told_and_a_host_that_cannot_ask_says_nothing(
    error: NaruError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Ran:
        raise error

    monkeypatch.setattr(Host, "run", fail)
    if type(error) is NaruError:
        assert asked(f"https://{NAME}/v3", None) == "no end of getent"
    else:
        with pytest.raises(type(error)):
            asked(f"https://{NAME}/v3", None)
