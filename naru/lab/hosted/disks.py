"""What of a cloud is on each host's disk: configuration, units, and its part of the prepared state."""

import dataclasses
import os
import shutil
from pathlib import Path

from naru.files import write_whole
from naru.lab import prepared, render
from naru.lab.hosted import agents, balancer, ceph, containers, database, guests, programs, queue, units
from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosts.disk import NETWORKS, below, enable
from naru.lab.hosts.hosts import Hosts
from naru.lab.hosts.layout import NEXT_BALANCER, NEXT_CONTROLLER, Host
from naru.lab.running import DIRECTORIES
from naru.lab.services import nova

SCRIPTS = Path(__file__).parent / "scripts"
BINDINGS = ("rados.py", "rbd.py")
"""The lab's bindings to Ceph's libraries, which hosts of a cloud without it have not got: os-brick does without when
they are not there."""
STATES = {"controller": Path("state"), "database": Path("state/mariadb")}
"""What a prepared state has of the first host of a role, as a directory of its name, and all of the role get."""


def furnish(cloud: HostedCloud, hosts: Hosts, state: Path | None) -> None:
    """Writes the disks of hosts that are off, once: what changed on them since is kept. With a prepared state they
    have their part of it, and their units start at each boot; without, nothing starts by itself."""
    for host in cloud.all_hosts:
        disk, on_it = hosts.disk(host.name), cloud.on(host)
        done = below(disk, on_it.directory) / ("furnished" if state else "furnished-empty")
        if not done.exists():
            shutil.rmtree(done.parent, ignore_errors=True)
            base = hosts.base_of_disks()
            _write(on_it, host, disk, base, state)
            if "ceph" in cloud.roles:
                ceph.furnish(cloud, host, disk, _owner(base, ceph.OWNER), enabled=state is not None)
            done.touch()
    if state:
        elect(cloud, hosts)


def elect(cloud: HostedCloud, hosts: Hosts) -> None:
    """Says which database begins its cluster, while all hosts are off."""
    members = cloud.roles["database"]
    database.elect([below(hosts.disk(host.name), database.directory(cloud.on(host))) for host in members])


def _write(cloud: HostedCloud, host: Host, disk: Path, base: Path, state: Path | None) -> None:
    for role, subpath in STATES.items():
        # keys of Keystone, and what else controllers have in common
        if state and (role in host.roles or (role == "controller" and NEXT_CONTROLLER in host.roles)):
            target = below(disk, cloud.directory / subpath)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            prepared.copy(state / role, target)
    for name in DIRECTORIES:
        below(disk, cloud.state / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    below(disk, cloud.directory / "log").mkdir(exist_ok=True, mode=0o700)
    shutil.copytree(SCRIPTS, below(disk, cloud.directory / "scripts"))
    _render(cloud, host, disk)
    files: dict[Path, str] = {}
    if host.is_any(*queue.ROLES):
        files |= queue.files(cloud)
    if host.is_any(*balancer.ROLES):
        files |= balancer.files(cloud, host)
    if "compute" in host.roles:
        if cloud.real_guests:
            files |= guests.files(cloud)
            places = guests.directories(cloud)
        else:
            files |= _compute_files(cloud, host)
            places = [cloud.state / "nova" / host.name / "instances"]
        files |= agents.files(cloud, host) if cloud.agents else {}
        for unit in programs.units(cloud, host, base):
            files |= containers.files(cloud, unit) if unit.container else {}
        for place in places:
            below(disk, place).mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        target = _put(disk, path, text)
        if path.is_relative_to(NETWORKS):
            target.chmod(0o644)
    for path in (cloud.directory, cloud.state):  # other users find their way, and what is theirs
        below(disk, path).chmod(0o711)
    if "database" in host.roles:
        for path in (database.directory(cloud), database.directory(cloud).with_name("mariadb-tmp")):
            below(disk, path).mkdir(exist_ok=True, mode=0o700)
            os.chown(below(disk, path), *_owner(base, database.OWNER))
    if host.is_any(*queue.ROLES):
        copy = below(disk, queue.HOME / ".erlang.cookie")
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(copy, queue.cookie(cloud))
        copy.chmod(0o400)
        for path in (copy.parent, copy):
            os.chown(path, *_owner(base, queue.OWNER))
    _units(cloud, host, disk, base, enabled=state is not None)
    if cloud.later:
        _write_later(cloud.later, host, disk, base)


def _write_later(cloud: HostedCloud, host: Host, disk: Path, base: Path) -> None:
    """The services of the other release, as an operator builds them beside: their configuration and units, off."""
    every = programs.units(cloud.on(host), host, base)  # where the host is to find its environment
    mine = [unit for unit in every if unit.command.name.startswith(cloud.services)]
    if not mine:
        return
    _render(cloud, host, disk)
    for path, text in _compute_files(cloud, host).items():
        _put(disk, path, text)
    for unit in mine:
        below(disk, units.DIRECTORY / unit.name).write_text(unit.text(f"{unit.command.name} of {cloud.release.name}"))


def _render(cloud: HostedCloud, host: Host, disk: Path) -> None:
    """The configuration of what the host has of the cloud's services."""
    controls = host.name in [one.name for one in cloud.controllers]
    served = cloud.services if controls else ("nova",) if "compute" in host.roles else ()
    if served:
        render.render(dataclasses.replace(cloud, services=served), disk)
        for name in () if "ceph" in cloud.backends else BINDINGS:
            below(disk, cloud.inside / name).unlink()


def _compute_files(cloud: HostedCloud, host: Host) -> dict[Path, str]:
    """What a host with the fake driver has beside Nova's configuration; nothing for another host."""
    if "compute" not in host.roles:
        return {}
    return {cloud.etc / "nova" / "hosts" / f"{host.name}.conf": nova.compute_conf(cloud, host.name)}


def _put(disk: Path, path: Path, text: str) -> Path:
    target = below(disk, path)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(target, text)
    return target


def _owner(base: Path, user: str) -> tuple[int, int]:
    """The numbers of a user of the hosts and of its group."""
    lines = (line.split(":") for line in (base / "etc/passwd").read_text().splitlines())
    return next((int(fields[2]), int(fields[3])) for fields in lines if fields[0] == user)


def _units(cloud: HostedCloud, host: Host, disk: Path, base: Path, enabled: bool) -> None:
    below(disk, units.DIRECTORY).mkdir(parents=True, exist_ok=True)
    texts = {unit.name: unit.text(f"{unit.command.name} of {cloud.name}") for unit in programs.units(cloud, host, base)}
    if "database" in host.roles and len(cloud.roles["database"]) > 1:
        texts |= database.check_units(cloud)
    if "compute" in host.roles and cloud.agents:
        texts |= agents.units(cloud, host)
        further = (*agents.ENABLED[cloud.agents], *(guests.UNITS if cloud.real_guests else ()))
        for name in further if enabled else ():
            enable(disk, f"/lib/systemd/system/{name}")
    for name, text in texts.items():
        below(disk, units.DIRECTORY / name).write_text(text)
        waits = NEXT_BALANCER in host.roles and name == f"{balancer.KEEPALIVED}.service"
        if enabled and "WantedBy" in text and not waits:
            enable(disk, str(units.DIRECTORY / name))
