"""Plans of steps on hosts, run by executors that are processes of their own and may be killed."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from naru.lab.hosts.hosts import Hosts
from naru.plan import control, rollback, schema
from naru.plan.executor import RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan, Step
from naru.site.ssh import Fleet

MODULES = ["naru.actions.hosts"]
See = Callable[[str], str]
"""What a command says that is run on a host beside a plan; it has to end well."""
load(MODULES)


def journal(work: Path, *steps: Step, chained: bool = True) -> Path:
    """A plan of these steps, each after the one before."""
    plan = Plan(modules=MODULES, steps=list(steps))
    if chained:
        for before, after in itertools.pairwise(steps):
            plan.order(before.id, after.id)
    KINDS.check_arguments(plan)
    Journal.create(work, plan).close()
    return work


def asking(fleet: Fleet, hosts: Hosts, host: str) -> See:
    """Runs commands on a host, as soon as it lets one log in."""

    def asked(line: str) -> str:
        hosts.wait([host])
        done = fleet.run(host, line)
        assert done.code == 0, done
        return done.out

    return asked


ALIVE: "list[Executor]" = []
"""What a test that fails leaves, to be ended after it."""


class Executor:
    """An executor, as a user begins one."""

    def __init__(self, work: Path, *words: str, **environment: str) -> None:
        self.said = work / "said"
        naru = Path(sys.executable).with_name("naru")
        with self.said.open("ab") as output:
            self._process = subprocess.Popen(
                [naru, "plan", *(words or ("run",)), str(work)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | environment,
            )
        ALIVE.append(self)

    def ended(self, seconds: float = 300.0) -> RunOutcome:
        """What its run came to."""
        try:
            code = self._process.wait(seconds)
        finally:
            if self._process.poll() is None:
                self.kill()
        outcomes = {0: RunOutcome.DONE, 1: RunOutcome.FAILED, 3: RunOutcome.HELD}
        assert code in outcomes, (code, self.said.read_text())
        return outcomes[code]

    def kill(self) -> bool:
        """Whether it had not ended yet."""
        self._process.kill()
        return self._process.wait() == -signal.SIGKILL


def begin(work: Path, **environment: str) -> Executor:
    return Executor(work, **environment)


def killed(work: Path, seconds: Iterable[float]) -> None:
    """Executors that are killed after so many seconds each, as long as none comes to its end before."""
    for each in seconds:
        executor = begin(work)
        time.sleep(each)
        if not executor.kill():
            break


def befall(hosts: Hosts, host: str, how: str, seconds: float = 2.0) -> None:
    """What may happen to a host: its cable is out for some seconds (`link`), or its power is cut or it is told to
    reboot (`reset`, `reboot`), and it is there again when this ends."""
    if how == "link":
        hosts.link(host, "management", up=False)
        threading.Timer(seconds, hosts.link, (host, "management", True)).start()
    else:
        hosts.power(host, how, wait=True)


def run(work: Path, **environment: str) -> RunOutcome:
    return begin(work, **environment).ended()


def back(work: Path) -> RunOutcome:
    """Rolls all back."""
    return Executor(work, "rollback").ended()


def start_back(work: Path) -> None:
    """Makes the steps of a rollback, and runs none."""
    with Journal.open(work) as opened:
        rollback.start(opened)


def retry(work: Path, id: str) -> None:
    """As the operator."""
    with Journal.open(work) as opened:
        control.retry(opened, steps=[id])


def rows(work: Path) -> dict[str, Any]:
    """The steps as they are, by their ids."""
    with Journal.open(work) as opened, opened.read() as connection:
        return {row.id: row for row in connection.execute(select(schema.steps))}


def states(work: Path) -> dict[str, str]:
    return {id: row.state for id, row in rows(work).items()}


def error(work: Path, id: str) -> str:
    """All that is said of a failed step."""
    return str(rows(work)[id].error)


def plan_id(work: Path) -> str:
    with Journal.open(work) as opened:
        return opened.plan_id


def argv(line: str) -> Sequence[str]:
    return ["sh", "-c", line]
