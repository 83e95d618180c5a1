"""What a cloud's APIs say of what it runs on: hosts with services and agents, hypervisors' addresses, zones,
aggregates, pools of volumes, the addresses of its endpoints."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from naru.cloud.client import Cloud, CloudError
from naru.site.discover import release, services
from naru.site.discover.found import Gap, HostSeen, Piece, ServiceSeen, Source

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
SERVICES = ("compute", "network", "block-storage", "image", "identity", "placement")


def read(cloud: Cloud) -> Source:
    """What the cloud says. What cannot be asked is told of, and the rest goes on. Raises CloudError when Keystone does
    not answer."""
    cloud.has("identity")
    return _Reading(cloud).source


class _Reading:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.source = Source(f"the cloud {cloud.name}")
        self.hosts: dict[str, HostSeen] = {}
        self.joining: set[str] = set()
        self._nova()
        self._neutron()
        self._cinder()
        self._release()
        self._endpoints()
        self.source.hosts = [*self.hosts.values()] + [
            HostSeen(name, joins=True) for name in sorted(self.joining - self.hosts.keys())
        ]

    def _items(self, service: str, path: str, collection: str, what: str, field: str) -> list[dict[str, Any]]:
        """What a service lists; nothing, and told, when it cannot be had."""
        try:
            if not self.cloud.has(service):
                self.source.gaps.append(
                    Gap(field, f"{self.cloud.name} has no {service} service", f"Add {what} if there are any.")
                )
                return []
            return list(self.cloud.items(service, path, collection))
        except CloudError as error:
            told = ": ".join(filter(None, (error.summary, error.detail.partition("\n")[0])))
            self.source.gaps.append(Gap(field, told, f"Run it again as an administrator, or add {what}."))
            return []

    def _host(self, name: str, **said: Any) -> None:
        known = self.hosts.get(name)
        if known is None:
            self.hosts[name] = HostSeen(name, **said)
            return
        merged = {field: getattr(known, field) or value for field, value in said.items()}
        self.hosts[name] = replace(known, **merged)

    def _service(self, binary: str, host: str, by: str) -> None:
        name = services.named(binary)
        if name and name not in services.ELSEWHERE:
            guess = f"{by} lists it; the name of its unit is guessed from the service's"
            self.source.services.append(ServiceSeen(name, host, guess=guess))

    def _nova(self) -> None:
        binaries: dict[str, list[str]] = {}
        for one in self._items("compute", "/os-services", "services", "the hosts of Nova", "services.nova-compute"):
            binary, host = str(one["binary"]), str(one["host"])
            zone = one.get("zone") if binary == "nova-compute" else ""
            self._host(host, zone=str(zone or ""))
            self._service(binary, host, "Nova")
            binaries.setdefault(binary, []).append(host)
        for one in self._items("compute", "/os-hypervisors/detail", "hypervisors", "their addresses", "hosts.address"):
            host = str((one.get("service") or {}).get("host") or one["hypervisor_hostname"])
            if one.get("hypervisor_type") == "ironic":
                continue  # a node of Ironic, whose host is the nova-compute
            name, address = str(one["hypervisor_hostname"]), str(one.get("host_ip") or "")
            self._host(host, names=(name,), address="" if address.startswith("127.") else address)
        if computes := binaries.get("nova-compute"):
            self.source.groups["computes"] = computes
        controllers = [*binaries.get("nova-conductor", []), *binaries.get("nova-scheduler", [])]
        if controllers:
            self.source.groups["controllers"] = list(dict.fromkeys(controllers))
        for one in self._items("compute", "/os-aggregates", "aggregates", "groups", "groups"):
            name = re.sub(r"[\[\],\s]+", "-", str(one["name"])).strip("-")
            if one.get("hosts") and name:
                self.source.groups.setdefault(f"aggregate-{name}", [str(host) for host in one["hosts"]])

    def _neutron(self) -> None:
        for one in self._items("network", "/agents", "agents", "the hosts of Neutron", "services.neutron"):
            host = str(one.get("host") or "")
            if _HOST.fullmatch(host):
                self._host(host)
                self._service(str(one.get("binary") or ""), host, "Neutron")

    def _cinder(self) -> None:
        field = "services.cinder-volume"
        for one in self._items("block-storage", "/os-services", "services", "the hosts of Cinder", field):
            host = str(one["host"]).partition("@")[0]
            binary = str(one["binary"])
            if not _HOST.fullmatch(host):
                why = f"{binary} calls itself {one['host']}, which is no host"
                self.source.gaps.append(Gap(f"services.{binary}", why, "Add it with the hosts that it runs on."))
                continue
            if binary == "cinder-volume":
                self.joining.add(host)  # its name is often one that several share
            else:
                self._host(host)
            self._service(binary, host, "Cinder")
        pools = self._items("block-storage", "/scheduler-stats/get_pools?detail=true", "pools", "storage", "storage")
        self._storage(pools)

    def _storage(self, pools: list[dict[str, Any]]) -> None:
        shares: list[str] = []
        for one in pools:
            said = one.get("capabilities") or {}
            protocol = str(said.get("storage_protocol") or "").lower()
            pool = str(one.get("name") or "").partition("#")[2]
            if protocol == "ceph":
                notes = {"": f"Cinder has pools of Ceph ({said.get('volume_backend_name')})"}
                self.source.pieces.append(Piece("storage", "ceph", {"kind": "ceph"}, to="monitors", notes=notes))
            elif protocol == "nfs" and ":/" in pool:
                shares.append(pool)
        if shares:
            content = {"kind": "nfs", "shares": list(dict.fromkeys(shares))}
            self.source.pieces.append(Piece("storage", "nfs", content, notes={"": "pools of Cinder"}))

    def _release(self) -> None:
        try:
            nova, cinder = self.cloud.newest("compute"), self.cloud.newest("block-storage")
        except CloudError:
            nova = cinder = ()
        if found := release.guessed(nova, cinder):
            said = " and ".join(
                f"{name} {'.'.join(map(str, version))}"
                for name, version in (("Nova", nova), ("Cinder", cinder))
                if version
            )
            self.source.release = (found, f"guessed from the newest versions of the APIs, {said}")

    def _endpoints(self) -> None:
        hosts = dict.fromkeys(filter(None, (urlsplit(url).hostname for url in self._urls())))
        self.source.endpoints = tuple(hosts)

    def _urls(self) -> Iterator[str]:
        """Of all endpoints where they may be listed, else of those that this identity is given."""
        try:
            yield from (str(one["url"]) for one in self.cloud.items("identity", "/endpoints", "endpoints"))
        except CloudError:
            yield self.cloud.auth_url
            for service in SERVICES:
                try:
                    endpoint = self.cloud.endpoint(service)
                except CloudError:
                    continue  # told of where it is asked
                if endpoint is not None:
                    yield str(endpoint.url)
