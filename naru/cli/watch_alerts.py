"""`naru watch alerts|metrics`: who was told what, and the watch for Prometheus."""

import argparse
import gzip
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Command, Lister, argument
from naru.cli.directory import add_directory
from naru.errors import NaruError
from naru.listen import Address
from naru.operate.metrics.server import server
from naru.text import utc
from naru.watch import metrics
from naru.watch.alerts import telling
from naru.watch.alerts.content import summary
from naru.watch.alerts.outbox import Outbox
from naru.watch.store import Store


class Alerts(Lister):
    """List the alerts that were made, the latest first, and what became of each at each sink: waiting, sending (it may
    have arrived), sent, in a digest (told by one that was made of many), refused, dropped (its group was muted or
    resolved before it could be sent), over (the sink was told that it is past).

    With --try every sink is sent a text that says so, and nothing else happens.

    Exit codes: 0, 1 a sink could not be sent what --try says, 2 bad input.
    """

    examples = """
naru watch alerts watch --since 7d
naru watch alerts watch --try
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, as_type=Path)
        parser.add_argument("--since", type=DURATION, default=86400.0, metavar="TIME", help="made within (1d)")
        parser.add_argument("--try", dest="attempt", action="store_true", help="send every sink an alert that says so")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.attempt:
            tried = telling.attempt(arguments.work)
            self.exit_code = 0 if all(well for _, well, _ in tried) else 1
            return ("sink", "sent", "answer"), tried
        with Store(arguments.work) as store:
            found = Outbox(store).alerts(time.time() - arguments.since)
        return ("moment", "why", "groups", "group", "what", "sink", "state", "answer"), (
            (utc(alert.moment), alert.why, groups, alert.root, summary(alert.body), sink, state, answer)
            for alert, groups, sinks in found
            for sink, (state, answer) in sinks.items()
        )


class Metrics(Command):
    """Print the watch's metrics for Prometheus: groups by state and class, warnings and errors, alerts and their sinks,
    and how much of the logs was read and understood. `naru watch run --metrics HOST:PORT` has them scraped.

    Exit codes: 0, 2 bad input.
    """

    examples = """
naru watch metrics watch
naru watch metrics watch > /var/lib/prometheus/node-exporter/naru-watch.prom
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, as_type=Path)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        print(metrics.text(arguments.work).decode(), end="")


class _Answering:
    """Answers scrapes with what a watch is then."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def answer(self, *, packed: bool) -> bytes:
        try:
            text = metrics.text(self._directory)
        except NaruError as error:  # it is being made
            text = f"# {error.summary}\n".encode()
        return gzip.compress(text, 5) if packed else text


@contextmanager
def scraped(directory: Path, where: str) -> Iterator[None]:
    """Has the watch in a directory scraped at HOST:PORT meanwhile; "" for nowhere. Raises InputError."""
    if not where:
        yield
        return
    address = Address(where, "--metrics")
    made = server(_Answering(directory), address, None)
    thread = threading.Thread(target=made.serve_forever, name="naru-metrics", daemon=True)
    thread.start()
    print(f"naru: http://{address.host or '*'}:{made.server_port}/metrics", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        made.shutdown()
        made.server_close()


def absolute(sink: str) -> str:
    """A sink with the files that it names as they are called from anywhere."""
    kind, _, rest = sink.partition(":")
    if kind == "apprise" and rest:
        return f"{kind}:{Path(rest).absolute()}"
    url, header, file = sink.partition(",header=")
    return f"{url}{header}{Path(file).absolute()}" if header else sink


def _rate(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)/h", text)
    if not found:
        raise ValueError(f"{text!r} is not a number of records an hour; like 50/h")
    return float(found[1])


RATE_AN_HOUR = argument(_rate)
