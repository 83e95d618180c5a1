"""Where alerts go: Alertmanager, a webhook, and through apprise mail and chats. A sink is a module with a few functions
of its own; which it is, and where, its text says (`opened`)."""

from collections.abc import Sequence
from typing import Protocol

from naru.errors import InputError
from naru.watch.alerts.outbox import Alert


class Away(Exception):
    """A sink could not be sent something now. `arrived` says whether it may have arrived all the same."""

    def __init__(self, reason: str, *, arrived: bool = False) -> None:
        super().__init__(reason)
        self.arrived = arrived


class Refused(Exception):
    """A sink will never take this alert; others it may."""


class Sink(Protocol):
    """Where alerts go. `name` is what it is called wherever people read of it; it holds no secret."""

    name: str

    def send(self, alert: Alert, again: bool) -> str:
        """Sends one alert, which may have been sent before if it is `again`; what was answered. Raises Away and
        Refused."""

    def lasts(self) -> bool:
        """Whether the sink keeps alerts, and has to be told again and again that they are still so (`keep`)."""

    def keep(self, still: Sequence[Alert], over: Sequence[Alert], now: float) -> None:
        """Says which alerts are still so, and which are over. Raises Away, Refused."""


NONE = "none"
"""Given as the only sink: alerts go nowhere."""
_HINT = (
    "Give alertmanager:URL, webhook:URL or apprise:FILE; ,header=FILE behind a URL names a file with a header that "
    "lets in. none: to nobody."
)


def opened(texts: Sequence[str], watch: str) -> list[Sink]:
    """The sinks of `--alert-to`, for the watch of a name. Raises InputError for what is none, or has its secrets where
    others can read them."""
    from naru.watch.alerts.sinks import alertmanager, chats, webhook

    made: list[Sink] = []
    for text in texts:
        kind, sign, rest = text.partition(":")
        if text == NONE:
            continue
        if kind == "alertmanager":
            made.append(alertmanager.Alertmanager(rest, watch))
        elif kind == "webhook":
            made.append(webhook.Webhook(rest, watch))
        elif kind == "apprise":
            made += chats.opened(rest, watch)
        else:
            raise InputError(f"--alert-to {kind + sign}…: there is no such sink", hint=_HINT)
    names = [one.name for one in made]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--alert-to {name}: it is given twice")
    return made
