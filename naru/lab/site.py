"""The site.yaml of a lab that has hosts: whatever works in the lab works from the same file on a real site."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from naru.lab import services
from naru.lab.hosted import balancer, containers, database, programs, queue
from naru.lab.hosted.cloud import SHIPPED, HostedCloud
from naru.lab.hosted.units import Unit
from naru.lab.hosts.hosts import Hosts
from naru.lab.hosts.layout import MANAGEMENT, NEXT_BALANCER, NEXT_CONTROLLER, NEXT_QUEUE
from naru.lab.infra import mariadb, rabbitmq

_FILES = re.compile(r"--config-file (\S+)")
NAMES = {"keystone-api": "keystone"}
"""Units that a site calls otherwise: by what everybody calls the program."""
INFRASTRUCTURE = {"database": "mariadb", "queue": "rabbitmq", "controller": "memcached"}
"""What hosts of a role have beside OpenStack's services, as its unit is called."""
GROUPS = {"ceph": "storage"}
"""Groups that are not called by their role's plural."""


def of_hosts(name: str, hosts: Hosts) -> dict[str, Any]:
    """The content for hosts alone, on which no cloud runs."""
    relative = hosts.directory.name
    return {
        "naru_site": 1,
        "name": name,
        "login": {"user": "root", "ssh_config": f"{relative}/{hosts.ssh_config.name}"},
        "power": {
            "user": "admin",
            "password": {"file": f"{relative}/{hosts.password.name}"},
            "certificate": f"{relative}/{hosts.certificate.name}",
        },
        "hosts": [
            {
                "name": host.name,
                "address": str(host.address(MANAGEMENT).ip),
                **({"rack": host.rack} if host.rack else {}),
                "power": {"address": str(host.controller.ip)},
            }
            for host in hosts.hosts
        ],
    }


def of_cloud(cloud: HostedCloud, hosts: Hosts) -> dict[str, Any]:
    """What the site has besides when a cloud runs on its hosts."""
    password = {"file": f"{cloud.name}/{cloud.password.name}"}
    names = {role: [host.name for host in found] for role, found in cloud.roles.items()}
    galera = len(names["database"]) > 1
    content: dict[str, Any] = {
        "cloud": cloud.name,
        "release": cloud.release.name,
        "groups": {GROUPS.get(role, f"{role}s"): found for role, found in names.items()},
        "services": [*_services(cloud, hosts), *_infrastructure(names)],
        "databases": [
            {
                "name": "main",
                "kind": "galera" if galera else "mariadb",
                "hosts": names["database"],
                "address": cloud.at("mariadb").address,
                "port": cloud.ports["mariadb"],
                "user": mariadb.USER,
                "password": password,
                "schemas": [name for service in cloud.services for name in services.module(service).DATABASES],
                **(_galera(cloud) if galera else {}),
            }
        ],
        "queues": [_queue(cloud, "main", names["queue"], rabbitmq.USER, password)],
    }
    if cloud.later:
        content["next"] = {"services": _services(cloud.later, hosts, release=cloud.later.release.name)}
        if NEXT_QUEUE in names:
            content["next"]["queues"] = [_queue(cloud, "next", names[NEXT_QUEUE], queue.NEXT_USER, password)]
        if NEXT_BALANCER in names:
            content["next"] |= _front(cloud, hosts, names[NEXT_BALANCER])
    if "ceph" in names:
        content["storage"] = [{"name": "main", "kind": "ceph", "monitors": names["ceph"], "osds": names["ceph"]}]
    if "balancer" in names:
        content |= _front(cloud, hosts, names["balancer"])
    return content


def _galera(cloud: HostedCloud) -> dict[str, str]:
    """How the first member is started, and how far one had come."""
    seen = cloud.on(cloud.roles["database"][0])
    return {
        "bootstrap": f"{database.first(seen)} && systemctl start {INFRASTRUCTURE['database']}.service",
        "recover": database.recovery(seen),
    }


def _infrastructure(names: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """What is of no release of OpenStack and its services need."""
    return [
        {"name": name, "release": "", "hosts": names[role], "managed": {"unit": f"{name}.service"}}
        for role, name in INFRASTRUCTURE.items()
    ]


def _front(cloud: HostedCloud, hosts: Hosts, names: Sequence[str]) -> dict[str, Any]:
    """The load balancer on hosts, and the virtual address there."""
    return {
        "load_balancers": [
            {
                "name": "api",
                "kind": "haproxy",
                "hosts": names,
                "managed": {"unit": "haproxy.service"},
                "socket": balancer.SOCKET,
                "write_gate": {"directory": str(balancer.gate_directory(cloud.on(hosts.hosts[0])))},
            }
        ],
        "virtual_addresses": [
            {
                "address": cloud.at("keystone").address,
                "hosts": names,
                "managed": {"unit": f"{balancer.KEEPALIVED}.service"},
            }
        ],
    }


def _queue(cloud: HostedCloud, name: str, hosts: Sequence[str], user: str, password: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "hosts": hosts,
        "port": cloud.ports["rabbitmq"],
        "vhosts": [rabbitmq.VHOST],
        "management": {"user": user, "password": password},
    }


def _services(cloud: HostedCloud, hosts: Hosts, release: str = "") -> list[dict[str, Any]]:
    """A line for each unit that is a service of OpenStack, with all the hosts that have it, and its `release` where it
    is not the site's."""
    lines: dict[str, dict[str, Any]] = {}
    for host in cloud.having("controller", NEXT_CONTROLLER, "compute"):
        seen = cloud.on(host)
        for unit in programs.units(seen, host, hosts.base_of_disks()):
            command = unit.command
            service = next((name for name in cloud.services if command.name.startswith(f"{name}-")), None)
            if service is None:
                continue
            line = {
                "name": NAMES.get(command.name, command.name),
                "hosts": [],
                "managed": _managed(unit),
                **({"release": release} if release else {}),
                **({"port": command.port} if command.port else {}),
                **({"environment": str(SHIPPED)} if seen.venv == SHIPPED else {"python": cloud.program("python")}),
                "config": _FILES.findall(" ".join(command.argv)) or [_main_file(cloud, service)],
                "logs": [str(unit.log)],
            }
            lines.setdefault(command.name, line)["hosts"].append(host.name)
    return list(lines.values())


def _managed(unit: Unit) -> dict[str, str]:
    if unit.container:
        return {"container": unit.container, "engine": containers.ENGINE}
    return {"unit": unit.name}


def _main_file(cloud: HostedCloud, service: str) -> str:
    """The configuration of a service that is not told of it by an option."""
    directory = "nova" if service == "placement" and cloud.release.has("placement-in-nova") else service
    return str(cloud.on(cloud.first_controller).etc / directory / f"{directory}.conf")
