"""What `naru lab status` shows."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from naru.errors import NaruError
from naru.lab import ceph, guests, health, services
from naru.lab.api import Api
from naru.lab.cloud import Cloud
from naru.lab.hosted import ceph as ceph_on_hosts
from naru.lab.hosted import containers, programs
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.lab.ports import At, is_open
from naru.lab.process import memory
from naru.lab.services import nova

HEARTBEAT = 60  # seconds without a heartbeat after which Nova and Cinder, and so we, hold a worker dead


@dataclass(frozen=True)
class Row:
    """One process with its children: `memory` is their proportional set size in bytes."""

    cloud: str
    release: str
    service: str
    port: int | None
    pid: int | None
    memory: int
    healthy: bool


def rows(lab: Lab) -> list[Row]:
    """Every process that should run, in the order of starting, clouds asked at once."""
    with ThreadPoolExecutor() as pool:
        return [row for found in pool.map(lambda cloud: _cloud_rows(lab, cloud), lab.clouds()) for row in found]


def _cloud_rows(lab: Lab, cloud: Cloud) -> list[Row]:
    return _hosted_rows(cloud, lab.hosts()) if isinstance(cloud, HostedCloud) else rows_of(cloud)


def rows_of(cloud: Cloud) -> list[Row]:
    """Every process that should run of a cloud on this machine, in the order of starting."""
    tree = cloud.processes.tree()
    expected: list[tuple[str, At | None]] = [(name, cloud.at(name)) for name in ("mariadb", "rabbitmq", "memcached")]
    if "ceph" in cloud.backends:
        expected += [(name, cloud.at(name) if name == "ceph-mon" else None) for name in ceph.PROCESSES]
    for service in cloud.services:
        expected += [(command.name, command.at) for command in services.module(service).programs(cloud)]
    expected += [(command.name, None) for command in nova.computes(cloud)]
    expected += [(name, None) for name in guests.names(cloud)]
    for host, machines in guests.machines(cloud).items():
        tree.setdefault(host, []).extend(machines)
    silent = _silent(cloud)
    found = []
    for name, at in expected:
        live = cloud.processes.find(name)
        found.append(
            Row(
                cloud=cloud.name,
                release=cloud.release.name,
                service=name,
                port=at.port if at else None,
                pid=live.pid if live else None,
                memory=sum(memory(process.pid) for process in tree.get(name, [])),
                healthy=live is not None and _serves(name, at) and name not in silent,
            )
        )
    return found


def _hosted_rows(cloud: HostedCloud, hosts: Hosts) -> list[Row]:
    """A row for each unit, as UNIT@HOST; pids as the machine numbers them."""
    silent = _silent(cloud) if hosts.holder() else set()
    rows = []
    for host in cloud.all_hosts:
        units: list[tuple[str, str, At | None]] = [
            (unit.command.name, containers.GROUP if unit.container else f"system.slice/{unit.name}", unit.command.at)
            for unit in programs.units(cloud.on(host), host, hosts.base_of_disks())
        ]
        units += [(name, group, None) for name, group in ceph_on_hosts.daemons(cloud, host).items()]
        for program, group, at in units:
            name, pids = f"{program}@{host.name}", hosts.pids(host, group)
            row = Row(
                cloud=cloud.name,
                release=cloud.release.name,
                service=name,
                port=at.port if at else None,
                pid=min(pids, default=None),
                memory=sum(map(memory, pids)),
                healthy=bool(pids) and _serves(program, at) and name not in silent,
            )
            rows.append(row)
    return rows


def _serves(name: str, at: At | None) -> bool:
    if at is None:
        return True
    if name.endswith("-api"):
        return health.answers(f"http://{at}/", timeout=5)
    return is_open(at)


def _silent(cloud: Cloud) -> set[str]:
    """Workers without a heartbeat within the service's own time limit; none are known when no API answers."""
    try:
        api = Api(cloud)
        names = [*health.missing(cloud, api, since=0.0), *health.silent(cloud, api, since=time.time() - HEARTBEAT)]
    except (NaruError, OSError):
        return set()
    return {cloud.process(name) for name in names}
