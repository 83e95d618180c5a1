"""A small cloud over hosts does what a cloud does; its hosts reboot and lose power, and it comes back by itself."""

import pytest

from naru.lab import health, logs, status
from naru.lab.api import Api
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.lab import Lab
from naru.releases import release
from naru.releases.versions import releases_of
from naru.site import site
from naru.site.check import run as check
from naru.site.model import Unit

from ..scenario import ignore
from .conftest import Bring
from .scenario import boots_a_server, on, services, until

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(1800)]

NETWORKS = {"pike": "10.81.", release.names()[-1]: "10.82."}


@pytest.fixture(scope="module", params=list(NETWORKS))
def lab(request: pytest.FixtureRequest, bring: Bring) -> Lab:
    return bring("cloud3", request.param, NETWORKS[request.param])


def cloud_of(lab: Lab) -> HostedCloud:
    cloud = lab.cloud("cloud")
    assert isinstance(cloud, HostedCloud)
    return cloud


def unhealthy(lab: Lab) -> list[str]:
    return [row.service for row in status.rows(lab) if not row.healthy]


def test_it_is_healthy_and_boots_a_server(lab: Lab) -> None:
    assert unhealthy(lab) == []
    assert {row.service for row in status.rows(lab)} >= {"nova-api@ctl1", "mariadb@db1", "nova-compute@compute1"}
    assert services(lab, "cloud") == dict.fromkeys(cloud_of(lab).workers, "up")
    assert boots_a_server(lab, "cloud") == "compute1"


def test_services_are_units_at_their_hosts_addresses(lab: Lab) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    assert on(hosts, "ctl1", "systemctl is-active nova-api cinder-volume memcached").split() == ["active"] * 3
    assert on(hosts, "ctl1", "systemctl is-enabled keystone-api; systemctl --failed --no-legend") == "enabled"
    listening = on(hosts, "ctl1", "ss -Hltn | awk '{print $4}'").split()
    address = cloud.at("nova").address
    assert {f"{address}:{cloud.ports[name]}" for name in cloud.services} <= set(listening)
    assert [found for found in listening if found.startswith("0.0.0.0:") and not found.endswith(":22")] == []
    # what holds passwords is nobody else's
    assert on(hosts, "ctl1", "stat -c %a /srv/naru/etc") == "700"
    assert cloud.secret not in on(hosts, "ctl1", "ps axww; cat /etc/systemd/system/*.service")
    # the releases' environments are the machine's, and cannot be changed
    assert on(hosts, "ctl1", f"touch {cloud.venv}/x 2>/dev/null || echo refused") == "refused"


def test_the_site_says_what_runs_where(lab: Lab) -> None:
    hosts, found = lab.hosts(), site.load(lab.site_yaml)
    lines = {service.name: service for service in found.content.services}
    assert lines["nova-compute"].hosts == ("compute1",)
    for service in lines.values():
        for name in service.hosts:
            for path in (*service.config, *service.logs, str(service.python)):
                on(hosts, name, f"test -s {path}")
            assert isinstance(service.managed, Unit)
            on(hosts, name, f"systemctl is-active {service.managed.unit}")
    (database,) = found.content.databases
    on(hosts, database.hosts[0], "mariadb -S /srv/naru/state/mariadb/mysqld.sock -e 'select 1'")
    assert logs.find(lab, cloud_of(lab), "nova-api@ctl1").stat().st_size


def test_the_site_is_as_it_says(lab: Lab) -> None:
    found = check.check(site.load(lab.site_yaml), releases_of, lambda *_: None)
    assert [one for one in found if one.state != "right"] == []
    assert {one.field.partition(".")[0] for one in found} >= {"hosts", "services", "databases", "queues"}


def test_the_compute_host_reboots(lab: Lab) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    before = on(hosts, "compute1", "date +%s")
    hosts.power("compute1", "reboot", wait=True)
    health.wait(cloud, 0.0)
    until(lambda: "nova-compute@compute1" not in health.missing(cloud, Api(cloud), float(before) + 1), "up")
    assert boots_a_server(lab, "cloud") == "compute1"


def test_the_controllers_power_is_cut(lab: Lab) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    hosts.power("ctl1", "cut")
    assert not health.answers(cloud.url("keystone"), timeout=3)
    before = on(hosts, "db1", "date +%s")
    hosts.power("ctl1", "on", wait=True)
    health.wait(cloud, float(before))
    assert boots_a_server(lab, "cloud") == "compute1"


def test_the_databases_power_is_cut(lab: Lab) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    before = on(hosts, "ctl1", "date +%s")
    hosts.power("db1", "cut")
    hosts.power("db1", "on", wait=True)
    health.wait(cloud, float(before))
    assert boots_a_server(lab, "cloud") == "compute1"


def test_it_stops_and_starts(lab: Lab) -> None:
    on(lab.hosts(), "ctl1", "echo mine >> /srv/naru/etc/nova/nova.conf.d-note")
    lab.stop()
    assert lab.hosts().holder() is None
    lab.start(ignore)
    assert unhealthy(lab) == []
    assert on(lab.hosts(), "ctl1", "cat /srv/naru/etc/nova/nova.conf.d-note") == "mine"
    assert boots_a_server(lab, "cloud") == "compute1"
