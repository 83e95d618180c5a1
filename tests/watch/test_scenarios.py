"""The page of scenarios names tests that there are; and those of its scenarios that have no place of their own."""

import re
import time
from pathlib import Path

import pytest

from naru.cli.main import main
from naru.watch import follow, statements
from naru.watch.alerts import content
from naru.watch.alerts.outbox import ESCALATING
from naru.watch.group import CLIENT
from naru.watch.match import Matcher

from ..scenarios import check, check_names, page
from .lines import line, traceback
from .messages import one
from .test_notifications import Fed
from .watched import Watched, req

pytestmark = pytest.mark.unit

PAGE = "watch-scenarios.md"


@pytest.fixture(autouse=True)
def _nothing_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "QUIET", 0)


def test_each_scenario_says_whether_it_is_shown_and_by_which_tests() -> None:
    check(page(PAGE), 46)


def test_every_test_that_is_named_exists() -> None:
    check_names(page(PAGE))


def test_both_releases_are_told_alike(tmp_path: Path) -> None:
    """Scenario 2: the same failure as Pike's services write it, and those of 2026.2, is one text but for paths."""
    server = "5e5e5e5e-1111-4222-8333-444444444444"
    contexts = {
        "pike": f"{req(1)} u1 p1 - default default",
        "2026.2": f"None {req(1)} u1 p1 - - default default",
    }
    paths = {"pike": "/v/local/lib/python2.7/dist-packages", "2026.2": "/v/lib/python3.11/site-packages"}
    told = []
    for release, context in contexts.items():
        cloud = Watched(_made(tmp_path / release)).begun()
        frames = (
            f'  File "{paths[release]}/nova/scheduler/utils.py", line {len(release)}, in setup_instance_group',
            f"    pick(u'{server}')" if release == "pike" else f"    pick('{server}')",
            "NoValidHost_Remote: No valid host was found. ",
        )
        when, logger = cloud.time(), "nova.scheduler.utils"
        said = f"[instance: {server}] Failed to compute_task_build_instances: No valid host was found. "
        head = line(said, "WARNING", logger, context, when)
        cloud.write("nova-conductor", head, *traceback(*frames, logger=logger, time=when))
        cloud.round()
        (alert,) = cloud.round(10)
        text = content.text({**alert.body, "moment": "", "first": "", "last": ""})
        text = text.replace(paths[release], "").replace(when, "").replace("(u'", "('")
        told.append(re.sub(r"line \d+", "line", text))
    assert told[0] == told[1]
    assert "NoValidHost" in told[0] and server in told[0] and "nova/scheduler/utils.py:setup_instance_group" in told[0]


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_a_log_and_a_notification_of_one_request_are_one_alert(tmp_path: Path) -> None:
    """Scenario 5: what Cinder's scheduler logs of a volume that is too large, and what it sends of it."""
    cloud = Watched(tmp_path).begun()
    message = one("pike", "scheduler.create_volume")
    own = message.said["_context_request_id"].removeprefix("req-")
    fed = Fed(cloud.work)
    when, logger = cloud.time(), "cinder.scheduler.flows.create_volume"
    cloud.write("cinder-scheduler", line("Failed to run task", "ERROR", logger, f"req-{own} u1 p1 - - -", when))
    fed.give(message.again(timestamp=when), now=cloud.now)
    assert cloud.round() == []
    (alert,) = cloud.round(10)
    every = [alert.body["what"], *alert.body["others"]]
    assert {each["program"] for each in every} == {"cinder-scheduler"}
    assert sorted(each["text"].startswith("notification scheduler.create_volume") for each in every) == [False, True]
    assert f"req-{own}" in alert.body["requests"]
    assert cloud.round(60) == []


def test_failed_logins_that_are_sent_at_info_are_told_when_they_escalate(tmp_path: Path) -> None:
    """Scenario 38: Keystone's notifications of wrong passwords."""
    cloud = Watched(tmp_path).begun()
    fed = Fed(cloud.work)
    message = one("2026.2", "identity.authenticate")

    def refused(times: int) -> None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(cloud.now))
        fed.give(*(message.again(timestamp=moment) for _ in range(times)), now=cloud.now)

    refused(3)
    assert cloud.round() == cloud.round(20) == []
    (group,) = cloud.store.groups()
    assert (group["class"], group["level"], group["count"]) == (CLIENT, "INFO", 3)
    refused(200)
    (alert,) = cloud.round(20)
    assert (alert.why, alert.root) == (ESCALATING, group["key"])
    assert cloud.round(60) == []


