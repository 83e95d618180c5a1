"""What a record has when hosts are left out that do not come back."""

from collections.abc import Collection, Mapping
from typing import Any

from naru.operate.cluster.reading import Reading
from naru.operate.compute import HOST
from naru.site.hostnames import named
from naru.site.site import Site


def without(record: Reading, lost: Collection[str]) -> Reading:
    """The record without what was on hosts that are lost: their services, members, nodes, records and servers. Of Ceph
    all stays, but how many OSDs were up."""
    if not lost:
        return record
    cloud = record["cloud"]
    return {
        **record,
        "hosts": {host: one for host, one in record["hosts"].items() if not named(host, lost)},
        "services": {id: one for id, one in record["services"].items() if not named(host_of(id), lost)},
        "databases": {name: _database(one, lost) for name, one in record["databases"].items()},
        "queues": {name: _queue(one, lost) for name, one in record["queues"].items()},
        "ceph": {name: {key: one[key] for key in one if key != "up"} for name, one in record["ceph"].items()},
        "cloud": _cloud(cloud, lost) if cloud and "error" not in cloud else cloud,
    }


def host_of(record: str) -> str:
    """The host of a service or its record, as BINARY@HOST: of Cinder's volume services it has the backend's name
    behind it; so has a node of a queue."""
    return record.partition("@")[2].partition("@")[0]


def has_osds(site: Site, ceph: str, lost: Collection[str]) -> bool:
    """Whether hosts that are lost had OSDs of a Ceph cluster."""
    return any(
        host.name in lost
        for one in site.content.storage
        if one.kind == "ceph" and one.name == ceph
        for host in site.named(one.osds)
    )


def _database(database: Mapping[str, Any], lost: Collection[str]) -> dict[str, Any]:
    members = {host: one for host, one in database["members"].items() if not named(host, lost)}
    fewer = len(database["members"]) - len(members)
    sized = {host: {**one, "size": one["size"] - fewer} if "size" in one else one for host, one in members.items()}
    return {**database, "members": sized}


def _queue(queue: Mapping[str, Any], lost: Collection[str]) -> dict[str, Any]:
    nodes = queue.get("nodes", {})
    return {**queue, "nodes": {name: runs for name, runs in nodes.items() if not named(host_of(name), lost)}}


def _cloud(cloud: Mapping[str, Any], lost: Collection[str]) -> dict[str, Any]:
    return {
        **cloud,
        "services": {id: one for id, one in cloud["services"].items() if not named(host_of(id), lost)},
        "servers": [one for one in cloud["servers"] if not named(str(one.get(HOST) or ""), lost)],
    }
