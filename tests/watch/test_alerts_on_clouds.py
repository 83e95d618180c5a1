"""Mistakes through the APIs of two real clouds, nine years apart, become one alert each, within the time."""

import datetime
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.watch import phases
from naru.watch.store import RESOLVED, Store

from ..lab import scenario
from ..lab.scenario import Rest, connect, wait
from ..processes import started
from .test_on_clouds import CLOUDS, _words
from .watched import Receiver, receiver

pytestmark = [pytest.mark.lab, pytest.mark.releases]
HUGE = {"name": "alerts-huge", "ram": 9_999_999, "vcpus": 900, "disk": 1}


class Told:
    """A cloud whose watch has begun, with what was made to fail: ids of requests and servers by what it was."""

    def __init__(self, cloud: Cloud, rest: Rest, server: Receiver) -> None:
        self.cloud, self.rest, self.server = cloud, rest, server
        self.asked: dict[str, list[tuple[str, str]]] = {}

    def boot(self, what: str, **fields: Any) -> None:
        """A server that fails, and is removed again."""
        answer = self.rest.session.request(
            *("/servers", "POST"),
            json={"server": {"name": "wrong", "networks": "none", **fields}},
            microversion="2.37",
            endpoint_filter={"service_type": "compute", "interface": "public"},
        )
        made = answer.json()["server"]["id"]
        path = f"/servers/{made}"
        wait(f"{what} has failed", lambda: self.rest("compute", "GET", path)["server"]["status"] == "ERROR")
        self.asked.setdefault(what, []).append((str(answer.headers["x-openstack-request-id"]), made))
        self.rest("compute", "DELETE", path)
        self.rest.gone("compute", path)

    def of(self, what: str) -> list[dict[str, Any]]:
        """The alerts in which a request or a server of this was."""
        wanted = {name for pair in self.asked[what] for name in pair}
        return [one for one in self.server.bodies() if wanted & {*one.get("requests", ()), *_servers(one)}]


def _servers(body: dict[str, Any]) -> list[str]:
    return list(body.get("who", {}).get("instances", ()))


@pytest.fixture(scope="module", params=CLOUDS)
def told(pair: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    cloud = pair.cloud(request.param)
    work = tmp_path_factory.mktemp("alerts") / "watch"
    words = [one for one in _words(cloud, work, cloud.venv) if one != "--once"]
    rest = Rest(connect(pair, cloud.name))
    with receiver() as server:
        words += ["--alert-to", f"webhook:{server.url}"]
        assert main([*words, "--once"]) in (0, 1)
        # what other tests have left is told when it comes again
        with Store(work) as store:
            for group in store.groups():
                phases.mark(store, group["key"], RESOLVED, now=time.time())
        with started([sys.executable, "-m", "naru.cli.main", *words], stdout=subprocess.DEVNULL) as watch:
            try:
                yield _made(Told(cloud, rest, server))
            finally:
                watch.terminate()
                watch.wait(60)


def _made(told: Told) -> Told:
    rest, project = told.rest, told.rest.project
    free = {"cores": -1, "ram": -1, "instances": -1}
    rest("compute", "PUT", f"/os-quota-sets/{project}", {"quota_set": free})
    sizes = {"gigabytes": -1, "volumes": -1, "per_volume_gigabytes": -1}
    rest("volumev3", "PUT", f"/os-quota-sets/{project}", {"quota_set": sizes})
    huge = str(rest("compute", "POST", "/flavors", {"flavor": HUGE})["flavor"]["id"])
    time.sleep(10)  # the watch goes on
    with scenario.image(rest) as image:
        for _ in range(2):
            told.boot("flavor", flavorRef=huge, imageRef=image)
        device = {
            **{"boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume"},
            "volume_size": 900_000,
        }
        time.sleep(15)  # what belongs together is told apart from the boots before
        told.boot("volume", flavorRef=scenario.flavor(rest), block_device_mapping_v2=[device])
        time.sleep(25)
    rest("compute", "DELETE", f"/flavors/{huge}")
    return told


def test_an_impossible_flavor_twice_is_one_alert(told: Told) -> None:
    """Scenarios 1 and 2: its groups are one incident, with the exception that the scheduler raised."""
    alerts = told.of("flavor")
    for one in alerts:
        print(told.cloud.name, one["why"], one["what"], one["how_often"])
    assert len(alerts) == 1
    (alert,) = alerts
    everything = [alert["what"], *alert["others"]]
    assert "NoValidHost" in {one["exception"].removesuffix("_Remote") for one in everything}
    assert "nova-conductor" in {one["program"] for one in everything}
    requests = {identity for identity, _ in told.asked["flavor"]}
    assert requests & set(alert["requests"])
    assert told.rest.project in alert["who"]["projects"]


def test_a_boot_from_a_huge_volume_is_one_incident(told: Told) -> None:
    """Scenario 3: several services under one request; the root is Cinder's where its records have the global id."""
    alerts = told.of("volume")
    told_of = [(one["what"]["program"], [each["program"] for each in one["others"]]) for one in alerts]
    print(told.cloud.name, told_of)
    if told.cloud.name == "new":
        assert len(alerts) == 1
        assert alerts[0]["what"]["program"] == "cinder-scheduler"
        assert "nova-compute" in told_of[0][1]


def test_in_time(told: Told) -> None:
    """From the first record to the alert."""
    late = []
    for one in told.server.bodies():
        if "example" in one:
            first = datetime.datetime.fromisoformat(one["example"]["time"]).astimezone()
            moment = datetime.datetime.fromisoformat(one["moment"]).replace(tzinfo=datetime.UTC)
            late.append((moment - first).total_seconds())
    print(told.cloud.name, late)
    assert late and max(late) <= 15


def test_no_secret_is_sent(told: Told) -> None:
    assert "gAAAAA" not in str(told.server.bodies())