def test_services_that_may_not_declare_a_queue_are_a_group_each(tmp_path: Path) -> None:
    """Scenario 34: somebody has declared a default queue otherwise, and services say so again and again."""
    cloud = Watched(tmp_path).begun()
    text = "Unable to connect to AMQP server on 10.0.0.5:5672 after inf tries: Queue.declare: (406) PRECONDITION_FAILED"
    frames = (
        '  File "/v/lib/python3.11/site-packages/oslo_messaging/_drivers/impl_rabbit.py", line 9, in ensure',
        "    ret, channel = autoretry_method()",
        '  File "/v/lib/python3.11/site-packages/amqp/channel.py", line 20, in _on_close',
        "    raise error_for_code(reply_code)",
        "amqp.exceptions.PreconditionFailed: Queue.declare: (406) PRECONDITION_FAILED - inequivalent arg 'durable'",
    )
    logger = "oslo.messaging._drivers.impl_rabbit"
    for number in range(10):
        said = f"{text} - inequivalent arg 'durable' for queue 'notifications.{('error', 'info')[number % 2]}'"
        for program, own in (("nova-compute", number), ("cinder-volume", number + 100)):
            cloud.error(program, said, own, logger=logger, trace=frames)
    cloud.round()
    made = cloud.round(10)
    assert {one.body["what"]["program"]: one.body["how_often"]["total"] for one in made} == {
        "nova-compute": 10,
        "cinder-volume": 10,
    }
    assert {one.body["what"]["exception"] for one in made} == {"PreconditionFailed"}


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without an interpreter of its own, of two packages."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    packages = tmp_path / "venv" / "lib" / "python2.7" / "site-packages"
    for name in ("shop", "mall"):
        (packages / name).mkdir(parents=True)
        (packages / name / "api.py").write_text('def one(x, async=False):\n    LOG.error("refused %s", x)\n')
    return packages


def test_files_of_python_2_by_a_newer_one(venv: Path) -> None:
    """Scenario 19: what needs no more than another name for `async` is read, all else is listed."""
    (venv / "shop" / "old.py").write_text("try:\n    LOG.error('x')\nexcept Exception, e:\n    print 'no'\n")
    found = statements.of_environment(venv.parents[2])
    assert {one.module for one in found.statements if one.text.startswith("refused ")} == {"shop.api", "mall.api"}
    assert {name for one in found.packages for name, _ in one.refused} == {"shop/old.py"}


def test_of_a_patched_package_alone_statements_are_read_anew(venv: Path) -> None:
    """Scenario 20."""
    statements.of_environment(venv.parents[2])
    (venv / "shop" / "api.py").write_text('def one(x):\n    LOG.error("refused %s", x)\n    LOG.error("patched in")\n')
    found = statements.of_environment(venv.parents[2])
    assert {one.name: one.known for one in found.packages} == {"shop": False, "mall": True}
    assert "patched in" in {one.text for one in found.statements if one.module == "shop.api"}


def test_a_file_whose_format_was_changed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scenario 45: not taken for a cloud without errors."""
    file = tmp_path / "nova-api.log"
    lines = [f"2026-10-05 14:42:{n % 60:02}|ERROR|nova.api|it failed" for n in range(97)]
    file.write_text("\n".join([*lines, *(line("as before") for _ in range(3))]) + "\n")
    words = ["watch", "run", str(tmp_path / "watch"), "--files", str(file), "--host", "h1", "--once", "-f", "json"]
    assert main(words) == 1
    assert "97% of its lines are of no known format" in capsys.readouterr().err


def test_what_several_lines_without_a_head_are_behind_a_record(tmp_path: Path) -> None:
    """Scenario 14, through all of it: what a process prints on its standard error does not part a group."""
    cloud = Watched(tmp_path, matcher=Matcher([])).begun()
    for number in range(3):
        cloud.error("nova-api", "it failed", number)
        cloud.write("nova-api", "Exception ignored in: <x>", "", "  more of it")
    cloud.round()
    assert [(one["count"], one["text"].partition("\n")[0]) for one in cloud.store.groups()] == [(3, "it failed")]
