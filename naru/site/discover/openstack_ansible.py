"""OpenStack-Ansible's inventories: openstack_inventory.json, and the openstack_user_config.yml that it was made from.

Its LXC containers are no hosts of a site: they are reached through the machines that they are on, and need not run an
sshd. What runs in one is a service of its machine, managed by command lines.
"""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from naru.errors import InputError
from naru.site.discover import services
from naru.site.discover.found import Gap, HostSeen, Piece, ServiceSeen, Source
from naru.site.discover.vars import Variables, yaml_file
from naru.site.names import is_address
from naru.site.secrets_file import command

# a group's service and its unit, where they are not called as the group
UNITS = {
    "keystone": ("keystone", "keystone-wsgi-public"),
    "nova_api_os_compute": ("nova-api", "nova-api-os-compute"),
    "nova_api_metadata": ("nova-metadata", "nova-api-metadata"),
    "nova_console": ("nova-novncproxy", "nova-novncproxy"),
    "placement_api": ("placement", "placement-api"),
    "horizon": ("horizon", "apache2"),
    "galera": ("mariadb", "mariadb"),
    "rabbitmq": ("rabbitmq", "rabbitmq-server"),
    "memcached": ("memcached", "memcached"),
}
_NO_SERVICE = frozenset({"neutron_agent", "nova_compute_container", "cinder_volumes_container"})
CONFIG_HOSTS = "_hosts"


def is_one(hosts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the hosts have what OpenStack-Ansible alone says of each: which machine it is on."""
    return any(said.get("physical_host") for said in hosts.values())


def is_user_config(path: Path) -> bool:
    """Whether the file is an openstack_user_config.yml."""
    if path.suffix not in (".yml", ".yaml") or not path.is_file():
        return False
    try:
        said = yaml_file(path)
    except InputError:
        return False
    return "global_overrides" in said and any(name.endswith(CONFIG_HOSTS) for name in said)


def containers(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The machine of each container. A service that is on metal has its machine as its physical_host."""
    return {
        name: str(said["physical_host"])
        for name, said in hosts.items()
        if said.get("physical_host") and said["physical_host"] != name
    }


def inside(container: str, unit: str) -> dict[str, str]:
    """How a unit in a container is managed from its machine."""
    words = {"start": "start", "stop": "stop", "status": "is-active"}
    return {
        verb: shlex.join(["lxc-attach", "-n", container, "--", "systemctl", word, f"{unit}.service"])
        for verb, word in words.items()
    }


def read(
    source: Source,
    hosts: Mapping[str, Mapping[str, Any]],
    inner: Mapping[str, str],
    groups: Mapping[str, list[str]],
    path: Path,
) -> None:
    """Adds what its groups and variables mean."""
    for group, members in groups.items():
        if group.endswith(("_all", "_hosts", "_containers", "_container")) or group in _NO_SERVICE:
            continue
        service, unit = UNITS.get(group, ("", ""))
        if not service:
            service, unit = (services.named(group), group.replace("_", "-")) if "_" in group else ("", "")
        if not service or service in services.ELSEWHERE:
            continue
        for one in members:
            managed = inside(one, unit) if one in inner else {"unit": f"{unit}.service"}
            guess = "by OpenStack-Ansible's names; not looked at"
            source.services.append(ServiceSeen(service, inner.get(one, one), managed, guess=guess))
    first = next(iter(hosts.values()), {})
    common = Variables(first, source, "virtual_addresses")
    internal = _vip(common, source)
    balancers = groups.get("haproxy") or groups.get("haproxy_all") or groups.get("haproxy_hosts") or []
    if balancers:
        _balancer(source, tuple(dict.fromkeys(inner.get(one, one) for one in balancers)))
    secrets = (path.parent / "user_secrets.yml").absolute()
    galera = groups.get("galera") or groups.get("galera_all") or []
    if galera:
        content: dict[str, Any] = {"kind": "galera" if len(galera) > 1 else "mariadb"}
        if internal:
            content["address"] = internal
        content |= {
            "user": common.text("galera_root_user") or "root",
            "password": {"command": command(secrets, "galera_root_password")},
        }
        notes = {"": f"the group galera of {path.name}", "user": "user guessed: the default of galera_root_user"}
        on = tuple(dict.fromkeys(inner.get(one, one) for one in galera))
        source.pieces.append(Piece("databases", "main", content, on, notes=notes))
    rabbit = groups.get("rabbitmq") or groups.get("rabbitmq_all") or []
    if rabbit:
        on = tuple(dict.fromkeys(inner.get(one, one) for one in rabbit))
        source.pieces.append(Piece("queues", "main", {}, on, notes={"": f"the group rabbitmq of {path.name}"}))
        why = "the inventory does not say who may use RabbitMQ's management"
        source.gaps.append(Gap("queues.main.management", why, "Add management: {user: ..., password: ...}."))


def _vip(said: Variables, source: Source) -> str:
    """Adds the load balancer's addresses; the internal one is where services connect."""
    for name in ("internal_lb_vip_address", "external_lb_vip_address"):
        address = said.text(name) if said.has(name) else ""
        if address and is_address(address):
            source.pieces.append(Piece("virtual_addresses", address, {}, notes={"": name}))
        elif address:
            why = f"{name} is the name {address}, not an address"
            source.gaps.append(Gap("virtual_addresses", why, "Add its address, and who has it."))
    return said.text("internal_lb_vip_address")


def _balancer(source: Source, members: tuple[str, ...]) -> None:
    notes = {"": "by OpenStack-Ansible's names; not looked at", "socket": "socket guessed: OpenStack-Ansible's own"}
    content = {"kind": "haproxy", "managed": {"unit": "haproxy.service"}, "socket": "/var/run/haproxy.stat"}
    source.pieces.append(Piece("load_balancers", "api", content, members, notes=notes))
    managed = {"unit": "keepalived.service"}
    source.pieces = [
        replace(one, content={**one.content, "managed": managed}, hosts=members)
        if one.section == "virtual_addresses"
        else one
        for one in source.pieces
    ]


def of_user_config(path: Path) -> Source:
    """What an openstack_user_config.yml says: hosts, their addresses and groups, the load balancer's addresses."""
    source = Source(f"the inventory {path.name}")
    said = yaml_file(path)
    addresses: dict[str, str] = {}
    for name, members in said.items():
        if not name.endswith(CONFIG_HOSTS) or not isinstance(members, dict):
            continue
        source.groups[name] = list(members)
        source.direct.add(name)
        for host, entry in members.items():
            address = str((entry or {}).get("ip") or "")
            addresses.setdefault(host, address)
    source.hosts = [HostSeen(host, address=address) for host, address in addresses.items()]
    overrides = said.get("global_overrides") or {}
    read(source, {"": overrides}, {}, {}, path)
    if balancers := source.groups.get("haproxy_hosts"):
        _balancer(source, tuple(balancers))
    why = f"{path.name} says which hosts there are, not where each service runs"
    source.gaps.append(Gap("services", why, "Give openstack_inventory.json as --inventory, too."))
    return source
