"""The services' own upgrade checks: how they are run, and what is made of what they say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from naru.errors import InputError
from naru.plan import schema
from naru.plan.model import Plan, Step
from naru.releases import path, release
from naru.upgrade import gates
from naru.upgrade.check import status
from naru.upgrade.check.status import Said
from naru.upgrade.finding import Finding
from naru.upgrade.window import hops, steps
from naru.upgrade.work import Settings, Work, work_directory

pytestmark = pytest.mark.unit

AGAIN = "naru upgrade rehearse work"
PROGRAM = """
import sys
import enum

ARGV = sys.argv[1:]  # when it is imported, as oslo.upgradecheck does


class Code(enum.IntEnum):
    SUCCESS, WARNING, FAILURE = range(3)


class Result:
    def __init__(self, code, details=None):
        self.code, self.details = code, details


class Checks:
    def _config(self):
        return Result(Code.SUCCESS, open(ARGV[1]).read())

    def _worn(self):
        return Result(Code.WARNING, "worn")

    def _broken(self, by):
        return Result(Code.FAILURE, f"broken by {by}" + "x" * 9999)

    def _raises(self):
        raise ValueError("no such column\\nSELECT")

    def _away(self):
        raise SystemExit("it was run")

    _upgrade_checks = (
        ("Config", _config), ("Worn", _worn), ("Broken", (_broken, {"by": "age"})), ("Raises", _raises), ("Away", _away)
    )

    def check(self):
        results = [
            function[0](self, **function[1]) if isinstance(function, tuple) else function(self)
            for _, function in self._upgrade_checks
        ]
        return max(result.code for result in results)


