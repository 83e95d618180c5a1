"""Hosts of a real cloud that boot, in waves: emptied, a command run that boots them, proved to be back, given back; the
executor killed at random, and a host on which the command fails.

The hypervisor is Nova's fake one; hosts have systemd, sshd and boots of their own. NARU_TEST_COMPUTES=DIRECTORY uses
and keeps a lab there.
"""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.errors import NaruError
from naru.lab import spec
from naru.lab.hosts import able
from naru.lab.lab import Lab
from naru.plan.journal import Journal
from naru.plan.queries import reading

from ..lab import scenario
from ..lab.hosted.scenario import on
from ..lab.hosts.machine import left_of, of_the_machine
from ..lab.scenario import Rest, come_up, connect, wait
from .test_drain_on_clouds import beside, until_done

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1800)]

HOSTS = ("compute1", "compute2", "compute3")
CLOUD = "cloud"


class Computes:
    """The cloud, servers on its hosts, and commands."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rest = Rest(connect(lab, CLOUD))
        self.servers: dict[str, str] = {}

    def boot(self, name: str, host: str, image: str, network: str) -> None:
        body = {
            **{"name": name, "flavorRef": scenario.flavor(self.rest), "imageRef": image},
            **{"networks": [{"uuid": network}], "availability_zone": f"nova:{host}"},
        }
        self.servers[name] = self.rest("compute", "POST", "/servers", {"server": body})["server"]["id"]

    def where(self) -> dict[str, tuple[str, str]]:
        """By name the host and status of each server."""
        found = {}
        for name, identity in self.servers.items():
            one = self.rest("compute", "GET", f"/servers/{identity}")["server"]
            assert one["OS-EXT-STS:task_state"] is None
            found[name] = one["OS-EXT-SRV-ATTR:host"], one["status"]
        return found

    def scheduling(self) -> dict[str, tuple[str, str | None]]:
        found = self.rest("compute", "GET", "/os-services?binary=nova-compute")["services"]
        return {one["host"]: (one["status"], one.get("disabled_reason")) for one in found}

    def says(self, host: str, line: str) -> str:
        return on(self.lab.hosts(), host, line).strip()

    def boots(self) -> dict[str, str]:
        return {host: self.says(host, "cat /proc/sys/kernel/random/boot_id") for host in HOSTS}

    def ceph(self) -> tuple[dict[str, list[str]], str]:
        """The flags of hosts, and the states of placement groups."""
        flags = json.loads(self.says("compute3", "ceph osd dump -f json"))["crush_node_flags"]
        states = json.loads(self.says("compute3", "ceph status -f json"))["pgmap"]["pgs_by_state"]
        return flags, ", ".join(sorted(one["state_name"] for one in states))

    def down(self, work: Path) -> list[tuple[float, float]]:
        """When each host could be down: from the step that lets it go down to its proof that it is back, in order."""
        found = []
        for directory in (work / "wave").iterdir():
            with Journal.open(directory) as journal, reading(journal) as now:
                steps = {one.id: one for one in now.steps(purpose=("osds", "back"))}
            for host in HOSTS:
                if f"{host}/osds" in steps:
                    begins, ends = steps[f"{host}/osds"].ended, steps[f"{host}/back"].ended
                    assert begins and ends
                    found.append((begins, ends))
        return sorted(found)

    def naru(self, *words: object) -> int:
        return main(["-q", "host", "waves", *map(str, words)])


@pytest.fixture(scope="module")
def computes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Computes]:
    try:
        able.check()
    except NaruError as error:
        pytest.skip(f"{error.summary}: {error.detail}")
    before, kept = of_the_machine(), os.environ.get("NARU_TEST_COMPUTES")
    directory = tmp_path_factory.mktemp("computes")
    file = directory / "computes.yaml"
    file.write_text((Path(__file__).parent / "computes.yaml").read_text().replace("10.77.", "10.72."))
    lab = Lab(Path(kept) if kept else directory / "lab")
    come_up(lab, spec.build_hosts(str(file), [f"{CLOUD}=pike"]))
    found = Computes(lab)
    with scenario.network(found.rest) as network, scenario.image(found.rest) as image:
        found.boot("run", "compute1", image, network["network"])
        found.boot("off", "compute1", image, network["network"])
        found.boot("other", "compute2", image, network["network"])
        for identity in found.servers.values():
            found.rest.wait_server(identity, "ACTIVE")
        found.rest("compute", "POST", f"/servers/{found.servers['off']}/action", {"os-stop": None})
        found.rest.wait_server(found.servers["off"], "SHUTOFF")
        yield found
        for identity in found.servers.values():
            found.rest("compute", "DELETE", f"/servers/{identity}")
        for identity in found.servers.values():
            found.rest.gone("compute", f"/servers/{identity}")
    if kept:
        return
    hosts = lab.hosts()
    lab.down()
    assert left_of(hosts) == []
    assert of_the_machine() == before


@pytest.fixture(autouse=True)
def config(computes: Computes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(computes.lab.clouds_yaml))


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {row["host"]: row for row in json.loads(capsys.readouterr().out)}


def test_all_hosts_boot_once_whoever_is_killed(
    computes: Computes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, site = tmp_path / "work", computes.lab.site_yaml
    before, were = computes.boots(), computes.where()
    line = "echo ran >>/root/ran && sleep 2 && reboot"
    words = ("--site", site, "--work", work, "--settle", "5s", "--hosts-at-once", 2)
    assert computes.naru("plan", "--all", "--run", line, *words, "-f", "json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert [(row["wave"], row["host"]) for row in planned] == [(1, "compute1"), (1, "compute2"), (2, "compute3")]
    kills = until_done("host", "waves", "run", work, most=20.0)
    assert kills > 2
    after = computes.boots()
    assert {host for host in HOSTS if before[host] != after[host]} == set(HOSTS)
    assert [computes.says(host, "cat /root/ran") for host in HOSTS] == ["ran"] * 3
    assert computes.scheduling() == dict.fromkeys(HOSTS, ("enabled", None))
    # on paper two hosts at a time; Ceph bears one
    assert len(list((work / "wave").iterdir())) == 3
    assert computes.ceph() == ({}, "active+clean")
    down = computes.down(work)
    assert len(down) == 3 and all(ends <= begins for (_, ends), (begins, _) in itertools.pairwise(down)), down
    # the last wave has emptied compute3, which all had gone to
    assert {name: one[1] for name, one in computes.where().items()} == {name: one[1] for name, one in were.items()}
    assert "compute3" not in {one[0] for one in computes.where().values()}
    assert computes.naru("status", work, "-f", "json") == 0
    assert {row["state"] for row in shown(capsys).values()} == {"done"}
    assert computes.naru("run", work) == 0
    assert computes.boots() == after


def test_a_host_that_fails_holds_up_no_other_one_and_is_left_behind(
    computes: Computes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, site = tmp_path / "work", computes.lab.site_yaml
    computes.says("compute2", "touch /root/broken")
    words = ("--site", site, "--work", work, "--settle", "5s", "--reason", "kernel")
    assert computes.naru("plan", *HOSTS, "--run", "test ! -e /root/broken", "--reboot", *words) == 0
    before = computes.boots()
    assert computes.naru("run", work) == 1
    capsys.readouterr()
    assert computes.naru("status", work, "-f", "json") == 1
    found = shown(capsys)
    assert {host: row["state"] for host, row in found.items()} == {
        **{"compute1": "done", "compute2": "failed", "compute3": "done"}
    }, found
    assert "exited with 1" in found["compute2"]["why"]
    after = computes.boots()
    assert {host for host in HOSTS if before[host] != after[host]} == {"compute1", "compute3"}
    assert computes.ceph()[0] == {"compute2": ["noout"]}
    status, reason = computes.scheduling()["compute2"]
    assert status == "disabled" and reason and reason.endswith(": kernel")
    assert "compute2" not in {one[0] for one in computes.where().values()}
    assert computes.naru("leave", "compute2", "--work", work, "--reason", "ticket 1", "--return") == 0
    assert computes.ceph()[0] == {}
    assert computes.scheduling() == dict.fromkeys(HOSTS, ("enabled", None))
    assert computes.naru("run", work) == 0
    assert computes.boots() == after


def test_a_power_cut_in_the_middle_of_a_command_is_told_from_its_reboot(
    computes: Computes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, site = tmp_path / "work", computes.lab.site_yaml
    words = ("--site", site, "--work", work, "--settle", "5s")
    line = "echo ran >>/root/cut; sleep 600; reboot"
    assert computes.naru("plan", "compute3", "--run", line, *words) == 0
    with beside("host", "waves", "run", work) as process:
        wait("the command runs", lambda: computes.says("compute3", "cat /root/cut 2>/dev/null || true") == "ran", 300)
        computes.lab.hosts().power("compute3", "reset")
        assert process.wait(600) == 1
    assert computes.naru("status", work, "-f", "json") == 1
    assert "was cut off" in shown(capsys)["compute3"]["why"]
    assert computes.says("compute3", "cat /root/cut") == "ran"
    assert computes.naru("leave", "compute3", "--work", work, "--reason", "cut", "--return") == 0
