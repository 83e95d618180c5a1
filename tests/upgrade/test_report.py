"""The report of an upgrade says what the journals have: what was done when, and for how long users could do nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from naru.errors import InputError
from naru.plan import control, schema
from naru.plan.journal import Journal
from naru.upgrade import planner, report
from naru.upgrade.compare import guests
from naru.upgrade.compare.verified import VERIFIED
from naru.upgrade.freeze import freeze
from naru.upgrade.history import history
from naru.upgrade.window import window
from naru.upgrade.work import Settings, Work, work_directory

from .test_freeze import site as frozen_site
from .test_freeze import states
from .test_plan import facts, site

pytestmark = pytest.mark.unit

BEGAN = 1_700_000_000.0  # 2023-11-14 22:13:20


@pytest.fixture
def upgrade(tmp_path: Path) -> Work:
    return planned(tmp_path)


def planned(tmp_path: Path, **more: Any) -> Work:
    """An upgrade that is planned, of the site in a file, which has `more`."""
    known = facts("queens", of=site("queens", **more))
    content = known.site.content.model_dump(mode="json", exclude_defaults=True) | {"naru_site": 1}
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(content))
    made = Settings(str(file), "pike", "queens", (), "db1", 512, 0, 0.0)
    directory = work_directory(tmp_path / "work")
    directory.prepare()
    directory.create(planner.whole(known, made.dump(), "an-id", tmp_path / "work"))
    return Work(tmp_path / "work")


def done(journal: Journal, purpose: str, began: float, ended: float, state: str = "done") -> None:
    """The steps of a purpose began and ended so many seconds after BEGAN."""
    steps = schema.steps
    with journal.write() as connection:
        change = update(steps).where(steps.c.purpose == purpose)
        connection.execute(change.values(started=BEGAN + began, ended=BEGAN + ended, state=state, attempt=1))


def read(files: list[Path], name: str) -> str:
    return next(file for file in files if file.name == name).read_text()


def test_before_anything_has_begun_it_says_so(upgrade: Work, tmp_path: Path) -> None:
    files = report.write(upgrade, tmp_path / "report")
    assert {file.name for file in files} == {
        f"{page}.{language}.{kind}"
        for page in ("overview", "users")
        for language in ("en", "ko")
        for kind in ("md", "html")
    }
    assert read(files, "overview.en.md").count("not begun") == 6
    assert "시작 전" in read(files, "overview.ko.md")


def test_it_has_what_was_done_and_what_users_could_not_do(upgrade: Work, tmp_path: Path) -> None:
    made = freeze.plan(frozen_site(), (), 1, (), states("nova", "glance", "heat"))
    with upgrade.freezes.begin(1, made) as journal:
        done(journal, freeze.CLOSE, 0, 1)
        journal.remember(freeze.FROZEN, BEGAN + 5)
        control.remark(journal, "left as it is: 7")
    with upgrade.journal() as journal:
        done(journal, window.STOP_API, 60, 70)
        done(journal, window.STOP, 60, 75)
        done(journal, window.START, 100, 110)
        done(journal, window.ANSWER, 100, 125)
        control.remark(journal, "without rehearsal: a test")
        wrong = ("wrong", "server", "changed", "status", 1, ("web (1): 'ACTIVE' -> 'ERROR'",))
        (upgrade.directory / guests.FILE).write_text(
            f'{{"at": {BEGAN}, "guests": ["192.0.2.7:22"], "every": 1}}\n'
            f'{{"at": {BEGAN + 60}, "end": {BEGAN + 61}, "silent": ["192.0.2.7:22"]}}\n'
            f'{{"at": {BEGAN + 63}, "end": {BEGAN + 63}, "silent": []}}\n'
        )
        journal.remember(VERIFIED, {"at": BEGAN + 900, "after": 2, "found": [wrong]})
    found = history(upgrade)
    assert [(one.began, one.seconds) for one in found.silent] == [(BEGAN + 60, 65.0)]
    assert [(one.began, one.ended) for one in found.refused] == [(BEGAN, None)]
    assert not found.is_back
    files = report.write(upgrade, tmp_path / "report")
    text = read(files, "overview.en.md")
    assert "| no API | 2023-11-14 22:14:20 | 2023-11-14 22:15:25 | 1 min 05 s" in text, text
    assert "users' writes refused | 2023-11-14 22:13:20 | goes on" in text
    assert "left as it is: 7" in text and "without rehearsal: a test" in text
    assert "ACTIVE" in text and "⚠ 1" in text
    assert "| 192.0.2.7:22 | 2 | ⚠ 1 | 3.0 s | 2023-11-14 22:14:20 |" in text, text
    said = read(files, "users.ko.md")
    assert "생성, 변경, 삭제" in said and "2023-11-14 22:14:20" in said


def test_a_directory_with_something_else_is_refused(upgrade: Work, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_text("mine")
    with pytest.raises(InputError, match="something else in it"):
        report.write(upgrade, tmp_path / "own")
