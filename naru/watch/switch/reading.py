"""The configuration of a site's services on their hosts, and what is to be changed of it so that they send
notifications.

What is read holds passwords. It stays in memory and in the work directory's files, which are their owner's alone.
"""

import hashlib
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from naru.errors import InputError, NaruError
from naru.site.model import Service
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.watch.notifications.address import SECTION
from naru.watch.switch.ini import changed, value_of, values_of

PROGRAMS = (
    *("keystone", "glance-api", "cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup"),
    *("neutron-server", "neutron-api", "neutron-rpc-server"),
    *("nova-conductor", "nova-scheduler", "nova-api", "nova-compute"),
)
"""Who sends notifications, in the order in which they are started anew."""
FORMATS = ("both", "versioned", "unversioned")
RETRY = "3"
"""Tries at a message queue that is away. By default there is no end of them, and what was asked of an API waits."""
_SECONDS = 60.0
_SENDS = ("messagingv2", "messaging")


@dataclass(frozen=True)
class Config:
    """The file of a host that is changed, for the services that have it: as it is and as it will be."""

    host: str
    path: str
    services: tuple[Service, ...]
    before: str = field(repr=False)
    after: str = field(repr=False)

    @property
    def options(self) -> list[str]:
        """What is changed, as SECTION/OPTION."""
        return [f"{section}/{key}" for section, key in _differing(self.before, self.after)]


@dataclass(frozen=True)
class Seen:
    """What was read: files to be changed, `on` what sends already, as HOST: PROGRAM, `unknown` programs of which the
    site names no configuration, and `failed` hosts with the reason why they were not read."""

    configs: tuple[Config, ...]
    on: tuple[str, ...]
    unknown: tuple[str, ...]
    failed: Mapping[str, str]


def services_of(site: Site, only: Collection[str]) -> list[Service]:
    """The services that send notifications, all or those of some names. Raises InputError for a name that the site does
    not have, or that sends none."""
    found = [one for name in PROGRAMS for one in site.part.services if one.name == name]
    if wrong := sorted(set(only) - {one.name for one in found}):
        raise InputError(
            f"--service {wrong[0]}: {site.file} has no such service that sends notifications",
            hint=f"These it has: {', '.join(dict.fromkeys(one.name for one in found)) or 'none'}.",
        )
    return [one for one in found if not only or one.name in only]


def read(site: Site, fleet: Fleet, only: Collection[str], format_: str) -> Seen:
    """What is to be changed, all hosts being read at once. Raises InputError."""
    services = services_of(site, only)
    files: dict[str, list[str]] = {}
    where: dict[tuple[str, str], list[Service]] = {}
    every = [one for one in site.part.services if one.config]
    for service in every:
        for one in site.named(service.hosts):
            if service in services:
                where.setdefault((one.name, main_file(service)), []).append(service)
            files.setdefault(one.name, []).extend(service.config)
    wanted = {host: list(dict.fromkeys(files[host])) for host in dict.fromkeys(host for host, _ in where)}

    async def look(remote: Remote) -> dict[str, str]:
        return {path: await _content(remote, path) for path in wanted[remote.name]}

    texts: dict[str, dict[str, str]] = {}
    failed: dict[str, str] = {}
    for host, found in fleet.each(wanted, look).items():
        if isinstance(found, NaruError):
            failed[host] = found.summary
        else:
            texts[host] = found
    url = next((found for host in texts for found in _urls(texts[host].values())), "")
    configs, on = [], []
    for (host, path), its in where.items():
        if host not in texts:
            continue
        before = texts[host].get(path, "")
        if not before:
            failed[host] = f"{path}: it is not there, or empty"
            continue
        whole = "\n".join(texts[host].get(file, "") for file in its[0].config)
        after = changed(before, options(its[0], whole, url, format_))
        if after == before or not _differing(before, after):
            on += [f"{host}: {service.name}" for service in its]
        else:
            configs.append(Config(host, path, tuple(its), before, after))
    unknown = tuple(dict.fromkeys(service.name for service in services if not service.config))
    return Seen(tuple(configs), tuple(on), unknown, failed)


async def _content(remote: Remote, path: str) -> str:
    return await remote.checked(f"if [ -f {shlex.quote(path)} ]; then cat {shlex.quote(path)}; fi", seconds=_SECONDS)


def _urls(texts: Collection[str]) -> Iterator[str]:
    """Every transport_url in some texts, that of the whole service first."""
    for section in ("DEFAULT", SECTION):
        for text in texts:
            if url := value_of(text, section, "transport_url"):
                yield url


def main_file(service: Service) -> str:
    """The file of a service's configuration that is changed: that of its project or its own name, else the first."""
    names = (f"{service.name}.conf", f"{service.project}.conf")
    found = [path for name in names for path in service.config if PurePosixPath(path).name == name]
    return found[0] if found else service.config[0]


def options(service: Service, text: str, url: str, format_: str) -> dict[tuple[str, str], str]:
    """What a service's configuration has to say and does not, by section and name. A driver that sends is left as it
    is. Keystone and Glance mostly have no transport_url: they are given that of the others."""
    wanted = {}
    if not set(_SENDS) & set(values_of(text, SECTION, "driver")):
        wanted[SECTION, "driver"] = _SENDS[0]
    if not value_of(text, SECTION, "transport_url") and not value_of(text, "DEFAULT", "transport_url"):
        wanted[SECTION, "transport_url"] = url
    if not value_of(text, SECTION, "retry"):
        wanted[SECTION, "retry"] = RETRY
    if service.project == "nova" and value_of(text, "notifications", "notification_format") != format_:
        wanted["notifications", "notification_format"] = format_
    return wanted


def digest(text: str) -> str:
    """SHA-256 of a file's content, as sha256sum prints it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _differing(before: str, after: str) -> list[tuple[str, str]]:
    known = ((SECTION, "driver"), (SECTION, "transport_url"), (SECTION, "retry"))
    every = (*known, ("notifications", "notification_format"))
    return [one for one in every if value_of(before, *one) != value_of(after, *one)]
