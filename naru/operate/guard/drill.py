"""All that an evacuation of a host would need, tried while it lives; nothing is changed."""

from collections.abc import Iterator

from naru.cloud.client import Cloud
from naru.errors import InputError, NaruError
from naru.messages import say
from naru.operate import compute
from naru.operate.drain.facts import Facts
from naru.operate.drain.guests import ABSENT, AUTOSTART, NO_LIBVIRT
from naru.operate.drain.reading import read
from naru.operate.drain.room import place
from naru.operate.evacuate.fencing import power_of
from naru.operate.evacuate.rules import decide
from naru.operate.guard.state import Directory
from naru.site import power
from naru.site.hostnames import host_of
from naru.site.site import Host, Site
from naru.site.ssh import Fleet
from naru.text import count

RIGHT, WRONG, NOTE = "right", "wrong", "note"
Row = tuple[str, str, str]


def drill(cloud: Cloud, site: Site, directory: Directory, name: str, *, shared: bool) -> list[Row]:
    """What was tried, whether it is right, and why. Raises InputError for a host that Nova does not have."""
    service = compute.service(cloud, name)
    if service is None:
        raise InputError(f"{cloud.name}: no compute service is on a host {name!r}")
    return [
        *_record(cloud, service),
        *_fence(site, directory, name),
        *_heard(directory, name),
        *_autostart(site, name),
        *_servers(cloud, name, shared),
    ]


def _record(cloud: Cloud, service: compute.Item) -> Iterator[Row]:
    can = cloud.supports("compute", "2.11")
    yield "Nova can be told", RIGHT if can else WRONG, "" if can else "it has no microversion 2.11"
    up = service["state"] == "up" and service["status"] == "enabled"
    yield "it is up", RIGHT if up else NOTE, f"{service['state']}, {service['status']}"


def _fence(site: Site, directory: Directory, name: str) -> Iterator[Row]:
    host = host_of(site, name)
    if host is None or host.power is None:
        yield "its power controller", WRONG, f"{site.file} has none of it: only a human can say that it is off"
        return
    own = _uuid(site, host)
    said = power_of(site, host, own)
    yield "its power controller answers", RIGHT if said.state in ("on", "off") else WRONG, f"{said.state} {said.why}"
    if said.state not in ("on", "off"):
        return
    yield "it says on", RIGHT if said.state == "on" else WRONG, said.state
    yield "it is the host's own", RIGHT if said.identified else WRONG, said.why
    if said.state == "on" and said.identified and name in directory.load().liars:
        directory.believe(name)
        yield "it is believed again", NOTE, "it has said off while the host lived, and says on now"
    if own and said.uuid and power.same_uuid(own, said.uuid):
        directory.identify(host.name, own)
        yield "its UUID", RIGHT, f"{own}: kept"
    else:
        yield "its UUID", NOTE, f"the host says {own or 'none'}, its controller {said.uuid or 'none'}: told by its name"


def _uuid(site: Site, host: Host) -> str:
    """The UUID that the host itself has; "" where it does not say it."""
    with Fleet(site) as fleet:
        try:
            ran = fleet.run(host.name, "cat /sys/class/dmi/id/product_uuid", seconds=10.0)
        except NaruError:
            return ""
    return ran.out.strip() if ran.code == 0 else ""


def _heard(directory: Directory, name: str) -> Iterator[Row]:
    seen = {source for host, source in directory.load().seen if host == name}
    is_heard = "heartbeat" in seen
    yield "its heartbeat is heard", RIGHT if is_heard else WRONG, ", ".join(sorted(seen)) or "nothing ever was"


def _autostart(site: Site, name: str) -> Iterator[Row]:
    """Guests that libvirt would start when the host comes back, before Nova has said which are elsewhere by then."""
    what, host = "libvirt starts no guest by itself", host_of(site, name)
    if host is None:
        return
    with Fleet(site) as fleet:
        try:
            ran = fleet.run(host.name, AUTOSTART, seconds=20.0)
        except NaruError as error:
            yield what, NOTE, f"not asked: {error.summary}"
            return
    if ran.code:
        why = NO_LIBVIRT if ran.code == ABSENT else f"libvirt does not answer: {ran.errors.strip()}"
        yield what, NOTE, why
        return
    found = ran.out.split()
    why = f"{', '.join(found)}: virsh autostart --disable" if found else ""
    yield what, WRONG if found else RIGHT, why


def _servers(cloud: Cloud, name: str, shared: bool) -> Iterator[Row]:
    facts = Facts(read(cloud, name, 0.0, lambda what: None))
    decisions = decide(facts, {}, shared)
    going = [one.server for one in decisions if one.action == "evacuate"]
    yield "its servers", NOTE, f"{count(len(decisions), 'server')}, {len(going)} would be evacuated"
    for one in decisions:
        if one.action != "evacuate":
            yield f"server {one.server.name}", NOTE, f"{one.action}: {say(one.why)}"
    for identity, found in place(going, facts.targets).items():
        if not found.host:
            server = next(one for one in going if one.id == identity)
            yield f"server {server.name}", WRONG, say(found.why)
