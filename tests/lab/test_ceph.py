"""A real Ceph cluster: made, restarted, killed, copied; and our bindings beside the official ones."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import naru.lab.inside
from naru.errors import NaruError
from naru.lab import ceph
from naru.lab.ceph import Ceph
from naru.lab.infra import ceph as infra
from naru.lab.ports import PER_CLOUD, Ports
from naru.lab.process import Processes, memory
from naru.releases import install, python, release

if not shutil.which("ceph-osd"):
    pytest.skip("Ceph is not installed: naru lab deps --install", allow_module_level=True)

from naru.lab.inside import rados  # loads librados

pytestmark = pytest.mark.ceph

INSIDE = Path(*naru.lab.inside.__path__)
OPERATIONS = Path(__file__).with_name("test_ceph_operations.py")
DRIVER = Path(__file__).with_name("ceph_driver.py")
BASE = 21000
SIZE = 4 << 30
OFFICIAL = Path("/usr/bin/python3")  # the one Python that the distribution makes its binding for


def cluster_in(directory: Path, number: int = 0) -> Ceph:
    processes = Processes(directory, f"test:{directory}")
    return Ceph(directory / "ceph", processes, Ports(BASE + number * PER_CLOUD), size=SIZE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that is empty of processes at the end, and gone."""
    directory = tmp_path_factory.mktemp("ceph")
    yield directory
    left = {}
    for made in [entry for entry in directory.iterdir() if entry.is_dir()]:
        processes = Processes(made, f"test:{made}")
        left.update(processes.tree())
        processes.stop()
    shutil.rmtree(directory)
    assert left == {}


@pytest.fixture(scope="module")
def cluster(place: Path) -> Iterator[Ceph]:
    made = cluster_in(place / "one")
    made.start()
    made.ready()
    yield made
    made.stop()


def client(cluster: Ceph, name: str = "admin") -> rados.Rados:
    return rados.Rados(rados_id=name, conffile=str(cluster.conf(name)), conf={"rados_osd_op_timeout": "30"})


def write(cluster: Ceph, key: str, data: bytes) -> None:
    with client(cluster) as connected, connected.open_ioctx("volumes") as pool:
        pool.write_full(key, data)


def read(cluster: Ceph, key: str) -> bytes:
    with client(cluster) as connected, connected.open_ioctx("volumes") as pool:
        return bytes(pool.read(key))


def test_a_new_cluster_is_healthy_small_and_has_its_pools(cluster: Ceph) -> None:
    with client(cluster) as connected:
        assert set(connected.list_pools()) == set(infra.POOLS)
        health = json.loads(connected.mon_command('{"prefix": "health", "format": "json"}', b"")[1])
        assert health["status"] == "HEALTH_OK"
        free = connected.get_cluster_stats()["kb_avail"] * 1024
    assert SIZE * 0.9 < free <= SIZE
    found = [cluster.processes.find(name) for name in ceph.PROCESSES]
    assert sum(memory(process.pid) for process in found if process) < 250 << 20
    allocated = sum(entry.stat().st_blocks * 512 for entry in cluster.directory.rglob("*") if entry.is_file())
    assert allocated < 100 << 20


def test_keys_are_private_and_the_configuration_is_not_elsewhere(cluster: Ceph) -> None:
    keyrings = [cluster.directory / "keyring", *map(cluster.keyring, infra.CLIENTS)]
    assert {path.stat().st_mode & 0o777 for path in keyrings} == {0o600}
    assert cluster.key("cinder") in cluster.keyring("cinder").read_text()
    for name in infra.CLIENTS:
        assert cluster.key(name) not in cluster.conf(name).read_text()
    data = [cluster.directory / name for name in ("keyring", "created.json", "osd/whoami", "osd/keyring")]
    assert not any(str(cluster.directory) in path.read_text() for path in data if path.exists())


def test_a_client_may_only_what_it_is_for(cluster: Ceph) -> None:
    with client(cluster, "glance") as connected:
        with connected.open_ioctx("images") as pool:
            pool.write_full("image", b"data")
            pool.remove_object("image")
        with connected.open_ioctx("volumes") as pool, pytest.raises(rados.PermissionError):
            pool.write_full("volume", b"data")
    stranger = rados.Rados(rados_id="stranger", conffile=str(cluster.conf("cinder")))
    with pytest.raises(rados.Error):
        stranger.connect()
    stranger.shutdown()


