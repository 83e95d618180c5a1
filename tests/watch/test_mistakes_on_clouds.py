"""Users' mistakes through the APIs of two real clouds that send notifications, nine years apart, while a watch reads
both logs and message queue: what is told, and of whom."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
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
STORM = 500
NOBODY = "00000000-0000-4000-8000-000000000000"
SERVICES = {"compute": "/servers", "volumev3": "/volumes", "network": "/v2.0/ports", "image": "/v2/images"}


class Told:
    """A cloud whose watch has begun, and what it tells. `made` are the ids of what failed, by what it was; `storm` is
    how many alerts there were before callers went wrong again and again."""

    def __init__(self, cloud: Cloud, rest: Rest, server: Receiver, work: Path) -> None:
        self.cloud, self.rest, self.server, self.work = cloud, rest, server, work
        self.made: dict[str, str] = {}
        self.storm = 0

    def about(self, what: str) -> list[dict[str, Any]]:
        """The alerts that name what failed."""
        return [one for one in self.server.bodies() if self.made[what] in str(one)]


@pytest.fixture(scope="module", params=CLOUDS)
def told(telling: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    cloud = telling.cloud(request.param)
    directory = tmp_path_factory.mktemp("mistakes")
    work, bus = directory / "watch", directory / "bus"
    bus.touch(0o600)
    bus.write_text(cloud.transport_url)
    words = [one for one in _words(cloud, work, cloud.venv) if one != "--once"]
    rest = Rest(connect(telling, cloud.name))
    with receiver() as server:
        words += ["--notifications", str(bus), "--alert-to", f"webhook:{server.url}"]
        assert main([*words, "--once"]) in (0, 1)
        # what other tests have left is told when it comes again
        with Store(work) as store:
            for group in store.groups():
                phases.mark(store, group["key"], RESOLVED, now=time.time())
        with started([sys.executable, "-m", "naru.cli.main", *words], stdout=subprocess.DEVNULL) as watch:
            try:
                time.sleep(15)  # the watch goes on
                made = Told(cloud, rest, server, work)
                for mistake in (_exhausted, _too_large, _bad_token):
                    mistake(made)
                    time.sleep(25)
                made.storm = len(server.bodies())
                _storm(made)
                time.sleep(40)
                yield made
            finally:
                watch.terminate()
                watch.wait(60)


def _exhausted(told: Told) -> None:
    """A server on a network that has no address left."""
    rest = told.rest
    network = rest("network", "POST", "/v2.0/networks", {"network": {"name": "full"}})["network"]["id"]
    pool = [{"start": "10.8.0.2", "end": "10.8.0.2"}]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.8.0.0/29", "allocation_pools": pool}
    rest("network", "POST", "/v2.0/subnets", {"subnet": {**subnet, "enable_dhcp": False}})
    port = rest("network", "POST", "/v2.0/ports", {"port": {"network_id": network}})["port"]["id"]
    with scenario.image(rest) as image:
        server = {"name": "full", "flavorRef": scenario.flavor(rest), "imageRef": image}
        answer = rest("compute", "POST", "/servers", {"server": {**server, "networks": [{"uuid": network}]}})
        made = told.made["exhausted"] = str(answer["server"]["id"])
        path = f"/servers/{made}"
        wait("the boot has failed", lambda: rest("compute", "GET", path)["server"]["status"] == "ERROR")
        rest("compute", "DELETE", path)
        rest.gone("compute", path)
    rest("network", "DELETE", f"/v2.0/ports/{port}")
    rest("network", "DELETE", f"/v2.0/networks/{network}")


def _too_large(told: Told) -> None:
    """A volume that no backend has room for."""
    rest = told.rest
    sizes = {"gigabytes": -1, "volumes": -1, "per_volume_gigabytes": -1}
    rest("volumev3", "PUT", f"/os-quota-sets/{rest.project}", {"quota_set": sizes})
    made = told.made["too large"] = rest("volumev3", "POST", "/volumes", {"volume": {"size": 800_000}})["volume"]["id"]
    path = f"/volumes/{made}"
    wait("the volume has failed", lambda: rest("volumev3", "GET", path)["volume"]["status"] == "error")
    rest("volumev3", "DELETE", path)
    rest.gone("volumev3", path)


def _bad_token(told: Told) -> None:
    """A token that is none, in the thread that has just served a user."""
    for _ in range(8):
        told.rest("compute", "GET", "/servers")
        _ask(told, "compute", "GET", "/servers", token="gAAAAAnonsense")


def _ask(told: Told, service: str, method: str, path: str, token: str = "", **given: Any) -> int:
    """What a call is answered, as the user or with a token of one's own."""
    more: dict[str, Any] = {"endpoint_filter": {"service_type": service, "interface": "public"}}
    if token:
        url = told.rest.session.get_endpoint(service_type=service, interface="public")
        more |= {"headers": {"X-Auth-Token": token}, "authenticated": False, "endpoint_override": url}
    return int(told.rest.session.request(path, method, raise_exc=False, **more, **given).status_code)


