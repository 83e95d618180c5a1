"""Whether a cloud answers: its APIs, and its workers by heartbeats that are newer than their start."""

import datetime
import time
from collections.abc import Callable

import requests

from naru.errors import NaruError
from naru.lab import services
from naru.lab.api import Api, direct
from naru.lab.cloud import Cloud


class Silent(NaruError):
    """Workers gave no sign of life in time; `workers` as `missing` names them."""

    def __init__(self, cloud: Cloud, workers: list[str], seconds: float) -> None:
        name = cloud.process(workers[0])
        super().__init__(
            f"{cloud.name}: no heartbeat of {', '.join(workers)} after {seconds:.0f} s",
            detail=cloud.processes.tail(name),
            hint=f"See: naru lab logs {cloud.name}/{name}",
        )
        self.workers = workers


def answers(url: str, timeout: float = 10) -> bool:
    """Whether an HTTP server behind `url` answers with anything but a server error."""
    try:
        with direct() as session:
            return session.get(url, timeout=timeout, allow_redirects=False).status_code < 500
    except requests.RequestException:
        return False


def wait_apis(cloud: Cloud, timeout: float = 120) -> None:
    """Waits until every API process answers HTTP at its root."""
    deadline = time.monotonic() + timeout
    for service in cloud.apis:
        while not answers(cloud.url(service, "/healthcheck" if service == "swift" else "/")):
            if time.monotonic() > deadline:
                raise NaruError(
                    f"{cloud.name}: {service} does not answer on {cloud.url(service)} after {timeout:.0f} s",
                    hint=f"See: naru lab logs {cloud.name}/{'swift-proxy' if service == 'swift' else f'{service}-api'}",
                )
            time.sleep(0.2)


def missing(cloud: Cloud, api: Api, since: float) -> list[str]:
    """Workers whose heartbeat is not yet newer than `since` (seconds since the epoch): 'nova-compute@compute1', ...

    'up' alone says nothing after a restart: it stays true for a minute on the old heartbeats. A cinder-volume whose
    pools the scheduler has not heard of yet is missing, too: volumes made then end in error.
    """
    alive = set()
    for service in ("nova", "cinder"):
        for row in api(service, "GET", "/os-services")["services"]:
            if row["state"] == "up" and timestamp(row.get("updated_at")) >= since:
                alive.add(f"{row['binary']}@{row['host']}")
    if any(name.startswith("cinder-scheduler@") for name in alive):  # the API would wait for one that is not there
        pools = api("cinder", "GET", "/scheduler-stats/get_pools")["pools"]
        known = {f"cinder-volume@{pool['name'].partition('#')[0]}" for pool in pools}
        alive -= {name for name in alive - known if name.startswith("cinder-volume@")}
    if cloud.agents:
        for row in api("neutron", "GET", "/agents")["agents"]:
            if row["alive"] and timestamp(row["heartbeat_timestamp"]) >= since:
                alive.add(f"{row['binary']}@{row['host']}")
    return sorted(cloud.workers - alive)


def silent(cloud: Cloud, api: Api, since: float) -> list[str]:
    """Workers of the services beyond the core without a sign of life since then."""
    modules = [services.module(name) for name in cloud.services]
    return [name for module in modules if hasattr(module, "silent") for name in module.silent(cloud, api, since)]


def timestamp(text: str | None) -> float:
    """Seconds since the epoch of a service's time, which is UTC whether it says so or not; 0 for none."""
    if not text:
        return 0.0
    return datetime.datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=datetime.UTC).timestamp()


def wait(cloud: Cloud, since: float, timeout: float = 180) -> None:
    """Waits until all APIs answer and all workers have reported since `since`; raises Silent."""
    wait_apis(cloud, timeout)
    api = Api(cloud)
    for service, path in (("neutron", "/networks?limit=1"), ("glance", "/images?limit=1")):
        api(service, "GET", path)
    _until_none(cloud, lambda: missing(cloud, api, since), timeout)
    wait_silent(cloud, since, timeout)


def wait_silent(cloud: Cloud, since: float, timeout: float = 180) -> None:
    """Waits until the workers of the services beyond the core have given a sign of life since `since`."""
    api = Api(cloud)
    _until_none(cloud, lambda: silent(cloud, api, since), timeout)


def _until_none(cloud: Cloud, missing: Callable[[], list[str]], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while left := missing():
        if time.monotonic() > deadline:
            raise Silent(cloud, left, timeout)
        time.sleep(0.5)
