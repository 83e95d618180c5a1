"""A Pike cloud on hosts upgraded in place to each of several later releases, and back: services of all of them started
on databases that went there release by release."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.lab import Lab

from ..lab.hosted.scenario import boots_a_server, until
from ..lab.hosts.machine import left_of, of_the_machine
from ..lab.scenario import ignore
from .cloud import CLOUD, imply_roles, is_up, units
from .orders import naru

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(3600)]

NETWORK = "10.90."
GOALS = ("train", "xena", "2023.1", "2025.1", "2026.1")


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A Pike cloud with services of the release built beside."""
    before = of_the_machine()
    text = (layout.LAYOUTS / "upgrade.yaml").read_text().replace("10.77.", NETWORK)
    file = tmp_path / "far.yaml"
    file.write_text(text.replace("next: queens", f'next: "{request.param}"'))
    lab = Lab(tmp_path / "lab")
    lab.up(spec.build_hosts(str(file), ["cloud=pike"]), ignore, ignore)
    yield lab
    hosts = lab.hosts()
    lab.down()
    assert left_of(hosts) == []
    assert of_the_machine() == before


@pytest.mark.parametrize(("lab", "goal"), [(goal, goal) for goal in GOALS], indirect=["lab"])
def test_there_and_back(lab: Lab, goal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = str(tmp_path / "work")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_yaml))
    imply_roles(lab)
    before = units(lab)
    naru("plan", "--site", str(lab.site_yaml), "--to", goal, "--work", work, "--rehearsals", "0")
    naru("prepare", work, seconds=3600)
    naru("freeze", work, "--as", f"{CLOUD}-user")
    naru("run", work, seconds=1800)
    naru("agents", work)
    until(lambda: is_up(lab), f"services of {goal}")
    _, errors = naru("verify", work)
    assert "nothing wrong" in errors, errors
    naru("thaw", work)
    assert boots_a_server(lab, CLOUD) == "compute1"
    naru("rollback", work, "--lose-writes")
    until(lambda: is_up(lab), "Pike's services")
    assert units(lab) == before
    _, errors = naru("verify", work)
    assert "nothing wrong" in errors, errors
    assert boots_a_server(lab, CLOUD) == "compute1"
