"""A small Pike cloud on hosts, with clusters of three of databases, queues and Ceph."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.lab import Lab

from ...lab.hosts.machine import left_of, of_the_machine
from ...lab.scenario import come_up

NETWORK = "10.79."


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab; nothing of it is left at the end. NARU_TEST_CLUSTER=DIRECTORY uses and keeps one there, for a quick
    loop."""
    kept = os.environ.get("NARU_TEST_CLUSTER")
    before = of_the_machine()
    directory = tmp_path_factory.mktemp("cluster")
    file = directory / "cluster.yaml"
    file.write_text((layout.LAYOUTS / "cluster.yaml").read_text().replace("10.77.", NETWORK))
    made = Lab(Path(kept) if kept else directory / "lab")
    come_up(made, spec.build_hosts(str(file), ["cloud=pike"]))
    yield made
    if kept:
        return
    hosts = made.hosts()
    made.down()
    assert left_of(hosts) == []
    assert of_the_machine() == before
