"""What is watched: files of this machine and of a site's hosts, and sources that are no files, with the code that
writes them."""

import contextlib
import socket
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError
from naru.site import site as sites
from naru.site.model import Unit
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.watch import remote, statements
from naru.watch.notifications import address
from naru.watch.notifications.address import Address
from naru.watch.place import Here, Place
from naru.watch.sources import journal
from naru.watch.sources.given import GivenFile
from naru.watch.sources.loki import Loki
from naru.watch.sources.opensearch import OpenSearch
from naru.watch.sources.push import Keep, Server
from naru.watch.sources.settings import Settings
from naru.watch.sources.stream import Stream
from naru.watch.statements import Code, Statement


class Source(NamedTuple):
    """A place, and the patterns of its files."""

    place: Place
    patterns: tuple[str, ...]


class Sources:
    """The places of some settings, and the code there."""

    def __init__(self, settings: Settings, fleet: Fleet | None) -> None:
        self._settings, self._fleet = settings, fleet

    @cached_property
    def _given(self) -> GivenFile | None:
        return GivenFile(Path(self._settings.sources)) if self._settings.sources else None

    @property
    def all(self) -> list[Source]:
        """Where there are files, this machine first. Raises InputError when nothing is watched."""
        found = []
        if self._settings.files:
            found.append(Source(Here(self._settings.host or socket.gethostname()), self._settings.files))
        if self._fleet is not None:
            for host, patterns in remote.logs(self._fleet.site).items():
                found.append(Source(remote.There(self._fleet, host), patterns))
        if not found and not self._is_given and not self._settings.notifications:
            if self._fleet is not None:
                raise InputError(f"{self._settings.site}: none of its services has logs", hint="Give services[].logs.")
            hint = "Give --files, as in '/var/log/kolla/*/*.log', --site, --sources, or --notifications."
            raise InputError("it is not said what is watched", hint=hint)
        return found

    @property
    def _is_given(self) -> bool:
        if self._given is None:
            return False
        said = self._given.content
        return bool(said.journals or said.site_journals or said.push or said.opensearch or said.loki)

    def streams(self) -> list[Stream]:
        """What is no file, and is asked. Raises InputError and NaruError."""
        if self._given is None:
            return []
        said, form = self._given.content, self._settings.form
        found: list[Stream] = []
        for number, one in enumerate(said.journals):
            name = f"journal {one.directory}" if one.directory else "journal" + (f" {number + 1}" if number else "")
            found.append(journal.Journal(name, journal.here, form, one.units, one.directory, since=one.since))
        if said.site_journals:
            if self._fleet is None:
                raise InputError(f"{self._given.file}: site_journals: there is no site", hint="Give --site.")
            for host, units in _units(self._fleet.site).items():
                shell = journal.there(self._fleet, host)
                found.append(journal.Journal(f"journal of {host}", shell, form, units, host=host))
        for number, store in enumerate(said.opensearch):
            web = self._given.web(store, f"opensearch.{number}")
            found.append(OpenSearch(f"OpenSearch {web.url} {store.index}", web, form, store.index, store.since))
        for number, lines in enumerate(said.loki):
            web = self._given.web(lines, f"loki.{number}")
            found.append(Loki(f"Loki {web.url} {lines.query}", web, form, lines.query, lines.since))
        names = [one.name for one in found]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"{self._given.file}: {twice} is there twice")
        return found

    def buses(self) -> list[Address]:
        """The message queues whose notifications are read. Raises InputError and NaruError."""
        where = self._settings.notifications
        if not where:
            return []
        if where != address.OF_SITE:
            return [address.of_file(Path(where))]
        if self._fleet is None:
            raise InputError("--notifications site: there is no site", hint="Give --site, too.")
        return address.of_site(self._fleet.site, self._fleet)

    def server(self, keep: Keep) -> Server | None:
        """What shippers push to, bound and not yet serving; None where nothing is pushed. Raises InputError."""
        if self._given is None or self._given.content.push is None:
            return None
        push, file = self._given.content.push, self._given
        return Server(file.address(push), file.tls(push), file.access(push), self._settings.form, keep)

    def pushed(self) -> str:
        """Where shippers push to, once secrets and certificate are read; "" where nothing is pushed. Raises InputError
        and NaruError."""
        if self._given is None or self._given.content.push is None:
            return ""
        push = self._given.content.push
        tls, address = self._given.tls(push), self._given.address(push)
        self._given.access(push)
        return f"{'https' if tls else 'http'} on {address.host or 'all addresses'}, port {address.port}"

    def zone(self, host: str) -> str:
        """The time zone that a host writes its logs in: its own by the site, else that of the settings."""
        known = self._fleet.site.hosts.get(host) if self._fleet is not None else None
        return (known.time_zone if known is not None else "") or self._settings.zone

    def codes(self, only: Sequence[str] = ()) -> Iterator[Code]:
        """What is deployed, place by place. Raises InputError and NaruError."""
        for environment in self._settings.environments:
            yield statements.of_environment(Path(environment), only)
        if self._fleet is not None:
            yield remote.code(self._fleet.site, self._fleet, only)

    def statements(self) -> Iterable[Statement]:
        """All statements; of a package that is deployed several times each text once."""
        found: dict[tuple[str, str, str, int, tuple[int, ...], str], Statement] = {}
        for code in self.codes():
            for one in code.statements:
                found.setdefault((one.module, one.kind, one.text, one.level, one.lines, one.function), one)
        return found.values()


def _units(site: Site) -> dict[str, tuple[str, ...]]:
    """By host the units that run its services."""
    found: dict[str, dict[str, None]] = {}
    for number, service in enumerate(site.part.services):
        if isinstance(service.managed, Unit):
            for host in site.named(service.hosts, f"services[{number}].hosts"):
                found.setdefault(host.name, {})[service.managed.unit] = None
    return {host: tuple(units) for host, units in found.items()}


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Sources]:
    """The sources, with connections to the site's hosts as long as it lasts. Raises InputError."""
    if not settings.site:
        yield Sources(settings, None)
        return
    with Fleet(sites.load(Path(settings.site))) as fleet:
        yield Sources(settings, fleet)
