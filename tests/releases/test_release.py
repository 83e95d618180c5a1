"""The data of every release: complete, consistent with its lock, and free of anything of one machine."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from naru.errors import InputError, NaruError
from naru.releases import release

pytestmark = pytest.mark.unit
CORE = {"keystone", "glance", "placement", "nova", "neutron", "cinder"}
WORKERS = {"PyMySQL", "python-memcached", "waitress"}
every_release = pytest.mark.parametrize("name", release.names())


def test_oldest_comes_first() -> None:
    names = release.names()
    assert (names[0], names[10], names[11], len(names)) == ("pike", "zed", "2023.1", 19)
    dates = [release.load(name).released for name in names]
    assert dates == sorted(dates)


@every_release
def test_lock_covers_the_packages(name: str) -> None:
    loaded = release.load(name)
    lock = loaded.lock
    assert {package: lock.get(release.normalize(package)) for package in loaded.packages} == loaded.packages
    assert loaded.packages.keys() >= WORKERS


@every_release
def test_lock_is_plain_pins(name: str) -> None:
    lines = release.lock_path(name).read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert len(lines) == len(release.parse_lock("\n".join(lines))), "a distribution is locked twice"


@every_release
def test_services_are_installed(name: str) -> None:
    loaded = release.load(name)
    assert loaded.name == name
    assert set(loaded.services) >= CORE
    carriers = {"placement": "nova" if loaded.has("placement-in-nova") else "openstack-placement", "ldap": "keystone"}
    assert [service for service in loaded.services if carriers.get(service, service) not in loaded.packages] == []


@every_release
def test_python_2_builds_with_pbr(name: str) -> None:
    loaded = release.load(name)
    if loaded.python == "2.7":
        assert [line.partition("==")[0] for line in loaded.build] == ["pbr"]


def test_every_lock_and_file_belongs_to_a_release() -> None:
    known = set(release.names())
    assert {file.stem for file in release.LOCKS.glob("*.txt")} == known
    assert {directory.name for directory in (release.DATA / "etc").iterdir() if directory.is_dir()} <= known


def test_unknown_release_names_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        release.load("ocata")
    assert "'ocata'" in caught.value.summary
    assert "pike, queens" in caught.value.hint


def test_a_file_that_is_not_valid_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "DATA", tmp_path)
    (tmp_path / "wrong.yaml").write_text("name: wrong\nreleased: 2020-01-01\npython: three\npackages: {}\napi: {}\n")
    with pytest.raises(NaruError, match=r"wrong\.yaml is not a valid release") as caught:
        release.load("wrong")
    assert "python" in caught.value.detail


@pytest.mark.parametrize("serving", [{}, {"script": "a", "wsgi": "b:c"}, {"wsgi": "no-attribute"}])
def test_an_api_is_served_in_one_way(serving: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        release.Api.model_validate(serving)
