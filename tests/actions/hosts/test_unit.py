"""Units of systemd on real hosts: what is done to them, found, and taken back."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naru.lab.hosts.hosts import Hosts
from naru.plan.executor import RunOutcome
from naru.plan.model import Step
from naru.site.ssh import Fleet

from . import kit

pytestmark = [pytest.mark.hosts, pytest.mark.releases]
HOST = "node2"
UNIT = """[Service]
ExecStartPre=/bin/sh -c 'echo start >>/root/u'
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'echo stop >>/root/u'
[Install]
WantedBy=multi-user.target
"""
FILE = "/etc/systemd/system/t.service"


@pytest.fixture
def sees(fleet: Fleet, hosts: Hosts) -> kit.See:
    """What a command says that is run there beside the plan. A unit `t` is enabled there and runs."""

    asked = kit.asking(fleet, hosts, HOST)
    asked("systemctl stop t 2>/dev/null; rm -rf /root/u /var/lib/naru /etc/systemd/system/t.service*")
    asked(f"printf '%s' '{quoted(UNIT)}' >{FILE}; systemctl daemon-reload; systemctl reset-failed")
    asked("systemctl enable --now t; rm -f /root/u")
    return asked


def quoted(text: str) -> str:
    return text.replace("'", "'\\''")


@pytest.fixture
def do(site: str, tmp_path: Path) -> Callable[..., Path]:
    def made(do: str, unit: str = "t", **args: Any) -> Path:
        step = Step("do", "host.unit", {"host": HOST, "site": site, "unit": unit, "do": do, **args})
        return kit.journal(tmp_path / f"work-{do}", step)

    return made


def state(sees: kit.See) -> str:
    return sees("systemctl show -p LoadState -p ActiveState -p UnitFileState --value t | sort | xargs").strip()


def test_each_is_done_found_and_undone(do: Callable[..., Path], sees: kit.See) -> None:
    before = sees(f"cat {FILE}; stat -c '%a %U %Y' {FILE}")
    for what, becomes, log in (
        ("stop", "enabled inactive loaded", "stop"),
        ("mask", "inactive masked masked", "stop"),
        ("restart", "active enabled loaded", "stop start"),
        ("keep", "active enabled loaded", ""),
        ("start", "active enabled loaded", ""),
    ):
        sees("rm -f /root/u; touch /root/u")
        work = do(what)
        assert kit.run(work) == RunOutcome.DONE, kit.error(work, "do")
        assert (state(sees), " ".join(sees("cat /root/u").split())) == (becomes, log), what
        assert json.loads(kit.rows(work)["do"].result) == {"before": "active", "enabled": "enabled"}
        assert kit.back(work) == RunOutcome.DONE
        assert state(sees) == "active enabled loaded", what
        assert sees(f"cat {FILE}; stat -c '%a %U %Y' {FILE}") == before


def test_one_at_rest_is_started_and_stopped_again(do: Callable[..., Path], sees: kit.See) -> None:
    for what in ("start", "restart"):
        sees("systemctl stop t")
        work = do(what)
        assert kit.run(work) == RunOutcome.DONE
        assert state(sees) == "active enabled loaded"
        assert kit.back(work) == RunOutcome.DONE
        assert state(sees) == "enabled inactive loaded"


def test_the_way_back_restarts_when_it_is_to(do: Callable[..., Path], sees: kit.See) -> None:
    work = do("keep", restart_back=True)
    assert kit.run(work) == RunOutcome.DONE and sees("cat /root/u 2>/dev/null || true") == ""
    assert kit.back(work) == RunOutcome.DONE and sees("cat /root/u") == "stop\nstart\n"


def test_one_that_is_held_is_started_by_nobody_until_it_is_released(do: Callable[..., Path], sees: kit.See) -> None:
    files = f"cat {FILE}; stat -c '%a %U %Y' {FILE}; ls -d {FILE}*"
    before = sees(files)
    work = do("hold")
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "do")
    sees("systemctl start t")
    assert state(sees) == "enabled inactive loaded"
    assert kit.run(do("resume")) == RunOutcome.DONE
    assert state(sees) == "active enabled loaded" and sees(files) == before
    assert kit.back(work) == RunOutcome.DONE
    assert state(sees) == "active enabled loaded" and sees(files) == before
    sees("systemctl stop t")
    work = do("release")
    assert kit.run(work) == RunOutcome.DONE and state(sees) == "enabled inactive loaded"


def test_what_has_no_file_of_its_own_is_masked_and_unmasked(do: Callable[..., Path], sees: kit.See) -> None:
    sees("mv /etc/systemd/system/t.service /lib/systemd/system/t.service; systemctl daemon-reload")
    try:
        work = do("mask")
        assert kit.run(work) == RunOutcome.DONE and state(sees) == "inactive masked masked"
        assert kit.back(work) == RunOutcome.DONE and state(sees).startswith("active")
        assert sees(f"test -L {FILE} || echo none") == "none\n"
    finally:
        sees("rm /lib/systemd/system/t.service")


def test_what_cannot_be_is_told(do: Callable[..., Path], sees: kit.See) -> None:
    work = do("start", unit="nothing")
    assert kit.run(work) == RunOutcome.FAILED
    assert "there is no unit nothing.service" in kit.error(work, "do")
    sees(f"sed -i 's/sleep infinity/sh -c \"echo no such thing; exit 3\"/' {FILE}")
    sees("systemctl daemon-reload; systemctl stop t")
    work = do("restart")
    assert kit.run(work) == RunOutcome.FAILED
    said = kit.error(work, "do")
    assert "t.service" in said and "no such thing" in said, said
    assert kit.back(work) == RunOutcome.DONE


def test_a_oneshot_has_done_its_thing_once(do: Callable[..., Path], sees: kit.See) -> None:
    sees(f"printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c \"sleep 2; echo x >>/root/u\"\\n' >{FILE}")
    sees("systemctl daemon-reload; systemctl stop t; rm -f /root/u")
    work = do("start")
    kit.killed(work, (1.2, 1.6, 2.0))
    assert kit.run(work) == RunOutcome.DONE
    assert sees("cat /root/u") == "x\n"


@pytest.mark.parametrize("what", ["restart", "mask"])
def test_killed_at_any_instant_it_is_done_once(do: Callable[..., Path], sees: kit.See, what: str) -> None:
    sees(f"sed -i 's/^ExecStart=/ExecStartPre=.bin.sleep 1\\n&/; s/=.bin.sleep 1/=\\/bin\\/sleep 1/' {FILE}")
    sees("systemctl daemon-reload; systemctl restart t; rm -f /root/u")
    work = do(what)
    kit.killed(work, (0.7 + 1.3 * random.random() for _ in range(6)))
    assert kit.run(work) == RunOutcome.DONE
    assert sees("cat /root/u").split() == {"restart": ["stop", "start"], "mask": ["stop"]}[what]
    assert kit.back(work) == RunOutcome.DONE and state(sees) == "active enabled loaded"


@pytest.mark.parametrize("what", ["stop", "restart", "mask", "start"])
@pytest.mark.parametrize("how", ["reset", "reboot", "link"])
def test_a_host_that_goes_away_in_the_middle(
    do: Callable[..., Path], sees: kit.See, hosts: Hosts, what: str, how: str
) -> None:
    work = do(what)
    executor = kit.begin(work)
    time.sleep(0.9 + random.random())
    kit.befall(hosts, HOST, how)
    assert executor.ended() == RunOutcome.DONE, kit.error(work, "do")
    time.sleep(2.5 if how == "link" else 0)
    assert kit.states(work) == {"do": "done"}
    if how == "link" or what != "stop":  # an enabled unit that is stopped is started again by a boot
        wanted = {"stop": "enabled inactive loaded", "mask": "inactive masked masked"}.get(
            what, "active enabled loaded"
        )
        assert state(sees) == wanted
    if how == "link" and what == "restart":
        assert sees("cat /root/u").split() == ["stop", "start"]
    assert kit.back(work) == RunOutcome.DONE
    assert state(sees) == "active enabled loaded"
