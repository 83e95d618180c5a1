"""What stands on the compute hosts below Nova, and from which release on its code refuses to start over it."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from naru.errors import NaruError
from naru.releases.path import Needs, Service
from naru.site.discover.ranges import fold_names
from naru.site.model import Container
from naru.site.site import Host, Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.finding import Finding, Span

COMPUTE = "nova-compute"
LIBVIRT = ("libvirtd", "nova-libvirt", "nova_libvirt")
"""What a site calls the service that may be in a container, with what belongs to it."""
SECONDS = 60.0
VERSIONS: Mapping[str, Sequence[str]] = {
    "libvirt": ("libvirtd --version", "virtqemud --version", "virsh --version"),
    "qemu": ("qemu-system-x86_64 --version", "/usr/libexec/qemu-kvm --version", "qemu-kvm --version", "kvm --version"),
}
"""How each program says its version; the first that is there counts."""
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass
class Seen:
    """What a compute host said: Nova's driver there, "" when its configuration does not say it, and versions."""

    driver: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found on the compute hosts of the site; nothing where none of the services needs anything there."""
    needed = [(service, needs) for service in services for needs in _needed(service, span).values()]
    hosts = _hosts(site)
    if not needed or not hosts:
        return []
    seen = fleet.each(hosts, lambda remote: _look(site, remote, hosts[remote.name]))
    return [one for service, needs in needed for one in judged(service, needs, seen)]


def _needed(service: Service, span: Span) -> dict[str, list[Needs]]:
    """By program, what the releases on the way need of it, the first first."""
    found: dict[str, list[Needs]] = {}
    for need in service.needs:
        if span.passes(need.since):
            found.setdefault(need.program, []).append(need)
    return found


def _hosts(site: Site) -> dict[str, list[str]]:
    """The compute hosts, each with the configuration files of its Nova."""
    return {
        host.name: list(service.config)
        for service in site.part.services
        if service.name == COMPUTE
        for host in site.named(service.hosts)
    }


async def _look(site: Site, remote: Remote, config: Sequence[str]) -> Seen:
    prefix = _container(site, remote.host)
    lines = [f"grep -hs '^ *compute_driver *=' {shlex.join(config)} | tail -n 1"] if config else []
    for name, commands in VERSIONS.items():
        tried = " || ".join(f"{prefix}{command}" for command in commands)
        lines.append(f'echo "{name} $( ({tried}) 2>/dev/null | head -n 1)"')
    return parsed(await remote.checked("; ".join(lines), seconds=SECONDS))


def _container(site: Site, host: Host) -> str:
    """What a command is given to, where libvirt is in a container."""
    for service in site.part.services:
        if service.name in LIBVIRT and isinstance(service.managed, Container) and host in site.named(service.hosts):
            engine = service.managed.engine or "$(command -v podman || command -v docker)"
            return f"{engine} exec {shlex.quote(service.managed.container)} "
    return ""


def parsed(text: str) -> Seen:
    """What a host's lines say."""
    seen = Seen()
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        if name in VERSIONS:
            if found := _VERSION.search(rest):
                seen.versions[name] = found[0]
        elif name.startswith("compute_driver"):
            seen.driver = line.partition("=")[2].strip()
    return seen


def judged(service: Service, needs: Sequence[Needs], seen: Mapping[str, Seen | NaruError]) -> Iterator[Finding]:
    """What the hosts' versions of one program mean: hosts that say the same are one finding."""
    program, last = needs[0].program, needs[-1]
    hosts: dict[str, list[str]] = {}
    for name, one in seen.items():
        if isinstance(one, NaruError):
            hosts.setdefault("they could not be looked at", []).append(name)
        elif not one.driver or "libvirt" in one.driver.lower():
            hosts.setdefault(one.versions.get(program, "it is not found"), []).append(name)
    for said, names in sorted(hosts.items()):
        rest = (len(names), tuple(fold_names(names)))
        proof = " || ".join(VERSIONS[program])
        if not said[0].isdigit():
            what = f"{program} has to be {last.at_least} or later: {said}"
            yield Finding("unknown", service.name, last.since, COMPUTE, what, *rest, "See: naru site check", proof)
            continue
        short = next((need for need in needs if _numbers(said) < _numbers(need.at_least)), None)
        if short is None:
            what = f"{program} {said}: {last.at_least} is enough"
            yield Finding("right", service.name, last.since, COMPUTE, what, *rest, "", proof)
            continue
        what = f"{program} {said}: {short.since} needs {short.at_least}"
        what += f", and {last.since} {last.at_least}" if short != last else ""
        cure = f"Upgrade {program} there before."
        yield Finding("blocks", service.name, short.since, COMPUTE, what, *rest, cure, proof)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
