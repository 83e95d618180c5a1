"""A cloud's configuration: addresses of services, notifications, and what services to come have of their own."""

import dataclasses
from pathlib import Path

import pytest

from naru.lab import render, services
from naru.lab.cloud import Cloud
from naru.lab.ports import LOOPBACK, At, Ports
from naru.lab.process import Command
from naru.releases import install, release

pytestmark = pytest.mark.unit

API, DATABASE, QUEUES, CACHES, HERE = "10.1.0.5", "10.1.0.6", ("10.1.0.7", "10.1.0.8"), ("10.1.0.9",), "10.1.0.11"


@pytest.fixture(params=["pike", release.names()[-1]])
def loopback(request: pytest.FixtureRequest, tmp_path: Path) -> Cloud:
    """A cloud as it is without hosts."""
    found = release.load(request.param)
    return Cloud(
        name="one",
        release=found,
        directory=tmp_path,
        ports=Ports(20000),
        services=services.CORE,
        computes=1,
        venv=install.venv_path(found),
        secret="secret",
        lab_id="id",
        first_address="198.18.0.10",
        last_address="198.18.0.250",
    )


def elsewhere(cloud: Cloud) -> Cloud:
    addresses = {**dict.fromkeys(services.CORE, (API,)), "mariadb": (DATABASE,)}
    return dataclasses.replace(cloud, addresses={**addresses, "rabbitmq": QUEUES, "memcached": CACHES}, here=HERE)


def programs(cloud: Cloud) -> list[Command]:
    return [command for name in services.CORE for command in services.module(name).programs(cloud)]


def configuration(cloud: Cloud) -> str:
    render.render(cloud)
    return "\n".join(file.read_text() for name in services.CORE for file in sorted((cloud.etc / name).glob("*.conf")))


def test_without_hosts_all_is_on_loopback(loopback: Cloud) -> None:
    assert loopback.url("keystone", "/v3") == "http://127.0.0.1:20000/v3"
    assert loopback.database_url("nova") == "mysql+pymysql://openstack:secret@127.0.0.1:20020/nova?charset=utf8"
    assert loopback.transport_url == "rabbit://openstack:secret@127.0.0.1:20021//openstack"
    assert {command.at for command in programs(loopback) if command.at} == {
        At(LOOPBACK, loopback.ports[name]) for name in services.CORE
    }
    assert "memcached_servers = 127.0.0.1:20024\n" in configuration(loopback)


def test_every_address_is_the_services_own(loopback: Cloud) -> None:
    cloud = elsewhere(loopback)
    assert cloud.url("nova", "/v2.1") == f"http://{API}:20002/v2.1"
    assert cloud.database_url("nova") == f"mysql+pymysql://openstack:secret@{DATABASE}:20020/nova?charset=utf8"
    assert cloud.transport_url == (
        "rabbit://openstack:secret@10.1.0.7:20021,openstack:secret@10.1.0.8:20021//openstack"
    )
    assert {command.address for command in programs(cloud) if command.port} == {HERE}
    text = configuration(cloud)
    assert f"connection = {cloud.database_url('glance')}\n" in text
    assert f"transport_url = {cloud.transport_url}\n" in text
    ours = [line for line in text.splitlines() if LOOPBACK in line and not line.startswith("#")]
    assert ours == []
    arguments = [word for command in programs(cloud) for word in command.argv]
    assert LOOPBACK not in arguments


def test_notifications_are_sent_where_they_are_asked_for(loopback: Cloud) -> None:
    assert "driver = noop" in configuration(loopback) and "messagingv2" not in configuration(loopback)
    telling = dataclasses.replace(loopback, notifications=True)
    render.render(telling)
    for name in services.CORE:
        text = "\n".join(file.read_text() for file in (telling.etc / name).glob("*.conf"))
        if name == "placement":  # until Stein it is configured by Nova's; it never sends any
            continue
        assert f"driver = messagingv2\ntransport_url = {telling.transport_url}\n" in text, name


def test_services_for_an_upgrade_start_beside_old_compute_services_where_their_release_looks(loopback: Cloud) -> None:
    line = "\ndisable_compute_service_check_for_ffu = true\n"
    assert line not in configuration(loopback)
    later = configuration(dataclasses.replace(loopback, part="next-"))
    assert later.count(line) == (0 if loopback.release.name == "pike" else 2)  # nova.conf and nova-compute.conf
