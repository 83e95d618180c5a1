"""The sources: what each reads, of which the cloud has what. The list here is all of them."""

from collections.abc import Sequence
from pathlib import Path

from naru.operate.metrics.collector import Source
from naru.operate.metrics.sources import (
    capacity,
    ceph,
    certificates,
    databases,
    files,
    hypervisors,
    migrations,
    placement,
    plans,
    power,
    queues,
    servers,
    services,
)
from naru.operate.metrics.sources.known import Known


def of_cloud(known: Known) -> list[Source]:
    """Those that ask the cloud's APIs."""
    return [
        Source("services", 30.0, services.Reading(known)),
        Source("hypervisors", 60.0, hypervisors.Reading(known)),
        Source("servers", 60.0, servers.Reading(known)),
        Source("migrations", 60.0, migrations.Reading(known)),
        Source("placement", 60.0, placement.Reading(known)),
        Source("pools", 300.0, capacity.Pools(known)),
        Source("networks", 600.0, capacity.Networks(known)),
        Source("certificates", 3600.0, certificates.Reading(known)),
    ]


def of_site(known: Known) -> list[Source]:
    """Those that ask hosts of the site."""
    return [
        Source("databases", 30.0, databases.Reading(known)),
        Source("queues", 30.0, queues.Reading(known)),
        Source("ceph", 60.0, ceph.Reading(known)),
        Source("power", 600.0, power.Reading(known)),
    ]


def of_this_machine(directories: Sequence[Path], newest: Sequence[tuple[str, str]]) -> list[Source]:
    """Those that look at files here: work directories, and patterns of files by name."""
    return [
        Source("plans", 30.0, plans.Reading(directories)),
        Source("files", 300.0, files.Reading(newest)),
    ]
