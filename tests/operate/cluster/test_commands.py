"""`naru cluster` as it is given: what is bad input, and what a site says that cannot be asked."""

from pathlib import Path

import pytest
import yaml

from naru.cli.main import main
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step

pytestmark = pytest.mark.unit


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NARU_WORK", raising=False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump({"naru_site": 1, "name": "one", "hosts": [{"name": "ctl1"}]}))
    return file


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backup", "srv"], "give a path from / on"),
        (["--backup", "ctl2:/srv"], "the site has no host 'ctl2'"),
        (["--answer", "web=stop"], "give it as SERVER=leave"),
        (["--at-once", "0"], "is at least 1"),
        (["--flags", "nothing"], "--flags"),
        (["--order", "none.yaml"], "none.yaml"),
        (["--order", "wrong.yaml"], "no list of lists of names"),
        (["--order", "empty.yaml"], "wave 2 is not a list of names"),
    ],
)
def test_what_cannot_be_planned_is_bad_input(
    options: list[str], said: str, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.yaml").write_text("db: 1")
    (tmp_path / "empty.yaml").write_text("[[db], []]")
    given = ["cluster", "plan", "down", "--site", str(site), "--work", str(tmp_path / "work"), *options]
    try:
        code = main(given)
    except SystemExit as ended:  # argparse's own
        code = int(ended.code or 0)
    shown = capsys.readouterr()
    assert code == 2 and said in shown.err and "Traceback" not in shown.err
    assert not Journal.exists(tmp_path / "work")


def test_a_site_without_anything_is_planned(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = str(tmp_path / "work")
    assert main(["cluster", "plan", "down", "--site", str(site), "--work", work]) == 0
    shown = capsys.readouterr()
    assert "the site names no cloud" in shown.err and "naru cluster down" in shown.err
    assert main(["cluster", "up", work]) == 2
    assert "the way down has recorded nothing yet" in capsys.readouterr().err
    assert main(["cluster", "status", work]) == 0


@pytest.mark.parametrize("command", ["down", "up", "status"])
def test_a_directory_of_something_else_is_refused(
    command: str, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", command, str(tmp_path / "none")]) == 2
    assert "is not the work directory of a whole cluster" in capsys.readouterr().err
    Journal.create(tmp_path / "work", Plan(steps=[Step("one", "noop")])).close()
    assert main(["cluster", command, str(tmp_path / "work")]) == 2
    assert "holds the plan of something else" in capsys.readouterr().err


def test_of_nothing_a_whole_way_down_and_up(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = str(tmp_path / "work")
    main(["cluster", "plan", "down", "--site", str(site), "--work", work])
    assert main(["-q", "cluster", "down", work]) == 0
    assert main(["-q", "cluster", "down", work]) == 0  # stopped once more
    for way in ("up", "down"):
        assert main(["-q", "cluster", way, work, "--lost", "ctl9"]) == 2
        assert "--lost ctl9: the record has no such host" in capsys.readouterr().err
    assert main(["-q", "cluster", "down", work, "--lost", "ctl1"]) == 0
    assert main(["-q", "cluster", "up", work]) == 0
    assert main(["-q", "cluster", "up", work]) == 0
    assert main(["-q", "cluster", "down", work]) == 2
    assert "its cloud is up again" in capsys.readouterr().err
