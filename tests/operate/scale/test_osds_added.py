"""OSDs come to a real Ceph cluster and leave it again: real daemons on real block devices, weights in steps, flags and
limits seen and put back. What makes them is a stand-in for ceph-ansible under a real ansible-runner."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main
from naru.lab.ports import PER_CLOUD, Ports
from naru.plan.journal import Journal
from naru.plan.queries import reading

from ...volumes.conftest import PORT_BASE
from .osds import MODULES, Cluster

pytestmark = [pytest.mark.ceph, pytest.mark.releases, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not (MODULES / "balancer").is_dir():
        pytest.skip("the manager's modules are not installed: naru lab deps --install")
    for program in ("ceph-osd", "losetup", "wipefs", "unshare", "ansible-runner"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:{Path(sys.executable).parent}"):
            pytest.skip(f"{program} is not installed: naru lab deps --install")
    made = Cluster(tmp_path_factory.mktemp("added"), Ports(PORT_BASE + 8 * PER_CLOUD))
    try:
        until(lambda: made.balances())
        made("osd", "pool", "set", "images", "pg_autoscale_mode", "on")
        made("config", "set", "osd", "osd_max_backfills", "3")
        for number in range(30):
            file = made.directory / "object"
            file.write_bytes(os.urandom(200_000))
            argv = ["rados", "-p", "volumes", "put", f"object{number}", str(file)]
            subprocess.run(argv, check=True, env=made.env, timeout=60)
        yield made
    finally:
        made.stop()


def steps_of(work: Path) -> dict[str, Any]:
    with Journal.open(work) as journal, reading(journal) as now:
        return {row.id: (row.state, row.result) for row in now.steps(result=True, rollbacks=True)}


def until(what: Callable[[], Any], seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def test_osds_get_their_data_in_steps_and_go_again(cluster: Cluster, tmp_path: Path, capfd: Any) -> None:
    before, work = cluster.settings(), tmp_path / "work"
    files = cluster.site.read_text(), cluster.inventory.read_text()
    assert cluster.osds() == {}
    assert main(["scale", "osd", *cluster.options(), "--steps", "2", "--work", str(work)]) == 0
    shown = capfd.readouterr()
    assert f"+{cluster.name} ansible_host=127.0.0.1 ansible_connection=local" in shown.err
    assert f"+- {cluster.loops[0]}" in shown.err and "name: osd7, address: 127.0.0.1" in shown.err
    assert cluster.settings() == before and (cluster.site.read_text(), cluster.inventory.read_text()) == files

    seen: list[tuple[dict[int, float], dict[str, Any]]] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            seen.append((cluster.osds(), cluster.settings()))
            time.sleep(0.3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert main(["scale", "run", str(work)]) == 0
    finally:
        ended.set()
        watcher.join()
    assert cluster.settings() == before
    weights = cluster.osds()
    assert len(weights) == 2 and all(weight > 0 for weight in weights.values())
    groups = cluster.groups()
    assert all(groups[number] > 0 for number in weights)
    # they were there weighing nothing, with norebalance; then half of it, then all
    assert any(len(found) == 2 and not any(found.values()) and "norebalance" in now["flags"] for found, now in seen)
    levels = [round(next(iter(found.values())) / next(iter(weights.values())), 2) for found, _ in seen if found]
    assert sorted(set(levels)) == [0.0, 0.5, 1.0] and levels == sorted(levels)
    moving = [now for found, now in seen if any(found.values()) and next(iter(found.values())) < max(weights.values())]
    assert all("norebalance" not in now["flags"] for now in moving)
    assert not any(now["balancer"] for now in moving) and before["balancer"]
    assert all(now["config"]["osd_max_backfills"] == "1" and now["scaled"]["images"] == "off" for now in moving)
    assert "name: osd7, address: 127.0.0.1" in cluster.site.read_text() and "osd7 " in cluster.inventory.read_text()
    assert (cluster.inventory.parent / "host_vars" / "osd7.yml").is_file()
    for number in range(30):
        argv = ["rados", "-p", "volumes", "stat", f"object{number}"]
        subprocess.run(argv, check=True, capture_output=True, env=cluster.env, timeout=60)

    assert main(["scale", "rollback", str(work)]) == 0
    assert cluster.settings() == before and cluster.osds() == {}
    assert cluster.name not in {one["name"] for one in cluster("osd", "tree")["nodes"]}
    assert (cluster.site.read_text(), cluster.inventory.read_text()) == files
    assert not (cluster.inventory.parent / "host_vars" / "osd7.yml").exists()
    cluster.wait_clean()
    # the disks are empty again: the same may be planned again
    assert main(["scale", "osd", *cluster.options(), "--work", str(tmp_path / "again")]) == 0


def started(work: Path) -> "subprocess.Popen[bytes]":
    """naru scale run, in a process of its own."""
    argv = [sys.executable, "-m", "naru.cli.main", "-q", "scale", "run", str(work)]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.kill
def test_data_is_held_while_an_osd_is_nearly_full_and_all_is_well_after_kills(cluster: Cluster, tmp_path: Path) -> None:
    before, work = cluster.settings(), tmp_path / "work"
    assert main(["scale", "osd", *cluster.options(), "--steps", "2", "--every", "2", "--work", str(work)]) == 0
    chance = random.Random(7)
    kills = 0
    while not any(cluster.osds().values()):
        running = started(work)
        end = time.monotonic() + chance.uniform(2, 40)
        while running.poll() is None and time.monotonic() < end and not any(cluster.osds().values()):
            time.sleep(0.2)
        if running.poll() is None:
            os.kill(running.pid, signal.SIGKILL)
            kills += 1
        running.wait(60)
        assert running.returncode == -signal.SIGKILL, running.communicate()[1].decode()
        assert kills < 15
    # killed as soon as the first weight was set; nobody has taken norebalance away for others
    assert "norebalance" not in cluster.settings()["flags"]
    cluster("osd", "set-nearfull-ratio", "0.000001")
    running = started(work)
    try:
        until(lambda: "norebalance" in cluster.settings()["flags"])
        os.kill(running.pid, signal.SIGKILL)
        running.wait(60)
        assert "norebalance" in cluster.settings()["flags"]
        cluster("osd", "set-nearfull-ratio", "0.85")
        running = started(work)
        assert running.wait(300) == 0, running.communicate()[1].decode()
    finally:
        running.kill()
        running.wait(30)
    state, result = steps_of(work)["weight/1"]
    assert state == "done" and result["pauses"] == 1 and not result["held"]
    assert cluster.settings() == before and len(cluster.osds()) == 2

    # taken back, killed as well
    argv = [sys.executable, "-m", "naru.cli.main", "-q", "scale", "rollback", str(work)]
    for _ in range(3):
        undoing = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            undoing.wait(chance.uniform(5, 40))
        except subprocess.TimeoutExpired:
            undoing.kill()
            undoing.wait(30)
    assert main(["scale", "rollback", str(work)]) == 0
    assert cluster.settings() == before and cluster.osds() == {}
    cluster.wait_clean()
    assert cluster("health")["status"] == "HEALTH_OK"
