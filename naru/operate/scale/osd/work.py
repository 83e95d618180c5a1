"""What OSDs that are added were planned with, and where their steps reach hosts."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from naru.errors import NaruError
from naru.operate.ceph import Cluster
from naru.plan.arguments import Arguments
from naru.plan.model import COMMANDS
from naru.site import site as sites
from naru.site.model import Ceph
from naru.site.site import Site
from naru.site.ssh import Fleet

KIND = "osds"
_fleets: dict[tuple[int, str, int, str, int], Fleet] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Settings:
    """What a growth was planned with: the site's file, the Ceph cluster by its name there, what that is `deployed_by`,
    the hosts with their addresses ("" for none, and for those that the site has already), their disks, the OSD host
    that new ones are to be like ("" where none is new), the number of steps in which data moves, the device class (""
    for what Ceph finds), where in CRUSH the hosts belong, the orchestrator's labels for them; and for ceph-ansible its
    directory, its playbook and the inventory.

    `backfills` bounds what an OSD takes and gives at a time; `every` are the seconds between two looks while data
    moves, `patience` those that clients may suffer before a step fails."""

    site: str
    storage: str
    deployed_by: str
    hosts: Mapping[str, str]
    disks: Mapping[str, list[str]]
    like: str = ""
    steps: int = 5
    device_class: str = ""
    location: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    disk: tuple[str, ...] = ()
    """The disks as they were named."""
    directory: str = ""
    playbook: str = ""
    inventory: str = ""
    backfills: int = 1
    every: float = 10.0
    patience: float = 1800.0

    def dump(self) -> dict[str, Any]:
        """As a plan's settings."""
        given = {**vars(self), "hosts": dict(self.hosts), "disks": dict(self.disks), "location": dict(self.location)}
        return {COMMANDS: "naru scale", "grows": KIND, **given, "labels": list(self.labels), "disk": list(self.disk)}


class OfCeph(Arguments):
    """The Ceph cluster `storage` of the file `site`; `grown` is that file with the hosts that are added. `known` are
    the OSDs that the `hosts` had when it was planned; `disks` are those that come, by host."""

    site: str
    grown: str
    storage: str
    hosts: list[str]
    known: list[int]
    disks: dict[str, list[str]]


class Place:
    """The hosts and the Ceph cluster of a step's arguments."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self.args = args
        self.fleet = _fleet(args["site"], args["grown"], args["hosts"])
        self.site = self.fleet.site
        self.storage = storage_of(self.site, args["storage"])
        self.ceph = Cluster(self.site, self.fleet, self.storage)

    def ours(self) -> dict[str, list[int]]:
        """The OSDs that each host has got since this was planned."""
        known = set(self.args["known"])
        return {host: sorted(set(found) - known) for host, found in self.ceph.osds_of(self.args["hosts"]).items()}

    def every(self) -> list[int]:
        """The OSDs that all hosts have got."""
        return sorted(number for found in self.ours().values() for number in found)


def storage_of(site: Site, name: str) -> Ceph:
    """The site's Ceph cluster of that name. Raises NaruError."""
    found = next((one for one in site.part.storage if isinstance(one, Ceph) and one.name == name), None)
    if found is None:
        raise NaruError(f"{site.file}: storage: there is no Ceph {name!r} any more")
    return found


def _fleet(site: str, grown: str, hosts: list[str]) -> Fleet:
    """The hosts of the site, or of the grown one as long as the site's own file lacks some; connected to once, and anew
    when a file has changed."""
    key = (os.getpid(), site, _changed(site), grown, _changed(grown))
    with _lock:
        if key not in _fleets:
            found = sites.load(Path(site))
            if not set(hosts) <= found.hosts.keys():
                # what its login names is beside the site's own file
                found = sites.parse(yaml.safe_load(Path(grown).read_text()), Path(site))
            _fleets[key] = Fleet(found)
        return _fleets[key]


def _changed(file: str) -> int:
    return Path(file).stat().st_mtime_ns if Path(file).exists() else 0
