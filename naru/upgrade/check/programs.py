"""Versions of what is under OpenStack, and from which release on its code does not work with them."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from naru.errors import NaruError
from naru.releases.path import Needs, Service
from naru.releases.programs import ALL, Program, Removed, programs
from naru.site.database import asked_anywhere
from naru.site.discover.ranges import fold_names
from naru.site.model import Ceph, Container
from naru.site.site import Host, Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check.rows import asker
from naru.upgrade.finding import Finding, Span, State

SECONDS = 60.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_OPTION = re.compile(r"\s*(\w+)\s*[=:](.*)")
"""As oslo.config reads one."""

Said = Mapping[str, str | NaruError]
"""By host or server the version that it says, "" where it says none, UNREAD, or why it could not be asked."""
UNREAD = "its configuration is not known, by which it may be needed"
RABBITMQ = "rabbitmq"
READ = "configuration"
"""What a host says that could read all of its configuration files."""


@dataclass
class Seen:
    """What a host said: options of configuration files, those that it has, and versions by program; whether it could
    read all the files, of which there is one at least."""

    options: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    is_read: bool = False


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found on the hosts, the database servers and the Ceph clusters of the site; nothing is asked of which
    none of the services needs anything."""
    wanted = {name: program for name, program in programs().items() if list(needed(program, span, services))}
    said = _on_hosts(site, fleet, [program for program in wanted.values() if program.services])
    if {"mariadb", "mysql"} & wanted.keys():
        said |= _databases(site, fleet)
    if "ceph" in wanted:
        said["ceph"] = _ceph(site, fleet)
    return [
        finding
        for name, program in wanted.items()
        for service, needs in needed(program, span, services)
        for finding in judged(service, program, needs, said.get(name, {}))
    ]


def needed(program: Program, span: Span, services: Sequence[Service]) -> Iterator[tuple[str, list[Needs]]]:
    """What the releases on the way need of a program, by service, the first first; each strength of it by itself."""
    for service, all_needs in [(ALL, program.needs), *((service.name, service.needs) for service in services)]:
        found: dict[tuple[str, bool], list[Needs]] = {}
        for need in all_needs:
            if need.program == program.name and span.passes(need.since):
                found.setdefault((need.setting, need.published), []).append(need)
        for needs in found.values():
            yield service, needs


def _on_hosts(site: Site, fleet: Fleet, wanted: Sequence[Program]) -> dict[str, Said]:
    """By program what the hosts say that are to have it; each host is asked once."""
    hosts: dict[str, list[Program]] = {}
    config: dict[str, list[str]] = {}
    for line in site.part.services:
        for program in (one for one in wanted if line.name in one.services):
            for host in site.named(line.hosts):
                hosts.setdefault(host.name, [])
                if program not in hosts[host.name]:
                    hosts[host.name].append(program)
                config.setdefault(host.name, []).extend(line.config if program.only else ())

    async def look(remote: Remote) -> Seen:
        line = script(site, remote.host, hosts[remote.name], config[remote.name])
        return parsed(await remote.checked(line, seconds=SECONDS))

    found: dict[str, dict[str, str | NaruError]] = {}
    for name, seen in fleet.each(hosts, look).items():
        for program in hosts[name]:
            if isinstance(seen, NaruError):
                found.setdefault(program.name, {})[name] = seen
            elif (is_wanted := is_meant(program, seen)) is None:
                found.setdefault(program.name, {})[name] = UNREAD
            elif is_wanted:
                found.setdefault(program.name, {})[name] = seen.versions.get(program.name, "")
    return dict(found)


def script(site: Site, host: Host, wanted: Sequence[Program], config: Iterable[str]) -> str:
    """What a host is asked by, for `parsed`: nothing of its configuration files but the options that matter."""
    files, lines = list(dict.fromkeys(config)), []
    if files:
        lines.append(" && ".join([*(f"[ -r {shlex.quote(file)} ]" for file in files), f"echo {READ}"]))
    for option in dict.fromkeys(program.only.option for program in wanted if program.only and files):
        lines.append(f"grep -hs '^[[:blank:]]*{option}[[:blank:]]*[=:]' {shlex.join(files)} | tail -n 1")
    for program in wanted:
        prefix = _container(site, host, program.inside or program.services)
        tried = " || ".join(f"{prefix}{command}" for command in program.commands)
        lines.append(f'echo "{program.name} $( ({tried}) 2>/dev/null | head -n 1)"')
    return "; ".join(lines)


def _container(site: Site, host: Host, services: Sequence[str]) -> str:
    """What a command is given to, where one of the services is in a container."""
    for service in site.part.services:
        if service.name in services and isinstance(service.managed, Container) and host in site.named(service.hosts):
            engine = service.managed.engine or "$(command -v podman || command -v docker)"
            return f"{engine} exec {shlex.quote(service.managed.container)} "
    return ""


