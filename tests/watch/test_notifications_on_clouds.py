"""Mistakes made through the APIs of two real clouds that send notifications, nine years apart: what comes of them."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.watch import statements
from naru.watch.group import CLIENT
from naru.watch.match import Matcher
from naru.watch.notifications import address, listen
from naru.watch.store import Store

from ..lab import scenario
from ..lab.scenario import Rest, connect, wait

pytestmark = [pytest.mark.lab, pytest.mark.releases]
HUGE = {"name": "watch-huge", "ram": 9_999_999, "vcpus": 900, "disk": 1}


class Mistakes:
    """What goes wrong in a cloud while its notifications are read, and how long each group took to be there."""

    def __init__(self, lab: Lab, cloud: Cloud, directory: Path) -> None:
        self.cloud, self.work, self.file = cloud, directory / "watch", directory / "bus"
        self.file.touch(0o600)
        self.file.write_text(cloud.transport_url)
        self.rest = Rest(connect(lab, cloud.name))
        self.seconds: dict[str, float] = {}
        matcher = Matcher(statements.of_environment(cloud.venv).statements)
        with listen.listening(self.work, [address.of_file(self.file)], matcher, self._came):
            time.sleep(2)
            self.requests = self._make(lab)
            time.sleep(8)

    def _came(self, store: Store, keys: list[str]) -> None:
        now = time.time()
        for one in store.groups():
            if one["key"] in keys:
                self.seconds[one["text"]] = now - one["first"]

    def _make(self, lab: Lab) -> list[str]:
        """Two servers too large for any host, a volume too large for any backend, a wrong password; the request ids of
        the servers."""
        rest, project = self.rest, self.rest.project
        free = {"cores": -1, "ram": -1, "instances": -1}
        rest("compute", "PUT", f"/os-quota-sets/{project}", {"quota_set": free})
        sizes = {"gigabytes": -1, "volumes": -1, "per_volume_gigabytes": -1}
        rest("volumev3", "PUT", f"/os-quota-sets/{project}", {"quota_set": sizes})
        huge = rest("compute", "POST", "/flavors", {"flavor": HUGE})["flavor"]["id"]
        asked = []
        with scenario.image(rest) as made:
            for _ in range(2):
                server = {"name": "huge", "flavorRef": huge, "imageRef": made, "networks": "none"}
                answer = rest.session.request(
                    *("/servers", "POST"),
                    json={"server": server},
                    microversion="2.37",
                    headers={"X-OpenStack-Request-ID": f"req-{uuid.uuid4()}"},
                    endpoint_filter={"service_type": "compute", "interface": "public"},
                )
                asked.append(str(answer.headers["x-openstack-request-id"]))
                self._failed("compute", f"/servers/{answer.json()['server']['id']}", "server")
        volume = rest("volumev3", "POST", "/volumes", {"volume": {"size": 800_000, "name": "large"}})["volume"]["id"]
        self._failed("volumev3", f"/volumes/{volume}", "volume")
        rest("compute", "DELETE", f"/flavors/{huge}")
        auth = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "wrong"}},
            }
        }
        # the first one makes Keystone's exchange, which is bound within ten seconds
        for pause in (12, 0):
            refused = rest.session.request(
                f"{self.cloud.url('keystone', '/v3')}/auth/tokens",
                *("POST",),
                json={"auth": auth},
                authenticated=False,
                raise_exc=False,
            )
            assert refused.status_code == 401
            time.sleep(pause)
        return asked

    def _failed(self, service: str, path: str, kind: str) -> None:
        wait(f"{path} has failed", lambda: self.rest(service, "GET", path)[kind]["status"].lower() == "error")
        self.rest(service, "DELETE", path)
        self.rest.gone(service, path)

    def groups(self) -> dict[str, dict[str, Any]]:
        with Store(self.work) as store:
            return {one["text"].split()[1].removesuffix(":"): one for one in store.groups()}


@pytest.fixture(scope="module", params=["old", "new"])
def made(telling: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mistakes:
    return Mistakes(telling, telling.cloud(request.param), tmp_path_factory.mktemp(request.param))


def test_each_mistake_is_one_group(made: Mistakes) -> None:
    """Two servers are two of one group, though Nova sends each in both formats where it has both; the exception has a
    name on both releases."""
    groups = made.groups()
    print(made.cloud.name, {kind: (one["exception"], one["count"], one["class"]) for kind, one in groups.items()})
    (boot,) = [one for kind, one in groups.items() if kind.startswith("compute_task.build_instances")]
    assert (boot["binary"], boot["exception"], boot["count"]) == ("nova-conductor", "NoValidHost", 2)
    volume = groups["scheduler.create_volume"]
    assert (volume["binary"], volume["exception"], volume["count"]) == ("cinder-scheduler", "NoValidBackend", 1)
    if made.cloud.name == "new":  # Pike's Keystone sends none of logins, unless notification_opt_out says otherwise
        refused = groups["identity.authenticate"]
        assert (refused["binary"], refused["class"], refused["level"]) == ("keystone", CLIENT, "INFO")
    with Store(made.work) as store:
        examples = store.examples(boot["key"])
        assert {one.body["request"] for one in examples} == set(made.requests)
        assert all(one.body["instance"] and one.body["project"] == made.rest.project for one in examples)
        assert listen.doubts(store, time.time()) == []


def test_within_seconds(made: Mistakes) -> None:
    print(made.cloud.name, {kind: round(seconds, 2) for kind, seconds in made.seconds.items()})
    assert made.seconds and max(made.seconds.values()) < 15


def test_nothing_secret_is_kept(made: Mistakes) -> None:
    for file in made.work.iterdir():
        data = file.read_bytes()
        assert b"gAAAA" not in data and made.cloud.secret.encode() not in data, file


def test_a_requests_notifications_stand_among_its_records(made: Mistakes, capsys: pytest.CaptureFixture[str]) -> None:
    files = str(made.cloud.processes.log / "*.log")
    words = ["-q", "watch", "run", str(made.work), "--files", files, "--notifications", str(made.file), "--once"]
    assert main([*words, "-f", "json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["notifications"] > 10
    assert main(["watch", "request", str(made.work), made.requests[0], "-f", "json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    told = [one for one in found if one["message"].startswith("notification ")]
    assert any(one["message"].startswith("notification compute_task.build_instances") for one in told)
    assert {one["reason"] for one in told} <= {
        *("its request id", "its global request id", "the global request id that came with it"),
        *("the id of a request that it made", "about its server, meanwhile"),
    }
    assert {"nova-conductor", "nova-api"} <= {one["program"] for one in found}
    assert len(found) > len(told)
    times = [one["time"] for one in told]
    assert times == sorted(times)


def test_who_reads_by_default_still_can(made: Mistakes) -> None:
    """The queue that services have always filled has all of it."""
    where = address.of_file(made.file)
    with listen.Bus(where) as bus:
        channel = bus._connection.channel()
        assert channel.queue_declare("notifications.error", passive=True).message_count >= 3
