"""`naru upgrade path` and `check` as they are given."""

import json
from pathlib import Path

import pytest
import yaml

from naru.cli.main import main

pytestmark = pytest.mark.unit

HOST = {"name": "db1", "address": "127.0.0.1", "login": {"port": 1}}
DATABASE = {"name": "main", "kind": "mariadb", "hosts": ["db1"], "user": "root", "password": {"command": "echo x"}}


def site(directory: Path, **more: object) -> str:
    file = directory / "site.yaml"
    file.write_text(yaml.safe_dump({"naru_site": 1, "name": "one", "hosts": [HOST], **more}))
    return str(file)


def test_the_path_is_a_table_for_people_and_lists_by_service_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["upgrade", "path", "--from", "pike", "--to", "stein", "--services", "nova,placement"]
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert "upstream tests" in shown.err
    lines = [line for line in shown.out.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines] == ["release", "queens", "rocky", "stein"]
    assert main([*asked, "-f", "json"]) == 0
    shown = capsys.readouterr()
    placement, nova = json.loads(shown.out)
    assert shown.err == ""
    assert [hop["release"] for hop in placement["path"]] == ["stein"]
    assert [hop["release"] for hop in nova["path"]] == ["queens", "rocky", "stein"]
    assert nova["shortest"] == [{"release": "stein", "why": []}]


@pytest.mark.parametrize(
    ("more", "options", "said"),
    [
        ({}, [], "site.yaml: release: is missing"),
        ({"release": "queens"}, [], "site.yaml: databases: there are none"),
        ({"release": "queens"}, ["--services", "heat"], "the way of 'heat' is not known"),
        ({"release": "train"}, [], "rocky is not later than train"),
        ({"release": "queens"}, ["--from", "ocata"], "unknown OpenStack release 'ocata'"),
    ],
)
def test_what_cannot_be_checked_is_bad_input(
    more: dict[str, str], options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upgrade", "check", "--site", site(tmp_path, **more), "--to", "rocky", *options]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and shown.out == ""


def test_what_is_to_be_checked_has_to_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NARU_WORK", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["upgrade", "check"]) == 2
    assert "neither DIR nor --to RELEASE is given" in capsys.readouterr().err
    assert main(["upgrade", "check", str(tmp_path)]) == 2
    assert "is not the work directory of an upgrade" in capsys.readouterr().err


def test_a_database_that_cannot_be_asked_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site(tmp_path, release="pike", databases=[DATABASE])
    assert main(["upgrade", "check", "--site", file, "--to", "rocky"]) == 1
    told = capsys.readouterr().err
    assert "the database main of" in told and "db1" in told and "naru site check" in told
