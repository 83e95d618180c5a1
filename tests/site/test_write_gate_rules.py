"""The write gate's rules in a HAProxy that runs."""

import http.client
import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.site.write_gate import rules

pytestmark = pytest.mark.haproxy

SERVICES = ["keystone", "nova", "glance", "neutron", "horizon"]


class _Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: Any) -> None:
        """Says nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A proxy that ends is no error."""


class Proxy:
    """A HAProxy of this machine with the rules, before a service that says yes to everything."""

    def __init__(self, directory: Path, service: int) -> None:
        self.directory, self.ports = directory, {name: _free() for name in SERVICES}
        self.socket = directory / "s"
        for name, text in rules.files(SERVICES, ["10.1.0.0/24"]).items():
            (directory / name).write_text(text, newline="")
        config = f"global\n  stats socket {self.socket} mode 600 level admin\ndefaults\n  mode http\n"
        config += "".join(f"  timeout {what} 5s\n" for what in ("connect", "client", "server"))
        for name, port in self.ports.items():
            config += f"listen {name}\n  bind 127.0.0.1:{port}\n"
            config += "".join(f"  {line}\n" for line in [*rules.lines(name, str(directory)), rules.silent(name)])
            config += f"  server one 127.0.0.1:{service}\n"
        config += "".join(f"{line}\n" for name in SERVICES for line in rules.backend(name, str(directory)))
        (directory / "haproxy.cfg").write_text(config)

    def tell(self, line: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.socket))
            asking.sendall(f"{line}\n".encode())
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()

    def gate(self, service: str, state: str) -> None:
        assert not self.tell(f"set map {self.directory}/{rules.MAP} {service} {state}").strip()

    def ask(self, service: str, method: str, path: str = "/v2", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=5)
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
        return connection.getresponse()


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    server = _Server(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = Proxy(tmp_path_factory.mktemp("gate"), server.server_address[1])
    with subprocess.Popen(["haproxy", "-db", "-f", made.directory / "haproxy.cfg"], stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 20
        while not made.socket.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        yield made
        process.kill()
    server.shutdown()
    server.server_close()


def test_a_closed_gate_refuses_what_writes_in_the_services_own_form_and_lets_the_rest_through(proxy: Proxy) -> None:
    for name in SERVICES:
        assert proxy.ask(name, "POST").status == 200
        proxy.gate(name, "closed")
    try:
        for name in SERVICES:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = proxy.ask(name, method)
                assert (answer.status, answer.getheader(rules.HEADER)) == (503, "closed"), (name, method)
                assert int(answer.getheader("Retry-After") or "") > 0
        for name in SERVICES[:-1]:
            assert [proxy.ask(name, method).status for method in ("GET", "HEAD", "OPTIONS")] == [200] * 3
        page = proxy.ask("horizon", "GET")
        assert page.status == 503 and "점검" in page.read().decode()
        said = json.loads(proxy.ask("nova", "POST").read())
        assert said["serviceUnavailable"]["code"] == 503
        assert json.loads(proxy.ask("neutron", "POST").read())["NeutronError"]["type"] == "ServiceUnavailable"
        assert b"<h1>503" in proxy.ask("glance", "PUT").read()
        assert json.loads(proxy.ask("keystone", "PATCH", "/v3/users/1").read())["error"]["code"] == 503
        # one logs in, whatever the version, and wherever Keystone is
        for path in ("/v3/auth/tokens", "/identity/v3/auth/tokens", "/v2.0/tokens", "/v3/ec2tokens"):
            assert proxy.ask("keystone", "POST", path).status == 200, path
        assert proxy.ask("keystone", "POST", "/v3/auth/tokens/x").status == 503
        federation = "/v3/OS-FEDERATION/identity_providers/one"
        assert proxy.ask("keystone", "POST", f"{federation}/protocols/saml2/auth").status == 200
        assert proxy.ask("keystone", "PUT", federation).status == 503
        assert proxy.ask("keystone", "DELETE", "/v3/auth/tokens").status == 503
    finally:
        for name in SERVICES:
            proxy.gate(name, "open")
    assert proxy.ask("nova", "POST").status == 200


def test_who_is_allowed_goes_through_and_a_probe_never(proxy: Proxy) -> None:
    proxy.gate("nova", "closed")
    try:
        assert proxy.ask("nova", "POST").status == 503
        proxy.tell(f"add acl {proxy.directory}/{rules.ALLOWED} 127.0.0.0/8")
        assert proxy.ask("nova", "POST").status == 200
        assert proxy.ask("nova", "POST", **{rules.PROBE: "1"}).status == 503
        proxy.tell(f"del acl {proxy.directory}/{rules.ALLOWED} 127.0.0.0/8")
        assert proxy.ask("nova", "POST").status == 503
    finally:
        proxy.gate("nova", "open")
    assert proxy.ask("nova", "POST", **{rules.PROBE: "1"}).status == 200


def test_a_connection_that_is_kept_is_refused_at_its_next_request(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.ports["nova"], timeout=5)
    connection.request("POST", "/", body=b"{}")
    assert connection.getresponse().read() == b""
    kept = connection.sock
    proxy.gate("nova", "closed")
    try:
        connection.request("POST", "/", body=b"{}")
        assert connection.sock is kept and connection.getresponse().status == 503
    finally:
        proxy.gate("nova", "open")
        connection.close()


def test_while_nothing_answers_behind_a_closed_gate_it_says_so_itself(proxy: Proxy) -> None:
    proxy.gate("nova", "closed")
    proxy.tell("set server nova/one state maint")
    try:
        answer = proxy.ask("nova", "GET")
        assert (answer.status, answer.getheader("Retry-After")) == (503, str(rules.RETRY_AFTER))
    finally:
        proxy.tell("set server nova/one state ready")
        proxy.gate("nova", "open")
    assert proxy.ask("nova", "GET").status == 200
