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


class Prometheus:
    """The server at a URL, its certificate checked by that in a file, else the system's. Raises InputError."""

    def __init__(self, url: str, certificate: str | None = None) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise InputError(f"--prometheus {url} is no URL", hint="As in http://127.0.0.1:9090")
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.verify = certificate or True
        if token := os.environ.get(TOKEN):
            self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._session.close()

    def trend(self, name: str, since: float) -> dict[Labels, list[Point]]:
        """The values of each series of a family since a time, an hour apart, oldest first."""
        now = time.time()
        # it answers with at most 11,000 points of a series
        step = max(EVERY, (now - since) / 10_000)
        found = self._ask("query_range", {"query": name, "start": since, "end": now, "step": step})
        return {_labels(name, one): [(float(at), float(value)) for at, value in one["values"]] for one in found}

    def latest(self, name: str) -> dict[Labels, float]:
        """The newest value of each series of a family."""
        return {_labels(name, one): float(one["value"][1]) for one in self.query(name)}

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
