"""Servers of the way down and up: one that Nova calls ACTIVE may have gone down with its host, one that does not start
holds up no other, and none runs that nobody knew of."""

import subprocess
from contextlib import nullcontext
from typing import Any

import pytest

from naru.operate.cluster import guest_steps, reading
from naru.plan.context import Context
from naru.plan.errors import PlanError, Transient
from naru.site.hostnames import is_same, named

from ...processes import started
from .small import server

pytestmark = pytest.mark.unit

ID = "6a7d2c1e-0000-4000-8000-000000000001"


def context(args: dict[str, Any], attempt: int = 1) -> Context:
    return Context(
        n=1, id="s", kind="cluster.guest", unit="", args=args, attempt=attempt, earlier=None, reader=lambda n: {}
    )


def starting(boots: dict[str, str] | None = None) -> dict[str, Any]:
    boots = {"compute1": "before"} if boots is None else boots
    return {"cloud": "seoul", "server": ID, "to": "ACTIVE", "site": "site.yaml", "boots": boots}


class Hosts(nullcontext[None]):
    """Hosts that say the same."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self._said = said

    def remote(self, _: str) -> "Hosts":
        return self

    def checked(self, argv: list[str], seconds: float) -> str:
        assert argv[-1] == ID
        return self._said

    def call(self, said: str) -> str:
        return said


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The states that a server which Nova calls ACTIVE is brought to."""
    states: list[str] = []
    found = {**server("web", "ACTIVE"), "id": ID, "OS-EXT-SRV-ATTR:host": "compute1.example.org"}
    monkeypatch.setattr(guest_steps, "cloud", lambda *_: None)
    monkeypatch.setattr(guest_steps, "settled", lambda *_: found)

    def bring(*words: Any, **_: Any) -> float:
        states.append(words[3])
        return 1.0

    monkeypatch.setattr(guest_steps, "bring", bring)
    return states


@pytest.mark.parametrize(
    ("said", "boots", "states"),
    [
        ("after\nlibvirt\n", None, ["SHUTOFF", "ACTIVE"]),  # the power was lost, and Nova does not know yet
        ("after\nlibvirt\nruns\n", None, ["ACTIVE"]),  # somebody has started it since
        ("before\nlibvirt\n", None, ["ACTIVE"]),
        ("after\n", None, ["ACTIVE"]),  # another hypervisor, of which nothing is seen
        ("after\nlibvirt\n", {}, ["ACTIVE"]),  # it was nowhere that the site has
        ("after\nlibvirt\n", {"compute2": "before"}, ["ACTIVE"]),  # it has moved
    ],
)
def test_one_that_went_down_with_its_host_is_stopped_before_it_is_started(
    said: str, boots: dict[str, str] | None, states: list[str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_steps, "opened", lambda _: (None, Hosts(said)))
    guest_steps.guest(context(starting(boots)))
    assert told == states


def test_what_runs_on_a_host_is_seen_by_its_processes() -> None:
    def runs(id: str) -> bool:
        argv = ["sh", "-c", guest_steps.RUNS, "naru", id]
        return "runs" in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.split()

    with started(["sh", "-c", "read x", "qemu", "-uuid", ID, "-smp"], stdin=subprocess.PIPE) as one:
        try:
            assert runs(ID)
            assert not runs(ID[:-1] + "2")
        finally:
            one.kill()
    assert not runs(ID)


@pytest.mark.parametrize(("attempt", "raises"), [(1, True), (guest_steps.TRIES, False)])
def test_one_that_does_not_start_holds_up_no_other(
    attempt: int, raises: bool, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> float:
        raise Transient("Cannot 'start' instance while it is in vm_state error")

    monkeypatch.setattr(guest_steps, "bring", refuses)
    if raises:
        with pytest.raises(Transient):
            guest_steps.guest(context(starting({}), attempt))
    else:
        assert "vm_state error" in guest_steps.guest(context(starting({}), attempt))["failed"]


def test_servers_that_nobody_knew_of_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [server("off", "SHUTOFF"), server("left", "ACTIVE"), server("broken", "ERROR")]
    monkeypatch.setattr(guest_steps, "cloud", lambda *_: None)
    monkeypatch.setattr(reading, "servers", lambda _: there)
    args = {"cloud": "seoul", "answers": {"left": "leave"}}
    assert guest_steps.quiet(context(args)) == {"servers": 3}
    there += [server("new", "ACTIVE"), server("made", "BUILD", task="spawning")]
    with pytest.raises(PlanError, match="2 servers run") as refused:
        guest_steps.quiet(context(args))
    assert "new (id-new) is ACTIVE" in refused.value.detail and "left" not in refused.value.detail


def test_hosts_have_short_and_long_names() -> None:
    assert is_same("db1", "db1.example.org") and is_same("db1.example.org", "db1") and is_same("db1", "db1")
    assert not is_same("db1.one.org", "db1.two.org") and not is_same("db1", "db10")
    assert named("db1.example.org", ["db10", "db1"]) == "db1" and named("db2", ["db1"]) == ""
