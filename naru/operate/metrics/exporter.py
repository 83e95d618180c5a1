"""The exporter as a whole: the site's cloud and hosts, the sources, the collector, its state, the server."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.files import FileLock
from naru.listen import Address, Tls
from naru.operate.metrics import sources
from naru.operate.metrics.collector import Collector, Patience, Source
from naru.operate.metrics.families import FAMILIES, Samples
from naru.operate.metrics.server import server
from naru.operate.metrics.since import Since
from naru.operate.metrics.sources.known import Known
from naru.operate.metrics.store import FILE, Store
from naru.site.site import Site
from naru.site.ssh import Fleet

LOCK = "exporter.lock"


@dataclass(frozen=True)
class Settings:
    """What an exporter is started with: where it listens, work directories, patterns of files by name, the directory
    of what it keeps, and the sources that are not read."""

    address: Address
    tls: Tls | None = None
    directories: Sequence[Path] = ()
    newest: Sequence[tuple[str, str]] = ()
    state: Path | None = None
    without: frozenset[str] = field(default_factory=frozenset)


class Exporter:
    """Reads and answers from `start` to `close`. Raises InputError for settings that cannot be."""

    def __init__(self, site: Site, settings: Settings) -> None:
        with ExitStack() as stack:
            store: Store | None = None
            if settings.state:
                stack.enter_context(_own(settings.state))
                store = stack.enter_context(closing(Store(settings.state / FILE)))
            patience = Patience()
            cloud: Cloud | None = None
            if site.content.cloud:
                cloud = stack.enter_context(Cloud(site.content.cloud, patience=patience.left))
            fleet = stack.enter_context(Fleet(site)) if site.hosts else None
            known = Known(cloud, site, fleet, Since(settings.state), patience.check)
            used = _used(known, settings)
            self.collector = Collector(used, patience, told=partial(_keep, store) if store else None)
            stack.callback(self.collector.close)
            self.server = server(self.collector, settings.address, settings.tls)
            stack.callback(self.server.server_close)
            self._stack = stack.pop_all()

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.server.server_port)

    def start(self) -> None:
        """Begins to read and to answer, in threads of its own."""
        self.collector.start()
        threading.Thread(target=self.server.serve_forever, name="naru-metrics", daemon=True).start()
        self._stack.callback(self.server.shutdown)

    def close(self) -> None:
        """Ends all of it."""
        self._stack.close()


def _used(known: Known, settings: Settings) -> list[Source]:
    found = [
        *sources.of_cloud(known),
        *sources.of_site(known),
        *sources.of_this_machine(settings.directories, settings.newest),
    ]
    names = [source.name for source in found]
    if unknown := settings.without - set(names):
        raise InputError(f"--without {', '.join(sorted(unknown))}: there is {', '.join(names)}")
    return [source for source in found if source.name not in settings.without]


def _keep(store: Store, source: str, samples: Samples) -> None:
    if any(FAMILIES[name].kept for name in samples.values):
        store.keep(samples)


def _own(state: Path) -> FileLock:
    """The directory of what is kept, for this exporter alone."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(state / LOCK)
    except OSError as error:
        raise InputError(f"--state {state} cannot be made", detail=str(error), hint="Name another one.") from error
    if not lock.take():
        lock.close()
        raise InputError(f"--state {state}: another exporter uses it", hint="Name another directory for this one.")
    return lock
