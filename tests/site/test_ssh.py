"""Hosts by SSH, real ones: reached, asked all at once, and every way in which they do not answer."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.errors import NaruError
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.site import site as sites
from naru.site.site import Site
from naru.site.ssh import Fleet, Lost, Ran, Remote, Unreachable

pytestmark = pytest.mark.hosts

PATIENCE = 60.0


@pytest.fixture
def site(five: Lab, hosts: Hosts) -> Site:
    return sites.load(five.site_yaml)


@pytest.fixture
def fleet(site: Site) -> Iterator[Fleet]:
    with Fleet(site) as found:
        yield found


def changed(five: Lab, **fields: Any) -> Site:
    """The lab's site with other fields."""
    content = yaml.safe_load(five.site_yaml.read_text()) | fields
    return sites.parse(content, five.site_yaml)


async def boot_id(remote: Remote) -> str:
    return await remote.checked("cat /proc/sys/kernel/random/boot_id")


def test_all_are_asked_at_once_over_connections_that_stay(fleet: Fleet) -> None:
    first = fleet.each(fleet.site.hosts, boot_id)
    assert list(first) == ["node1", "node2", "node3", "node4", "node5"]
    assert len(set(first.values())) == 5 and all(isinstance(one, str) for one in first.values())
    # a second one needs no other connection: the same process of sshd serves it
    parent = "readlink /proc/$PPID/exe; echo $PPID"
    assert fleet.run("node1", parent) == fleet.run("node1", parent)


def test_what_a_command_is_given_and_gives(fleet: Fleet) -> None:
    assert fleet.run("node1", "cat; echo oops >&2; exit 3", given=b"\x00\xffin") == Ran(3, "\x00�in", "oops\n")
    assert fleet.run("node1", "cat; echo end", seconds=PATIENCE) == Ran(0, "end\n", "")
    assert fleet.run("node1", ["printf", "%s|", "a b", "$HOME", "'"]).out == "a b|$HOME|'|"
    assert fleet.run("node1", "kill -9 $$").code == -9
    with pytest.raises(NaruError, match=r"node1: no end of sleep 30 within 0\.5 s"):
        fleet.run("node1", "sleep 30", seconds=0.5)
    with pytest.raises(NaruError, match="node1: false exited with 1"):
        fleet.call(fleet.remote("node1").checked("false"))

    # more at a time than sshd allows on one connection
    async def twenty(remote: Remote) -> int:
        import asyncio

        done = await asyncio.gather(*(remote.run("sleep 0.1; echo x") for _ in range(20)))
        return sum(one.out == "x\n" for one in done)

    assert fleet.call(twenty(fleet.remote("node1"))) == 20


def test_a_host_that_is_off_or_unplugged_is_told_and_holds_up_nobody(fleet: Fleet, hosts: Hosts) -> None:
    hosts.power("node2", "cut")
    hosts.link("node3", "management", up=False)
    try:
        began = time.monotonic()
        found = fleet.each(fleet.site.hosts, boot_id)
        assert time.monotonic() - began < PATIENCE
        for name in ("node2", "node3"):
            assert isinstance(found[name], Unreachable) and name in str(found[name])
        assert all(isinstance(found[name], str) for name in ("node1", "node4", "node5"))
    finally:
        hosts.link("node3", "management", up=True)
        hosts.power("node2", "on")
        hosts.wait(["node2", "node3"])
    assert all(isinstance(one, str) for one in fleet.each(fleet.site.hosts, boot_id).values())


def test_a_connection_that_ends_meanwhile_is_lost_and_made_again(fleet: Fleet, hosts: Hosts) -> None:
    before = fleet.call(boot_id(fleet.remote("node4")))
    timer = threading.Timer(1.0, hosts.power, ("node4", "reset"))
    timer.start()
    with pytest.raises(Lost, match="node4: the connection ended while sleep 60 ran"):
        fleet.run("node4", "sleep 60")
    timer.join()
    hosts.wait(["node4"])
    assert fleet.call(boot_id(fleet.remote("node4"))) != before


def test_who_is_not_let_in_and_whose_key_is_another(five: Lab, hosts: Hosts, tmp_path: Path) -> None:
    wrong = {"node1": {"user": "nobody"}, "node2": {"known_hosts": "known", "ssh_config": "config"}}
    known = (hosts.directory / "ssh_known_hosts").read_text().replace("10.77.0.13 ", "10.77.0.12 ")
    known = "\n".join(line for line in known.splitlines() if line.startswith("10.77.0.12 "))
    (tmp_path / "known").write_text("\n".join(known.splitlines()[1:]) + "\n")
    (tmp_path / "config").write_text(f'Host *\n  User root\n  IdentityFile "{hosts.directory / "ssh_key"}"\n')
    wrong["node2"] = {"known_hosts": str(tmp_path / "known"), "ssh_config": str(tmp_path / "config")}
    (tmp_path / "empty").touch()
    wrong["node3"] = wrong["node2"] | {"known_hosts": str(tmp_path / "empty")}
    lines = [one | {"login": wrong.get(one["name"], {})} for one in yaml.safe_load(five.site_yaml.read_text())["hosts"]]
    with Fleet(changed(five, hosts=lines)) as fleet:
        found = fleet.each(fleet.site.hosts, boot_id)
    assert "does not let nobody log in" in str(found["node1"])
    for name in ("node2", "node3"):
        assert "its host key is not known, or is another one" in str(found[name]), found[name]
    assert isinstance(found["node4"], str)


def test_an_interrupt_ends_what_runs(fleet: Fleet) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        if time.monotonic() > end:
            raise Stop

    end = time.monotonic() + 1.0

    async def sleep(remote: Remote) -> Ran:
        return await remote.run("sleep 61")

    with pytest.raises(Stop):
        fleet.each(["node1", "node2"], sleep, check=check)


def test_the_commands(five: Lab, hosts: Hosts, capfd: pytest.CaptureFixture[str]) -> None:
    def naru(*words: str, code: int = 0) -> tuple[str, str]:
        assert main(["site", words[0], "--site", str(five.site_yaml), *words[1:]]) == code
        found = capfd.readouterr()
        return found.out, found.err

    rows = json.loads(naru("show", "-f", "json")[0])
    assert [row["address"] for row in rows] == [f"10.77.0.{number}" for number in range(11, 16)]
    out, errors = naru("run", "node[1:2]", "--", "hostname")
    assert {"node1: node1", "node2: node2"} <= set(errors.splitlines()) and "node1" in out
    rows = json.loads(naru("run", "node1,node5", "-f", "json", "--", "hostname; test $(hostname) = node5", code=1)[0])
    assert [(row["host"], row["code"], row["out"]) for row in rows] == [
        ("node1", 1, "node1\n"),
        ("node5", 0, "node5\n"),
    ]
    _, errors = naru("run", "node9", "--", "true", code=2)
    assert "there is no host and no group 'node9'" in errors and "It has: all, node1" in errors


def test_the_site_as_it_will_be_has_one_fleet_that_ends_with_the_first(five: Lab) -> None:
    (first, *_) = yaml.safe_load(five.site_yaml.read_text())["hosts"]
    with Fleet(changed(five, next={"hosts": [{**first, "name": "to-come"}]})) as fleet:
        later = fleet.later
        assert later is fleet.later and "to-come" in later.site.hosts and "to-come" not in fleet.site.hosts
        assert later.run("to-come", "uname -n").out.strip() == first["name"]
        thread = later._thread
        assert thread.is_alive()
    assert not thread.is_alive()
