"""The schedule file: what is read, and each mistake told once, with the file, the field and what to write."""

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.errors import InputError
from naru.move.windows import WORDS
from naru.plan.journal import Journal
from naru.plan.model import Plan
from naru.plan.windows import schedule
from naru.plan.windows.needs import UnitNeed
from naru.plan.windows.waves import waves

pytestmark = pytest.mark.unit

NAMES = {"1": "shop", "2": "lab", "3": "guild"}
NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
FIRST: dict[str, Any] = {
    "name": "one",
    "projects": ["shop"],
    "cutover": {"start": "2030-01-02T22:00:00+09:00", "latest": "2030-01-03T02:00:00+09:00"},
}
SECOND: dict[str, Any] = {
    "name": "two",
    "projects": ["lab", "3"],
    "cutover": {"start": "2030-01-03T22:00:00Z", "latest": "2030-01-04T02:00Z"},
    "at_once": 2,
}


def written(file: Path, *waves: dict[str, Any], **more: Any) -> Path:
    file.write_text(yaml.safe_dump({"naru_schedule": 1, "waves": list(waves), **more}))
    return file


def checked(
    file: Path,
    *needs: tuple[str, str],
    before: schedule.Schedule | None = None,
    now: datetime.datetime = NOW,
    **more: Any,
) -> list[list[str]]:
    dependencies = [UnitNeed(*need, "port, network office", 1) for need in needs]
    return schedule.check(WORDS, file, schedule.load(WORDS, file), NAMES, dependencies, now=now, before=before, **more)


