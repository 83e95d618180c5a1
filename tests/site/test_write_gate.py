"""The write gate: whose requests go through, and when gates are closed everywhere."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.errors import InputError
from naru.site import site as sites
from naru.site.model import LoadBalancer, WriteGate
from naru.site.write_gate import rules
from naru.site.write_gate import state as states
from naru.site.write_gate.allowed import allowed
from naru.site.write_gate.probe import Endpoint
from naru.site.write_gate.running import STOPPED, Gates, judged
from naru.site.write_gate.state import State, _prefix, open_ones

pytestmark = pytest.mark.unit

CONTENT: dict[str, Any] = {
    "naru_site": 1,
    "name": "seoul",
    "hosts": [{"name": "lb[1:2]", "address": "10.0.0.[1:2]"}, {"name": "c[1:4]", "address": "10.0.1.[4:7]"}],
}


def test_the_clouds_own_addresses_are_as_few_networks_as_hold_them_alone() -> None:
    site = sites.parse(CONTENT, Path("site.yaml"))
    gate = WriteGate(directory="/etc/haproxy/naru")
    assert allowed(site, gate, ["192.168.0.9"]) == ["10.0.0.1", "10.0.0.2", "10.0.1.4/30", "192.168.0.9"]
    assert allowed(site, WriteGate(directory="/x", allow="10.0.0.0/8")) == ["10.0.0.0/8"]  # type: ignore[arg-type]
    named = sites.parse({**CONTENT, "hosts": [{"name": "lb1"}]}, Path("site.yaml"))
    with pytest.raises(InputError, match="address of lb1 is a name"):
        allowed(named, gate)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"write_gate": {"directory": "naru"}}, "give a path from / on"),
        ({"write_gate": {"directory": "/a b"}}, "without blanks"),
        ({"write_gate": {"directory": "/x", "allow": ["10.0.0.1/8"]}}, "no address and no network"),
        ({"write_gate": {"directory": "/x"}, "socket": None, "files": ["/f"], "reload": "r"}, "needs HAProxy's socket"),
    ],
)
def test_bad_gates_are_one_clear_error(more: dict[str, Any], said: str) -> None:
    balancer = {"name": "api", "kind": "haproxy", "hosts": "lb1", "managed": {"unit": "h"}, "socket": "/s", **more}
    with pytest.raises(InputError, match=said):
        sites.parse({**CONTENT, "load_balancers": [balancer]}, Path("site.yaml"))


def test_services_that_have_a_gate_are_openstacks_and_no_others() -> None:
    names = ["keystone", "nova-api", "nova-api-metadata", "nova-novncproxy", "nova-conductor", "horizon", "memcached"]
    ports = {name: {"port": 1} for name in names if name != "nova-conductor"}
    lines = [{"name": name, "hosts": "lb1", "managed": {"unit": name}, **ports.get(name, {})} for name in names]
    site = sites.parse({**CONTENT, "services": lines}, Path("site.yaml"))
    assert rules.services(site) == ["keystone", "nova", "horizon"]


VIP, DIRECT = "http://10.0.0.5:8774/v2.1", "http://10.0.1.4:8774/v2.1"


def state(host: str, probed: str = "closed", url: str = VIP, region: str = "one", **more: str) -> State:
    found = {"service": "nova", "file": "closed", "running": "closed", "why": f"{probed} at {host}", **more}
    return State("api", host, found["service"], found["file"], found["running"], region, url, probed, found["why"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([state("lb1"), state("lb2", "not reached")], ""),
        ([state("lb1"), state("lb2", "not reached", running="stopped")], ""),
        ([state("lb1"), state("lb2", "not reached", running="open")], "lb2: the gate of nova is open in what runs"),
        ([state("lb1"), state("lb2", "not reached", file="open")], "lb2: the gate of nova is open in its files"),
        ([state("lb1", "open")], "lb1: open at lb1"),
        ([state("lb1"), state("lb2", running="")], "missing in what runs (closed at lb2)"),
        ([state("lb1"), State("api", "lb2", "", "", "", "", "", "not known", "no answer")], "lb2: no answer"),
        ([], "no load balancer has a gate of nova"),
        ([state("lb1"), state("lb2", service="keystone")], "lb2: there is no gate of nova, and others of api have one"),
        # what somebody else lets through goes past the gate, but in another region
        (
            [state("lb1"), state("lb1", "open elsewhere", url=DIRECT), state("lb2", "closed")],
            f"{DIRECT} of nova goes past",
        ),
        ([state("lb1"), state("lb1", "not reached", url=DIRECT)], f"{DIRECT} of nova: no load balancer listens there"),
        ([state("lb1"), state("lb1", "open elsewhere", url=DIRECT, region="two")], ""),
        ([state("lb1", "open elsewhere")], "nova: no request came to a load balancer"),
    ],
)
def test_gates_are_closed_when_they_are_so_everywhere(states: list[State], said: str) -> None:
    found = open_ones(states, ["nova"])
    assert said in found[0] if said else not found, found


READ = """common yes
gate nova open yes
gate glance closed yes
started 1000
started 2000
changed 1500
"""


@pytest.mark.parametrize(
    ("said", "running", "why"),
    [
        (READ, {"nova": "open", "glance": "closed"}, ""),
        # a process that began after the change, but for what its beginning is not known to
        (READ.replace("1500", "2002"), {"nova": "open", "glance": "closed"}, ""),
        (READ.replace("1500", "2003"), {}, "has not read its configuration since that was changed: reload it"),
        (READ.replace("open yes", "open no"), {"glance": "closed"}, "/etc/nginx: nothing includes /n/nova.conf"),
        (READ.replace("common yes", "common no"), {}, "/etc/nginx: nothing includes /n/naru.conf"),
        (READ.replace("started", "x"), {"nova": STOPPED, "glance": STOPPED}, ""),
        ("", {}, "there is no /n/SERVICE.conf"),
    ],
)
def test_a_gate_of_nginx_is_in_what_runs_when_that_has_read_its_file(
    said: str, running: dict[str, str], why: str
) -> None:
    balancer = LoadBalancer.model_validate(
        {
            **{"name": "api", "kind": "nginx", "hosts": "lb1", "managed": {"unit": "nginx"}},
            **{"files": "/etc/nginx", "reload": "nginx -s reload"},
        }
    )
    found = judged(said, balancer, WriteGate(directory="/n"))
    assert found.running == running and why in found.why and bool(why) == bool(found.why)
    assert bool(found.file) == bool(said)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("http://a:8774/v2.1/$(tenant_id)s", "http://a:8774/v2.1"),
        ("http://a:8776/v3/%(project_id)s", "http://a:8776/v3"),
        ("https://a/identity/v3/", "https://a/identity/v3"),
        ("http://a:8004/v1/AUTH_$(tenant_id)s", "http://a:8004/v1"),
    ],
)
def test_an_endpoint_is_asked_up_to_what_is_a_projects_own(url: str, prefix: str) -> None:
    assert _prefix(url) == prefix
    assert Endpoint("nova", prefix, "").url == prefix


def test_where_no_request_was_to_be_sent_the_catalogue_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gates(*_: Any) -> Gates:
        return Gates({"nova": "open"}, {}, "reload it")

    monkeypatch.setattr(states, "gates", gates)
    balancer = SimpleNamespace(name="api", socket=None)
    gate = WriteGate(directory="/etc/nginx/naru")
    looked = states._look(SimpleNamespace(name="lb1"), balancer, gate, [], sites.parse(CONTENT, Path("site.yaml")))  # type: ignore[arg-type]
    (found,) = asyncio.run(looked)
    assert (found.file, found.running, found.probed, found.why) == ("open", "", "nowhere", "reload it")