def test_data_survives_a_stop_and_a_crash(cluster: Ceph) -> None:
    write(cluster, "kept", b"before the stop")
    cluster.stop()
    assert cluster.processes.tree() == {}
    with pytest.raises(NaruError, match="not ready"):
        cluster.ready(1)
    cluster.start()
    cluster.ready()
    assert read(cluster, "kept") == b"before the stop"

    write(cluster, "kept", b"before the crash")
    killed = [process for name in ceph.PROCESSES if (process := cluster.processes.find(name))]
    for process in killed:
        process.signal(signal.SIGKILL)
    while any(process.alive() for process in killed):  # what still ends would be found as running
        time.sleep(0.01)
    cluster.start()
    cluster.ready()
    assert read(cluster, "kept") == b"before the crash"
    cluster.ready(5)  # again, and at once


def test_a_copy_runs_beside_the_original_on_other_ports(cluster: Ceph, place: Path) -> None:
    write(cluster, "copied", b"the same")
    cluster.stop()
    copy = cluster_in(place / "two", number=1)
    copy.directory.parent.mkdir()
    subprocess.run(["cp", "-a", "--sparse=always", cluster.directory, copy.directory], check=True)
    try:
        for each in (cluster, copy):
            each.start()
        for each in (cluster, copy):
            each.ready()
        write(cluster, "copied", b"changed")
        assert read(copy, "copied") == b"the same"
        write(copy, "copied", b"changed too")
        assert read(cluster, "copied") == b"changed"
    finally:
        copy.stop()


CREATE = """
import sys
from pathlib import Path
from naru.lab.ceph import Ceph
from naru.lab.ports import Ports
from naru.lab.process import Processes
directory = Path(sys.argv[1])
made = Ceph(directory / "ceph", Processes(directory, f"test:{directory}"), Ports(int(sys.argv[2])), size=4 << 30)
print("begin", flush=True)
made.create()
made.start()
made.ready()
"""


def test_a_killed_create_is_made_anew(place: Path) -> None:
    made = cluster_in(place / "killed", number=2)
    argv = [sys.executable, "-c", CREATE, str(place / "killed"), str(made.ports.base)]
    for delay in (0.05, 0.15, 0.3, 0.6):
        creating = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert creating.stdout and creating.stdout.readline() == b"begin\n"
        time.sleep(delay)
        creating.kill()
        creating.wait()
        creating.stdout.close()
    try:
        made.start()
        made.ready()
        write(made, "works", b"yes")
        assert read(made, "works") == b"yes"
    finally:
        made.stop()


def test_what_cannot_be_made_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cluster_in(place / "none", number=3)
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(NaruError, match="monmaptool"):
        made.create()
    assert not made.created


def operations(python_path: Path, cluster: Ceph, name: str, ours: bool) -> list[object]:
    """The results of the list of operations under one Python, with our bindings or the official ones."""
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": str(INSIDE)} if ours else {})
    argv = [python_path, OPERATIONS, cluster.conf("cinder"), "cinder", name]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    results: list[object] = json.loads(done.stdout.replace(name, "NAME"))
    return results


def test_the_bindings_equal_the_official_ones_on_every_python(cluster: Ceph) -> None:
    versions = [version for version in ("2.7", "3.6", "3.8", "3.11", "3.13") if python.available(version)]
    with ThreadPoolExecutor(2) as pool:
        official = pool.submit(operations, OFFICIAL, cluster, "official", False)
        runs = {
            version: pool.submit(operations, python.find(version), cluster, f"python{version}", True)
            for version in versions
        }
        wanted = official.result()
        for version, run in runs.items():
            assert run.result() == wanted, version
    assert len(wanted) > 150


@pytest.mark.parametrize("name", ["pike", release.names()[-1]])
def test_cinders_own_driver_works(cluster: Ceph, name: str, place: Path) -> None:
    found = release.load(name)
    if not install.installed(found):
        pytest.skip(f"{name} is not installed")
    own = place / f"cinder-{name}"
    own.mkdir()
    programs = install.venv_path(found) / "bin"
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(INSIDE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "LANG": "C.UTF-8",
    }
    argv = shlex.join(map(str, [programs / "python", DRIVER, cluster.conf("cinder"), own]))
    script = f"mount --bind {shlex.quote(str(cluster.etc))} /etc/ceph && exec {argv}"
    namespace = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(namespace, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout)
    assert Path(results.pop("binding")).parent == INSIDE
    assert results.pop("python").startswith(found.python)
    assert results.pop("free") > 3
    assert results == {
        "size": 1024,
        "extended": 3072,
        "cloned": "hello",
        "image": "iii",
        "monitors": [1, 1],
        "attached": "hello",
        "left": [],
    }
