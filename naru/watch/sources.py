"""What is watched: files of this machine, and of a site's hosts, with the code that writes them."""

import contextlib
import dataclasses
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from naru.errors import InputError
from naru.site import site as sites
from naru.site.ssh import Fleet
from naru.watch import remote, statements
from naru.watch.formats import KNOWN, Configured, Format
from naru.watch.notifications import address
from naru.watch.notifications.address import Address
from naru.watch.place import Here, Place
from naru.watch.statements import Code, Statement
from naru.watch.store import Store


@dataclass(frozen=True)
class Settings:
    """What is watched: shell patterns of files, environments of the code that writes them, formats of the site's own,
    the name of the time zone that lines are written in ("" for this machine's), what this host is called, the file of a
    site whose services' logs are read on its hosts ("" for none), and where notifications are read: a file with the
    transport_url, or `site` ("" for nowhere)."""

    files: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    zone: str = ""
    host: str = ""
    site: str = ""
    notifications: str = ""

    def over(self, other: "Settings") -> "Settings":
        """These, with what they do not say taken from the others."""
        said = {name: value for name, value in vars(self).items() if value}
        return dataclasses.replace(other, **said)

    @classmethod
    def kept(cls, store: Store) -> "Settings":
        """What the watch was given so far."""
        said: dict[str, Any] = store.setting("settings") or {}
        several: dict[str, Any] = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
        return cls(**{**said, **several})

    def keep(self, store: Store) -> None:
        store.set("settings", dataclasses.asdict(self))

    @property
    def form(self) -> Sequence[Format]:
        """The formats that are tried. Raises InputError for one of the site's that is none."""
        return (Configured(self.formats), *KNOWN) if self.formats else KNOWN


class Source(NamedTuple):
    """A place, and the patterns of its files."""

    place: Place
    patterns: tuple[str, ...]


class Sources:
    """The places of some settings, and the code there."""

    def __init__(self, settings: Settings, fleet: Fleet | None) -> None:
        self._settings, self._fleet = settings, fleet

    @property
    def all(self) -> list[Source]:
        """Where there are files, this machine first. Raises InputError when nothing at all is watched."""
        found = []
        if self._settings.files:
            found.append(Source(Here(self._settings.host or socket.gethostname()), self._settings.files))
        if self._fleet is not None:
            for host, patterns in remote.logs(self._fleet.site).items():
                found.append(Source(remote.There(self._fleet, host), patterns))
        if not found and self._settings.notifications:
            return []
        if not found and self._fleet is not None:
            raise InputError(f"{self._settings.site}: none of its services has logs", hint="Give services[].logs.")
        if not found:
            hint = "Give --files, as in '/var/log/kolla/*/*.log', --site, or --notifications."
            raise InputError("it is not said what is watched", hint=hint)
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


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Sources]:
    """The sources, with connections to the site's hosts as long as it lasts. Raises InputError."""
    if not settings.site:
        yield Sources(settings, None)
        return
    with Fleet(sites.load(Path(settings.site))) as fleet:
        yield Sources(settings, fleet)
