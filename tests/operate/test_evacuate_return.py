"""The return of a host that was evacuated: what is looked at before power, and what libvirt has to say."""

from types import SimpleNamespace
from typing import Any

import pytest

from naru.errors import NaruError
from naru.operate.drain.guests import ABSENT, AUTOSTART, LINE, Guests
from naru.operate.evacuate import way_back
from naru.operate.guard import drill
from naru.plan.errors import Transient
from naru.site.ssh import Fleet, Ran

from .test_evacuate_rules import site as site  # the fixture

pytestmark = pytest.mark.unit

ARGS = {"cloud": "x", "host": "compute1", "site": "", "guard": "", "plan": "p"}


class Nova:
    """A cloud with one record of an evacuation of the server `one`, which is on `at`."""

    name = "x"

    def __init__(self, status: str, at: str) -> None:
        self.status, self.at = status, at
        self.asked = 0

    def evacuations(self, *_: Any) -> list[dict[str, Any]]:
        self.asked += 1
        return [{"id": 1, "instance_uuid": "one", "status": self.status}]

    def server(self, *_: Any) -> dict[str, Any]:
        return {"id": "one", "name": "one", "OS-EXT-SRV-ATTR:host": self.at}

    def servers_on(self, *_: Any) -> list[dict[str, Any]]:
        return [{"id": "left"}]


def on(monkeypatch: pytest.MonkeyPatch, nova: Nova, **more: Any) -> Any:
    """The context of a step on it."""
    fields = {"evacuations": nova.evacuations, "server": nova.server, "servers_on": nova.servers_on}
    monkeypatch.setattr(way_back, "cloud", lambda *_: nova)
    monkeypatch.setattr(way_back, "compute", SimpleNamespace(HOST="OS-EXT-SRV-ATTR:host", Item=dict, **fields, **more))
    monkeypatch.setattr(way_back, "polling", lambda *_: range(5))
    return SimpleNamespace(args=ARGS, sleep=lambda _: None)


def libvirt(monkeypatch: pytest.MonkeyPatch, *says: Any) -> list[Any]:
    """What it says, one after the other; what it was asked."""
    asked: list[Any] = []
    left = list(says)

    def none_but(self: Any, host: str, kept: Any) -> str:
        asked.append((host, list(kept)))
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return str(said)

    monkeypatch.setattr(Guests, "none_but", none_but)
    return asked


@pytest.mark.parametrize(
    ("status", "at", "state", "refused"),
    [
        ("done", "compute2", "off", False),
        ("done", "compute2", "on", False),  # so it is called where its controller says neither on nor off
        ("accepted", "compute1", "off", True),
        ("pre-migrating", "compute1", "off", True),
        ("completed", "compute1", "off", False),
        ("failed", "compute1", "off", False),
    ],
)
def test_no_host_is_switched_on_whose_guests_would_be_destroyed(
    status: str, at: str, state: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked before each switching on, not once when the return was begun."""
    orders: list[str] = []
    says = iter([(state, True), ("on", True)])
    fencing = SimpleNamespace(says=lambda: next(says), order=orders.append)
    monkeypatch.setattr(way_back, "Fencing", lambda *_: fencing)
    context = on(monkeypatch, Nova(status, at))
    if refused:
        for step in (way_back.ended, way_back.switch_on):
            with pytest.raises(NaruError, match="may not come back"):
                step(context)
        assert orders == []
    else:
        way_back.ended(context)
        way_back.switch_on(context)
        assert orders == ["on"]


def test_no_guest_was_started_again_that_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    context = on(monkeypatch, Nova("completed", "compute2"))
    # it has not booted yet; then it has
    asked = libvirt(monkeypatch, Transient("no answer"), "as it should be")
    assert way_back.clean(context) == {"completed": 1, "libvirt": "as it should be"}
    assert asked == [("compute1", ["left"])] * 2
    libvirt(monkeypatch, NaruError("still runs guests"))
    with pytest.raises(NaruError, match="still runs guests"):
        way_back.clean(context)


@pytest.mark.parametrize(
    ("ran", "is_"),
    [
        (Ran(0, "", ""), drill.RIGHT),
        (Ran(0, "one\ntwo\n", ""), drill.WRONG),
        (Ran(ABSENT, "", ""), drill.NOTE),
        (Ran(1, "", "no"), drill.NOTE),
        (NaruError("no answer"), drill.NOTE),
    ],
)
def test_a_drill_lists_what_libvirt_starts_by_itself(
    ran: Any, is_: str, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Any, host: str, line: str, **_: Any) -> Ran:
        assert (host, line) == ("compute1", AUTOSTART)
        if isinstance(ran, Exception):
            raise ran
        return Ran(*ran)

    monkeypatch.setattr(Fleet, "run", run)
    ((_, found, why),) = drill._autostart(site, "compute1")
    assert found == is_ and ("one, two" in why) == (is_ == drill.WRONG)
    assert "list --all --autostart --uuid" in AUTOSTART and "system list --uuid" in LINE
