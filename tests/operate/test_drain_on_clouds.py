"""A host of a real cloud is drained and given back, with servers in several states; its executor is killed at random.

The hypervisor is Nova's fake one, whose live migrations take as long as a file says (`naru_virt.py`); all else is real:
Nova's own moves, Neutron's bindings, Cinder's attachments, Placement.
"""

import contextlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab

from ..lab import scenario
from ..lab.scenario import Rest, connect, wait
from ..processes import started

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1200)]

HOST = "compute1"
LONG = 900.0
"""Seconds, for a machine that has much else to do."""
LIVE = ("run", "paused", "locked")
MOVES = (*LIVE, "off")
"""The servers that are moved, by what is so of them; `asleep` stays."""


STATES: dict[str, dict[str, Any]] = {
    "run": {},
    "paused": {"pause": None},
    "off": {"os-stop": None},
    "locked": {"lock": None},
    "asleep": {"suspend": None},
}
"""Of each server what is done to it after its boot; `run` has a volume attached."""
BEFORE = {
    "run": (HOST, "ACTIVE", False),
    "paused": (HOST, "PAUSED", False),
    "off": (HOST, "SHUTOFF", False),
    "locked": (HOST, "ACTIVE", True),
    "asleep": (HOST, "SUSPENDED", False),
}


class Hosts:
    """A cloud with a host to drain: servers on it, and commands."""

    def __init__(self, lab: Lab, cloud: Cloud, directory: Path) -> None:
        self.lab, self.cloud = lab, cloud
        self.rest = Rest(connect(lab, cloud.name))
        self.site = directory / "site.yaml"
        self.site.write_text(yaml.safe_dump({"naru_site": 1, "name": "lab", "cloud": cloud.name}))
        self.servers: dict[str, str] = {}
        self.ports: dict[str, str] = {}
        self.volume = self.network = self.image = ""
        self.earlier: set[Any] = set()

    def act(self, name: str, action: dict[str, Any], status: str = "") -> None:
        self.rest("compute", "POST", f"/servers/{self.servers[name]}/action", action)
        if status:
            self.rest.wait_server(self.servers[name], status)

    def ready(self) -> None:
        """Every server is on the host, as BEFORE has it: those that are not are made anew. What was before is not
        counted any more."""
        gone = [name for name in STATES if name not in self.servers or self.where_is(name) != HOST]
        self.remove([name for name in gone if name in self.servers])
        for name in gone:
            port = {"network_id": self.network, "name": name}
            self.ports[name] = self.rest("network", "POST", "/v2.0/ports", {"port": port})["port"]["id"]
            body = {
                **{"name": name, "flavorRef": scenario.flavor(self.rest), "imageRef": self.image},
                **{"networks": [{"port": self.ports[name]}], "availability_zone": f"nova:{HOST}"},
            }
            self.servers[name] = self.rest("compute", "POST", "/servers", {"server": body})["server"]["id"]
        for name in gone:
            self.rest.wait_server(self.servers[name], "ACTIVE")
            if name == "run":
                attach = {"volumeAttachment": {"volumeId": self.volume}}
                self.rest("compute", "POST", f"/servers/{self.servers[name]}/os-volume_attachments", attach)
                self.rest.wait_volume(self.volume, "in-use")
            elif STATES[name]:
                self.act(name, STATES[name], BEFORE[name][1])
        assert self.where() == BEFORE
        self.earlier = {one["id"] for one in self.rest("compute", "GET", f"/os-migrations?host={HOST}")["migrations"]}

    def where(self) -> dict[str, tuple[str, str, bool]]:
        """By name the host, status and lock of each server."""
        found = {}
        for name, identity in self.servers.items():
            answer = self.rest.session.get(
                f"/servers/{identity}",
                endpoint_filter={"service_type": "compute", "interface": "public"},
                microversion="2.53",
            ).json()["server"]
            assert answer["OS-EXT-STS:task_state"] is None
            found[name] = answer["OS-EXT-SRV-ATTR:host"], answer["status"], answer["locked"]
        return found

    def service(self) -> tuple[str, str | None]:
        """Whether servers are scheduled to the host, and why not."""
        (found,) = self.rest("compute", "GET", f"/os-services?binary=nova-compute&host={HOST}")["services"]
        return found["status"], found.get("disabled_reason")

    def migrations(self) -> list[tuple[str, str]]:
        """Of this fixture's servers, from the host: each one's name and how it ended."""
        names = {identity: name for name, identity in self.servers.items()}
        found = self.rest("compute", "GET", f"/os-migrations?host={HOST}")["migrations"]
        found = [one for one in found if one["id"] not in self.earlier]
        mine = [one for one in found if one["instance_uuid"] in names and one["source_compute"] == HOST]
        return sorted((names[one["instance_uuid"]], one["status"]) for one in mine)

    def pace(self, name: str, text: str) -> None:
        """How long live migrations of a server take, from whichever host."""
        for host in self.cloud.hosts:
            file = self.cloud.state / "nova" / host / "instances" / f"{self.servers[name]}.migration"
            file.write_text(text) if text else file.unlink(missing_ok=True)

    def naru(self, *words: object) -> int:
        return main(["-q", *map(str, words)])

    def plan(self, work: Path, *words: object) -> int:
        return self.naru("host", "plan", HOST, "--site", self.site, "--work", work, "--settle", "5s", *words)

    def leave_others(self) -> list[str]:
        """Answers for what is not moved: `asleep`, and servers that other tests have on the host."""
        found = self.rest("compute", "GET", f"/servers?all_tenants=1&host={HOST}")["servers"]
        mine = {self.servers[name] for name in MOVES}
        return [word for one in found if one["id"] not in mine for word in ("--answer", f"{one['id']}=leave")]

    def task(self, name: str) -> str | None:
        found = self.rest("compute", "GET", f"/servers/{self.servers[name]}")["server"]
        task: str | None = found["OS-EXT-STS:task_state"]
        return task

    def where_is(self, name: str) -> str:
        return str(self.rest("compute", "GET", f"/servers/{self.servers[name]}")["server"]["OS-EXT-SRV-ATTR:host"])

    def is_on(self, name: str, host: str) -> None:
        """Port and allocation are where Nova says that the server is."""
        port = self.rest("network", "GET", f"/v2.0/ports/{self.ports[name]}")["port"]
        assert (port["binding:host_id"], port["status"]) == (host, "ACTIVE")
        found = self.rest("placement", "GET", f"/allocations/{self.servers[name]}")["allocations"]
        names = {self.rest("placement", "GET", f"/resource_providers/{node}")["name"] for node in found}
        assert names == {host}

    def remove(self, names: Iterable[str]) -> None:
        """Servers and their ports."""
        for name in names:
            self.pace(name, "")
            self.rest("compute", "DELETE", f"/servers/{self.servers[name]}")
        for name in names:
            self.rest.gone("compute", f"/servers/{self.servers.pop(name)}")
            self.rest("network", "DELETE", f"/v2.0/ports/{self.ports.pop(name)}")
        if "run" in names:
            self.rest.wait_volume(self.volume, "available")


