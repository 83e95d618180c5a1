"""A cloud on eight hosts: whichever controller or database host loses its power, the APIs answer at the virtual
address."""

import json
import time

import pytest

from naru.lab import health, status
from naru.lab.api import Api
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.lab import Lab
from naru.releases import release
from naru.site import site

from ..scenario import ignore
from .conftest import Bring
from .scenario import boots_a_server, on, services, until

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(3600)]

SILENCE = 40.0
"""Seconds within which the APIs have to answer again when a host is gone: Galera's, HAProxy's and RabbitMQ's clients'
time to notice, on a busy machine."""
MEMORY = 6 << 30


@pytest.fixture(scope="module")
def lab(bring: Bring) -> Lab:
    return bring("cloud8", release.names()[-1], "10.83.")


def cloud_of(lab: Lab) -> HostedCloud:
    cloud = lab.cloud("cloud")
    assert isinstance(cloud, HostedCloud)
    return cloud


def works(cloud: HostedCloud) -> bool:
    """Whether each API answers a call that needs its database, with a token got now."""
    calls = (("keystone", "/projects"), ("nova", "/servers/detail?limit=1"), ("neutron", "/networks?limit=1"))
    try:
        api = Api(cloud)
        for service, path in (*calls, ("glance", "/images?limit=1"), ("cinder", "/volumes/detail?limit=1")):
            api(service, "GET", path)
    except Exception:  # noqa: BLE001 - whatever it is, it does not work
        return False
    return True


def works_again(cloud: HostedCloud) -> float:
    """Seconds until all APIs work, and go on to, ten times in a row."""
    began, streak = time.monotonic(), 0
    first = began
    while streak < 10:
        if works(cloud):
            first = first if streak else time.monotonic()
            streak += 1
        else:
            streak = 0
        assert time.monotonic() < began + 180, "the APIs do not answer"
    return first - began


def test_it_is_healthy_and_fits(lab: Lab) -> None:
    assert [row.service for row in status.rows(lab) if not row.healthy] == []
    assert services(lab, "cloud") == dict.fromkeys(cloud_of(lab).workers, "up")
    assert boots_a_server(lab, "cloud") in ("compute1", "compute2")
    held = sum(row.memory or 0 for row in lab.hosts().rows())
    assert held < MEMORY


def test_databases_and_queues_are_clusters(lab: Lab) -> None:
    hosts = lab.hosts()
    sql = "mariadb -S /srv/naru/state/mariadb/mysqld.sock -BNe"
    assert on(hosts, "db2", f"""{sql} "show status like 'wsrep_cluster_size'" """).split()[-1] == "3"
    running = json.loads(on(hosts, "db3", "rabbitmqctl --quiet cluster_status --formatter json"))["running_nodes"]
    assert sorted(running) == ["rabbit@db1", "rabbit@db2", "rabbit@db3"]


def test_the_site_has_what_stands_before_the_apis(lab: Lab) -> None:
    content = site.load(lab.site_yaml).content
    (balancer,), (virtual,) = content.load_balancers, content.virtual_addresses
    assert str(virtual.address) == cloud_of(lab).at("nova").address
    shown = on(lab.hosts(), "lb1", f"test -S {balancer.socket} && ip -brief address show dev eth0")
    assert f"{virtual.address}/24" in shown
    assert content.databases[0].kind == "galera" and len(content.queues[0].hosts) == 3


@pytest.mark.parametrize("victim", ["ctl1", "ctl2", "db1", "db2", "db3"])
def test_a_host_loses_its_power(lab: Lab, victim: str) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    hosts.power(victim, "cut")
    silent = works_again(cloud)
    assert silent < SILENCE
    before = float(on(hosts, "lb1", "date +%s"))
    hosts.power(victim, "on", wait=True)
    until(lambda: not health.missing(cloud, Api(cloud), before), f"all services after {victim}")
    until(lambda: [row for row in status.rows(lab) if not row.healthy] == [], f"all units after {victim}")
    if victim.startswith("db"):
        sql = "mariadb -S /srv/naru/state/mariadb/mysqld.sock -BNe"
        size = f"""{sql} "show status like 'wsrep_cluster_size'" """
        until(lambda: on(hosts, victim, f"{size} || true").split()[-1:] == ["3"], f"{victim} in its cluster")
        # it knew how far it had come: it needs no whole copy of another one's data
        state = on(hosts, victim, "grep 'Local state:' /srv/naru/log/mariadb.log").splitlines()[-1]
        assert not state.endswith(":-1")
    assert boots_a_server(lab, "cloud") in ("compute1", "compute2")


def test_it_stops_and_starts(lab: Lab) -> None:
    lab.stop()
    lab.start(ignore)
    assert [row.service for row in status.rows(lab) if not row.healthy] == []
    assert boots_a_server(lab, "cloud") in ("compute1", "compute2")
