"""A whole cloud on real hosts down and up: MariaDB in a Galera cluster of three, RabbitMQ of three, Ceph. What ran runs
again, flags, records and servers are as they were, whatever is killed or loses its power meanwhile."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.lab import Lab
from naru.operate.cluster import reading
from naru.site import site as sites
from naru.site.ssh import Fleet

from ...lab.hosted.scenario import on, until
from ...lab.scenario import Rest, connect, image, network
from ...processes import started

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(3600)]

HOSTS = ("ctl1", "db1", "db2", "db3", "lb1", "compute1")
SQL = "mariadb --no-defaults --socket=/srv/naru/state/mariadb/mysqld.sock -BNe"
UNHEALTHY = ("--unhealthy-because", "a flag that somebody has set")
SECONDS = 900


@contextlib.contextmanager
def begun(*words: str) -> "Iterator[subprocess.Popen[str]]":
    """`naru cluster` with these words, as an operator gives them."""
    naru = Path(sys.executable).with_name("naru")
    argv = [naru, "cluster", *words]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with started(argv, text=True, env=os.environ | {"COLUMNS": "300"}, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def naru(*words: str, code: int = 0) -> str:
    with begun(*words) as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == code, (words, process.returncode, said)
    return said


def seen(lab: Lab) -> dict[str, Any]:
    site = sites.load(lab.site_yaml)
    with Fleet(site) as fleet:
        return reading.read(site, fleet, lambda what: None)


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Iterator[dict[str, str]]:
    """A server that runs and one that is off, by name with their ids."""
    rest = Rest(connect(lab, "cloud-user"))
    with network(rest) as net, image(rest) as picture:
        flavor = next(one["id"] for one in rest("compute", "GET", "/flavors")["flavors"] if one["name"] == "m1.nano")
        made = {}
        for name in ("runs", "off"):
            body = {"name": name, "flavorRef": flavor, "imageRef": picture, "networks": [{"uuid": net["network"]}]}
            made[name] = rest("compute", "POST", "/servers", {"server": body})["server"]["id"]
            rest.wait_server(made[name], "ACTIVE")
        rest("compute", "POST", f"/servers/{made['off']}/action", {"os-stop": None})
        rest.wait_server(made["off"], "SHUTOFF")
        yield made
        rest = Rest(connect(lab, "cloud-user"))
        for one in made.values():
            rest("compute", "DELETE", f"/servers/{one}")
            rest.gone("compute", f"/servers/{one}")


@pytest.fixture(scope="module")
def flagged(lab: Lab) -> Iterator[None]:
    """Somebody has set a flag of Ceph, disabled a service with a reason, and switched a unit off."""
    admin = Rest(connect(lab, "cloud"))
    body = {"host": "compute1", "binary": "nova-compute", "disabled_reason": "a fan is broken"}
    until(lambda: "HEALTH_OK" in on(lab.hosts(), "db1", "ceph health"), "Ceph healthy")
    on(lab.hosts(), "db1", "ceph osd set noscrub")
    on(lab.hosts(), "ctl1", "systemctl disable --now cinder-backup.service")
    admin("compute", "PUT", "/os-services/disable-log-reason", body)
    until(lambda: not seen(lab)["cloud"]["services"]["cinder-backup@ctl1"]["up"], "cinder-backup seen as down")
    yield
    on(lab.hosts(), "db1", "ceph osd unset noscrub")
    on(lab.hosts(), "ctl1", "systemctl enable --now cinder-backup.service")
    admin = Rest(connect(lab, "cloud"))
    admin("compute", "PUT", "/os-services/enable", {"host": "compute1", "binary": "nova-compute"})


@pytest.fixture
def planned(lab: Lab, servers: dict[str, str], flagged: None, tmp_path: Path, monkeypatch: Any) -> str:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_yaml))
    work = str(tmp_path / "work")
    said = naru("plan", "down", "--site", str(lab.site_yaml), "--work", work, "-f", "json", *UNHEALTHY)
    assert "runs" in said and "mariadb@db3, mariadb@db2, mariadb@db1" in said
    return work


def same(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert reading.differences(before, now) == []
    assert {one["name"]: one["status"] for one in now["cloud"]["servers"]} == {"runs": "ACTIVE", "off": "SHUTOFF"}


def test_down_power_lost_and_up(lab: Lab, planned: str) -> None:
    hosts, before = lab.hosts(), seen(lab)
    naru("down", planned)
    flags = set(json.loads(on(hosts, "db2", "ceph osd dump -f json"))["flags"].split(","))
    assert {"noout", "noscrub"} <= flags
    # nobody starts anything: neither by hand, nor a boot
    on(hosts, "db1", "systemctl start mariadb rabbitmq")
    for name in HOSTS:
        hosts.power(name, "cut")
    for name in HOSTS:
        hosts.power(name, "on", wait=True)
    site = sites.load(lab.site_yaml)
    with Fleet(site) as fleet:
        _, states = reading.services(site, fleet)
    assert [id for id, one in states.items() if reading.is_on(one)] == []
    naru("up", planned)
    same(before, seen(lab))
    naru("up", planned)  # once more changes nothing
    same(before, seen(lab))
    assert "is up again" in naru("down", planned, code=2)


def test_the_newest_member_begins_and_not_the_one_that_says_so(lab: Lab, planned: str) -> None:
    """db2 was left out of the last writes, and says that it is safe to bootstrap."""
    hosts, before = lab.hosts(), seen(lab)
    naru("down", planned)
    state = "/srv/naru/state/mariadb/grastate.dat"
    newest = on(hosts, "db1", f"sed -n 's/^seqno: *//p' {state}")
    older = int(newest) - 3
    line = f"sed -i 's/^seqno:.*/seqno:   {older}/; s/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' {state}"
    on(hosts, "db2", line)
    on(hosts, "db1", f"sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 0/' {state}")
    naru("up", planned)
    same(before, seen(lab))


def test_a_member_of_another_cluster_is_refused(lab: Lab, planned: str) -> None:
    hosts, before = lab.hosts(), seen(lab)
    naru("down", planned)
    state = "/srv/naru/state/mariadb/grastate.dat"
    on(
        hosts,
        "db3",
        f"cp -p {state} /root/kept; sed -i 's/^uuid:.*/uuid:    11111111-8a4f-11ee-9c7b-3f1d2a5b6c7d/' {state}",
    )
    assert "not of one cluster" in naru("up", planned, code=1)
    assert on(hosts, "db1", "systemctl is-active mariadb || true") != "active"
    on(hosts, "db3", f"cp -p /root/kept {state}")
    naru("up", planned)
    same(before, seen(lab))


@pytest.mark.kill
@pytest.mark.parametrize("seed", range(3))
def test_killed_and_powered_off_at_random(lab: Lab, planned: str, seed: int) -> None:
    """Ten times the command is killed, and each other time the power of one host is cut, or of all."""
    chance, hosts, before = random.Random(seed), lab.hosts(), seen(lab)
    for way in ("down", "up"):
        for number in range(5):
            with begun(way, planned) as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=chance.uniform(3.0, 45.0))
                process.kill()
            if number % 2:
                victims = HOSTS if chance.random() < 0.3 else [chance.choice(HOSTS)]
                for name in victims:
                    hosts.power(name, "cut")
                time.sleep(chance.uniform(0.0, 3.0))
                for name in victims:
                    hosts.power(name, "on", wait=True)
        deadline = time.monotonic() + SECONDS
        while True:
            with begun(way, planned) as process:
                said, _ = process.communicate(timeout=SECONDS)
            if process.returncode == 0 or "is up again" in said:
                break
            assert time.monotonic() < deadline, said
    same(before, seen(lab))
