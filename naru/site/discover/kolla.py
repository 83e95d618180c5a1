"""kolla-ansible's inventories: its groups are services, its globals.yml has addresses and what is enabled, its
passwords.yml is named and never read. Containers are as Kolla names them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from naru.errors import InputError
from naru.site.discover import release, services
from naru.site.discover.found import Gap, Piece, ServiceSeen, Source
from naru.site.discover.vars import Variables, flag, yaml_file
from naru.site.secrets_file import command

ETC = Path("/etc/kolla")

CORE = frozenset({"keystone", "glance", "nova", "placement", "neutron", "heat", "horizon"})
"""The projects that are enabled unless globals.yml says no."""
BASIC = {"mariadb": "mariadb", "rabbitmq": "rabbitmq", "memcached": "memcached"}
_CONDITIONAL = """
    nova-consoleauth nova-spicehtml5proxy nova-serialproxy nova-compute-ironic nova-super-conductor glance-registry
    neutron-lbaas-agent neutron-vpnaas-agent neutron-bgp-dragent neutron-infoblox-ipam-agent neutron-metering-agent
    neutron-ovn-agent neutron-ovn-metadata-agent neutron-sriov-agent neutron-mlnx-agent neutron-ovn-vpn-agent
    ironic-neutron-agent heat-api-cloudwatch designate-backend-bind9 cinder-backup
"""
CONDITIONAL = frozenset(_CONDITIONAL.split())
"""Groups of what runs only where more is switched on than the project."""
AGENTS = {
    "openvswitch": ("neutron-openvswitch-agent", "ovs-vswitchd", "ovsdb-server"),
    "linuxbridge": ("neutron-linuxbridge-agent",),
    "ovn": ("ovn-controller", "ovs-vswitchd", "ovsdb-server"),
}
CONTAINERS = {
    "placement": "placement_api",
    "libvirtd": "nova_libvirt",
    "ovs-vswitchd": "openvswitch_vswitchd",
    "ovsdb-server": "openvswitch_db",
}
SOCKETS = {
    "docker": "/var/lib/docker/volumes/haproxy_socket/_data/haproxy.sock",
    "podman": "/var/lib/containers/storage/volumes/haproxy_socket/_data/haproxy.sock",
}
_NAMES = "by kolla-ansible's names; not looked at"


def is_one(groups: Mapping[str, list[str]]) -> bool:
    """Whether the groups are those of kolla-ansible."""
    return {"control", "compute", "keystone", "mariadb"} <= groups.keys() and "nova-api" in groups


def _globals_file(path: Path, given: Path | None) -> Path | None:
    """The one that is given, else beside the inventory, above it, or where kolla-ansible has it."""
    if given is not None:
        if not given.exists():
            raise InputError(f"--globals {given}: there is no such file")
        return given
    places = (path if path.is_dir() else path.parent, path.parent, path.parent.parent, ETC)
    return next((place / "globals.yml" for place in places if (place / "globals.yml").exists()), None)


def read(
    source: Source,
    hosts: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, list[str]],
    path: Path,
    globals_file: Path | None,
) -> None:
    """Adds what the groups and variables of a kolla-ansible inventory mean."""
    file = _globals_file(path, globals_file)
    if file is None:
        source.gaps.append(
            Gap(
                "virtual_addresses",
                f"there is no globals.yml beside {path.name}, above it, or in {ETC}",
                "Run it again with --globals FILE.",
            )
        )
    said = {**_common(hosts, groups["control"]), **(yaml_file(file) if file else {})}
    _Kolla(source, groups, said, file, path).read()


def _common(hosts: Mapping[str, Mapping[str, Any]], control: list[str]) -> Mapping[str, Any]:
    """The variables of a controller, which has the inventory's for all."""
    return hosts.get(control[0], {}) if control else {}


