"""What waits for what in the window: a server is off no longer than it has to be."""

from collections.abc import Mapping
from typing import Any

import pytest

from naru.move import cutover, purposes
from naru.move.decisions import Decision
from naru.move.draft import Draft
from naru.move.off import Off
from naru.plan.model import Step

from .readings import GOLDEN
from .test_golden import CASES, planned, sides
from .test_servers import drafted, machine

__all__ = ["sides"]
pytestmark = pytest.mark.unit
ADDRESS = (purposes.RELEASE, purposes.TAKE)


class Window:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.steps = {step.id: step for step in draft.plan.steps}
        self._befores: Mapping[str, list[str]] = draft.plan.befores()

    def waits(self, step: str) -> list[Step]:
        """All that it waits for, directly or not."""
        found: dict[str, Step] = {}
        stack = [step]
        while stack:
            for before in self._befores.get(stack.pop(), ()):
                if before not in found:
                    found[before] = self.steps[before]
                    stack.append(before)
        return list(found.values())

    def of(self, *purposes: str) -> list[Step]:
        return [step for step in self.steps.values() if step.purpose in purposes]


@pytest.fixture(params=["demo", "crossing", "wide"])
def window(request: pytest.FixtureRequest, sides: Any, monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.chdir(GOLDEN)
    return Window(planned(sides, next(case for case in CASES if case.name == request.param)))


def test_a_server_boots_while_its_addresses_are_changed_over(window: Window) -> None:
    assert window.of(purposes.START) and window.of(*ADDRESS)
    for start in window.of(purposes.START):
        waits = window.waits(start.id)
        assert not [step.id for step in waits if step.purpose in ADDRESS], start.id
        # neither for any server but itself, and those that share a volume with it
        shared = {
            other.about.id
            for step in waits
            if step.purpose == purposes.CONTENT
            for other in window.waits(step.id)
            if other.purpose == purposes.STOP and other.about
        }
        stopped = {step.about.id for step in waits if step.purpose == purposes.STOP and step.about}
        assert start.about and stopped == {start.about.id} | shared


def test_a_port_on_a_shared_network_comes_up_between_its_servers(window: Window) -> None:
    """Two of one address on one wire; and Nova waits for a port that is down until it gives the server up."""
    active = {step.about.id: step for step in window.steps.values() if step.id.startswith("activate ") and step.about}
    ports = window.draft.facts.old.all("port")
    servers = {step.about.id: step for step in window.of(purposes.STOP) if step.about}
    starts = {step.about.id: step for step in window.of(purposes.START) if step.about}
    for port, step in active.items():
        stopped = {one.id for one in window.waits(step.id) if one.purpose == purposes.STOP}
        device = ports[port].body["device_id"]
        if device in servers:
            assert stopped == {servers[device].id}
            assert step in window.waits(starts[device].id)


def test_an_address_leaves_the_old_cloud_before_it_comes_to_the_new(window: Window) -> None:
    released = {step.about: step for step in window.of(purposes.RELEASE) if step.about}
    taken = {step.about: step for step in window.of(purposes.TAKE) if step.about}
    assert taken
    for about, step in taken.items():
        waits = window.waits(step.id)
        if about in released:
            assert released[about] in waits
        row = window.draft.facts.old.all(about.kind)[about.id]
        stops = {one.about.id for one in waits if one.purpose == purposes.STOP and one.about}
        port = window.draft.facts.old.all("port").get(row.body.get("port_id") or "")
        if port and port.body["device_id"] in {one.about.id for one in window.of(purposes.STOP) if one.about}:
            assert port.body["device_id"] in stops
        gateway = next((one for other, one in taken.items() if other.id == row.body.get("router_id")), None)
        if gateway:
            assert gateway in waits  # Neutron refuses a floating IP behind a router without a gateway


PORTS = [
    {
        "id": "own",
        "network_id": "n",
        "device_id": "s",
        "device_owner": "compute:nova",
        "mac_address": "m",
        "fixed_ips": [],
    },
    {"id": "vip", "network_id": "n", "device_id": "", "device_owner": "", "mac_address": "m", "fixed_ips": []},
]


def test_an_address_that_is_no_servers_own_waits_for_all_of_them() -> None:
    draft = drafted([machine("s"), machine("t")], {"port": PORTS})
    off = Off(["begin"], {"s": "stop server/s", "t": "begin"})
    assert off.of_port(draft.facts.old, "own") == ["begin", "stop server/s"]
    assert off.of_port(draft.facts.old, "vip") == off.of_port(draft.facts.old, "gone") == ["begin", "stop server/s"]
    off = Off(["begin"], {"s": "stop server/s", "t": "stop server/t"})
    assert off.of_port(draft.facts.old, "own") == ["begin", "stop server/s"]
    assert off.of_port(draft.facts.old, "vip") == ["begin", "stop server/s", "stop server/t"]


def test_a_server_waits_for_its_own_ports_on_a_shared_network() -> None:
    draft = drafted([machine("s"), machine("t")], {"port": PORTS})
    for identity in ("s", "t"):
        row = draft.facts.old.all("server")[identity]
        draft.decisions["server", identity] = Decision(
            *("server", identity, identity, row.project, "create", ""), step=f"server/{identity}"
        )
        cutover._start(draft, row, ["stop"], {"own": "activate port/own", "vip": "activate port/vip"})
    befores = draft.plan.befores()
    assert "activate port/own" in befores["start server/s"]
    assert not {"activate port/own", "activate port/vip"} & set(befores["start server/t"])
    assert "activate port/vip" not in befores["start server/s"]