@pytest.fixture(scope="module", params=["old", "new"])
def made(pair: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """One for all tests of a cloud: to boot servers takes longer than to move them."""
    found = Hosts(pair, pair.cloud(request.param), tmp_path_factory.mktemp("drain"))
    with scenario.network(found.rest) as network, scenario.image(found.rest) as image:
        found.network, found.image = network["network"], image
        found.volume = found.rest.volume(size=1, volume_type="nfs", name="data")
        try:
            yield found
        finally:
            found.remove(list(found.servers))
            found.rest("volumev3", "DELETE", f"/volumes/{found.volume}")
            found.rest.gone("volumev3", f"/volumes/{found.volume}")


@pytest.fixture
def hosts(made: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(made.lab.clouds_yaml))
    made.ready()
    yield made
    for name in made.servers:
        made.pace(name, "")
    left = made.service()
    made.rest("compute", "PUT", "/os-services/enable", {"host": HOST, "binary": "nova-compute"})
    assert left == ("enabled", None)


def check_drained(hosts: Hosts) -> None:
    """Everything is elsewhere, as it was, but what stays."""
    found = hosts.where()
    assert {name: one[1:] for name, one in found.items()} == {name: one[1:] for name, one in BEFORE.items()}
    assert found["asleep"][0] == HOST
    for name in MOVES:
        assert found[name][0] != HOST
        hosts.is_on(name, found[name][0])
    hosts.rest.wait_volume(hosts.volume, "in-use")
    assert [one for one in hosts.migrations() if one[1] not in ("completed", "confirmed")] == []


def check_home(hosts: Hosts) -> None:
    """Everything is where it was, but on Pike what is off, of which its Nova takes no host."""
    found = hosts.where()
    if hosts.cloud.name == "old":
        assert found.pop("off")[1:] == BEFORE["off"][1:]
    assert found == {name: BEFORE[name] for name in found}
    for name in set(found) - {"asleep"}:
        hosts.is_on(name, HOST)
    assert hosts.service() == ("enabled", None)


def test_there_and_back(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    # what is suspended is asked about, and nothing runs before that is answered
    assert hosts.plan(work, "-f", "json") == 1
    told = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(told.out) if row["server"] in hosts.servers.values()}
    actions = {name: row["what"] for name, row in rows.items()}
    assert actions == {"run": "live", "paused": "live", "locked": "live", "off": "cold", "asleep": "ask"}
    assert "its memory lies on this host" in told.err and rows["run"]["to"] != HOST
    assert hosts.naru("host", "drain", work) == 2
    assert hosts.service() == ("enabled", None)
    answers = hosts.leave_others()
    assert hosts.plan(work, *answers, "--reason", "new kernel") == 0
    # what has changed since it was planned is seen
    hosts.act("run", {"pause": None}, "PAUSED")
    assert hosts.naru("host", "drain", work) == 2
    assert "run was ACTIVE (live), is PAUSED (live)" in capsys.readouterr().err
    hosts.act("run", {"unpause": None}, "ACTIVE")
    assert hosts.naru("host", "drain", work) == 0
    check_drained(hosts)
    status, reason = hosts.service()
    assert status == "disabled" and reason and reason.startswith("naru drain ") and reason.endswith(": new kernel")
    before = hosts.migrations()
    assert hosts.naru("host", "drain", work) == 0
    assert hosts.migrations() == before and len(before) == len(MOVES)
    assert hosts.naru("host", "return", work, "--back") == 0
    check_home(hosts)
    assert hosts.naru("host", "drain", work) == 2
    assert hosts.naru("host", "status", work) == 0


def until_done(*words: object, most: float) -> int:
    """Gives the command again and again, killed at random instants, the longer the more often it was; how many times
    it was killed before it came to its end."""
    kills = 0
    while True:
        command = [sys.executable, "-m", "naru.cli.main", "-q", *map(str, words)]
        with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.5 + random.random() * most * (1 + kills / 4))
            process.kill()
            said = process.communicate()[1]
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0, said
            return kills
        kills += 1


