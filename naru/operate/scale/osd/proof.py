"""Whether new OSDs are what they are to be, and their hosts in the cluster's networks."""

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from naru.errors import NaruError
from naru.operate.ceph import bucket
from naru.operate.scale.osd import prechecks, state, weights
from naru.operate.scale.osd import says as msg
from naru.operate.scale.osd.hosts import Look
from naru.operate.scale.osd.work import Place
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.model import Finding
from naru.site.ssh import Lost, Unreachable

HEADERS = {4: 28, 6: 48}
"""Bytes of the headers of IP and ICMP, which come to what ping sends."""


def networks_of(place: Place, like: str, look: Any) -> dict[str, Any]:
    """The cluster's networks, by what the like host's OSDs say, and by its interfaces."""
    numbers = sorted(place.ceph.osds(like))
    if not numbers or not isinstance(look, Look):
        return {}
    return prechecks.networks(look, place.ceph.ask("osd", "metadata", str(numbers[0])))


def paths(place: Place, host: str, look: Look, wanted: prechecks.Networks) -> Iterator[Finding]:
    """Packets of full size that do not go whole from a host to the like one."""
    for name, like in wanted.items():
        mine = next((one for one in look.interfaces if one.network == like.network), None)
        if mine is None or mine.address == like.address:
            continue
        size = str(like.mtu - HEADERS[ipaddress.ip_address(like.address).version])
        argv = ["ping", "-M", "do", "-c", "3", "-i", "0.2", "-W", "2", "-s", size, like.address]
        try:
            ran = place.fleet.call(place.fleet.remote(host).run(argv, seconds=30))
        except (Unreachable, Lost):
            continue  # said of the host already
        if ran.code:
            told = msg.PATH(mtu=like.mtu, host=host, address=like.address, name=name)
            yield Finding("error", told, detail=ran.out.strip()[-300:] or ran.errors.strip()[-300:], about=host)


def problems(context: Context, place: Place, host: str, device_class: str, location: Mapping[str, str]) -> list[str]:
    """What of a host's new OSDs is not as it is to be, in words. Those that have a weight by now lose it, and one that
    CRUSH has elsewhere is moved."""
    ceph = place.ceph
    new = place.ours()
    ours = new[host]
    wanted = len(place.args["disks"][host])
    if len(ours) != wanted:
        return [f"{host} has {len(ours)} new OSDs of {wanted}"]
    every_new = {number for found in new.values() for number in found}
    said = []
    every = state.osds(ceph)
    if heavy := {number: 0.0 for number in ours if every[number].weight > 0}:
        context.log(f"ceph osd crush reweight of {sorted(heavy)} to 0")
        weights.put(ceph, heavy)
    up = {one["osd"]: bool(one["up"]) for one in ceph.ask("osd", "dump")["osds"]}
    metadata = {int(one["id"]): one for one in ceph.ask("osd", "metadata")}
    others = Counter(
        str(one.get("ceph_version_short", "")) for number, one in metadata.items() if number not in every_new
    )
    (version, _), *_ = others.most_common(1) or [("", 0)]
    tree = ceph.ask("osd", "tree")["nodes"]
    for number in ours:
        one = every[number]
        if not up.get(number):
            said.append(f"osd.{number} is down")
        if one.reweight <= 0:
            said.append(f"osd.{number} is out")
        mine = str(metadata.get(number, {}).get("ceph_version_short", ""))
        if version and mine and mine != version:
            said.append(f"osd.{number} is of version {mine}, the others of {version}")
        if device_class and one.device_class != device_class:
            said.append(f"osd.{number} is of class {one.device_class or 'none'}, not {device_class}")
        there = state.location(tree, number)
        if not there.get("root"):
            said.append(f"osd.{number} is nowhere in CRUSH")
        elif any(there.get(kind) != name for kind, name in location.items()):
            _move(context, place, there.get("host", bucket(host)), location)
            said.append(f"osd.{number} is at {_words(there)}, not at {_words(location)}")
    return said


def _move(context: Context, place: Place, host: str, location: Mapping[str, str]) -> None:
    """Puts a host's bucket where it belongs. Raises NaruError for one that has data: that would move all at once."""
    nodes = place.ceph.ask("osd", "tree")["nodes"]
    mine = [one for one in nodes if one["type"] == "host" and one["name"] == host]
    children = [child for one in mine for child in one.get("children", [])]
    every = state.osds(place.ceph)
    if any(every[number].weight > 0 for number in children if number in every):
        raise NaruError(
            f"{host} is not at {_words(location)} in CRUSH, and has OSDs with data",
            hint="Move it by hand at a quiet time (ceph osd crush move), or plan without --location.",
        )
    known = {(one["type"], one["name"]) for one in nodes}
    if missing := [f"{kind} {name}" for kind, name in location.items() if (kind, name) not in known]:
        raise NaruError(
            f"CRUSH has no {', '.join(missing)}",
            hint="Make it where it belongs: ceph osd crush add-bucket, move.",
        )
    words = ["osd", "crush", "move", host, *(f"{kind}={name}" for kind, name in location.items())]
    context.log(f"ceph {' '.join(words)}")
    ran = place.ceph.run(*words)
    if ran.code:
        raise Transient(f"{host} cannot be moved in CRUSH", detail=ran.errors.strip()[-500:])


def _words(location: Mapping[str, str]) -> str:
    return ", ".join(f"{kind}={name}" for kind, name in location.items())
