"""`naru host` as it is given: what is bad input."""

from pathlib import Path

import pytest
import yaml

from naru.cli.main import main
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step

pytestmark = pytest.mark.unit

CLOUDS = {"clouds": {"one": {"auth": {"auth_url": "http://127.0.0.1:1/v3", "username": "a", "password": "b"}}}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(CLOUDS))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.delenv("NARU_WORK", raising=False)
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump({"naru_site": 1, "name": "one", "cloud": "other"}))
    return file


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "other"),  # not in clouds.yaml
        (["--answer", "web-1"], "give it as SERVER=live"),
        (["--answer", "web=live", "--answer", "web=cold"], "web is answered twice, live and cold"),
        (["--per-source", "0"], "are at least 1"),
        (["--stuck-after", "soon"], "--stuck-after"),
    ],
)
def test_what_cannot_be_planned_is_bad_input(
    options: list[str], said: str, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["host", "plan", "compute1", "--site", str(site), "--work", str(tmp_path / "work"), *options]
    try:
        code = main(given)
    except SystemExit as ended:  # argparse's own
        code = int(ended.code or 0)
    shown = capsys.readouterr()
    assert code == 2 and said in shown.err and "Traceback" not in shown.err
    assert not Journal.exists(tmp_path / "work")


def test_a_site_without_a_cloud_is_told_so(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.write_text(yaml.safe_dump({"naru_site": 1, "name": "one"}))
    assert main(["host", "plan", "compute1", "--site", str(site), "--work", str(tmp_path / "work")]) == 2
    assert "site.yaml: cloud: is missing" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["drain", "return", "status"])
def test_a_directory_of_something_else_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["host", command, str(tmp_path / "none")]) == 2
    assert "is not the work directory of a drain" in capsys.readouterr().err
    Journal.create(tmp_path / "work", Plan(steps=[Step("one", "noop")])).close()
    assert main(["host", command, str(tmp_path / "work")]) == 2
    assert "holds the plan of something else" in capsys.readouterr().err
