"""Mail, chats and what else apprise speaks to. Addresses and their secrets are in a file of apprise's own format.

Each address is a sink of its own: one that is away does not have the others sent everything again.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from naru.errors import InputError
from naru.files import read_private
from naru.watch.alerts.content import summary, text
from naru.watch.alerts.outbox import Alert
from naru.watch.alerts.sinks import Away
from naru.watch.hide import hidden


class Chat:
    """One address of apprise's: `server` is an Apprise that has it alone."""

    def __init__(self, name: str, server: Any, watch: str) -> None:
        self.name = name
        self._server, self._watch = server, watch

    def send(self, alert: Alert, again: bool) -> str:
        body = text(alert.body) + ("\n\nThis may have been sent before." if again else "")
        title = f"[{self._watch}] {summary(alert.body)}"
        with _complaints() as said:
            done = self._server.notify(body=body, title=title, body_format="text")
        if not done:
            raise Away(said[-1] if said else "apprise could not send it", arrived=True)
        return "sent"

    def lasts(self) -> bool:
        return False

    def keep(self, still: Sequence[Alert], over: Sequence[Alert], now: float) -> None:
        """There is nothing to keep."""


def opened(name: str, watch: str) -> list[Chat]:
    """The addresses in a file, of apprise's text or YAML. Raises InputError where there are none, where apprise is not
    installed, and for a file that others may read."""
    told = f"--alert-to apprise:{name}"
    try:
        import apprise
    except ImportError as error:
        raise InputError(f"{told}: apprise is not installed", hint="pip install 'naru-openstack[alerts]'") from error
    content = read_private(Path(name), told)
    with _complaints() as said:
        config, every = apprise.AppriseConfig(), apprise.Apprise()
        well = config.add_config(content)
        every.add(config)
        services: list[Any] = list(every.find())
    if said or not well or not services:
        lines = f"{len(said)} of its lines are not understood" if said else "there is no address in it"
        raise InputError(f"{told}: {lines}", hint=_HINT)
    chats = []
    for number, service in enumerate(services, 1):
        server = apprise.Apprise()
        server.add(service)
        kind = str(service.url(privacy=True)).partition(":")[0]
        chats.append(Chat(f"apprise:{Path(name).name}#{number} ({kind})", server, watch))
    return chats


_HINT = "One address a line, as in mailtos://user:password@host?to=ops@example.org (the list of services is apprise's)."


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What apprise complains of meanwhile."""
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(hidden(record.getMessage())[:200])

    # beside complaints there are addresses with their secrets in what these two log
    logs = [logging.getLogger(name) for name in ("apprise", "urllib3")]
    handler, before = Handler(logging.WARNING), [one.propagate for one in logs]
    for one in logs:
        one.propagate = False
    logs[0].addHandler(handler)
    try:
        yield said
    finally:
        logs[0].removeHandler(handler)
        for one, propagate in zip(logs, before, strict=True):
            one.propagate = propagate
