"""A small cloud over hosts does what a cloud does; its hosts reboot and lose power, and it comes back by itself. That
of the newest release has its compute service in a container."""

import json
import shlex

import pytest

from naru.cli.main import main
from naru.lab import health, logs, status
from naru.lab.api import Api
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosts.layout import MANAGEMENT
from naru.lab.lab import Lab
from naru.lab.ports import At
from naru.releases import release
from naru.releases.versions import releases_of
from naru.site import site
from naru.site.check import run as check
from naru.site.model import Container, Unit

from ..scenario import ignore
from .conftest import Bring
from .scenario import Bus, boots_a_server, on, services, until

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(1800)]

NEWEST = release.names()[-1]
UNIQUE = "uniq_ha_router_networks0project_id"
"""What newer releases have against several HA networks of a project."""
NETWORKS = {"pike": "10.81.", NEWEST: "10.82."}


@pytest.fixture(scope="module", params=list(NETWORKS))
def lab(request: pytest.FixtureRequest, bring: Bring) -> Lab:
    return bring("cloud3", request.param, NETWORKS[request.param], "containers: true\n" * (request.param == NEWEST))


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


def test_its_services_tell_on_the_bus_what_they_do(lab: Lab) -> None:
    cloud = cloud_of(lab)
    at = At(str(lab.hosts().host("db1").address(MANAGEMENT).ip), cloud.ports["rabbitmq-management"])
    bus = Bus(f"http://{at}/api", cloud.secret)
    assert boots_a_server(lab, "cloud")  # now each has its exchange
    bus.listen({"nova", "neutron", "glance", "keystone"} & bus.exchanges())
    assert boots_a_server(lab, "cloud")
    wanted = {"compute.instance.create.end", "instance.create.end", "port.create.end", "image.create"}
    told: set[str] = set()
    until(lambda: wanted <= told or told.update(bus.told()), f"{wanted}")


def test_the_site_says_what_runs_where(lab: Lab) -> None:
    hosts, found = lab.hosts(), site.load(lab.site_yaml)
    lines = {service.name: service for service in found.content.services}
    assert lines["nova-compute"].hosts == ("compute1",)
    for service in lines.values():
        for name in service.hosts:
            for path in (*service.config, *service.logs, *([service.python] if service.python else [])):
                on(hosts, name, f"test -s {path}")
            if isinstance(service.managed, Unit):
                on(hosts, name, f"systemctl is-active {service.managed.unit}")
            else:
                assert isinstance(service.managed, Container)
                form = "podman container inspect --format '{{.State.Status}}' "
                assert on(hosts, name, form + service.managed.container) == "running"
    assert isinstance(lines["nova-compute"].managed, Container if cloud_of(lab).containers else Unit)
    (database,) = found.content.databases
    on(hosts, database.hosts[0], "mariadb -S /srv/naru/state/mariadb/mysqld.sock -e 'select 1'")
    assert logs.find(lab, cloud_of(lab), "nova-api@ctl1").stat().st_size


def test_the_site_is_as_it_says(lab: Lab) -> None:
    found = check.check(site.load(lab.site_yaml), releases_of, lambda *_: None)
    assert [one for one in found if one.state != "right"] == []
    assert {one.field.partition(".")[0] for one in found} >= {"hosts", "services", "databases", "queues"}


def test_what_is_in_the_way_of_an_upgrade_is_found_through_its_hosts(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    start = "pike" if cloud_of(lab).release.name == "pike" else "2023.1"
    asked = ["upgrade", "check", "--site", str(lab.site_yaml), "--from", start, "--to", NEWEST]
    assert main(["-q", *asked, "-f", "json"]) == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out)} <= {"later", "on the way"}
    sql = "mariadb -S /srv/naru/state/mariadb/mysqld.sock neutron -e "
    plant = f"ALTER TABLE ha_router_networks DROP INDEX IF EXISTS {UNIQUE}"
    plant += "; INSERT INTO ha_router_networks (project_id, network_id) SELECT 'lost', id FROM networks LIMIT 2"
    on(lab.hosts(), "db1", sql + shlex.quote(plant))
    assert main(["-q", *asked, "-f", "json"]) == 1
    (found,) = (row for row in json.loads(capsys.readouterr().out) if row["state"] == "blocks")
    assert (found["service"], found["release"], found["examples"]) == ("neutron", "2023.2", ["lost"])
    on(lab.hosts(), "db1", sql + shlex.quote("DELETE FROM ha_router_networks WHERE project_id = 'lost'"))


def test_a_container_that_ends_is_started_again(lab: Lab) -> None:
    hosts, cloud = lab.hosts(), cloud_of(lab)
    if not cloud.containers:
        pytest.skip("it has none")
    before = on(hosts, "compute1", "podman container inspect --format '{{.State.Pid}}' nova_compute")
    since = float(on(hosts, "compute1", f"kill -KILL {before}; date +%s"))
    until(lambda: "nova-compute@compute1" not in health.missing(cloud, Api(cloud), since + 1), "up")
    assert on(hosts, "compute1", "podman container inspect --format '{{.State.Pid}}' nova_compute") != before
    on(hosts, "compute1", "podman stop nova_compute")
    assert unhealthy(lab) == ["nova-compute@compute1"]
    on(hosts, "compute1", "podman start nova_compute")
    until(lambda: unhealthy(lab) == [], "healthy")


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
