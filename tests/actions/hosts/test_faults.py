"""A hundred power cuts and unplugged cables while five hosts are changed, and executors that are killed meanwhile: what
the journal says and what is on the hosts agree at the end, and a rollback under the same brings all back."""

import hashlib
import io
import os
import random
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.errors import NaruError
from naru.lab.hosts.hosts import Hosts
from naru.plan import control
from naru.plan.executor import RunOutcome
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step
from naru.site.ssh import Fleet

from . import kit

pytestmark = [pytest.mark.hosts, pytest.mark.releases, pytest.mark.kill]
FAULTS = 100
COMMANDS, REPEATED, FILES, TREES = 8, 4, 6, 2
UNITS = {"t1": "restart", "t2": "mask", "t3": "start"}
PREPARE = """
systemctl stop t1 t2 t3 2>/dev/null
rm -rf /root/big /etc/big /opt/* /var/lib/naru /etc/systemd/system/t[123].service
mkdir -p /root/big /etc/big /opt/old
touch /root/big/log
for n in 0 1 2; do echo former $n >/etc/big/$n; done
chmod 640 /etc/big/0; chown daemon:mail /etc/big/1
ln -s /opt/old /opt/now0
for n in 1 2 3; do
  printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' \
    >/etc/systemd/system/t$n.service
done
systemctl daemon-reload
systemctl enable --now t1 t2 t3 2>/dev/null
sync
"""
LOOKS = """
cd /
find root/big etc/big opt etc/systemd/system ! -type d ! -path '*/lib/*' -printf '%p %M %u %g %l\\n' | sort
find root/big etc/big -type f -exec sha256sum {} + | sort
for n in 1 2 3; do systemctl show -p ActiveState -p UnitFileState --value t$n | sort | xargs; done
find var/lib/naru -type f ! -name lock ! -name fence 2>/dev/null || true
"""


class Faults(threading.Thread):
    """Cuts hosts off from power and network until it is told to end; `count` is how often it has."""

    def __init__(self, hosts: Hosts) -> None:
        super().__init__(daemon=True)
        self.hosts = hosts
        self.count = {"cut": 0, "reboot": 0, "link": 0}
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._busy = {name: threading.Lock() for name in hosts.names()}
        self._one: list[threading.Thread] = []

    def run(self) -> None:
        while not self._over.wait(0.3 + random.random()):
            name = random.choice(self.hosts.names())
            if self._busy[name].acquire(blocking=False):
                thread = threading.Thread(target=self._fault, args=(name,))
                thread.start()
                self._one.append(thread)

    def _fault(self, name: str) -> None:
        try:
            what = random.choice(("cut", "cut", "reboot", "link", "link"))
            self.count[what] += 1
            if what == "link":
                self.hosts.link(name, "management", up=False)
                # some are longer than a connection lives without an answer
                time.sleep(random.choice((0.5, 2.0, 5.0, 18.0)))
                self.hosts.link(name, "management", up=True)
            elif what == "reboot":
                self.hosts.power(name, "reboot", wait=True)
            else:
                self.hosts.power(name, "cut")
                time.sleep(random.random())
                self.hosts.power(name, "on")
                self.hosts.wait([name])
            time.sleep(random.random() * 5)
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            self._busy[name].release()

    def end(self) -> None:
        self._over.set()
        self.join()
        for thread in self._one:
            thread.join()
        self.hosts.wait(self.hosts.names())
        assert not self.errors

    @property
    def all(self) -> int:
        return sum(self.count.values())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "tree.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as made:
        for number in range(100):
            member = tarfile.TarInfo(f"lib/{number}")
            member.size = 90_000
            made.addfile(member, io.BytesIO(os.urandom(member.size)))
    return path


def steps_of(host: str, site: str, archive: Path) -> Iterator[Step]:
    def step(name: str, kind: str, **args: Any) -> Step:
        given = {"host": host, "site": site, **args}
        return Step(f"{host}/{name}", f"host.{kind}", given, unit=host, limits=(host,))

    for number in range(COMMANDS):
        line = f"{host}/c{number}"
        nap = f"sleep {random.random():.1f}"
        argv = kit.argv(f"{nap}; echo {line} >>/root/big/log; {nap}")
        yield step(f"c{number}", "command", argv=argv, undo=kit.argv(f"{nap}; sed -i '\\,^{line}$,d' /root/big/log"))
    for number in range(REPEATED):
        line = f"{host}/r{number}"
        there = f"grep -qx {line} /root/big/log"
        yield step(
            f"r{number}",
            "command",
            argv=kit.argv(f"sleep 0.5; {there} || echo {line} >>/root/big/log; sleep 0.5"),
            undo=kit.argv(f"sed -i '\\,^{line}$,d' /root/big/log"),
            check=kit.argv(there),
            repeat=True,
        )
    for number in range(FILES):
        yield step(f"f{number}", "file", path=f"/etc/big/{number}", text=f"{host} {number}\n" * 20_000)
    for unit, do in UNITS.items():
        yield step(unit, "unit", unit=unit, do=do)
    for number in range(TREES):
        yield step(f"n{number}", "tree", path=f"/opt/new{number}", link=f"/opt/now{number}", archive=str(archive))


