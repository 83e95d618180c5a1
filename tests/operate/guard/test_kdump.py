"""Kernels that write their dump, as the guard hears it; cells that Nova does not reach; records of guards of before."""

import socket
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.errors import InputError, NaruError
from naru.operate import compute
from naru.operate.guard import kdump
from naru.operate.guard.kdump import AGAIN, MAGIC, Dumps
from naru.operate.guard.policy import Policy
from naru.operate.guard.seeing import Patience, Seeing
from naru.operate.guard.service import Guard, Settings
from naru.operate.guard.state import Directory
from naru.operate.guard.verdict import Case, again, decide, written
from naru.site import site as sites

from .test_scenarios import changed, cloud, verdicts

pytestmark = pytest.mark.unit

PACKET = struct.pack("<II", MAGIC, 1)
SITE = """
naru_site: 1
name: x
cloud: x
groups: {cell2: [c2]}
hosts: [{name: c1, address: 127.0.0.1}, {name: c2, address: 192.0.2.2}, {name: c3, address: nowhere.invalid}]
"""


@pytest.fixture
def site(tmp_path: Path) -> sites.Site:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return sites.load(file)


def test_a_dump_is_written_for_as_long_as_packets_come(site: sites.Site) -> None:
    dumps = Dumps(kdump.addresses(site))
    assert dumps.seconds("c1", 0.0) is None
    assert dumps.take(PACKET, "127.0.0.1", 10.0) and dumps.seconds("c1", 10.0) == 0.0
    assert dumps.take(struct.pack(">II", MAGIC, 1), "127.0.0.1", 60.0)  # of a host of the other byte order
    assert dumps.seconds("c1", 60.0 + AGAIN) == 50.0 + AGAIN
    assert dumps.seconds("c1", 61.0 + AGAIN) is None and dumps.seconds("c2", 60.0) is None
    # another one, later, begins anew
    assert dumps.take(PACKET, "127.0.0.1", 1000.0) and dumps.seconds("c1", 1005.0) == 5.0


@pytest.mark.parametrize(
    ("packet", "address"),
    [(PACKET, "192.0.2.9"), (PACKET[:4], "127.0.0.1"), (struct.pack("<II", MAGIC, 2), "127.0.0.1"), (b"", "127.0.0.1")],
)
def test_what_is_no_packet_of_a_host_says_nothing(packet: bytes, address: str, site: sites.Site) -> None:
    dumps = Dumps(kdump.addresses(site))
    assert not dumps.take(packet, address, 1.0) and dumps.seconds("c1", 1.0) is None


def test_the_guard_hears_them(site: sites.Site, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert kdump.address(f"127.0.0.1:{port}") == ("127.0.0.1", port)
    assert kdump.address("192.0.2.1") == ("192.0.2.1", kdump.PORT)
    nothing: Any = None
    settings = Settings(act=False, listen=("127.0.0.1", 0), domain="a", kdump=("127.0.0.1", port))
    directory = Directory(tmp_path / "guard", make=True)
    guard = Guard(directory, site, nothing, Policy(), settings, [b"k" * 64], lambda _: None, Patience(1))
    with guard._listening(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        end = time.monotonic() + 20
        while guard._dump("c1.example.org", time.monotonic()) is None and time.monotonic() < end:
            sender.sendto(PACKET, ("127.0.0.1", port))
            time.sleep(0.05)
        assert guard._dump("c1.example.org", time.monotonic()) is not None
        assert guard._dump("c2", time.monotonic()) is None and guard._dump("elsewhere", time.monotonic()) is None
        with pytest.raises(InputError, match=rf"--kdump 127.0.0.1:{port}: "), _second(guard)._listening():
            pass


def _second(guard: Guard) -> Guard:
    nothing: Any = None
    args = (guard.directory, guard.site, nothing, Policy(), guard.settings, [b"k" * 64])
    return Guard(*args, lambda _: None, Patience(1))


class Nova:
    """One with these compute services, in this microversion at most."""

    name = "x"

    def __init__(self, newest: str, *rows: dict[str, Any]) -> None:
        self.newest, self.rows = newest, rows
        self.asked = ""

    def supports(self, _: str, version: str) -> bool:
        return tuple(map(int, version.split("."))) <= tuple(map(int, self.newest.split(".")))

    def items(self, _: str, path: str, __: str, version: str) -> list[dict[str, Any]]:
        self.asked = version
        return list(self.rows)


UP = {"binary": "nova-compute", "host": "c1", "id": "1", "status": "enabled", "state": "up", "updated_at": "t"}
AWAY = [{"binary": "nova-compute", "host": host, "status": "UNKNOWN"} for host in ("c2", "c3")]


def test_a_cell_that_nova_does_not_reach_holds(site: sites.Site, tmp_path: Path) -> None:
    """Nova names its hosts, and says nothing of them."""
    nova: Any = Nova("2.72", UP, *AWAY)
    seen = Seeing(nova, site, tmp_path, shared=False).services()
    assert nova.asked == "2.69" and seen.services == [UP] and seen.readable
    assert seen.unknown_cells == ("cell2", "that of c3")
    found = verdicts(changed(), unknown_cells=seen.unknown_cells)["c0"]
    assert (found.outcome, found.gate) == ("hold", "readable") and "cell2, that of c3" in found.why
    old: Any = Nova("2.53", UP)
    assert Seeing(old, site, tmp_path, shared=False).services().unknown_cells == () and old.asked == "2.53"
    older: Any = Nova("2.10", UP)
    assert compute.services_reached(older) == ([UP], []) and older.asked == ""


def test_nova_that_does_not_answer_reaches_nothing(
    site: sites.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Any) -> Any:
        raise NaruError("no answer")

    monkeypatch.setattr(compute, "services_reached", fails)
    nova: Any = SimpleNamespace()
    assert not Seeing(nova, site, tmp_path, shared=False).services().readable


def test_a_verdict_of_a_guard_of_before_is_made_again() -> None:
    """It had evidence and limits that there are no more."""
    (dead, *_) = changed(power="unreachable")
    around = verdicts(cloud({}))["c0"].case.around
    one = decide(Case(dead, around, Policy()))
    record = written(one)
    record["case"]["host"]["blocklist"] = False
    record["case"]["policy"]["second_proof"] = 300
    assert again(record) == one
