"""A Prometheus that has the exporter's metrics, asked for trends: its HTTP API, version 1."""

import os
import time
from typing import Any
from urllib.parse import urlsplit

import requests

from naru.errors import InputError, NaruError
from naru.operate.metrics.families import FAMILIES, Labels
from naru.operate.metrics.store import EVERY, Point

SECONDS = 60.0
TOKEN = "NARU_PROMETHEUS_TOKEN"
"""The environment variable with a bearer token, where it wants one."""


class _Bearer(requests.auth.AuthBase):
    """A token. As a header alone, requests would put a password of ~/.netrc in its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Prometheus:
    """The server at a URL, its certificate checked by that in a file, else the system's. Of several exporters' series
    only those with the labels `match` are taken, as PromQL writes them: `site="seoul"`. Raises InputError."""

    def __init__(self, url: str, certificate: str | None = None, match: str = "") -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise InputError(f"--prometheus {url} is no URL", hint="As in http://127.0.0.1:9090")
        self._url = url.rstrip("/")
        self._match = match
        self._session = requests.Session()
        self._session.verify = certificate or True
        if token := os.environ.get(TOKEN):
            self._session.auth = _Bearer(token)

    def close(self) -> None:
        self._session.close()

    def trend(self, name: str, since: float) -> dict[Labels, list[Point]]:
        """The values of each series of a family since a time, an hour apart, oldest first."""
        now = time.time()
        # it answers with at most 11,000 points of a series
        step = max(EVERY, (now - since) / 10_000)
        span = {"start": since, "end": now, "step": step}
        found = self._ask("query_range", {"query": self._series(name), **span})
        series: dict[Labels, list[list[Point]]] = {}
        for one in found:
            points = [(float(at), float(value)) for at, value in one["values"]]
            series.setdefault(_labels(name, one), []).append(points)
        return {labels: self._joined(name, parts, step) for labels, parts in series.items()}

    def latest(self, name: str) -> dict[Labels, float]:
        """The newest value of each series of a family. Raises InputError for two of one series."""
        found: dict[Labels, float] = {}
        for one in self.query(self._series(name)):
            labels = _labels(name, one)
            if labels in found:
                raise self._several(name)
            found[labels] = float(one["value"][1])
        return found

    def _series(self, name: str) -> str:
        return f"{name}{{{self._match}}}" if self._match else name

    def _joined(self, name: str, parts: list[list[Point]], step: float) -> list[Point]:
        """The points of one series of ours, which Prometheus has as several: it adds labels, and the exporter's address
        is another one after a while. Raises InputError where two of them go on side by side until now."""
        parts.sort(key=lambda points: points[-1][0])
        if len(parts) > 1:
            before, last = parts[-2], parts[-1]
            # at a change both may have a point or two: a value holds for five minutes
            goes_on = before[-1][0] >= last[-1][0] - step
            if goes_on and before[-1][0] - max(before[0][0], last[0][0]) > 2 * step:
                raise self._several(name)
        # the later one counts where both have one
        return sorted(dict(point for points in parts for point in points).items())

    def _several(self, name: str) -> InputError:
        return InputError(
            f"{self._url} has {name} of several exporters, or from several scrapes of one",
            hint="""Say which is meant by a label that tells them apart: --match 'site="seoul"'""",
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now."""
        return self._ask("query", {"query": expression})

    def _ask(self, what: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        where = f"{self._url}/api/v1/{what}"
        try:
            answer = self._session.post(where, data=values, timeout=SECONDS)
            said = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise NaruError(f"{where}: it answers {answer.status_code}, and not as a Prometheus does") from error
        except (requests.RequestException, OSError) as error:
            raise NaruError(f"{where}: no answer", detail=str(error), hint="See --prometheus.") from error
        if said.get("status") != "success":
            raise NaruError(f"{where}: {said.get('error') or answer.reason}", detail=str(values["query"]))
        found: list[dict[str, Any]] = said["data"]["result"]
        return found


def _labels(name: str, one: dict[str, Any]) -> Labels:
    return tuple(one["metric"].get(label, "") for label in FAMILIES[name].labels)
