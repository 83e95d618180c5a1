"""A compute host comes to a real cloud: deployed by a stand-in for kolla-ansible under a real ansible-runner, kept out
of scheduling from the moment that Nova knows it, proved, tried by a server that goes there and back, opened; and taken
back."""

import dataclasses
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.services import nova

from ...lab import scenario
from ...lab.scenario import Rest, connect, wait
from . import standin

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(900)]

HOST, LIKE = "compute9", "compute1"
PROCESS = "nova-compute-new"


class Growing:
    """The cloud, and what deploys a host: it is started when the stand-in says so, and mapped some seconds later."""

    def __init__(self, lab: Lab, cloud: Cloud, directory: Path) -> None:
        self.lab, self.cloud, self.directory = lab, cloud, directory
        self.rest = Rest(connect(lab, cloud.name))
        self.seen: list[tuple[str, str | None]] = []
        self.asked, self.done = directory / "asked", directory / "done"
        self.options = standin.installed(
            directory, f"touch {self.asked}; while [ ! -e {self.done} ]; do sleep 0.2; done"
        )
        hosts = [{"name": LIKE, "address": "127.0.0.1"}]
        site = {"naru_site": 1, "name": "lab", "cloud": cloud.name, "hosts": hosts, "groups": {"computes": [LIKE]}}
        self.site = directory / "site.yaml"
        self.site.write_text(yaml.safe_dump(site))

    def services(self) -> list[dict[str, Any]]:
        path = f"/os-services?binary=nova-compute&host={HOST}"
        return list(self.rest("compute", "GET", path)["services"])

    def deploy(self) -> None:
        """What kolla-ansible does of it: the service started, waited for, its host mapped to the cell."""
        wait("deploy is asked for", self.asked.exists, 300)
        (self.cloud.state / "nova" / HOST / "instances").mkdir(parents=True, exist_ok=True)
        (self.cloud.etc / "nova" / "hosts" / f"{HOST}.conf").write_text(nova.compute_conf(self.cloud, HOST))
        self.cloud.processes.start(dataclasses.replace(nova.compute(self.cloud, [HOST]), name=PROCESS))
        wait("the service is known", self.services, 180)
        time.sleep(4)
        (found,) = self.services()
        self.seen.append((found["status"], found.get("disabled_reason")))
        argv = nova.discover_hosts(self.cloud)
        subprocess.run(argv, env=self.cloud.environment(), check=True, capture_output=True, timeout=120)
        self.done.touch()

    def remove(self) -> None:
        self.cloud.processes.stop([PROCESS])
        (self.cloud.etc / "nova" / "hosts" / f"{HOST}.conf").unlink(missing_ok=True)
        headers = {"OpenStack-API-Version": "compute 2.53"}
        session = self.rest.session
        where = {"service_type": "compute", "interface": "public"}
        found = session.get("/os-services?binary=nova-compute", endpoint_filter=where, headers=headers).json()
        for one in found["services"]:
            if one["host"] == HOST:
                session.delete(f"/os-services/{one['id']}", endpoint_filter=where, headers=headers)


@pytest.fixture
def growing(pair: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Growing]:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(pair.clouds_yaml))
    made = Growing(pair, pair.cloud("new"), tmp_path)
    yield made
    made.remove()


def test_a_host_comes_is_proved_and_is_taken_back(growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
    rest, work = growing.rest, growing.directory / "work"
    before = {file: file.read_text() for file in (growing.site, growing.options["inventory"])}
    aggregate = rest("compute", "POST", "/os-aggregates", {"aggregate": {"name": "grown"}})["aggregate"]["id"]
    with scenario.network(rest) as network, scenario.image(rest) as image:
        given = [word for name, file in growing.options.items() for word in (f"--{name}", str(file))]
        canary = ["--flavor", scenario.flavor(rest), "--image", image, "--network", network["network"]]
        words = ["scale", "compute", f"{HOST}=127.0.0.1", "--like", LIKE, "--site", str(growing.site), *given]
        assert main(["-q", *words, *canary, "--aggregate", "grown", "--work", str(work)]) == 0
        assert {file: file.read_text() for file in before} == before
        deployer = threading.Thread(target=growing.deploy)
        deployer.start()
        capsys.readouterr()
        code = main(["-q", "scale", "run", str(work), "-f", "json"])
        told = capsys.readouterr()
        deployer.join(300)
        assert code == 0, told.out + told.err
    # it was out of scheduling before it was mapped to a cell
    ((status, reason),) = growing.seen
    assert status == "disabled" and str(reason).startswith("naru scale ")
    ((service),) = growing.services()
    assert (service["status"], service["state"]) == ("enabled", "up")
    assert rest("compute", "GET", f"/os-aggregates/{aggregate}")["aggregate"]["hosts"] == [HOST]
    assert (
        HOST in growing.site.read_text()
        and f"{HOST} ansible_host=127.0.0.1" in growing.options["inventory"].read_text()
    )
    log = (growing.directory / "log").read_text().splitlines()
    assert [line.split()[:2] for line in log] == [
        [action, HOST] for action in ("bootstrap-servers", "precheck", "pull", "deploy")
    ]
    migrations = rest("compute", "GET", f"/os-migrations?host={HOST}")["migrations"]
    assert sorted((one["source_compute"], one["dest_compute"], one["status"]) for one in migrations) == [
        (LIKE, HOST, "completed"),
        (HOST, LIKE, "completed"),
    ]
    assert rest("compute", "GET", f"/servers?all_tenants=1&host={HOST}")["servers"] == []
    # given again there is nothing to do; taken back, all but the service is as it was
    assert main(["-q", "scale", "run", str(work)]) == 0
    assert main(["-q", "scale", "rollback", str(work)]) == 0
    ((service),) = growing.services()
    assert service["status"] == "disabled" and {file: file.read_text() for file in before} == before
    assert rest("compute", "GET", f"/os-aggregates/{aggregate}")["aggregate"]["hosts"] == []
    rest("compute", "DELETE", f"/os-aggregates/{aggregate}")