def plan_of(hosts: Hosts, site: str, archive: Path) -> Plan:
    """Chains of four steps, in an order of its own on each host; two at a time on a host."""
    plan = Plan(modules=kit.MODULES, limits=dict.fromkeys(hosts.names(), 2))
    for host in hosts.names():
        steps = list(steps_of(host, site, archive))
        random.shuffle(steps)
        for number, step in enumerate(steps):
            plan.add(step, after=[steps[number - 1].id] if number % 4 else [])
    return plan


def seen(fleet: Fleet, line: str) -> dict[str, str]:
    """What it says on each host."""

    async def ask(remote: Any) -> str:
        return await remote.checked(line)

    found = fleet.each(fleet.site.hosts, ask)
    assert all(isinstance(one, str) for one in found.values()), found
    return {name: str(one) for name, one in found.items()}


def to_the_end(work: Path, fleet: Fleet, hosts: Hosts) -> tuple[int, int]:
    """Runs it, with an executor killed now and then, and an operator who looks what became of commands that were cut
    off; how many were killed, and how often the operator had to decide."""
    kills = decided = 0
    while True:
        executor = kit.begin(work)
        if random.random() < 0.6:
            time.sleep(1.5 + random.random() * 8)
            if executor.kill():
                kills += 1
                continue
        outcome = executor.ended(600)
        if outcome == RunOutcome.DONE:
            return kills, decided
        assert outcome == RunOutcome.FAILED
        for id, row in kit.rows(work).items():
            if row.state != "failed":
                continue
            assert row.kind in ("host.command", "host.command.undo") and "was cut off" in row.error, (id, row.error)
            decided += 1
            hosts.wait([row.unit], 300)
            with Journal.open(work) as journal:
                if row.kind == "host.command" and has(fleet, row.unit, id):
                    control.skip(journal, "its line is there", steps=[id])
                else:
                    control.retry(journal, steps=[id])


def has(fleet: Fleet, host: str, line: str) -> bool:
    """Whether the line is in the host's log, by an operator who asks until the host answers."""
    end = time.monotonic() + 300
    while True:
        try:
            return fleet.run(host, f"grep -qx {line} /root/big/log", seconds=30).code == 0
        except NaruError:
            assert time.monotonic() < end
            time.sleep(1)


def assert_agree(work: Path, fleet: Fleet, hosts: Hosts) -> None:
    """What the journal says is done has its effect once, and nothing is there by halves."""
    logs = {host: text.splitlines() for host, text in seen(fleet, "cat /root/big/log").items()}
    states = kit.states(work)
    assert set(states.values()) <= {"done", "skipped"}
    for host in hosts.names():
        commands = [*(f"c{number}" for number in range(COMMANDS)), *(f"r{number}" for number in range(REPEATED))]
        assert sorted(logs[host]) == sorted(f"{host}/{name}" for name in commands)
    files = seen(fleet, "cd /etc/big; ls -A; sha256sum * | cut -c1-64")
    trees = seen(fleet, "ls -A /opt; readlink /opt/now0 /opt/now1; find /opt/new? -type f -size 90000c | wc -l")
    units = seen(
        fleet, "for n in 1 2 3; do systemctl show -p ActiveState -p UnitFileState --value t$n|sort|xargs; done"
    )
    attributes = seen(fleet, "stat -c '%a %U %G' /etc/big/*")
    for host in hosts.names():
        digests = [hashlib.sha256((f"{host} {number}\n" * 20_000).encode()).hexdigest() for number in range(FILES)]
        assert files[host].split() == [*map(str, range(FILES)), *digests]
        assert trees[host].split() == ["new0", "new1", "now0", "now1", "old", "/opt/new0", "/opt/new1", "200"]
        assert units[host].splitlines() == ["active enabled", "inactive masked", "active enabled"]
        assert attributes[host].splitlines()[:3] == ["640 root root", "644 daemon mail", "644 root root"]


def test_the_journal_and_the_hosts_agree(hosts: Hosts, fleet: Fleet, site: str, archive: Path, tmp_path: Path) -> None:
    seen(fleet, PREPARE)
    before = seen(fleet, LOOKS)
    total = kills = decided = rounds = 0
    counts: list[dict[str, int]] = []
    while total < FAULTS:
        work = tmp_path / f"work-{rounds}"
        Journal.create(work, plan_of(hosts, site, archive)).close()
        for back in (False, True):
            if back:
                kit.start_back(work)
            faults = Faults(hosts)
            faults.start()
            try:
                killed, asked = to_the_end(work, fleet, hosts)
            finally:
                faults.end()
            kills, decided, total = kills + killed, decided + asked, total + faults.all
            counts.append(faults.count)
            if not back:
                assert_agree(work, fleet, hosts)
        assert seen(fleet, LOOKS) == before
        rounds += 1
    print(f"{total} faults in {rounds} rounds: {counts}; {kills} executors killed, {decided} decisions")