class _Kolla:
    def __init__(
        self, source: Source, groups: Mapping[str, list[str]], said: Mapping[str, Any], file: Path | None, path: Path
    ) -> None:
        self.source = source
        self.groups = groups
        self.raw = said
        self.file = file
        self.path = path
        engine = Variables(said, source, "services").text("kolla_container_engine")
        # Docker was the only one before there was a choice, and is the default since
        self.engine = engine if engine in SOCKETS else "docker"
        self.note = f"{file.name if file else path.name}"

    def var(self, where: str) -> Variables:
        return Variables(self.raw, self.source, where)

    def enabled(self, project: str) -> bool:
        value = self.raw.get(f"enable_{project.replace('-', '_')}")
        if value is not None and "{{" not in str(value):
            return flag(value)
        return project in CORE or project in BASIC or project in ("haproxy", "keepalived")

    def read(self) -> None:
        tag = self.var("release").text("openstack_release", "kolla_tag", "openstack_tag")
        if name := release.of_kolla(tag):
            self.source.release = (name, "")
        for service, members in self._services():
            container = {"container": CONTAINERS.get(service, service.replace("-", "_")), "engine": self.engine}
            self.source.services += [ServiceSeen(service, host, container, guess=_NAMES) for host in members]
        self._database()
        self._queue()
        self._balancer()
        self._ceph()

    def _services(self) -> Iterator[tuple[str, list[str]]]:
        for group, members in self.groups.items():
            project, _, rest = group.partition("-")
            alone = not any(other.startswith(f"{group}-") for other in self.groups)
            known = services.named(group) if rest or alone else ""
            if group == "keystone":
                known = "keystone"
            if not known or not services.of_openstack(known) or group in CONDITIONAL:
                continue
            if self.enabled(project):
                yield known, members
        for group, service in BASIC.items():
            if (members := self.groups.get(group, [])) and self.enabled(group):
                yield service, members
        computes = self.groups.get("compute", [])
        if self.enabled("nova") and computes:
            yield "nova-compute", computes
            by_libvirt = self.raw.get("nova_compute_virt_type", "kvm") in ("kvm", "qemu")
            if by_libvirt and flag(self.raw.get("enable_nova_libvirt_container", True)):
                yield "libvirtd", computes
        plugin = self.raw.get("neutron_plugin_agent", "openvswitch")
        if self.enabled("neutron"):
            networks = [*self.groups.get("neutron-l3-agent", []), *self.groups.get("neutron-dhcp-agent", [])]
            for agent in AGENTS.get(str(plugin), ()):
                yield agent, list(dict.fromkeys([*computes, *networks]))

    def _secret(self, key: str) -> dict[str, str]:
        directory = self.file.parent if self.file else ETC
        return {"command": command((directory / "passwords.yml").absolute(), key)}

    def _vip(self) -> str:
        return self.var("virtual_addresses").text("kolla_internal_vip_address")

    def _database(self) -> None:
        said = self.var("databases.main")
        members = self.groups.get("mariadb", [])
        address = said.text("database_address") or (self._vip() if self.enabled("haproxy") else "")
        if not self.enabled("mariadb") or flag(self.raw.get("use_preconfigured_databases", False)):
            self.source.gaps.append(
                Gap(
                    "databases",
                    f"{self.note} has a database that kolla-ansible does not run" + (f", at {address}" * bool(address)),
                    "Add it, with the hosts that it runs on.",
                )
            )
            return
        content: dict[str, Any] = {"kind": "galera" if len(members) > 1 else "mariadb"}
        if address:
            content["address"] = address
        if (port := said.number("database_port", "mariadb_port")) not in (None, 3306):
            content["port"] = port
        content["user"] = said.text("database_user") or "root"
        content["password"] = self._secret("database_password")
        self.source.pieces.append(
            Piece("databases", "main", content, tuple(members), notes={"": f"of {self.note} and {self.path.name}"})
        )

    def _queue(self) -> None:
        said = self.var("queues.main")
        members = self.groups.get("rabbitmq", [])
        if not self.enabled("rabbitmq") or not members:
            return
        content: dict[str, Any] = {}
        if (port := said.number("rabbitmq_port")) not in (None, 5672):
            content["port"] = port
        management: dict[str, Any] = {
            "user": said.text("rabbitmq_user") or "openstack",
            "password": self._secret("rabbitmq_password"),
        }
        port = said.number("rabbitmq_management_port")
        if port not in (None, 15672) and (vip := self._vip()):
            management["url"] = f"http://{vip}:{port}"
        content["management"] = management
        self.source.pieces.append(
            Piece("queues", "main", content, tuple(members), notes={"": f"of {self.note} and {self.path.name}"})
        )

    def _balancer(self) -> None:
        members = tuple(self.groups.get("loadbalancer") or self.groups.get("haproxy") or [])
        if not members or not self.enabled("haproxy"):
            return
        managed = {"container": "haproxy", "engine": self.engine}
        self.source.pieces.append(
            Piece(
                "load_balancers",
                "api",
                {"kind": "haproxy", "managed": managed, "socket": SOCKETS[self.engine]},
                members,
                notes={"": _NAMES, "socket": f"socket guessed: where {self.engine} has the volume haproxy_socket"},
            )
        )
        if not self.enabled("keepalived"):
            return
        keepalived = {"container": "keepalived", "engine": self.engine}
        said = self.var("virtual_addresses")
        for name in ("kolla_internal_vip_address", "kolla_external_vip_address"):
            if address := said.text(name):
                self.source.pieces.append(
                    Piece(
                        "virtual_addresses",
                        address,
                        {"managed": keepalived},
                        members,
                        notes={"": f"{name} of {self.note}"},
                    )
                )

    def _ceph(self) -> None:
        if self.enabled("ceph") and self.groups.get("ceph-mon"):
            for to, group in (("monitors", "ceph-mon"), ("osds", "ceph-osd")):
                if members := self.groups.get(group):
                    notes = {"": f"groups of {self.path.name}"}
                    self.source.pieces.append(Piece("storage", "ceph", {"kind": "ceph"}, tuple(members), to, notes))
            return
        uses = [
            name
            for name in ("glance_backend_ceph", "cinder_backend_ceph", "nova_backend_ceph")
            if flag(self.raw.get(name, False))
        ] + [name for name in ("nova_backend",) if self.raw.get(name) == "rbd"]
        if uses:
            why = f"{uses[0]} of {self.note}: its hosts are in no inventory of kolla-ansible"
            self.source.gaps.append(Gap("storage", why, "Add kind: ceph with its monitors and osds."))
