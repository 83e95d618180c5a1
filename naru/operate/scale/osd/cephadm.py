"""OSDs made by cephadm's orchestrator: what it is told, and what of its own services is in the way."""

import fnmatch
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from naru.errors import NaruError
from naru.messages import Text
from naru.operate.ceph import Cluster
from naru.operate.scale.osd import says as msg
from naru.operate.scale.osd.hosts import Look
from naru.operate.scale.osd.quiet import UNKNOWN
from naru.plan.errors import Transient
from naru.plan.model import Finding

PREFIX = "naru"
Spec = dict[str, Any]


def osd_specs(plan: str, disks: Mapping[str, Sequence[str]], device_class: str, *, unmanaged: bool) -> list[Spec]:
    """The services that make the OSDs: one for all hosts with the same disks, and for these disks alone. Unmanaged it
    makes no new ones, as of a disk that is erased later."""
    by_disks: dict[tuple[str, ...], list[str]] = {}
    for host, paths in disks.items():
        by_disks.setdefault(tuple(paths), []).append(host)
    made = []
    for number, (paths, hosts) in enumerate(by_disks.items(), 1):
        spec: Spec = {"data_devices": {"paths": list(paths)}}
        if device_class:
            spec["crush_device_class"] = device_class
        service: Spec = {
            "service_type": "osd",
            "service_id": f"{PREFIX}-{plan[:8]}-{number}",
            "placement": {"hosts": hosts},
            "spec": spec,
        }
        made.append({**service, "unmanaged": True} if unmanaged else service)
    return made


def host_spec(host: str, address: str, labels: Sequence[str], location: Mapping[str, str]) -> Spec:
    """A new host. Where it belongs in CRUSH counts only when it is added for the first time."""
    spec: Spec = {"service_type": "host", "hostname": host, "addr": address}
    if labels:
        spec["labels"] = list(labels)
    if location:
        spec["location"] = dict(location)
    return spec


def text(specs: Iterable[Spec]) -> str:
    """Specifications as a file has them."""
    return yaml.safe_dump_all(specs, sort_keys=False, explicit_start=True)


def in_the_way(services: Iterable[Spec], hosts: Collection[str], labels: Collection[str]) -> Iterator[Finding]:
    """What of `ceph orch ls --export` takes disks of the hosts by itself, or comes with a label."""
    for one in services:
        name = str(one.get("service_name") or f"{one['service_type']}.{one.get('service_id', '')}")
        placement = one.get("placement") or {}
        if one["service_type"] == "osd":
            if one.get("unmanaged") or str(one.get("service_id", "")).startswith(f"{PREFIX}-"):
                continue
            for host in hosts:
                if _is_on(placement, host, labels):
                    told: Text = msg.SERVICE(name=name, host=host)
                    yield Finding("error", told, hint=msg.SERVICE_HINT(), about=name)
        elif (label := placement.get("label")) in labels and not one.get("unmanaged"):
            yield Finding("warning", msg.LABEL(label=label, name=name), about=name)


def _is_on(placement: Mapping[str, Any], host: str, labels: Collection[str]) -> bool:
    if named := placement.get("hosts"):
        return host in [one["hostname"] if isinstance(one, dict) else str(one).partition(":")[0] for one in named]
    if label := placement.get("label"):
        return label in labels
    pattern = placement.get("host_pattern")
    if isinstance(pattern, dict):  # of Squid on, also as a regular expression: taken for one that fits
        return pattern.get("pattern_type") == "regex" or fnmatch.fnmatch(host, str(pattern.get("pattern")))
    return pattern is None or fnmatch.fnmatch(host, pattern)


def exported(ceph: Cluster) -> list[Spec]:
    """The orchestrator's services. Raises NaruError where there is no orchestrator."""
    ran = ceph.run("orch", "ls", "--export")
    if ran.code in UNKNOWN or ran.code == 2:
        raise NaruError(
            "Ceph has no orchestrator",
            detail=ran.errors.strip()[-500:],
            hint="Is it deployed by cephadm? See ceph orch status, and storage[].deployed_by of the site.",
        )
    if ran.code:
        raise Transient("the orchestrator does not say its services", detail=ran.errors.strip()[-500:])
    try:
        found = json.loads(ran.out)
    except ValueError:  # "No services reported", whatever form was asked for
        return []
    return list(found) if isinstance(found, list) else [found]


def hosts(ceph: Cluster) -> dict[str, Spec]:
    """The orchestrator's hosts by name."""
    return {str(one["hostname"]): one for one in ceph.ask("orch", "host", "ls")}


def preview(ceph: Cluster, specs: Sequence[Spec]) -> str:
    """What the orchestrator says that it would do. Never of a host: Pacific adds that in spite of --dry-run."""
    assert all(one["service_type"] == "osd" for one in specs)
    ran = ceph.run("orch", "apply", "-i", "-", "--dry-run", given=text(specs).encode())
    if ran.code:
        raise Transient("the orchestrator refuses the specification", detail=ran.errors.strip()[-1000:])
    return ran.out.strip()


def apply(ceph: Cluster, specs: Sequence[Spec]) -> None:
    """Tells the orchestrator. Raises NaruError with what it says."""
    ran = ceph.run("orch", "apply", "-i", "-", given=text(specs).encode())
    if ran.code:
        raise NaruError(
            "the orchestrator refuses the specification",
            detail=f"{ran.errors.strip()[-1000:]}\n{text(specs)}",
            hint="Cure what it says, and give the command again.",
        )


def unavailable(ceph: Cluster, look: Look, host: str, paths: Collection[str]) -> list[str]:
    """Which of the disks the orchestrator does not take, and why."""
    listed = ceph.ask("orch", "device", "ls", host, "--refresh")
    known = {one["path"]: one for found in listed for one in found.get("devices", ())}
    said = []
    for path in paths:
        disk = look.disks.get(path)
        one = known.get(path) or (known.get(disk.real) if disk else None)
        if one is None:
            said.append(f"{host}: {path}: not seen yet")
        elif not one.get("available"):
            said.append(f"{host}: {path}: {', '.join(one.get('rejected_reasons', [])) or 'not available'}")
    return said