def test_a_schedule_names_projects_by_name_or_id(tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", FIRST, SECOND)
    assert checked(file, ("2", "1"), ("3", "2"), ("2", "3")) == [["1"], ["2", "3"]]
    loaded = schedule.load(WORDS, file)
    assert loaded.waves[0].at_once == 1 and loaded.prepare is None
    assert loaded.waves[0].window.start == datetime.datetime(2030, 1, 2, 13, tzinfo=datetime.UTC)


def test_times_may_be_written_as_yaml_has_them(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "naru_schedule: 1\nwaves:\n- name: one\n  projects: [shop]\n"
        "  cutover: {start: 2030-01-02T22:00:00+09:00, latest: 2030-01-02 23:00:00Z}\n"
    )
    assert checked(file) == [["1"]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"colour": "red"}, "waves.0.colour: there is no such field; there are: name, projects, prepare"),
        ({"name": 7}, "waves.0.name: give a name, in quotes"),
        ({"projects": []}, "waves.0.projects: is empty; give at least one"),
        ({"at_once": 0}, "waves.0.at_once: Input should be greater than or equal to 1"),
        ({"at_once": "2"}, "waves.0.at_once: "),
        ({"cutover": None}, "waves.0.cutover: give its fields"),
        (
            {"cutover": {"start": FIRST["cutover"]["start"]}},
            "waves.0.cutover.latest: is missing; write a time like 2026-",
        ),
        ({"cutover": {**FIRST["cutover"], "start": None}}, "waves.0.cutover.start: no time yet; write one like 2026-"),
        (
            {"cutover": {**FIRST["cutover"], "end": "x"}},
            "waves.0.cutover.end: there is no such field; there are: start",
        ),
        (
            {"cutover": {**FIRST["cutover"], "start": "2030-01-02T22:00:00"}},
            "waves.0.cutover.start: a time without a zone; write it like 2026-",
        ),
        (
            {"prepare": "2030-01-02"},
            "waves.0.prepare: 2030-01-02 is not a date and time with a time zone; write it like 2026-",
        ),
        ({"prepare": 1893456000}, "waves.0.prepare: 1893456000 is not a date and time"),
        ({"finalize": "2030-13-02T10:00:00Z"}, "waves.0.finalize: '2030-13-02T10:00:00Z' is not a time; write it like"),
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    file = written(tmp_path / "s.yaml", {**FIRST, **change})
    with pytest.raises(InputError) as refused:
        schedule.load(WORDS, file)
    assert expected in refused.value.detail and refused.value.detail.count("\n") == 0
    assert str(file) in refused.value.summary and refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is not a schedule"),
        ("waves: []", "Its first line is `naru_schedule: 1`"),
        ("naru_schedule: 2", "newer Naru"),
        ("naru_schedule: 1", "waves: is missing"),
        ("naru_schedule: 1\nwaves: []", "waves: is empty; give at least one"),
        ("naru_schedule: 1\nnights: []\nwaves: []", "nights: there is no such field; there are: naru_schedule, waves"),
        ("naru_schedule: [", "is not YAML"),
    ],
)
def test_a_file_that_is_no_schedule_is_one_clear_error(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(content)
    with pytest.raises(InputError) as refused:
        schedule.load(WORDS, file)
    assert expected in str(refused.value) and str(file) in refused.value.summary
    with pytest.raises(InputError, match="there is no schedule"):
        schedule.load(WORDS, tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("first", "needs", "expected"),
    [
        ({"projects": ["shop", "ship"]}, [], "waves.0.projects.1: the move has no project ship; naru move waves"),
        ({"projects": ["shop", "lab"]}, [], "waves.1.projects.0: lab is at waves.0.projects.1 already; leave one"),
        ({"name": "two"}, [], "waves.1.name: waves.0 is called two, too; give another name"),
        ({"prepare": "2029-12-31T23:59:59Z"}, [], "waves.0.prepare: 2029-12-31T23:59:59+00:00 is over"),
        ({"prepare": "2030-01-02T23:00:00+09:00"}, [], "waves.0.prepare: is later than cutover.start"),
        ({"finalize": "2030-01-02T23:00:00+09:00"}, [], "waves.0.finalize: is not later than cutover.latest"),
        (
            {"cutover": {**FIRST["cutover"], "latest": "2030-01-02T21:00:00+09:00"}},
            [],
            "waves.0.cutover.latest: is before cutover.start",
        ),
        ({}, [("1", "2")], "waves.0.projects: shop needs lab: port, network office, and that is cut over later"),
    ],
)
def test_what_does_not_fit_the_move_is_named(
    tmp_path: Path, first: dict[str, Any], needs: list[tuple[str, str]], expected: str
) -> None:
    file = written(tmp_path / "s.yaml", {**FIRST, **first}, SECOND)
    with pytest.raises(InputError) as refused:
        checked(file, *needs)
    assert expected in refused.value.detail and refused.value.detail.count("\n") == 0
    assert str(file) in refused.value.summary


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", {**FIRST, "projects": ["ship"], "prepare": "2029-01-01T00:00:00Z"}, SECOND)
    with pytest.raises(InputError) as refused:
        checked(file)
    assert refused.value.detail.count("\n") == 1


def test_who_needs_one_another_goes_together(tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", FIRST, SECOND)
    with pytest.raises(InputError, match="waves: shop, lab need one another"):
        checked(file, ("1", "2"), ("2", "1"))


def test_what_is_needed_must_be_in_a_wave_or_done(tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", FIRST)
    with pytest.raises(InputError, match="put lab into this wave or an earlier one"):
        checked(file, ("1", "2"))
    assert checked(file, ("1", "2"), passed={"2"}) == [["1"]]


def test_the_waves_of_a_plan_are_prepared_together(tmp_path: Path) -> None:
    first, second = {**FIRST, "prepare": "2030-01-01T09:00:00Z"}, {**SECOND, "prepare": "2030-01-02T09:00:00Z"}
    with pytest.raises(InputError, match=r"waves.1.prepare: the waves of one plan are prepared together"):
        checked(written(tmp_path / "s.yaml", first, second))
    assert checked(written(tmp_path / "s.yaml", first, {**second, "prepare": first["prepare"]}))
    early = {**FIRST, "cutover": {"start": "2030-01-01T08:00:00Z", "latest": "2030-01-01T08:30:00Z"}}
    with pytest.raises(InputError, match=r"waves.0.cutover.start: is before .*, when preparing begins"):
        checked(written(tmp_path / "s.yaml", early, second))


def test_the_same_schedule_goes_on_whatever_its_times_are(tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", FIRST, SECOND)
    later = datetime.datetime(2030, 2, 1, tzinfo=datetime.UTC)
    with Journal.create(tmp_path / "work", Plan()) as journal:
        assert schedule.last(WORDS, journal) is None
        schedule.remember(journal, schedule.load(WORDS, file))
        schedule.remember(journal, schedule.load(WORDS, file))
        before = schedule.last(WORDS, journal)
    assert checked(file, before=before, now=later)
    moved = {**SECOND, "cutover": {**SECOND["cutover"], "latest": "2030-01-04T03:00:00Z"}}
    with pytest.raises(InputError, match=r"waves.1.cutover.latest: .* is over; give a time to come") as refused:
        checked(written(file, FIRST, moved), before=before, now=later)
    assert refused.value.detail.count("\n") == 0


def test_a_suggestion_lacks_its_times_alone(tmp_path: Path) -> None:
    names = {"1": "shop", "2": 'x: "#\x07\n', "3": "1"}
    file = tmp_path / "s.yaml"
    file.write_text(schedule.text(WORDS, waves(names, {"3": {"2"}}, {}), names, [[], ['1 needs x: "#\x07\n: port']]))
    with pytest.raises(InputError) as refused:
        schedule.load(WORDS, file)
    assert [line.split(":")[0] for line in refused.value.detail.splitlines()] == [
        f"waves.{number}.cutover.{field}" for number in (0, 1) for field in ("start", "latest")
    ]
    content = file.read_text().replace("start: null", "start: 2030-01-02T22:00:00Z")
    file.write_text(content.replace("latest: null", "latest: 2030-01-02T23:00:00Z"))
    assert [wave.units for wave in schedule.load(WORDS, file).waves] == [("shop", names["2"]), ("1",)]
