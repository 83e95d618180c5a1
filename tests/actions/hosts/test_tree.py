"""Directories on real hosts: shipped once, switched at once, and back."""

import io
import os
import random
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naru.lab.hosts.hosts import Hosts
from naru.plan.executor import RunOutcome
from naru.plan.model import Step
from naru.site.ssh import Fleet
from naru.work.rate import set_rate

from ...lab.hosted.scenario import until
from . import kit

pytestmark = [pytest.mark.hosts, pytest.mark.releases]
HOST = "node4"
FILES = 400
SENT = "cat /opt/.naru-*.part 2>/dev/null | wc -c"
"""How much of the archive has come."""

Do = Callable[..., Path]


@pytest.fixture
def sees(fleet: Fleet, hosts: Hosts) -> kit.See:
    """What a command says that is run there beside the plan."""

    asked = kit.asking(fleet, hosts, HOST)
    asked("rm -rf /opt/* /srv/t /var/lib/naru; mkdir -p /opt/old/bin; ln -s /opt/old /opt/now")
    return asked


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Some 20 MiB that cannot be compressed, of a user who is not there."""
    path = tmp_path / "tree.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as made:
        for number in range(FILES):
            member = tarfile.TarInfo(f"lib/{number % 20}/{number}")
            member.size, member.mode, member.uid = 50_000, 0o755 if number % 2 else 0o644, 4242
            made.addfile(member, io.BytesIO(os.urandom(member.size)))
    return path


@pytest.fixture
def do(site: str, tmp_path: Path, archive: Path) -> Do:
    def made(**args: Any) -> Path:
        given = {"host": HOST, "site": site, "archive": str(archive), "path": "/opt/new", "link": "/opt/now", **args}
        step = Step("do", "host.tree", {name: value for name, value in given.items() if value is not None})
        return kit.journal(tmp_path / f"work-{len(list(tmp_path.iterdir()))}", step)

    return made


def test_one_is_shipped_switched_to_and_taken_back(do: Do, sees: kit.See) -> None:
    work = do()
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "do")
    assert sees("readlink /opt/now; ls -A /opt") == "/opt/new\nnew\nnow\nold\n"
    assert (
        sees("find /opt/now/lib -type f -size 50000c | wc -l; stat -c '%a %u' /opt/new/lib/1/1") == f"{FILES}\n755 0\n"
    )
    assert kit.back(work) == RunOutcome.DONE
    assert sees("readlink /opt/now; ls -A /opt") == "/opt/old\nnow\nold\n"
    assert sees("find /var/lib/naru -type f | grep -v -e lock -e fence || true") == ""


def test_one_step_ships_and_another_switches(do: Do, sees: kit.See) -> None:
    ship = do(link=None, owners=True, path="/srv/t/deep/new")
    assert kit.run(ship) == RunOutcome.DONE
    assert sees("readlink /opt/now; stat -c %u /srv/t/deep/new/lib/1/1") == "/opt/old\n4242\n"
    switch = do(path="/srv/t/deep/new", link="/opt/first")
    assert kit.run(switch) == RunOutcome.DONE and '"found":true' in kit.rows(switch)["do"].result
    assert sees("readlink /opt/first") == "/srv/t/deep/new\n"
    # what was shipped by another step stays
    assert kit.back(switch) == RunOutcome.DONE and sees("ls -A /opt; ls /srv/t/deep") == "now\nold\nnew\n"
    assert kit.back(ship) == RunOutcome.DONE and sees("ls /srv") == ""


def test_what_cannot_be_is_told(do: Do, sees: kit.See, tmp_path: Path) -> None:
    (tmp_path / "no.tar").write_text("no")
    sees("mkdir /opt/real /opt/small; mount -t tmpfs -o size=30m none /opt/small")
    for args, said in (
        ({"path": "/opt/old"}, "/opt/old is there, and is not from"),
        ({"link": "/opt/real"}, "/opt/real is there, and is no symbolic link"),
        ({"archive": str(tmp_path / "no.tar")}, "is no tar file"),
        ({"path": "/opt/small/new"}, "there is no room for /opt/small/new"),
    ):
        work = do(**args)
        assert kit.run(work) == RunOutcome.FAILED and said in kit.error(work, "do"), kit.error(work, "do")
        assert kit.back(work) == RunOutcome.DONE
    assert sees("umount /opt/small; readlink /opt/now; ls -A /opt") == "/opt/old\nnow\nold\nreal\nsmall\n"


def test_it_goes_no_faster_than_somebody_says_and_goes_on_where_it_was(
    do: Do, sees: kit.See, tmp_path: Path, archive: Path
) -> None:
    size, work = archive.stat().st_size, do(work=str(tmp_path))
    set_rate(tmp_path, 1 << 20)
    began = time.monotonic()
    executor = kit.begin(work)
    until(lambda: int(sees(SENT)) > 0, "the first bytes")
    executor.kill()
    sent = int(sees(SENT))
    assert 0 < sent < size and sent / (time.monotonic() - began) < 2 << 20
    executor = kit.begin(work)
    until(lambda: int(sees(SENT)) > sent, "more bytes")
    set_rate(tmp_path, None)  # while it runs
    changed = time.monotonic()
    assert executor.ended() == RunOutcome.DONE, kit.error(work, "do")
    assert time.monotonic() - changed < (size - sent) / (1 << 20)
    assert sees("readlink /opt/now; find /opt/new/lib -type f -size 50000c | wc -l") == f"/opt/new\n{FILES}\n"
    assert kit.back(work) == RunOutcome.DONE


@pytest.mark.parametrize("always", [False, True])
def test_what_arrives_damaged_is_sent_again_or_leaves_all_as_it_was(
    do: Do, sees: kit.See, tmp_path: Path, always: bool
) -> None:
    work = do(work=str(tmp_path))
    set_rate(tmp_path, 6 << 20)
    executor = kit.begin(work)
    until(lambda: int(sees(SENT)) > 0, "the first bytes")
    damage = "printf damaged | dd of=$f conv=notrunc status=none"
    line = f"for f in /opt/.naru-*.part; do [ ! -e $f ] || {damage}; done"
    sees(f"systemd-run --unit=damage sh -c 'while :; do {line}; sleep 0.1; done'" if always else line)
    try:
        outcome = executor.ended()
        assert outcome == (RunOutcome.FAILED if always else RunOutcome.DONE), kit.error(work, "do")
    finally:
        sees("systemctl stop damage 2>/dev/null || true")
    if always:
        assert "has arrived damaged" in kit.error(work, "do")
        assert sees("readlink /opt/now; ls -A /opt") == "/opt/old\nnow\nold\n"
    assert kit.back(work) == RunOutcome.DONE
    assert sees("readlink /opt/now; ls -A /opt") == "/opt/old\nnow\nold\n"


@pytest.mark.parametrize("what", ["kill", "reset", "reboot", "link"])
def test_whatever_happens_in_the_middle_it_is_the_one_or_the_other(
    do: Do, sees: kit.See, hosts: Hosts, what: str
) -> None:
    work = do()
    executor = kit.begin(work)
    look = "readlink /opt/now; test ! -d /opt/new || find /opt/new/lib -type f -size 50000c | wc -l"
    seen = set()
    for _ in range(4 if what == "kill" else 1):
        time.sleep(0.9 + random.random())
        if what == "kill":
            executor.kill()
            seen.add(sees(look))
            executor = kit.begin(work)
        else:
            kit.befall(hosts, HOST, what, seconds=3.0)
            if what != "link":
                seen.add(sees(look))
    assert executor.ended() == RunOutcome.DONE, kit.error(work, "do")
    assert seen <= {"/opt/old\n", f"/opt/old\n{FILES}\n", f"/opt/new\n{FILES}\n"}
    assert sees(look) == f"/opt/new\n{FILES}\n" and sees("ls -A /opt") == "new\nnow\nold\n"
    assert kit.back(work) == RunOutcome.DONE
    assert sees("readlink /opt/now; ls -A /opt") == "/opt/old\nnow\nold\n"