def test_killed_at_random_it_moves_nothing_twice(hosts: Hosts, tmp_path: Path) -> None:
    for name in LIVE:
        hosts.pace(name, "4")
    work = tmp_path / "work"
    assert hosts.plan(work, *hosts.leave_others(), "--per-source", 2) == 0
    kills = until_done("host", "drain", work, most=4.0)
    check_drained(hosts)
    assert [name for name, _ in hosts.migrations()] == sorted(MOVES)
    kills += until_done("host", "return", work, "--back", most=4.0)
    check_home(hosts)
    assert kills > 3


@contextlib.contextmanager
def beside(*words: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which is killed at the end if it still runs."""
    command = [sys.executable, "-m", "naru.cli.main", "-q", *map(str, words)]
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_given_back_in_the_middle_nothing_is_left_half_done(hosts: Hosts, tmp_path: Path) -> None:
    for name in LIVE:
        hosts.pace(name, "30")
    work = tmp_path / "work"
    assert hosts.plan(work, *hosts.leave_others()) == 0
    with beside("host", "drain", work):
        wait("one migrates", lambda: "migrating" in map(hosts.task, LIVE), LONG)
        assert hosts.naru("host", "return", work) == 1  # another terminal drains it
    assert hosts.naru("host", "return", work) == 0
    found = hosts.where()
    assert {name: one[1:] for name, one in found.items()} == {name: one[1:] for name, one in BEFORE.items()}
    assert [found[name][0] for name in LIVE].count(HOST) == len(LIVE) - 1
    assert hosts.service() == ("enabled", None)


def test_one_that_does_not_converge_is_ended_and_others_go_on(hosts: Hosts, tmp_path: Path) -> None:
    hosts.pace("run", "600 stuck")
    work = tmp_path / "work"
    assert hosts.plan(work, *hosts.leave_others(), "--stuck-after", "5s") == 0
    with beside("host", "drain", work) as process:
        wait("run is given up", lambda: ("run", "cancelled") in hosts.migrations(), LONG)
        others = [name for name in MOVES if name != "run"]
        wait("the others are moved", lambda: all(hosts.where_is(name) != HOST for name in others), LONG)
        assert hosts.where_is("run") == HOST
        hosts.pace("run", "")  # it calms down
        assert process.wait(LONG) == 0
    assert hosts.where()["run"][0] != HOST
    assert hosts.naru("host", "return", work) == 0


def test_one_that_does_not_converge_is_forced_where_that_is_allowed(hosts: Hosts, tmp_path: Path) -> None:
    hosts.pace("run", "600 stuck")
    work = tmp_path / "work"
    assert hosts.plan(work, *hosts.leave_others(), "--stuck-after", "5s", "--force-complete") == 0
    assert hosts.naru("host", "drain", work) == 0
    check_drained(hosts)
    assert hosts.naru("host", "return", work) == 0


def test_a_host_that_somebody_else_has_disabled_stays_so(hosts: Hosts, tmp_path: Path) -> None:
    theirs = {"host": HOST, "binary": "nova-compute", "disabled_reason": "bad disk"}
    hosts.rest("compute", "PUT", "/os-services/disable-log-reason", theirs)
    work = tmp_path / "work"
    everyone = [word for name in MOVES for word in ("--answer", f"{hosts.servers[name]}=leave")]
    assert hosts.plan(work, *hosts.leave_others(), *everyone) == 0
    assert hosts.naru("host", "drain", work) == 0
    assert hosts.naru("host", "return", work) == 0
    assert hosts.service() == ("disabled", "bad disk")
    hosts.rest("compute", "PUT", "/os-services/enable", {"host": HOST, "binary": "nova-compute"})


OTHERS = ("rescued", "broken", "resized", "shelved", "together")


@contextlib.contextmanager
def others(hosts: Hosts) -> Iterator[dict[str, str]]:
    """Servers that were booted on the host, in states in which Nova moves none; their ids by name."""
    rest, made = hosts.rest, {}
    group = {"name": "together", "policies": ["affinity"]}
    group_id = rest("compute", "POST", "/os-server-groups", {"server_group": group})["server_group"]["id"]
    small = scenario.flavor(rest)
    flavors = rest("compute", "GET", "/flavors/detail")["flavors"]
    other = next(one["id"] for one in sorted(flavors, key=lambda one: int(one["ram"])) if one["id"] != small)

    def act(name: str, action: dict[str, Any], status: str) -> None:
        rest("compute", "POST", f"/servers/{made[name]}/action", action)
        path = f"/servers/{made[name]}"

        def reached() -> bool:
            found = rest("compute", "GET", path)["server"]
            return bool(found["status"] == status and found["OS-EXT-STS:task_state"] is None)

        wait(f"{name} is {status}", reached, LONG)

    try:
        for name in OTHERS:
            body = {
                **{"name": name, "flavorRef": small, "imageRef": hosts.image},
                **{"networks": [{"uuid": hosts.network}], "availability_zone": f"nova:{HOST}"},
            }
            hints = {"os:scheduler_hints": {"group": group_id}} if name == "together" else {}
            made[name] = rest("compute", "POST", "/servers", {"server": body, **hints})["server"]["id"]
        for name in OTHERS:
            rest.wait_server(made[name], "ACTIVE")
        act("rescued", {"rescue": {}}, "RESCUE")
        act("broken", {"os-resetState": {"state": "error"}}, "ERROR")
        act("resized", {"resize": {"flavorRef": other}}, "VERIFY_RESIZE")
        act("shelved", {"shelve": None}, "SHELVED_OFFLOADED")
        yield made
    finally:
        for identity in made.values():
            rest("compute", "DELETE", f"/servers/{identity}")
        for identity in made.values():
            rest.gone("compute", f"/servers/{identity}")
        rest("compute", "DELETE", f"/os-server-groups/{group_id}")


def test_what_nova_moves_in_no_way_is_asked_about_and_stays_as_it_is(
    hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    with others(hosts) as made:

        def are() -> dict[str, tuple[str | None, str]]:
            found = {name: hosts.rest("compute", "GET", f"/servers/{one}")["server"] for name, one in made.items()}
            return {name: (one["OS-EXT-SRV-ATTR:host"], one["status"]) for name, one in found.items()}

        before = are()
        assert hosts.plan(work, "-f", "json") == 1
        told = capsys.readouterr()
        rows = {row["name"]: row for row in json.loads(told.out) if row["server"] in made.values()}
        here = {name for name, (host, _) in before.items() if host == HOST}
        assert {name: row["what"] for name, row in rows.items()} == dict.fromkeys(here, "ask")
        assert {"rescued", "broken", "together"} <= here and "shelved" not in here
        if "resized" not in here:  # it went to another host, and its old disk stays until it is confirmed
            assert f"its old disk is on {HOST}" in told.err
        assert hosts.plan(work, *hosts.leave_others()) == 0
        assert hosts.naru("host", "drain", work) == 0
        assert are() == before
        assert HOST not in {hosts.where_is(name) for name in MOVES}
        assert hosts.naru("host", "return", work, "--back") == 0
        assert are() == before
    check_home(hosts)
