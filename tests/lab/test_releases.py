"""Every release installs, and those that mark an era come up and work. An hour: `make test-releases`."""

from pathlib import Path

import pytest

from naru.lab import spec, status
from naru.lab.lab import Lab
from naru.releases import install, release

from . import scenario
from .scenario import Rest, come_up, connect, ignore

pytestmark = [pytest.mark.releases, pytest.mark.timeout(3600)]

BROUGHT_UP = ("pike", "queens", "train", "xena", "2023.1", "2025.1", "2026.1", "2026.2")
PORT_BASE = 20000


@pytest.mark.parametrize("name", [name for name in release.names() if name not in BROUGHT_UP])
def test_installs(name: str) -> None:
    install.install([name])
    assert install.installed(release.load(name))


@pytest.mark.parametrize("name", BROUGHT_UP)
def test_comes_up_and_works(name: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "one")
    try:
        come_up(lab, spec.build([f"one={name}"], ["core"], 1, PORT_BASE))
        assert [row.service for row in status.rows(lab) if not row.healthy] == []
        cloud = lab.cloud("one")
        rest = Rest(connect(lab, "one-user"))
        with scenario.network(rest) as network, scenario.image(rest) as image:
            for backend in ("ceph", "nfs"):
                scenario.server_on_a_volume(cloud, rest, backend, network, image)
            scenario.create_image(rest, network, image)
        lab.stop()
        lab.start(ignore)
        assert [row.service for row in status.rows(lab) if not row.healthy] == []
    finally:
        clouds = lab.clouds()
        lab.down()
        assert not any(found.processes.tree() for found in clouds)
