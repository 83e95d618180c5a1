"""Where a service has no write gate, before an upgrade."""

import pytest

from naru.releases.programs import ALL
from naru.site.write_gate.state import State
from naru.upgrade.check.write_gates import judged

pytestmark = pytest.mark.unit


def state(host: str, service: str, running: str = "open", why: str = "") -> State:
    return State("api", host, service, "open" if service else "", running, "", "", "nowhere", why)


def test_a_service_has_a_gate_on_every_host() -> None:
    states = [
        *(state(host, "nova") for host in ("lb1", "lb2")),
        *(state("lb1", "glance"), state("lb2", "glance", "", "nothing includes glance.conf")),
        state("lb3", "", "", "no answer"),
    ]
    found = [
        (one.state, one.service, one.where, one.what) for one in judged(["nova", "glance", "cinder"], states, "train")
    ]
    assert found == [
        ("unknown", ALL, "api", "how the write gates of lb3 are: no answer"),
        ("right", "nova", "api", "a write gate"),
        ("warns", "glance", "api", "lb2 has no write gate of it that works: nothing includes glance.conf"),
        ("warns", "cinder", "load balancers", "no load balancer has a write gate of it: freeze is refused"),
    ]