def main():
    assert ARGV[2:] == ["upgrade", "check"], ARGV
    END
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """What the script says of a program whose main function ends so."""
    python = tmp_path / "environment/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)

    def said(end: str, seconds: int = 30) -> dict[str, Any]:
        modules, own = tmp_path / "modules", tmp_path / "own"
        modules.mkdir(exist_ok=True)
        own.mkdir(exist_ok=True)
        (modules / "one_status.py").write_text(PROGRAM.replace("END", end))
        text = "set -eu; own=$NARU_OWN\n" + steps.script("configuration") + steps.script("status")
        words = [str(python.parent.parent), "nova", str(seconds), "one-status", "one_status", "Away\nOther"]
        env = os.environ | {
            "NARU_OWN": str(own),
            "NARU_CONFIG": "[database]\nconnection = @cell@",
            "NARU_SCRATCH": "/scratch",
            "MYSQL_PWD": "a-password",
            "PYTHONPATH": str(modules),
        }
        command = ["sh", "-c", text, "naru", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        name, _, value = done.stdout.strip().partition("=")
        return {name: json.loads(value) if name == "checks" else value}

    return said


def test_each_check_is_run_by_itself_with_the_copys_configuration(run: Any) -> None:
    (every,) = run("print('+-- a table --+'); return Checks().check()").values()
    checks = {one.pop("check"): one for one in every}
    assert all(one.pop("seconds") < 30 for name, one in checks.items() if name != "Away")
    config = checks.pop("Config")
    assert config["code"] == 0 and "localhost/nova?unix_socket=/scratch/socket" in config["details"]
    assert "init_command=SET+SESSION+TRANSACTION+READ+ONLY" in config["details"]
    broken = checks.pop("Broken")
    assert broken["code"] == 2 and broken["details"].startswith("broken by agex") and len(broken["details"]) == 400
    assert checks == {
        "Worn": {"code": 1, "details": "worn"},
        "Raises": {"error": "ValueError: no such column"},
        "Away": {},  # it was not run
    }


def test_what_is_said_finds_room_in_the_output_of_a_step(run: Any) -> None:
    (every,) = run("Checks._upgrade_checks *= 12; return Checks().check()").values()
    assert len(every) == 12 * 4 + 1 and len(json.dumps(every)) < 4096


def test_a_program_that_does_not_come_to_its_end_is_told_and_fails_nothing(run: Any) -> None:
    assert run("raise RuntimeError('no backend')") == {"error": "one-status exited with 1: RuntimeError: no backend"}
    assert run("return 255")["error"].startswith("one-status exited with 255")
    assert run("import time; time.sleep(60)", seconds=1) == {"error": "one-status has not ended in 1 s"}


def judged(service: str, goal: str, said: dict[str, dict[str, Any]], start: str = "pike") -> list[Finding]:
    """What is made of results by release, all of rehearsal 3."""
    (way,) = path.ways(start, goal, [service])
    return list(status.judged(way, {(service, name): Said(3, result) for name, result in said.items()}, AGAIN))


def checks(**codes: int) -> dict[str, Any]:
    return {
        "checks": [{"check": name, "code": code, "details": "it says", "seconds": 0.1} for name, code in codes.items()]
    }


def test_a_failure_blocks_and_a_warning_does_not() -> None:
    found = judged("nova", "queens", {"queens": checks(One=0, Two=1, Three=2)})
    assert [(one.state, one.what) for one in found] == [
        ("right", "One"),
        ("warns", "Two: it says"),
        ("blocks", "Three: it says"),
    ]
    assert {one.where for one in found} == {"nova-status"} and {one.examples for one in found} == {("queens",)}
    assert found[2].proof == "nova-status upgrade check, by the code of queens, in rehearsal 3"
    assert AGAIN in found[2].cure


def test_what_was_not_found_out_is_never_right() -> None:
    raised = {"checks": [{"check": "One", "error": "ValueError: no", "seconds": 0.1}]}
    (one,) = judged("nova", "queens", {"queens": raised})
    assert (one.state, one.what, one.cure) == ("unknown", "One: ValueError: no", AGAIN)
    (one,) = judged("nova", "queens", {"queens": {"error": "nova-status exited with 255"}})
    assert one.state == "unknown"
    (one,) = judged("nova", "queens", {})
    assert (one.state, one.what, one.proof) == ("unseen", "no rehearsal has run its checks", "")
    (one,) = judged("nova", "queens", {"queens": {"checks": [{"check": "Placement API"}]}})
    assert (one.state, one.examples, one.proof) == ("unseen", ("Placement API",), "") and "API, and none" in one.what
    (one,) = judged("glance", "ussuri", {})
    assert one.state == "unseen" and "configuration" in one.what and "by hand" in one.cure
    assert judged("glance", "train", {}) == []  # no release of it has checks


def test_an_error_does_not_hide_what_an_earlier_rehearsal_has_found() -> None:
    def told(*results: dict[str, Any]) -> list[tuple[str, str, str]]:
        newest: Said | None = None
        for number, result in enumerate(results, start=1):
            newest = status.over(newest, Said(number, result))
        assert newest
        (way,) = path.ways("pike", "queens", ["nova"])
        found = status.judged(way, {("nova", "queens"): newest}, AGAIN)
        return [(one.state, one.what.partition(":")[0], one.proof[-1:]) for one in found]

    raised = {"checks": [{"check": "One", "error": "ValueError: no", "seconds": 0.1}, *checks(Two=0)["checks"]]}
    ended, lost = (
        {"error": "nova-status has not ended in 180 s"},
        ("unknown", "nova-status has not ended in 180 s", "2"),
    )
    failed = checks(One=2, Two=2)
    assert told(failed, raised) == [("blocks", "One", "1"), ("unknown", "One", "2"), ("right", "Two", "2")]
    assert told(failed, ended) == [lost, ("blocks", "One", "1"), ("blocks", "Two", "1")]
    assert told(failed, ended, raised)[:2] == [("blocks", "One", "1"), ("unknown", "One", "3")]
    assert told(failed, raised, checks(One=0)) == [("right", "One", "3")]
    assert told(checks(One=0), raised)[0] == ("unknown", "One", "2") and told(checks(One=0), ended) == [lost]


def test_a_known_mistake_is_told_as_what_is_right() -> None:
    (one,) = judged("nova", "queens", {"queens": checks(**{"Console Auths": 1})})
    assert (one.state, one.what.partition(":")[0]) == ("right", "Console Auths") and "old compute services" in one.what
    (one,) = judged("nova", "queens", {"queens": checks(**{"Console Auths": 0})})
    assert (one.state, one.what) == ("right", "Console Auths")
    placement = path.services()["placement"].status
    assert placement is not None
    names = {name: [check for one in placement.of(name) for check in one.checks] for name in ("wallaby", "xena")}
    assert "Incomplete Consumers" in names["wallaby"] and "Incomplete Consumers" not in names["xena"]


def test_the_same_in_several_releases_is_told_once() -> None:
    old = checks(**{"Older than N-1 computes": 2})
    (one,) = judged("nova", "yoga", {"xena": old, "yoga": old}, start="wallaby")
    assert (one.state, one.release, one.examples) == ("warns", "xena", ("xena", "yoga"))
    assert "disable_compute_service_check_for_ffu" in one.cure


def test_what_is_known_of_checks_names_releases() -> None:
    for service in path.services().values():
        assert service.status is not None
        assert service.status.since in release.names()
        for one in service.status.corrected:
            assert {one.first, one.last} <= {"", *release.names()}
            assert one.state != "warns" or one.cure


def test_the_newest_rehearsal_that_came_so_far_counts_and_what_failed_refuses_the_window(tmp_path: Path) -> None:
    settings = Settings("site.yaml", "pike", "rocky", ("nova",), "db1", 512, 0, 0.0)
    directory = work_directory(tmp_path)
    directory.prepare()
    directory.create(Plan(settings=settings.dump()), plan_id="an-id")
    upgrade = Work(tmp_path)
    results = [{"queens": checks(One=2), "rocky": checks(Two=2)}, {"queens": checks(One=0)}]
    for number, said in enumerate(results, start=1):
        made = [
            Step(name, "noop", {"service": "nova", "release": name}, purpose=hops.CHECK) for name in ("queens", "rocky")
        ]
        with upgrade.rehearsals.begin(number, Plan(steps=made)) as journal:
            with journal.write() as connection:
                for name, result in said.items():
                    change = update(schema.steps).where(schema.steps.c.id == name)
                    connection.execute(change.values(result=json.dumps(result), state="done"))
            status.keep(journal)
            with journal.write() as connection:  # as it is when the copy is taken away
                connection.execute(update(schema.steps).values(result=None, state="undone"))
    found = {(one.release, one.state) for one in status.check(upgrade, ())}
    assert found == {("queens", "right"), ("rocky", "blocks")}
    assert status.check(upgrade, ["keystone"]) == []
    with pytest.raises(InputError, match=r"1 of the services' own upgrade checks") as raised:
        gates.check_status(upgrade)
    assert "nova-status of rocky: Two: it says" in raised.value.detail and "--despite-checks" in raised.value.hint
