"""Whoever is told of a watch: its sinks and known bugs, as its settings name them, for as long as it runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from naru.errors import InputError
from naru.watch.alerts import known, sender, sinks
from naru.watch.alerts.alerts import Alerting
from naru.watch.alerts.outbox import Outbox
from naru.watch.alerts.sender import Sender, Sending
from naru.watch.alerts.sinks import Sink
from naru.watch.request import Reader
from naru.watch.sources import Settings
from naru.watch.store import Store

Tell = Callable[[str], None]


@contextmanager
def telling(
    directory: Path, store: Store, settings: Settings, reader: Callable[[], Reader], tell: Tell, *, once: bool
) -> Iterator[Callable[[], None]]:
    """Gives what is called after each round over all that is watched: it makes alerts, which are sent meanwhile; with
    `once` nothing is waited for, and it sends them itself. `reader` makes what reads requests in files; `tell` is told
    of sinks that are away. Raises InputError."""
    told = told_to(directory, settings)
    bugs = _bugs(settings)
    names = [one.name for one in told]
    Outbox(store).set_sinks(names)
    before = float(store.setting("read") or time.time())
    alerting = Alerting(store, names, known=bugs, reader=reader, away=time.time() - before)
    with Sender(directory, () if once else told, tell) as sending:

        def round_is_over() -> None:
            alerting.round(at_once=once)
            if once:
                Sending(store, told, tell).round(at_once=True)
            sending.check()

        yield round_is_over


def check(directory: Path, settings: Settings) -> None:
    """Raises InputError for sinks and known bugs that cannot be."""
    told_to(directory, settings)
    _bugs(settings)


def _bugs(settings: Settings) -> known.Known:
    return known.load(Path(settings.known), known.versions(settings.environments)) if settings.known else known.Known()


def told_to(directory: Path, settings: Settings) -> list[Sink]:
    """The sinks of alerts. Raises InputError."""
    return sinks.opened(settings.alert_to, directory.resolve().name)


def attempt(directory: Path) -> list[tuple[str, bool, str]]:
    """Sends each sink an alert that says that it is one to try it; by name whether that went well, and the answer.
    Raises InputError."""
    with Store(directory) as store:
        told = told_to(directory, Settings.kept(store))
    if not told:
        raise InputError(f"{directory}: nobody is told of alerts", hint="First: naru watch run --alert-to SINK")
    return [(one.name, *sender.attempt(one, time.time())) for one in told]
