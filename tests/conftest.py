"""The lab that the tests share: one pair of real clouds, Pike and the newest release, brought up once a session."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from naru.errors import NaruError
from naru.lab import spec
from naru.lab.cloud import Cloud
from naru.lab.hosts import able
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.lab.seed import remove, seeder
from naru.lab.seed.load import load
from naru.releases import release

from .lab.hosts.machine import left_of, of_the_machine
from .lab.scenario import census, come_up, ignore

# the same examples in every run, so that a run says what a change did; new ones by --hypothesis-profile=new
hypothesis.settings.register_profile("new", deadline=None)
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same")

# a shell that starts us in the background has us ignore Ctrl-C, which whatever we start would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)
_OURS = os.getpid()


def _terminated(number: int, frame: Any) -> None:
    """Ended with SIGTERM, as `timeout` does it, fixtures are torn down as with Ctrl-C: else clouds would go on without
    us. What tests fork ends as other processes do."""
    if os.getpid() == _OURS:
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


signal.signal(signal.SIGTERM, _terminated)
os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

PORT_BASE = 19000
SEED = """
import sys
from pathlib import Path
from naru.lab.lab import Lab
from naru.lab.seed import seeder
from naru.lab.seed.load import load
seeder.seed(load("demo"), Lab(Path(sys.argv[1])).cloud(sys.argv[2]), lambda done, total, what: print(done, flush=True))
"""


SHARED = {
    "pair": "pair",
    "pike": "upgrade",
    "clusters": "clusters",
    "volume": "clusters",
    "telling": "clusters",
    "five": "hosts",
    "pods": "hosts",
}
"""Fixtures that hold ports or networks of their own, or ask for one that does: what uses one of them runs in one
process, one after the other. The longest lanes are named first, and begin first."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lanes for `pytest -n 2 --dist loadgroup`: the longest begin first, so that one process does not go on alone in
    the end; tests marked `last` take away what others of their lane use."""
    order = list(dict.fromkeys(SHARED.values()))
    ranks: dict[pytest.Item, tuple[int, bool]] = {}
    for item in items:
        if item.get_closest_marker("xdist_group"):  # pytest-xdist would join both groups' names: other processes
            raise pytest.UsageError(f"{item.nodeid}: name its fixture in SHARED, tests/conftest.py, not a group")
        shared = next((SHARED[name] for name in SHARED if name in _fixtures(item)), None)
        item.add_marker(pytest.mark.xdist_group(shared or item.nodeid.partition("::")[0]))
        rank = order.index(shared) if shared else len(order)
        ranks[item] = rank, item.get_closest_marker("last") is not None
    items.sort(key=ranks.__getitem__)


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Clouds `old` (Pike) and `new` (the newest release), healthy. NARU_TEST_LAB=DIRECTORY uses and keeps a lab
    there, for a quick loop; otherwise it is made for the session, and nothing of it may be left at the end. Records of
    its logs end with the file and line of their statements."""
    kept = os.environ.get("NARU_TEST_LAB")
    lab = Lab(Path(kept) if kept else tmp_path_factory.mktemp("lab") / "pair")
    newest = release.names()[-1]
    clouds = ["old=pike", f"new={newest}"]
    come_up(lab, spec.build(clouds, ["core"], 2, PORT_BASE, log_lines=True))
    yield lab
    if kept:
        return
    clouds = lab.clouds()
    lab.down()
    assert not lab.directory.exists()
    assert not any(cloud.processes.tree() for cloud in clouds)
    assert str(lab.directory) not in Path("/proc/mounts").read_text()


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of five bare hosts, node1 to node5, as bare5 and with IPMI, of which nothing may be left at the end;
    NARU_TEST_HOSTS=DIRECTORY uses and keeps a lab of such there, for a quick loop. Where the machine cannot run hosts,
    what asks for it is skipped, with the kernel's reason in the summary."""
    if kept := os.environ.get("NARU_TEST_HOSTS"):
        lab = Lab(Path(kept))
        lab.up(None, ignore, ignore)
        yield lab
        return
    try:
        able.check()
    except NaruError as error:
        pytest.skip(f"{error.summary}: {error.detail}")
    before = of_the_machine()
    made = Lab(tmp_path_factory.mktemp("hosts") / "five")
    come_up(made, spec.build_hosts(str(Path(__file__).parent / "lab" / "hosts" / "five.yaml")))
    try:
        yield made
    finally:
        hosts = made.hosts()
        made.down()
    assert left_of(hosts) == []
    assert not made.directory.exists()
    assert of_the_machine() == before


@pytest.fixture
def hosts(five: Lab) -> Hosts:
    """All five, on, without a fault."""
    found = five.hosts()
    found.up(lambda what: None)
    return found


@pytest.fixture(scope="session")
def empty(pair: Lab) -> dict[str, dict[str, Any]]:
    """What `old` holds without the sample."""
    cloud = pair.cloud("old")
    remove.remove(load("demo"), cloud, ignore)
    return census(pair, "old")


@pytest.fixture(scope="session")
def company(pair: Lab, request: pytest.FixtureRequest) -> Cloud:
    """`old` with the demo company, seeded by runs of which the first two were killed at different places. In a lab
    that is kept, a company that is there is only completed."""
    cloud = pair.cloud("old")
    if not ("NARU_TEST_LAB" in os.environ and seeder.manifest_path(cloud, "demo").exists()):
        request.getfixturevalue("empty")
        for after in (40, 100):
            _seed_and_kill(pair, after)
    seeder.seed(load("demo"), cloud, ignore)
    return cloud


def _seed_and_kill(pair: Lab, after: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SEED, str(pair.directory), "old"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) >= after:
                break
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
