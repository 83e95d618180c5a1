"""A compute host of a real cloud fails: its servers are brought up elsewhere, by a command that is killed at random,
and it comes back.

The hypervisor is Nova's fake one; all else is real: Nova's evacuation and what nova-compute does when it comes back,
Neutron's bindings, Cinder's attachments, Placement. The host is a process that stands still.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.lab.lab import Lab
from naru.operate.evacuate.work import Work
from naru.operate.guard import beat
from naru.operate.guard.state import Directory
from naru.plan.status import status

from ..lab import scenario
from ..lab.scenario import ignore, wait
from ..processes import started
from .test_drain_on_clouds import BEFORE, HOST, LONG, Hosts, beside, until_done

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(1500)]

GOES = ("run", "locked", "off")
STAYS = ("paused", "asleep")
"""Nova evacuates neither: a human decides."""
SEEN = "the test, which has stopped it"


@pytest.fixture(params=["old", "new"])
def hosts(
    pair: Lab, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hosts]:
    found = Hosts(pair, pair.cloud(request.param), tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(pair.clouds_yaml))
    with scenario.network(found.rest) as network, scenario.image(found.rest) as image:
        found.network, found.image = network["network"], image
        found.volume = found.rest.volume(size=1, volume_type="nfs", name="data")
        try:
            found.ready()
            yield found
        finally:
            if state(found)["state"] == "down":
                unforced(found)  # else the lab waits in vain until all of it is up
                begin_again(found)
                wait("Nova takes it for up", lambda: unforced(found), LONG)
            found.rest("compute", "PUT", "/os-services/enable", {"host": HOST, "binary": "nova-compute"})
            found.remove(list(found.servers))
            found.rest("volumev3", "DELETE", f"/volumes/{found.volume}")
            found.rest.gone("volumev3", f"/volumes/{found.volume}")


def processes(hosts: Hosts) -> list[int]:
    """Of the compute hosts, by number: the children of the process that began them, in their order."""
    found = sorted(one.pid for one in hosts.cloud.processes.tree()["nova-compute"])
    return found[-len(hosts.cloud.hosts) :]


def stand_still(hosts: Hosts) -> None:
    """The host's compute service does nothing any more; Nova sees it within a minute."""
    os.kill(processes(hosts)[hosts.cloud.hosts.index(HOST)], signal.SIGSTOP)
    wait("Nova sees it down", lambda: state(hosts)["state"] == "down", LONG)


def begin_again(hosts: Hosts) -> None:
    """Its compute service begins anew, as after a boot."""
    for pid in processes(hosts):
        os.kill(pid, signal.SIGCONT)
    hosts.cloud.processes.stop(["nova-compute"])
    hosts.lab.up(None, ignore, ignore)


def unforced(hosts: Hosts) -> bool:
    """Nova is told that the host is not down any more; whether it is up then."""
    body = {"forced_down": False}
    hosts.rest.session.put(
        f"/os-services/{state(hosts)['id']}",
        json=body,
        endpoint_filter={"service_type": "compute", "interface": "public"},
        microversion="2.53",
        raise_exc=False,
    )
    return bool(state(hosts)["state"] == "up")


def state(hosts: Hosts) -> dict[str, Any]:
    answer = hosts.rest.session.get(
        f"/os-services?binary=nova-compute&host={HOST}",
        endpoint_filter={"service_type": "compute", "interface": "public"},
        microversion="2.53",
    )
    found: dict[str, Any] = answer.json()["services"][0]
    return found


