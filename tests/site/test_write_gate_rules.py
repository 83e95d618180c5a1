"""The write gate's rules in a HAProxy, an nginx and an Apache that run."""

import http.client
import json
import subprocess
import threading
from collections.abc import Iterator
from importlib.resources import files
from typing import get_args

import pytest

from naru.actions.hosts.place import script_text
from naru.actions.hosts.write_gate import script_of
from naru.site import haproxy as socket_of_haproxy
from naru.site.model import BalancerKind, LoadBalancer, WriteGate
from naru.site.write_gate import forms, rules
from naru.site.write_gate.running import judged

from .proxies import ALLOWED, SERVICES, SILENT, Proxy, Server

pytestmark = pytest.mark.balancers

APIS = [name for name in SERVICES if name not in ("horizon", SILENT)]


@pytest.fixture(scope="module", params=get_args(BalancerKind))
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = Proxy(request.param, tmp_path_factory.mktemp("gate"), server.server_address[1])
    process = made.start()
    yield made
    process.terminate()
    process.wait(10)
    server.shutdown()
    server.server_close()


def test_a_closed_gate_refuses_what_writes_in_the_services_own_form_and_lets_the_rest_through(proxy: Proxy) -> None:
    gated = [*APIS, "horizon"]
    for name in gated:
        assert proxy.ask(name, "POST").status == 200
        proxy.gate(name, "closed")
    try:
        for name in gated:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = proxy.ask(name, method)
                assert (answer.status, answer.getheader(rules.HEADER)) == (503, "closed"), (name, method)
                assert int(answer.getheader("Retry-After") or "") > 0
        for name in APIS:
            assert [proxy.ask(name, method).status for method in ("GET", "HEAD", "OPTIONS")] == [200] * 3
        page = proxy.ask("horizon", "GET")
        assert page.status == 503 and "점검" in page.read().decode()
        said = proxy.ask("nova", "POST")
        assert said.getheader("Content-Type") == "application/json; charset=utf-8"
        assert json.loads(said.read())["serviceUnavailable"]["code"] == 503
        assert json.loads(proxy.ask("neutron", "POST").read())["NeutronError"]["type"] == "ServiceUnavailable"
        assert b"<h1>503" in proxy.ask("glance", "PUT").read()
        assert json.loads(proxy.ask("keystone", "PATCH", "/v3/users/1").read())["error"]["code"] == 503
        # one logs in, whatever the version, and wherever Keystone is
        for path in ("/v3/auth/tokens", "/identity/v3/auth/tokens", "/v2.0/tokens", "/v3/ec2tokens"):
            assert proxy.ask("keystone", "POST", path).status == 200, path
        assert proxy.ask("keystone", "POST", "/v3/auth/tokens?nocatalog").status == 200
        assert proxy.ask("keystone", "POST", "/v3/auth/tokens/x").status == 503
        assert proxy.ask("keystone", "POST", "/v3/users?x=/v3/auth/tokens").status == 503
        federation = "/v3/OS-FEDERATION/identity_providers/one"
        assert proxy.ask("keystone", "POST", f"{federation}/protocols/saml2/auth").status == 200
        assert proxy.ask("keystone", "PUT", federation).status == 503
        assert proxy.ask("keystone", "DELETE", "/v3/auth/tokens").status == 503
    finally:
        for name in gated:
            proxy.gate(name, "open")
    assert proxy.ask("nova", "POST").status == 200


def test_who_is_allowed_goes_through_and_a_probe_never(proxy: Proxy) -> None:
    proxy.gate("nova", "closed")
    try:
        assert proxy.ask("nova", "POST").status == 503
        proxy.allow("127.0.0.0/8", True)
        assert proxy.ask("nova", "POST").status == 200
        assert proxy.ask("nova", "POST", **{rules.PROBE: "1"}).status == 503
        proxy.allow("127.0.0.0/8", False)
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
    failed = proxy.ask(SILENT, "GET")
    assert failed.status in (502, 503) and not failed.getheader(rules.HEADER)
    proxy.gate(SILENT, "closed")
    try:
        answer = proxy.ask(SILENT, "GET")
        assert (answer.status, answer.getheader("Retry-After")) == (503, str(rules.RETRY_AFTER))
        assert answer.getheader(rules.HEADER) in ("closed", "silent")
        assert json.loads(answer.read())["serviceUnavailable"]["code"] == 503
    finally:
        proxy.gate(SILENT, "open")
    assert not proxy.ask(SILENT, "GET").getheader(rules.HEADER)


class _Host:
    """The scripts that a step sends to a host, run here for the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.place, self.fence = proxy.directory / "place", 0
        self.gate = WriteGate(directory=str(proxy.gate_directory))
        way = {"socket": f"{proxy.directory}/s"} if proxy.kind == "haproxy" else {"files": [f"{proxy.main}"]}
        more = {} if proxy.kind == "haproxy" else {"reload": proxy.reload}
        line = {"name": "api", "kind": proxy.kind, "hosts": ["lb1"], "managed": {"unit": "x"}, **way, **more}
        self.balancer = LoadBalancer.model_validate(line)

    def change(self, verb: str, *services: str, given: str = "") -> str:
        script, words, functions = script_of(self.balancer, self.gate)
        self.fence += 1
        text = functions + "".join(map(script_text, ("common", "begin", script)))
        argv = ["sh", "-c", text, "naru", self.place, str(self.fence), verb, *words, *services]
        done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def running(self) -> dict[str, str]:
        """What the gates are in what runs, by the script that asks a host for them."""
        if self.proxy.kind == "haproxy":
            said = subprocess.run(
                [
                    *("sh", "-c", f'{socket_of_haproxy.FUNCTION}ask_haproxy "$@"', "x", self.balancer.socket or ""),
                    f"show map {self.gate.directory}/gates.map",
                ],
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
            return {line.split()[1]: line.split()[2] for line in said.splitlines() if line.strip()}
        words = [self.gate.directory, self.gate.directory, " ".join(forms.PROGRAMS[self.proxy.kind])]
        script = (files("naru.site.write_gate") / "gates.sh").read_text()
        argv = ["sh", "-c", script, "gates", *words, *self.balancer.files]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
        found = judged(said, self.balancer, self.gate)
        assert not found.why, found.why
        return found.running


def test_closed_by_the_steps_script_and_opened_exactly_back(proxy: Proxy) -> None:
    host = _Host(proxy)
    before = {file.name: file.read_bytes() for file in proxy.gate_directory.iterdir()}
    form = forms.form(proxy.kind)
    given = "".join(f"{form.allowed_line(one)}\n" for one in [ALLOWED[0], "127.0.0.9"]) + "end\n"
    assert host.change("close", "nova", "glance", given=given) == "running=yes"
    assert proxy.ask("nova", "POST").status == 503 and proxy.ask("neutron", "POST").status == 200
    assert host.running()["nova"] == "closed" and host.running()["neutron"] == "open"
    # a second time, and whatever the program reads anew
    assert host.change("close", "nova", "glance", given=given) == "running=yes"
    if proxy.kind != "haproxy":
        proxy.read_again()
        assert proxy.ask("nova", "POST").status == 503
    listed = "".join(file.read_text() for file in proxy.gate_directory.glob("allowed.*"))
    assert listed.count("127.0.0.9") == 1 and listed.count(ALLOWED[0]) == 1
    assert host.change("open") == "running=yes"
    assert {file.name: file.read_bytes() for file in proxy.gate_directory.iterdir()} == before
    assert proxy.ask("nova", "POST").status == 200 and host.running()["nova"] == "open"
    assert host.change("open") == "running=yes"
