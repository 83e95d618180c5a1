"""A webhook: each alert is posted as JSON. One that may have been sent before says so, and has the same id."""

from collections.abc import Sequence

from naru.watch.alerts.outbox import Alert
from naru.watch.alerts.sinks.http import Http


class Webhook:
    """Posts alerts to a URL: `text` is URL[,header=FILE]. Raises InputError."""

    def __init__(self, text: str, watch: str) -> None:
        self._http = Http("webhook", text)
        self.name = self._http.name
        self._watch = watch

    def send(self, alert: Alert, again: bool) -> str:
        return self._http.post({**alert.body, "watch": self._watch, "again": again}, {"Idempotency-Key": alert.uid})

    def lasts(self) -> bool:
        return False

    def keep(self, still: Sequence[Alert], over: Sequence[Alert], now: float) -> None:
        """There is nothing to keep."""