def parsed(text: str) -> Seen:
    """What a host's lines say."""
    seen = Seen()
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        if name in programs():
            if version := version_of(rest):
                seen.versions[name] = version
        elif name == READ:
            seen.is_read = True
        elif found := _OPTION.match(line):
            seen.options[found[1]] = found[2].strip()
    return seen


def is_meant(program: Program, seen: Seen) -> bool | None:
    """Whether the host is to have the program, by its configuration; None where that may say so and was not read."""
    only = program.only
    if only is None:
        return True
    value = seen.options.get(only.option)
    if value:
        return bool(re.fullmatch(only.value, value))
    return only.unsaid or (False if seen.is_read else None)


def _databases(site: Site, fleet: Fleet) -> dict[str, Said]:
    """By program what the site's database servers say."""
    found: dict[str, dict[str, str]] = {}
    for database in site.part.databases:
        version = asked_anywhere(site, fleet, database, lambda one: asker(one, SECONDS)("SELECT VERSION()")[0])
        found.setdefault(server(version), {})[database.name] = version_of(version)
    return dict(found)


def server(version: str) -> str:
    """Which program a database server is, by what it says of its version."""
    return "mariadb" if "mariadb" in version.lower() else "mysql"


def version_of(text: str) -> str:
    """The first version in a text; "" without one."""
    found = _VERSION.search(text)
    return found[0] if found else ""


def _ceph(site: Site, fleet: Fleet) -> Said:
    """What the Ceph clusters of the site say, each by the first of its monitors that answers: of all daemons the oldest
    version."""
    found: dict[str, str | NaruError] = {}
    for storage in site.part.storage:
        if isinstance(storage, Ceph):
            command = ["ceph", "--cluster", storage.cluster, "--name", f"client.{storage.client}"]
            command += ["--connect-timeout", "10", "versions"]
            for host in site.named(storage.monitors):
                try:
                    found[storage.name] = oldest(fleet.call(fleet.remote(host.name).checked(command, seconds=SECONDS)))
                    break
                except NaruError as error:
                    found[storage.name] = error
    return found


def oldest(text: str) -> str:
    """The oldest version in what `ceph versions` says, "" without one."""
    found = re.findall(r"ceph version (\d+(?:\.\d+)+)", text)
    return min(found, key=numbers, default="")


def judged(service: str, program: Program, needs: Sequence[Needs], said: Said) -> Iterator[Finding]:
    """What the versions of a program mean: hosts or servers that say the same are one finding."""
    last, hosts = needs[-1], dict[str, list[str]]()
    for name, version in said.items():
        if isinstance(version, NaruError):
            # hosts that say nothing are one finding, each server is its own
            version = "they could not be looked at" if program.services else version.summary
        hosts.setdefault(version or "it is not found", []).append(name)
    where = ", ".join(program.services) or program.name
    proof = " || ".join(program.commands)
    of = f" for {last.setting}" if last.setting else ""
    for version, names in sorted(hosts.items()):
        rest = (len(names), tuple(fold_names(names)))
        if not _VERSION.fullmatch(version):
            what = f"{program.name} has to be {last.at_least} or later{of}: {version}"
            cure = (
                "Name all files in config: of the service in the site." if version == UNREAD else "See: naru site check"
            )
            yield Finding("unknown", service, last.since, where, what, *rest, cure, proof)
            continue
        short = next((need for need in needs if numbers(version) < numbers(need.at_least)), None)
        if short is None:
            what = f"{program.name} {version}: {last.at_least} is enough{of}"
            yield Finding("right", service, last.since, where, what, *rest, "", proof)
            continue
        verb = "is only said to work with" if last.published else "needs"
        what = f"{program.name} {version}: {short.since} {verb} {short.at_least}{of}"
        what += f", and {last.since} {last.at_least}" if short != last else ""
        yield Finding(_state(short), service, short.since, where, what, *rest, _cure(program, short), proof)


def removed(program: str, version: str) -> list[Removed]:
    """What a program of that version no longer has."""
    return [one for one in programs()[program].removed if numbers(version) >= numbers(one.since)]


def _state(short: Needs) -> State:
    """What it means that a program is too old."""
    if short.published:
        return "unknown"
    return "on the way" if short.setting else "blocks"


def _cure(program: Program, short: Needs) -> str:
    if short.setting:
        return f"Leave {short.setting} out of the new configuration, or upgrade {program.name} before."
    return f"Upgrade {program.name} there before."


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare by."""
    return tuple(int(part) for part in version.split("."))
