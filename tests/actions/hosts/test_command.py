"""Commands on real hosts: begun once, whatever dies in between."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.plan.executor import RunOutcome
from naru.plan.model import Step
from naru.site.ssh import Fleet

from . import kit

pytestmark = [pytest.mark.hosts, pytest.mark.releases]
HOST = "node1"


@pytest.fixture
def do(site: str, tmp_path: Path) -> Callable[..., Path]:
    """A plan of one command, in a work directory."""

    def made(line: str, **args: Any) -> Path:
        args = {"host": HOST, "site": site, "argv": kit.argv(line), **args}
        return kit.journal(tmp_path / "work", Step("do", "host.command", args))

    return made


@pytest.fixture
def sees(fleet: Fleet, hosts: Hosts) -> Callable[[str], str]:
    """What a command says that is run there beside the plan."""

    asked = kit.asking(fleet, hosts, HOST)
    asked("systemctl stop 'naru-*'; rm -rf /root/t /var/lib/naru; mkdir /root/t")
    return asked


def wait_for(there: Callable[[], Any], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def result(work: Path) -> Any:
    return json.loads(kit.rows(work)["do"].result)


def test_one_is_run_with_what_it_is_given_and_nothing_of_it_goes_on(do, sees) -> None:
    line = (
        'echo out; echo "$PASSWORD" >&2; pwd; umask; echo "$HOME $PATH"; '
        "(sleep 777 & setsid sleep 778 &) ; echo once >>/root/t/log"
    )
    work = do(line, cwd="/root/t", env={"PASSWORD": "NARU_TEST_PASSWORD"})
    assert kit.run(work, NARU_TEST_PASSWORD="o'secret $x") == RunOutcome.DONE, kit.error(work, "do")
    out = result(work)["output"].splitlines()
    assert out[0] == "out" and out[1] != "" and "secret" not in out[1] and out[2:4] == ["/root/t", "0022"]
    assert sees("cat /root/t/log") == "once\n"
    assert sees("ps ax | grep -c '[s]leep 77' || true") == "0\n"
    # the secret went there, and is nowhere; what is kept is root's
    assert "o'secret $x" in sees("cat /var/lib/naru/*/*/do/output.*")
    assert sees("grep -rl secret /run/naru /var/lib/naru/*/*/do/command || true") == ""
    assert sees("stat -c %a /var/lib/naru /var/lib/naru/*/*/do | sort -u") == "700\n"
    assert kit.back(work) == RunOutcome.DONE
    assert sees("find /var/lib/naru -type f | grep -v -e lock -e fence || true") == ""


def test_one_that_fails_says_so_and_runs_again_when_somebody_wants_it(do, sees) -> None:
    work = do("echo x >>/root/t/log; echo what is wrong >&2; test -e /root/t/fixed", undo=kit.argv("rm -r /root/t"))
    assert kit.run(work) == RunOutcome.FAILED
    assert "exited with 1" in kit.error(work, "do") and "what is wrong" in kit.error(work, "do")
    assert kit.run(work) == RunOutcome.FAILED and sees("cat /root/t/log") == "x\n"
    sees("touch /root/t/fixed")
    kit.retry(work, "do")
    assert kit.run(work) == RunOutcome.DONE and sees("cat /root/t/log") == "x\nx\n"
    assert kit.back(work) == RunOutcome.DONE and sees("ls /root") == ""
    # done anew after it was undone
    sees("mkdir /root/t; touch /root/t/fixed")
    kit.retry(work, "do")
    assert kit.run(work) == RunOutcome.DONE and sees("cat /root/t/log") == "x\n"


def test_output_is_kept_as_it_comes_and_is_bounded(do, sees) -> None:
    work = do("echo first; sleep 3; seq 300000; echo last")
    executor = kit.begin(work)
    wait_for(lambda: "first" in sees("cat /var/lib/naru/*/*/do/output.0 2>/dev/null || true"))
    assert executor.ended() == RunOutcome.DONE
    assert result(work)["output"].endswith("299999\n300000\nlast") and len(result(work)["output"]) <= 4096
    assert int(sees("cat /var/lib/naru/*/*/do/output.* | wc -c")) <= 4 * 65536
    assert sees("head -1 /var/lib/naru/*/*/do/output.0") == "first\n"


def test_what_is_there_is_found(do, sees) -> None:
    work = do("echo x >>/root/t/log", check=["test", "-d", "t"], cwd="/root", undo=kit.argv("touch /root/t/undone"))
    assert kit.run(work) == RunOutcome.DONE
    assert result(work) == {"found": True} and sees("ls /root/t") == ""
    # what was there before is not undone
    assert kit.back(work) == RunOutcome.DONE and sees("ls /root/t") == ""


def test_a_killed_executor_loses_nothing_and_repeats_nothing(do, sees) -> None:
    work = do("echo begun >>/root/t/log; sleep 8; echo ended >>/root/t/log")
    kit.killed(work, (0.8, 1.2, 1.4, 1.6, 1.8))
    assert kit.run(work) == RunOutcome.DONE
    assert sees("cat /root/t/log") == "begun\nended\n"
    # ended while nobody was there
    assert result(work)["seconds"] >= 8


def test_a_command_is_not_ended_by_a_cable(do, sees, hosts: Hosts) -> None:
    work = do("echo begun >>/root/t/log; sleep 25; echo ended >>/root/t/log")
    executor = kit.begin(work)
    wait_for(lambda: "begun" in sees("cat /root/t/log 2>/dev/null || true"))
    hosts.link(HOST, "management", up=False)
    try:
        time.sleep(20)  # longer than a connection lives without an answer
    finally:
        hosts.link(HOST, "management", up=True)
    assert executor.ended() == RunOutcome.DONE
    assert sees("cat /root/t/log") == "begun\nended\n"


@pytest.mark.parametrize("how", ["cut", "reboot"])
def test_one_that_was_cut_off_is_not_repeated_blindly(do, sees, hosts: Hosts, how: str) -> None:
    work = do("echo begun >>/root/t/log; sync /root/t/log; sleep 20; echo ended >>/root/t/log")
    executor = kit.begin(work)
    wait_for(lambda: "begun" in sees("cat /root/t/log 2>/dev/null || true"))
    hosts.power(HOST, {"cut": "reset"}.get(how, how), wait=True)
    assert executor.ended() == RunOutcome.FAILED
    said = kit.error(work, "do")
    assert "sh was cut off: the host was started again while it ran" in said and "naru plan retry" in said
    assert sees("cat /root/t/log") == "begun\n"
    kit.retry(work, "do")
    assert kit.run(work) == RunOutcome.DONE
    assert sees("cat /root/t/log") == "begun\nbegun\nended\n"


def test_one_that_may_be_repeated_is(do, sees, hosts: Hosts) -> None:
    work = do("echo begun >>/root/t/log; sync /root/t/log; sleep 3; echo ended >>/root/t/log", repeat=True)
    executor = kit.begin(work)
    wait_for(lambda: "begun" in sees("cat /root/t/log 2>/dev/null || true"))
    hosts.power(HOST, "reset")
    assert executor.ended() == RunOutcome.DONE
    assert sees("cat /root/t/log") == "begun\nbegun\nended\n"


def test_one_whose_effect_is_found_after_a_cut_is_done(do, sees, hosts: Hosts) -> None:
    work = do("echo x >>/root/t/log; sync /root/t/log; sleep 60", check=["test", "-s", "/root/t/log"])
    executor = kit.begin(work)
    wait_for(lambda: "x" in sees("cat /root/t/log 2>/dev/null || true"))
    hosts.power(HOST, "reset")
    assert executor.ended() == RunOutcome.DONE
    assert sees("cat /root/t/log") == "x\n" and result(work) == {"found": True}


def test_one_that_takes_too_long_is_ended(do, sees) -> None:
    work = do("echo $$ >/root/t/pid; exec sleep 600", deadline=2.0)
    assert kit.run(work) == RunOutcome.FAILED
    assert "was ended" in kit.error(work, "do") and "2 s" in kit.error(work, "do")
    assert sees("! kill -0 $(cat /root/t/pid) 2>/dev/null && echo gone") == "gone\n"


def test_a_rollback_ends_what_runs_and_then_undoes_it(do, sees) -> None:
    work = do("echo $$ >/root/t/pid; exec sleep 600", undo=kit.argv("kill -0 $(cat /root/t/pid) || rm /root/t/pid"))
    executor = kit.begin(work)
    wait_for(lambda: "1" in sees("ls /root/t | wc -l"))
    executor.kill()
    assert kit.back(work) == RunOutcome.DONE
    assert sees("ls /root/t") == ""


def test_a_host_without_systemd_is_served_as_well(do, sees) -> None:
    work = do("echo begun >>/root/t/log; (sleep 779 &); sleep 5; echo ended >>/root/t/log")
    sees("mv /run/systemd/system /run/systemd/away")
    try:
        executor = kit.begin(work)
        wait_for(lambda: "begun" in sees("cat /root/t/log 2>/dev/null || true"))
        executor.kill()
        assert sees("cat /var/lib/naru/*/*/do/by") == "process\n"
        assert kit.run(work) == RunOutcome.DONE
        assert sees("cat /root/t/log") == "begun\nended\n"
        assert sees("ps ax | grep -c '[s]leep 779' || true") == "0\n"
    finally:
        sees("mv /run/systemd/away /run/systemd/system")


def test_a_host_that_is_not_there_is_told(do, sees, hosts: Hosts) -> None:
    work = do("true", patience=2.0)
    hosts.power(HOST, "cut")
    try:
        assert kit.run(work) == RunOutcome.FAILED
    finally:
        hosts.power(HOST, "on")
        hosts.wait([HOST])
    assert HOST in kit.error(work, "do") and "when the host answers, naru plan retry" in kit.error(work, "do")
    kit.retry(work, "do")
    assert kit.run(work) == RunOutcome.DONE


def test_who_is_not_root_needs_sudo(sees, five: Lab, tmp_path: Path) -> None:
    sees("id ops >/dev/null 2>&1 || useradd -m -p '*' ops; cp -r /root/.ssh /home/ops/; chown -R ops /home/ops/.ssh")
    sees("rm -f /etc/sudoers.d/ops")
    content = yaml.safe_load(five.site_yaml.read_text())
    config = five.site_yaml.parent / content["login"]["ssh_config"]
    content["login"] = {"user": "ops", "ssh_config": str(config)}

    def made(name: str) -> Path:
        site = tmp_path / f"{name}.yaml"
        site.write_text(yaml.safe_dump(content))
        args = {"host": HOST, "site": str(site), "argv": ["sh", "-c", "id -un >/root/t/who"]}
        args |= {"env": {"SAID": "NARU_TEST_PASSWORD"}, "check": ["test", "-e", "/root/t/who"]}
        return kit.journal(tmp_path / name, Step("do", "host.command", args))

    work = made("without")
    assert kit.run(work, NARU_TEST_PASSWORD="long enough") == RunOutcome.FAILED
    assert "steps on hosts need root" in kit.error(work, "do") and "login.sudo: true" in kit.error(work, "do")
    sees("echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops")
    content["login"]["sudo"] = True
    work = made("with")
    assert kit.run(work, NARU_TEST_PASSWORD="long enough") == RunOutcome.DONE, kit.error(work, "do")
    assert sees("cat /root/t/who") == "root\n"
    # a password comes before what is given, and is not taken for it
    sees("echo 'ops:very secret' | chpasswd; echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops; rm /root/t/who")
    (tmp_path / "password").write_text("very secret\n")
    (tmp_path / "password").chmod(0o600)
    content["login"]["sudo_password"] = {"file": str(tmp_path / "password")}
    work = made("with-password")
    assert kit.run(work, NARU_TEST_PASSWORD="long enough") == RunOutcome.DONE, kit.error(work, "do")
    assert sees("cat /root/t/who") == "root\n"
    sees("rm /etc/sudoers.d/ops; userdel -r ops 2>/dev/null")
