"""Where the services of a lab's clouds write what they have to say."""

from pathlib import Path

from naru.errors import InputError
from naru.lab.cloud import Cloud
from naru.lab.hosted.cloud import ROOT, HostedCloud
from naru.lab.hosts.disk import below
from naru.lab.lab import Lab


def find(lab: Lab, cloud: Cloud, service: str) -> Path:
    """The log of a service as `naru lab status` names it; on hosts a unit without its host is that of the first one
    that has it. Raises InputError naming those that there are."""
    found = _of_hosts(lab, cloud) if isinstance(cloud, HostedCloud) else _of_processes(cloud)
    log = found.get(service) or next((log for name, log in found.items() if name.partition("@")[0] == service), None)
    if log is None:
        known = ", ".join(found) or "none yet"
        raise InputError(f"{cloud.name} has no log of {service!r}", hint=f"It has: {known}.")
    return log


def _of_processes(cloud: Cloud) -> dict[str, Path]:
    return {path.stem: path for path in sorted(cloud.processes.log.glob("*.log"))}


def _of_hosts(lab: Lab, cloud: HostedCloud) -> dict[str, Path]:
    """The units' logs, read from the hosts' disks: they are there also when a host is off."""
    hosts = lab.hosts()
    return {
        f"{path.stem}@{host.name}": path
        for host in cloud.all_hosts
        for path in sorted(below(hosts.disk(host.name), ROOT / "log").glob("*.log"))
    }
