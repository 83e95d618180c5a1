"""What is asked of a real Ceph before a host with OSDs goes down, and the flag on that host alone.

The cluster is the lab's, of one monitor and one OSD, so it never bears that: what it bears is seen on hosts
(`test_waves_on_hosts.py`).
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import NaruError
from naru.lab.ceph import Ceph
from naru.lab.ports import PER_CLOUD, Ports
from naru.lab.process import Processes
from naru.operate.ceph import Cluster
from naru.plan.errors import Transient
from naru.site import site as sites
from naru.site.ssh import Ran, Unreachable

from ..volumes.conftest import PORT_BASE

pytestmark = [pytest.mark.ceph, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    if not shutil.which("ceph-osd"):
        pytest.skip("Ceph is not installed: naru lab deps --install")
    directory = tmp_path_factory.mktemp("osds")
    made = Ceph(directory / "ceph", Processes(directory, f"test:{directory}"), Ports(PORT_BASE + 6 * PER_CLOUD))
    try:
        made.start()
        made.ready()
        yield made
    finally:
        made.stop()
    assert made.processes.tree() == {}


class Here:
    """Hosts that are this machine, but `down`, in place of those that are reached over SSH."""

    def __init__(self, conf: Path) -> None:
        self._env = {**os.environ, "CEPH_CONF": str(conf)}
        self.asked: list[str] = []

    def remote(self, name: str) -> Any:
        self.asked.append(name)
        return self

    def run(self, line: str, seconds: float) -> str:
        return line

    def call(self, line: str) -> Ran:
        if self.asked[-1] == "down":
            raise Unreachable("down: no answer")
        done = subprocess.run(["sh", "-c", line], env=self._env, capture_output=True, text=True, timeout=60)
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def here(ceph: Ceph) -> Here:
    return Here(ceph.conf("admin"))


@pytest.fixture
def cluster(here: Here, tmp_path: Path) -> Cluster:
    storage = {"name": "main", "kind": "ceph", "monitors": ["down", "up", "mine"], "osds": ["mine"]}
    hosts = [{"name": name} for name in ("down", "up", "mine")]
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump({"naru_site": 1, "name": "one", "hosts": hosts, "storage": [storage]}))
    site = sites.load(file)
    (found,) = site.part.storage
    fleet: Any = here
    return Cluster(site, fleet, found, last=["mine"])  # type: ignore[arg-type]


def host_of(cluster: Cluster) -> str:
    (found,) = [one["name"] for one in cluster.ask("osd", "tree")["nodes"] if one["type"] == "host"]
    return str(found)


def test_the_next_monitor_is_asked_where_one_does_not_answer(cluster: Cluster, here: Here) -> None:
    assert cluster.ask("status")["osdmap"]["num_osds"] == 1
    assert here.asked == ["down", "up"]
    here.asked.clear()
    with pytest.raises(Transient, match="osd nonsense gives no answer"):
        cluster.ask("osd", "nonsense")


def test_what_would_take_data_or_the_quorum_away_is_not_borne(cluster: Cluster) -> None:
    host = host_of(cluster)
    assert cluster.osds(host) == {0: True} and cluster.osds(f"{host}.example.org") == {0: True}
    found = cluster.verdict([host])
    assert not found.is_right and "placement groups would not be available" in found.why
    assert cluster.osds("other") == {}
    (monitor,) = cluster.ask("quorum_status")["quorum_names"]
    found = cluster.verdict([monitor, "other"])
    assert not found.is_right
    assert cluster.verdict(["other"]).is_right


def test_the_flag_is_set_on_the_host_alone_and_one_of_others_counts(cluster: Cluster) -> None:
    host = host_of(cluster)
    assert not cluster.is_held(host)
    cluster.hold(host, on=True)
    cluster.hold(host, on=True)
    assert cluster.is_held(host)
    assert cluster.ask("osd", "dump")["flags_set"].count("noout") == 0
    cluster.hold(host, on=False)
    cluster.hold(host, on=False)
    assert not cluster.is_held(host)
    assert cluster.run("osd", "set", "noout").code == 0
    assert cluster.is_held(host)
    assert cluster.run("osd", "unset", "noout").code == 0
    assert not cluster.is_held(host)
    with pytest.raises(NaruError, match="cannot be set on nobody"):
        cluster.hold("nobody", on=True)


def test_placement_groups_are_clean(cluster: Cluster) -> None:
    assert cluster.unclean() == ""
