"""Files on real hosts: whole or not at all, and the former ones back as they were."""

import json
import os
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
HOST = "node3"
AT = "/etc/t/a.conf"
LOOKS = "stat -c '%F %a %U %G %Y' /etc/t/a.conf; sha256sum </etc/t/a.conf; ls -A /etc/t"

Do = Callable[..., Path]


@pytest.fixture
def sees(fleet: Fleet, hosts: Hosts) -> kit.See:
    """What a command says that is run there beside the plan."""

    asked = kit.asking(fleet, hosts, HOST)
    asked("rm -rf /etc/t /var/lib/naru; mkdir /etc/t")
    return asked


@pytest.fixture
def do(site: str, tmp_path: Path) -> Do:
    def made(**args: Any) -> Path:
        step = Step("do", "host.file", {"host": HOST, "site": site, "path": AT, **args})
        return kit.journal(tmp_path / f"work-{len(list(tmp_path.iterdir()))}", step)

    return made


def test_a_new_one_is_put_found_and_removed(do: Do, sees: kit.See) -> None:
    work = do(text="a = é\n")
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "do")
    assert sees(f"cat {AT}; stat -c '%a %U' {AT}; ls -A /etc/t") == "a = é\n644 root\na.conf\n"
    again = do(text="a = é\n")
    assert kit.run(again) == RunOutcome.DONE and json.loads(kit.rows(again)["do"].result)["found"]
    assert kit.back(again) == RunOutcome.DONE and sees(f"cat {AT}") == "a = é\n"
    assert kit.back(work) == RunOutcome.DONE and sees("ls -A /etc/t") == ""
    assert sees("find /var/lib/naru -type f | grep -v -e lock -e fence || true") == ""


def test_the_former_ones_owner_mode_and_attributes_stay_and_come_back(do: Do, sees: kit.See) -> None:
    sees(f"echo former >{AT}; chmod 2640 {AT}; chown daemon:mail {AT}; chmod 2640 {AT}; touch -d 2020-01-01 {AT}")
    before = sees(LOOKS)
    work = do(text="")
    assert kit.run(work) == RunOutcome.DONE
    assert sees(f"stat -c '%a %U %G %s' {AT}") == "2640 daemon mail 0\n"
    assert kit.back(work) == RunOutcome.DONE and sees(LOOKS) == before
    work = do(text="x", mode="0600", owner="root", group="8")
    assert kit.run(work) == RunOutcome.DONE
    assert sees(f"stat -c '%a %U %G' {AT}; cat {AT}") == "600 root mail\nx"
    assert kit.back(work) == RunOutcome.DONE and sees(LOOKS) == before


def test_a_link_is_replaced_and_comes_back(do: Do, sees: kit.See) -> None:
    sees(f"echo other >/etc/t/other; ln -s other {AT}")
    work = do(text="x")
    assert kit.run(work) == RunOutcome.DONE and sees(f"test ! -L {AT}; cat {AT} /etc/t/other") == "xother\n"
    assert kit.back(work) == RunOutcome.DONE and sees(f"readlink {AT}") == "other\n"


def test_what_somebody_has_made_of_it_since_is_kept(do: Do, sees: kit.See) -> None:
    sees(f"echo former >{AT}")
    work = do(text="ours")
    assert kit.run(work) == RunOutcome.DONE
    sees(f"echo theirs >{AT}")
    assert kit.back(work) == RunOutcome.DONE and sees(f"cat {AT}") == "former\n"
    changed = json.loads(kit.rows(work)["undo/do"].result)["changed"]
    assert sees(f"cat {changed}") == "theirs\n"


def test_what_cannot_be_is_told(do: Do, sees: kit.See, tmp_path: Path) -> None:
    for args, said in (
        ({"path": "/etc/none/x", "text": ""}, "there is no directory /etc/none"),
        ({"path": "/etc/t", "text": ""}, "/etc/t is no file"),
        ({"source": str(tmp_path / "none")}, "none cannot be read"),
        ({"source": str(Path(__file__)), "sha256": "0" * 64}, "is not what the plan was made with"),
        ({"text": "", "owner": "nobody-of-that-name"}, "nobody-of-that-name"),
    ):
        work = do(**args)
        assert kit.run(work) == RunOutcome.FAILED and said in kit.error(work, "do"), kit.error(work, "do")
        assert kit.back(work) == RunOutcome.DONE
    sees("mkdir /etc/t/small; mount -t tmpfs -o size=2m none /etc/t/small")
    large = tmp_path / "large"
    large.write_bytes(bytes(3 << 20))
    work = do(source=str(large), path="/etc/t/small/x")
    assert kit.run(work) == RunOutcome.FAILED and "there is no room for /etc/t/small/x" in kit.error(work, "do")
    assert sees("ls -A /etc/t /etc/t/small; umount /etc/t/small") == "/etc/t:\nsmall\n\n/etc/t/small:\n"


@pytest.mark.parametrize("what", ["kill", "reset", "reboot", "link"])
def test_whatever_happens_in_the_middle_it_is_the_one_or_the_other(
    do: Do, sees: kit.See, hosts: Hosts, tmp_path: Path, what: str
) -> None:
    sees(f"echo former >{AT}; chmod 640 {AT}")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(40 << 20))
    before, digest = sees(LOOKS), sees("sha256sum <" + AT)
    work = do(source=str(large))
    executor = kit.begin(work)
    seen = set()
    for _ in range(3 if what == "kill" else 1):
        time.sleep(0.9 + random.random())
        if what == "kill":
            executor.kill()
            seen.add(sees("sha256sum <" + AT))
            executor = kit.begin(work)
        else:
            kit.befall(hosts, HOST, what, seconds=3.0)
            if what != "link":
                seen.add(sees("sha256sum <" + AT))
    assert executor.ended() == RunOutcome.DONE, kit.error(work, "do")
    whole = f"{json.loads(kit.rows(work)['do'].result)['sha256']}  -\n"
    assert sees("sha256sum <" + AT) == whole and sees(f"stat -c %a {AT}; ls -A /etc/t") == "640\na.conf\n"
    assert seen <= {digest, whole}
    assert kit.back(work) == RunOutcome.DONE and sees(LOOKS) == before
