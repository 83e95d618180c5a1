"""What a twin that does not come up leaves."""

from pathlib import Path
from typing import Any

import pytest

from naru.errors import InputError, NaruError
from naru.lab.process import Command
from naru.releases import release
from naru.twin import dump, prepare, restore, spec
from naru.twin.spec import TwinSpec
from naru.twin.twin import Twin

pytestmark = pytest.mark.unit


def asked(directory: Path, **change: Any) -> TwinSpec:
    """A twin that is asked for, of a site that has nothing."""
    site = directory.parent / "site.yaml"
    site.write_text("naru_site: 1\nname: seoul\n")
    given = {"id": "0123456789abcdef", "secret": "x", "release": release.names()[-1], "computes": 1, "agents": 1}
    found = TwinSpec(**{**given, "site": str(site), "port_base": 27800, **change})
    spec.save(found, directory / spec.SPEC)
    return found


def taken(directory: Path, *, whole: bool = True) -> Path:
    """A dump that was brought here."""
    here = directory / prepare.DUMP / "main"
    here.mkdir(parents=True)
    (here / "data.sql").write_text("secret")
    if whole:
        (here / dump.COMPLETE).write_text("began=1\nschemas=nova keystone\n")
    return here


@pytest.mark.parametrize(
    ("whole", "error", "kept"),
    [
        (True, KeyboardInterrupt(), True),
        (True, NaruError("which region"), True),
        (True, restore.Unfit("two cells"), False),
        (False, NaruError("no room"), False),
    ],
)
def test_what_fails_leaves_no_process_and_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool, error: BaseException, kept: bool
) -> None:
    twin = Twin(tmp_path / "twin")
    twin.directory.mkdir()
    wanted, said = asked(twin.directory), []
    cloud = twin.cloud()
    seen: list[list[str]] = []

    def copies(*_: Any) -> None:
        (cloud.state / "mariadb").mkdir(parents=True)
        (cloud.state / "mariadb" / "copy").write_text("secret")
        taken(twin.directory, whole=whole)
        cloud.processes.start(Command("mariadb", ("sleep", "60")))
        seen.append([row.service for row in twin.rows() if not row.healthy and row.pid])
        raise error

    monkeypatch.setattr(prepare, "_copy", copies)
    with pytest.raises(type(error)):
        prepare.prepare(twin.directory, twin.cloud, wanted, lambda _, what: said.append(what))
    assert seen == [["mariadb"]]  # status has shown it
    assert not cloud.processes.tree() and not cloud.state.exists() and twin.rows() == []
    assert (twin.directory / prepare.DUMP).exists() == kept
    assert any(str(twin.directory / prepare.DUMP) in one for one in said) == kept


def test_a_dump_is_gone_on_with_for_another_region_and_not_for_another_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Twin(tmp_path / "twin")
    twin.directory.mkdir()
    monkeypatch.setattr("naru.twin.twin._check", lambda _: None)
    first = asked(twin.directory)
    here = taken(twin.directory)
    twin._settle(first.model_copy(update={"region": "Busan", "id": "b"}), lambda *_: None)
    assert here.exists() and twin.spec().region == "Busan"
    twin._settle(first.model_copy(update={"site": "/other.yaml"}), lambda *_: None)
    assert not here.exists()


def test_an_empty_directory_becomes_its_owner_s_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naru.twin.twin._check", lambda _: None)
    twin = Twin(tmp_path / "twin")
    (tmp_path / "other").mkdir()
    wanted = asked(tmp_path / "other")
    twin.directory.mkdir(mode=0o755)
    twin._settle(wanted, lambda *_: None)
    assert twin.directory.stat().st_mode & 0o777 == 0o700 and twin.spec() == wanted
    twin = Twin(tmp_path / "another")
    twin.directory.mkdir()
    monkeypatch.setattr("naru.twin.twin.os.geteuid", lambda: 4711)
    with pytest.raises(InputError, match="belongs to another user"):
        twin._settle(wanted, lambda *_: None)


def test_a_directory_that_is_no_twin_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match="there is no twin"):
        Twin(tmp_path).down()
    assert (tmp_path / "mine").exists()