def _storm(told: Told) -> None:
    """What a program that does not look at answers leaves: users without a name, and deletes of what is not there."""
    asked = {_ask(told, "identity", "POST", "/v3/users", json={"user": {"name": 5}}) for _ in range(STORM)}
    assert asked == {400}
    for service, path in SERVICES.items():
        assert {_ask(told, service, "DELETE", f"{path}/{NOBODY}") for _ in range(50)} <= {400, 404}


def test_a_full_network_is_told_from_the_logs(told: Told) -> None:
    """Scenario 4: Pike's Nova sends no notification of it."""
    alerts = told.about("exhausted")
    every = [one for alert in alerts for one in (alert["what"], *alert["others"])]
    print(told.cloud.name, [(one["program"], one["exception"], one["text"]) for one in every])
    assert len(alerts) == 1
    assert "nova-compute" in {one["program"] for one in every}
    assert {"NoMoreFixedIps", "NoMoreFixedIpsClient"} & {one["exception"].removesuffix("_Remote") for one in every}
    sent = [one["text"] for one in every if one["text"].startswith("notification ")]
    assert bool(sent) == (told.cloud.name == "new")


def test_a_log_and_a_notification_are_one_alert(told: Told) -> None:
    """Scenario 5."""
    alerts = told.about("too large")
    every = [one for alert in alerts for one in (alert["what"], *alert["others"])]
    print(told.cloud.name, [(one["program"], one["exception"], one["text"]) for one in every])
    assert len(alerts) == 1
    assert {one["program"] for one in every} == {"cinder-scheduler"}
    assert {one["text"].startswith("notification ") for one in every} == {True, False}


def test_nobody_is_named_for_a_bad_token(told: Told) -> None:
    """Scenario 7: the thread's context is that of the user before."""
    alerts = [one for one in told.server.bodies() if one.get("what", {}).get("module", "").startswith("keystonemidd")]
    print(told.cloud.name, [(one["what"]["text"], one["who"]) for one in alerts])
    assert alerts
    for one in alerts:
        assert one["who"]["users"] == one["who"]["projects"] == one["requests"] == []
        assert not one["who"]["trusted"]


def test_a_storm_of_callers_mistakes_is_told_by_escalations_alone(told: Told) -> None:
    """Scenarios 8 and 43: one for each group that has so many, and nothing else."""
    alerts = told.server.bodies()[told.storm :]
    print(told.cloud.name, [(one["why"], one["what"]) for one in alerts])
    assert {(one["why"], one["what"]["class"]) for one in alerts} <= {("escalating", "client")}
    assert len({one["group"] for one in alerts}) == len(alerts)
    if told.cloud.name == "new":  # Pike's Keystone logs it as no error
        (alert,) = [one for one in alerts if one["what"]["program"] == "keystone"]
        assert alert["how_often"]["hour"] >= STORM
