"""A Pike cloud on hosts upgraded in place to each of several later releases, and one of 2026.1 to 2026.2; and back:
services of all of them started on databases that went there release by release."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.lab.lab import Lab

from ..lab.hosted.scenario import boots_a_server, until
from .cloud import CLOUD, a_lab, imply_roles, is_up, units
from .orders import begin, naru

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.timeout(3600)]

NETWORK = "10.90."
WAYS = [*(("pike", goal) for goal in ("train", "xena", "2023.1", "2025.1", "2026.1")), ("2026.1", "2026.2")]


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A cloud of a release with services of another built beside."""
    start, goal = request.param
    with a_lab(tmp_path, "upgrade", NETWORK, start=start, goal=goal) as lab:
        yield lab


def verified(work: str) -> None:
    """Nothing is wrong, once services have told what they know: cinder-volume tells its pools once a minute."""
    until(lambda: is_right(work), "nothing is wrong")


def is_right(work: str) -> bool:
    with begin("verify", work) as process:
        out, errors = process.communicate(timeout=900)
    print(out, errors)
    return process.returncode == 0 and "nothing wrong" in errors


@pytest.mark.parametrize(("lab", "way"), [pytest.param(way, way, id="-".join(way)) for way in WAYS], indirect=["lab"])
def test_there_and_back(lab: Lab, way: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = str(tmp_path / "work")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_yaml))
    start, goal = way
    if start == "pike":
        imply_roles(lab)
    before = units(lab)
    naru("plan", "--site", str(lab.site_yaml), "--to", goal, "--work", work, "--rehearsals", "0")
    naru("prepare", work, seconds=3600)
    naru("freeze", work, "--as", f"{CLOUD}-user")
    naru("run", work, seconds=1800)
    naru("agents", work)
    until(lambda: is_up(lab), f"services of {goal}")
    verified(work)
    naru("thaw", work)
    assert boots_a_server(lab, CLOUD) == "compute1"
    naru("rollback", work, "--lose-writes")
    until(lambda: is_up(lab), f"services of {start}")
    assert units(lab) == before
    verified(work)
    assert boots_a_server(lab, CLOUD) == "compute1"
