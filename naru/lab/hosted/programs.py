"""Which units are on which host, by its roles."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from naru.lab import services
from naru.lab.hosted import agents, balancer, containers, database, guests, queue
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosted.units import Unit
from naru.lab.hosts.layout import AGENT_NETWORK, Host
from naru.lab.infra import memcached
from naru.lab.ports import At
from naru.lab.process import Command
from naru.lab.services import nova

ONCE = ("cinder-volume", "cinder-backup")
"""What the first controller alone has: their host's name is in the records of what they made."""
ANSWERING = ("keystone", "placement", "neutron")
"""What a compute service calls when it starts."""


def units(cloud: HostedCloud, host: Host, base: Path) -> list[Unit]:
    """The host's units, in the order in which they are listed; `cloud` as the host sees it, `base` that of its disk."""
    by_role: dict[str, Callable[[], list[Unit]]] = {
        "database": lambda: [_unit(cloud, database.command(cloud))],
        **dict.fromkeys(queue.ROLES, lambda: [_unit(cloud, queue.command(cloud, base))]),
        "compute": lambda: [_compute(cloud), *([_agent(cloud, host)] if cloud.agents else [])],
        **dict.fromkeys(
            balancer.ROLES,
            lambda: [_unit(cloud, command, before=before) for command, before in balancer.commands(cloud)],
        ),
    }
    controller = _controller(cloud) if host.name in [one.name for one in cloud.controllers] else []
    return [*controller, *(unit for role, make in by_role.items() if role in host.roles for unit in make())]


def _controller(cloud: HostedCloud) -> list[Unit]:
    gates = (cloud.servers("mariadb"), cloud.servers("rabbitmq"))
    commands = [command for name in cloud.services for command in services.module(name).programs(cloud)]
    if cloud.host != cloud.first_controller.name:
        commands = [command for command in commands if command.name not in ONCE]
    waits = {"cinder-volume": (_waits_for_pools(cloud),)} if "ceph" in cloud.roles else {}
    cache = memcached.command(At(cloud.here, cloud.ports["memcached"]))
    return [_unit(cloud, cache), *(_unit(cloud, command, gates, waits.get(command.name, ())) for command in commands)]


def _waits_for_pools(cloud: HostedCloud) -> tuple[str, ...]:
    # a driver that finds no pool when it starts does not look again
    return str(cloud.directory / "scripts" / "wait-for-pool"), "cinder", "volumes"


def _compute(cloud: HostedCloud) -> Unit:
    gates = (cloud.servers("rabbitmq"), *(cloud.servers(name) for name in ANSWERING))
    configuration = cloud.config("nova", "nova-compute.conf")[1]
    waiting = (cloud.program("python"), str(cloud.inside / "consumers.py"), configuration, "conductor")
    waits = (str(cloud.directory / "scripts" / "wait-for-consumer"), *waiting)
    command = nova.compute(cloud, [cloud.host])
    return _contained(
        cloud, _unit(cloud, guests.compute(cloud, command) if cloud.real_guests else command, gates, (waits,))
    )


def _agent(cloud: HostedCloud, host: Host) -> Unit:
    gates = (cloud.servers("rabbitmq"), cloud.servers("neutron"))
    # one that does not find its address says so and does nothing, and the newest does not even end
    waits = (str(cloud.directory / "scripts" / "wait-for-address"), str(host.address(AGENT_NETWORK).ip))
    return _contained(cloud, _unit(cloud, agents.command(cloud), gates, (waits,)))


def _contained(cloud: HostedCloud, unit: Unit) -> Unit:
    return dataclasses.replace(unit, container=containers.name(unit.command.name)) if cloud.containers else unit


def _unit(
    cloud: HostedCloud,
    command: Command,
    gates: tuple[tuple[At, ...], ...] = (),
    before: tuple[tuple[str, ...], ...] = (),
) -> Unit:
    log = cloud.directory / "log" / f"{cloud.part}{command.name}.log"
    return Unit(command, log, cloud.directory / "scripts", gates, before, part=cloud.part)
