"""An evacuation that the guard has begun: how far it is, and whether it is gone on with. The rules are functions of
that alone: the service and the tests' simulator ask the same ones.
"""

import time
from pathlib import Path
from typing import NamedTuple

from naru.files import write_whole
from naru.operate import compute
from naru.operate.evacuate import planner
from naru.operate.evacuate.work import Work
from naru.operate.guard.verdict import Verdict
from naru.plan.journal import Journal
from naru.plan.model import OVER
from naru.plan.queries import reading
from naru.plan.status import status

WITHDRAWN, RETURNED, FAILED = "withdrawn", "returned", "tries"
"""Files in the work directory of an evacuation: that its host was found to be well before it was fenced; that it is in
use again; when it failed."""
TRIES = 3
"""How often an evacuation may fail before a human is asked."""
AGAIN = 300.0
"""Seconds between two beginnings of one."""
RETURNING = "returning"
STOPPED = ("done", "running", "paused", "cancelled", "held", RETURNING)
"""States of its plan in which it is left alone: at its end, gone on with by another process, stopped by people, or its
host is being given back."""


class Begun(NamedTuple):
    """The evacuation of `host` in the directory `name`. `state` is its plan's in a word, "" for none yet, `running` for
    as long as any process is at it, `returning` once its host is being given back. `fenced`: the host is proved off;
    `told`: Nova knows; `withdrawn`: before it was fenced the host was found to be well; `returned`: it is in use again;
    `failed`: how often it has failed."""

    host: str
    name: str
    state: str = ""
    fenced: bool = False
    told: bool = False
    withdrawn: bool = False
    returned: bool = False
    failed: int = 0

    @property
    def is_over(self) -> bool:
        """Nothing becomes of it any more: when the host fails again, that is another one."""
        return self.returned or (self.withdrawn and not self.fenced)

    @property
    def is_given_up(self) -> bool:
        """It has failed so often that a human has to see to it."""
        return not self.is_over and self.failed >= TRIES and self.state not in ("done", "running", RETURNING)


def is_well(verdict: Verdict) -> bool:
    """Whether the host was found to be well, or is somebody's: an evacuation that has not fenced it is withdrawn then.
    Any sign of life is enough, whichever gate stopped it."""
    host = verdict.case.host
    return bool(host.lives) or host.nova == "up" or (verdict.gate == "candidate" and verdict.outcome != "hold")


def may_go_on(one: Begun, verdict: Verdict | None, since: float) -> bool:
    """Whether it is begun again, `since` seconds after that was done last."""
    if verdict is None or one.is_over or one.state in STOPPED or one.failed >= TRIES or since < AGAIN:
        return False
    if one.fenced:
        return (verdict.outcome, verdict.gate) == ("none", "flight")
    return verdict.outcome == "evacuate"


def may_begin(begun: list[Begun]) -> bool:
    """Whether a new one may be begun of a host of which there were these."""
    return all(one.is_over and one.state != "running" for one in begun)


def read(path: Path, *, is_running: bool) -> Begun:
    """What its work directory says; `is_running`: a process that we have begun is at it."""
    host = path.name.rpartition("-")[0]
    failed = (path / FAILED).read_text().split() if (path / FAILED).exists() else []
    state, fenced, told, returned = "", False, False, (path / RETURNED).exists()
    if not returned and Journal.exists(path):
        work = Work(path)
        with work.journal() as journal, reading(journal) as now:
            over = {one.purpose for one in now.steps(purpose=(planner.FENCE, planner.RECORD)) if one.state in OVER}
        fenced, told = planner.FENCE in over, planner.RECORD in over
        with work.journal() as journal:
            found = status(journal)
        returns = work.returns.numbers()
        state = "running" if found.executor else RETURNING if returns else found.state
        returned = any(_is_done(work.returns.path(number)) for number in returns)
    return Begun(
        host,
        path.name,
        "running" if is_running else state,
        fenced,
        told,
        (path / WITHDRAWN).exists(),
        returned,
        len(failed),
    )


def _is_done(path: Path) -> bool:
    with Journal.open(path) as journal:
        return status(journal).state == "done"


def is_back(one: Begun, services: list[compute.Item]) -> bool:
    """Whether people have given its host back by hand: Nova was told that it is down, and now uses it."""
    if not (one.fenced and one.told) or one.state == "running":
        return False
    found = [each for each in services if each["host"] == one.host]
    return len(found) == 1 and found[0]["status"] == "enabled" and not found[0].get("forced_down")


def write(path: Path, what: str) -> None:
    """Writes down that it was withdrawn, or that its host has returned."""
    if not (path / what).exists():
        write_whole(path / what, f"{time.time():.0f}\n")


def write_failure(path: Path) -> None:
    """Writes down that it has failed once more."""
    with (path / FAILED).open("a") as opened:
        opened.write(f"{time.time():.0f}\n")
