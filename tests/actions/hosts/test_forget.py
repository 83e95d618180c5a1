"""Nothing of a plan is left on its hosts when it is over."""

import time
from pathlib import Path

import pytest

from naru.lab.hosts.hosts import Hosts
from naru.plan import control
from naru.plan.executor import RunOutcome
from naru.plan.journal import Journal
from naru.plan.model import Step
from naru.site.ssh import Fleet

from . import kit

pytestmark = [pytest.mark.hosts, pytest.mark.releases]
HOST = "node5"


@pytest.fixture
def sees(fleet: Fleet, hosts: Hosts) -> kit.See:
    """What a command says that is run there beside the plan."""

    asked = kit.asking(fleet, hosts, HOST)
    asked("systemctl stop 'naru-*'; rm -rf /var/lib/naru /run/naru /root/t; mkdir /root/t")
    return asked


def test_all_is_forgotten_and_then_there_is_no_way_back(sees: kit.See, site: str, tmp_path: Path) -> None:
    at = {"host": HOST, "site": site}
    steps = [
        Step("do", "host.command", {**at, "argv": ["true"]}),
        Step("file", "host.file", {**at, "path": "/root/t/a", "text": "a"}),
        Step("forget", "host.forget", at),
    ]
    work = kit.journal(tmp_path / "work", *steps)
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "forget")
    assert sees("ls -A /var/lib/naru /run/naru 2>/dev/null || true; ls /root/t") == "a\n"
    said = kit.Executor(work, "rollback")
    assert said.ended() == RunOutcome.FAILED and "can no longer be rolled back" in said.said.read_text()


def test_while_a_command_runs_nothing_is(sees: kit.See, site: str, tmp_path: Path) -> None:
    at = {"host": HOST, "site": site}
    steps = [
        Step("do", "host.command", {**at, "argv": ["sleep", "600"]}),
        Step("forget", "host.forget", at),
    ]
    work = kit.journal(tmp_path / "work", *steps, chained=False)
    with Journal.open(work) as journal:
        control.skip(journal, "later", steps=["forget"])
    executor = kit.begin(work)
    end = time.monotonic() + 60
    while "sleep" not in sees("ps ax | grep '[s]leep 600' || true"):
        assert time.monotonic() < end
        time.sleep(0.2)
    kit.retry(work, "forget")
    while kit.states(work)["forget"] != "failed":
        assert time.monotonic() < end
        time.sleep(0.2)
    assert "still runs" in kit.error(work, "forget") and sees("ls /var/lib/naru | wc -l") == "1\n"
    sees("systemctl stop 'naru-*'")
    assert executor.ended() == RunOutcome.FAILED
    assert "it was killed while it ran" in kit.error(work, "do")
    kit.retry(work, "forget")
    kit.run(work)
    assert kit.states(work)["forget"] == "done"
    assert sees("ls -A /var/lib/naru /run/naru 2>/dev/null || true") == ""
