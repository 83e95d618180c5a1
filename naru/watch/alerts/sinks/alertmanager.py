"""Prometheus' Alertmanager, by its API v2.

Alertmanager takes an alert for resolved when it is not sent again. So what is still so is sent again every minute, with
an end that is further away than that; when its group is resolved or muted, with the end that it has. Labels tell alerts
apart and are few: the group's key, why, and what follows from the key. Texts are annotations.
"""

import datetime
from collections.abc import Sequence
from typing import Any

from naru.watch.alerts.content import summary, text
from naru.watch.alerts.outbox import DIGEST, Alert
from naru.watch.alerts.sinks.http import Http

LASTS = 600.0
"""Seconds from the last word of an alert on after which Alertmanager takes it for resolved."""
DIGEST_LASTS = 3600.0
_MOST = 200
"""Alerts in one request."""


class Alertmanager:
    """Posts alerts to the Alertmanager at a URL: `text` is URL[,header=FILE]. Raises InputError."""

    def __init__(self, text: str, watch: str) -> None:
        self._http = Http("alertmanager", text, "/api/v2/alerts")
        self.name = self._http.name
        self._watch = watch

    def send(self, alert: Alert, again: bool) -> str:
        lasts = DIGEST_LASTS if alert.why == DIGEST else LASTS
        return self._http.post([self._told(alert, datetime.datetime.now(datetime.UTC).timestamp() + lasts)])

    def lasts(self) -> bool:
        return True

    def keep(self, still: Sequence[Alert], over: Sequence[Alert], now: float) -> None:
        every = [self._told(one, now + LASTS) for one in still] + [self._told(one, now) for one in over]
        for at in range(0, len(every), _MOST):
            self._http.post(every[at : at + _MOST])

    def _told(self, alert: Alert, end: float) -> dict[str, Any]:
        body = alert.body
        labels = {"alertname": "NaruWatchDigest", "watch": self._watch}
        if alert.why != DIGEST:
            what = body["what"]
            labels = {
                **{"alertname": "NaruWatchGroup", "watch": self._watch, "group": alert.root, "why": alert.why},
                **{"program": what["program"], "class": what["class"], "severity": what["level"].lower()},
            }
        annotations = {"summary": summary(body), "description": text(body)}
        return {
            "labels": labels,
            "annotations": annotations,
            "startsAt": _moment(min(alert.moment, end)),  # a clock may have been set back
            "endsAt": _moment(end),
        }


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