def test_there_and_back(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    command = ("host", "evacuate", HOST, "--site", hosts.site, "--work", work, "--shared", "--settle", "5s")
    # a host that is up is not evacuated, whoever says what
    assert hosts.naru(*command, "--off", SEEN) == 1
    assert "is up" in capsys.readouterr().err
    stand_still(hosts)
    # nor one of which nobody knows that it is off
    assert hosts.naru(*command) == 1
    assert "cannot be proved off" in capsys.readouterr().err
    assert (state(hosts)["status"], state(hosts)["forced_down"]) == ("enabled", False)
    kills = until_done(*command, "--off", SEEN, most=6.0)
    assert kills > 1
    check_evacuated(hosts)
    before = hosts.migrations()
    assert hosts.naru(*command, "--off", SEEN) == 0
    assert hosts.migrations() == before and [name for name, _ in before] == sorted(GOES)
    # another directory's plan keeps off
    assert hosts.naru(*command[:5], "--work", tmp_path / "other", "--off", SEEN) == 1
    assert "by another plan" in capsys.readouterr().err
    if hosts.cloud.name == "old":
        return  # Pike leaves records open of guests that a hypervisor does not have, and Nova's fake one has none then
    with beside("host", "return", work) as process:
        begin_again(hosts)
        assert process.wait(LONG) == 0
    found = state(hosts)
    assert (found["state"], found["status"], found["forced_down"]) == ("up", "disabled", False)
    assert {status for _, status in hosts.migrations()} == {"completed"}
    check_evacuated(hosts, is_back=True)
    assert hosts.naru("host", "return", work, "--enable") == 0
    assert state(hosts)["status"] == "enabled"
    assert hosts.naru("host", "status", work) == 0
    assert hosts.naru(*command, "--off", SEEN) == 2


def check_evacuated(hosts: Hosts, *, is_back: bool = False) -> None:
    """What can be is elsewhere, as it was; the rest is where it was."""
    where = hosts.where()
    for name in GOES:
        assert where[name][0] != HOST and where[name][1:] == BEFORE[name][1:]
        if is_back:
            hosts.is_on(name, where[name][0])
    assert {name: where[name] for name in STAYS} == {name: BEFORE[name] for name in STAYS}
    hosts.rest.wait_volume(hosts.volume, "in-use")
    if not is_back:
        found = state(hosts)
        assert (found["status"], found["forced_down"]) == ("disabled", True)
        assert found["disabled_reason"].startswith("naru evacuate ")


def test_the_guard_finds_it_dead_and_asks_and_evacuates(hosts: Hosts, tmp_path: Path) -> None:
    """Heartbeats of two hosts to a guard and a witness, and files on a storage; one host stands still. It has no power
    controller: the guard asks, is told, and evacuates, killed in the middle and begun again."""
    key, storage, guard = tmp_path / "key", tmp_path / "storage", tmp_path / "guard"
    key.write_text("k" * 64)
    key.chmod(0o600)
    storage.mkdir()
    (tmp_path / "policy.yaml").write_text("{silence: 60, settle: 5, quiet: 0, expects: [heartbeat, storage]}")
    here, there = (f"127.0.0.1:{port}" for port in free_ports(2))
    run = (
        *("guard", "run", "--site", hosts.site, "--work", guard, "--key", key, "--domain", "a", "--listen", here),
        *("--storage", storage, "--shared", "--every", "5s", "--policy", tmp_path / "policy.yaml", "--act"),
    )
    witness = (
        *("guard", "witness", "--name", "w", "--domain", "b", "--cloud", hosts.cloud.name),
        *("--key", key, "--listen", there, "--to", here),
    )
    directory = Directory(guard, make=True)
    with contextlib.ExitStack() as stack:
        beats = {
            name: stack.enter_context(beating(name, key, f"{here},{there}", storage)) for name in hosts.cloud.hosts
        }
        stack.enter_context(beside(*witness))
        process = stack.enter_context(beside(*run))
        wait("it hears all", lambda: len({one for one, _ in directory.load().seen}) == len(beats), LONG)
        beats[HOST].kill()
        # without a heartbeat, and with a compute service that is up, nothing is wrong
        stand_still(hosts)
        wait("it asks", lambda: said(directory)[:2] == ("ask", "fence"), LONG)
        assert hosts.migrations() == [] and directory.entries() == []
        assert hosts.naru("guard", "approve", "--work", guard, HOST, "off", "--by", SEEN) == 0
        wait("it has begun", directory.entries, LONG)
        process.kill()
        process.wait()
        stack.enter_context(beside(*run))
        wait("all are elsewhere", lambda: all(hosts.where_is(name) != HOST for name in GOES), LONG)
        (path,) = directory.evacuations(HOST)
        wait("it is proved", lambda: hosts.naru("host", "status", path) == 0 and is_over(path), LONG)
        check_evacuated(hosts)
        assert [name for name, _ in hosts.migrations()] == sorted(GOES)
        wait("it knows", lambda: said(directory)[:2] == ("none", "flight"), LONG)
        assert hosts.naru("guard", "verdicts", "--work", guard, "--replay") == 0


def said(directory: Directory) -> tuple[str, str]:
    """What the guard says of the host now."""
    found = directory.now().get("verdicts", {}).get(HOST, {})
    return str(found.get("outcome")), str(found.get("gate"))


def is_over(path: Path) -> bool:
    with Work(path).journal() as journal:
        return status(journal).state == "done"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@contextlib.contextmanager
def beating(name: str, key: Path, to: str, storage: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The heartbeat of a host."""
    argv = [sys.executable, beat.__file__, "--name", name, "--key", str(key), "--to", to, "--every", "5"]
    with started([*argv, "--file", str(storage / f"{name}.beat")]) as process:
        try:
            yield process
        finally:
            process.kill()
