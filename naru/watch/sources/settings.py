"""What a watch is given, and keeps."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from naru.watch.formats import KNOWN, Configured, Format
from naru.watch.store import Store
from naru.watch.wrapped import TRIED, wrapping


@dataclass(frozen=True)
class Settings:
    """What is watched: shell patterns of files, environments of the code that writes them, formats of the site's own,
    the name of the time zone that lines are written in ("" for this machine's), what this host is called, the file of a
    site whose services' logs are read on its hosts ("" for none), the file of sources that are no files ("" for none),
    how many hosts and sources are read at a time (0: as many as is usual), the sinks that alerts go to, the directory
    of files of known bugs ("" for none), and where notifications are read: a file with the transport_url, or `site` (""
    for nowhere)."""

    files: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    zone: str = ""
    host: str = ""
    site: str = ""
    sources: str = ""
    at_once: int = 0
    alert_to: tuple[str, ...] = ()
    known: str = ""
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
        known = {one.name for one in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in {**said, **several}.items() if name in known})

    def keep(self, store: Store) -> None:
        store.set("settings", dataclasses.asdict(self))

    @property
    def form(self) -> Sequence[Format]:
        """The formats that are tried. Raises InputError for one of the site's that is none."""
        return wrapping((Configured(self.formats), *KNOWN)) if self.formats else TRIED
