"""Reading a cloud through openstacksdk: every kind's list at once, all projects, as rows."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import EndpointNotFound
from openstack.connection import Connection
from openstack.exceptions import NotFoundException


@dataclass(frozen=True)
class Row:
    """One thing of a cloud. `project` is its owner's id, empty for what belongs to no project."""

    kind: str
    id: str
    name: str
    project: str
    status: str


def _identity(cloud: Connection) -> Any:
    """The Keystone v3 proxy; the SDK's type still allows for v2, which no cloud here has."""
    return cloud.identity


# what is listed and how; Pike's image API refuses visibility=all, so public and private come by the plain list
KINDS: dict[str, Callable[[Connection], Iterable[Any]]] = {
    "project": lambda cloud: _identity(cloud).projects(),
    "user": lambda cloud: _identity(cloud).users(),
    "group": lambda cloud: _identity(cloud).groups(),
    "role": lambda cloud: _identity(cloud).roles(),
    "flavor": lambda cloud: cloud.compute.flavors(is_public=None),
    "server": lambda cloud: cloud.compute.servers(all_projects=True),
    "server group": lambda cloud: cloud.compute.server_groups(all_projects=True),
    "image": lambda cloud: cloud.image.images(),
    "volume type": lambda cloud: cloud.block_storage.types(),
    "volume": lambda cloud: cloud.block_storage.volumes(all_projects=True),
    "snapshot": lambda cloud: cloud.block_storage.snapshots(all_projects=True),
    "backup": lambda cloud: cloud.block_storage.backups(all_projects=True),
    "network": lambda cloud: cloud.network.networks(),
    "subnet": lambda cloud: cloud.network.subnets(),
    "subnet pool": lambda cloud: cloud.network.subnet_pools(),
    "port": lambda cloud: cloud.network.ports(),
    "router": lambda cloud: cloud.network.routers(),
    "trunk": lambda cloud: cloud.network.trunks(),
    "floating ip": lambda cloud: cloud.network.ips(),
    "security group": lambda cloud: cloud.network.security_groups(),
    "QoS policy": lambda cloud: cloud.network.qos_policies(),
    "address scope": lambda cloud: cloud.network.address_scopes(),
    "address group": lambda cloud: cloud.network.address_groups(),
}


def read(cloud: Connection, workers: int = 6) -> dict[str, list[Row] | None]:
    """All rows by kind, as the administrator `cloud` sees them; None for a kind that this cloud does not have.

    Up to `workers` lists are read at a time.
    """
    with ThreadPoolExecutor(workers) as pool:
        jobs = {kind: pool.submit(_read_kind, cloud, kind) for kind in KINDS}
        return {kind: job.result() for kind, job in jobs.items()}


def _read_kind(cloud: Connection, kind: str) -> list[Row] | None:
    try:
        return [_row(kind, found) for found in KINDS[kind](cloud)]
    except (NotFoundException, EndpointNotFound):  # an extension or a service that this cloud does not have
        return None


def _row(kind: str, found: Any) -> Row:
    return Row(
        kind=kind,
        id=str(found.id),
        name=str(found.name or ""),
        project=str(getattr(found, "project_id", None) or ""),
        status=str(getattr(found, "status", None) or ""),
    )
