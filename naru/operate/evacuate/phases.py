"""An evacuation from its plan to the host's return: the verbs that commands call.

Each may be interrupted, or killed, and given again: it goes on where it was.
"""

import json
import uuid
from pathlib import Path
from typing import Any

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.files import write_whole
from naru.operate import compute
from naru.operate.drain.facts import Facts
from naru.operate.drain.reading import Progress, read
from naru.operate.evacuate import planner, way_back
from naru.operate.evacuate.rules import Decision, decide
from naru.operate.evacuate.work import READING, Settings, Work, work_directory
from naru.plan import control
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import OVER, Plan
from naru.plan.queries import reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status
from naru.site import site as sites
from naru.site.hostnames import host_of

OURS = "naru:evacuate_"
"""How the metadata of servers begins that is read here; the rest is nobody's business."""


def has_begun(directory: Path) -> bool:
    """Whether the directory has an evacuation of which something was done."""
    if not Journal.exists(directory):
        return False
    with Work(directory).journal() as journal, reading(journal) as now:
        return now.has_begun()


def is_fenced(work: Work) -> bool:
    """Whether its host was proved off: from then on nothing of how that was done changes any more."""
    with work.journal() as journal, reading(journal) as now:
        return all(one.state in OVER for one in now.steps(purpose=planner.FENCE))


def plan(settings: Settings, directory: Path, say: Progress, plan_id: str = "") -> tuple[Plan, list[Decision]]:
    """Reads what is on the host, and writes the plan of its evacuation into the work directory. Nothing is changed
    anywhere. One whose host was not proved off is planned anew: nobody was told anything by it, and what it was made
    from is old."""
    load(planner.MODULES)
    work = work_directory(directory)
    is_again = has_begun(directory)
    if not is_again:
        work.prepare(settings.dump().keys())
    plan_id = plan_id or str(uuid.uuid4())
    made, decisions, found = look(settings, say, plan_id)
    write_whole(directory / READING, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if is_again:
        _plan_anew(directory, made, plan_id)
    else:
        work.create(made, plan_id=plan_id)
    return made, decisions


def _plan_anew(directory: Path, made: Plan, plan_id: str) -> None:
    work = Work(directory)
    with work.journal() as journal, journal.exclusive():  # nobody is at it, nor begins with it meanwhile
        if is_fenced(work):
            raise InputError(f"{directory}: its host was proved off meanwhile", hint="Give the command again.")
        Journal.replace(directory, made, "", plan_id).close()


def look(settings: Settings, say: Progress, plan_id: str = "-") -> tuple[Plan, list[Decision], dict[str, Any]]:
    """The plan as it would be, the decisions, and what was read for them."""
    load(planner.MODULES)
    host = host_of(sites.load(Path(settings.site)), settings.host)
    with Cloud(settings.cloud) as cloud:
        found = read(cloud, settings.host, 0.0, say)
        for one in compute.servers_on(cloud, settings.host):
            said = {name: text for name, text in (one.get("metadata") or {}).items() if name.startswith(OURS)}
            for row in found["servers"]:
                if row["id"] == one["id"]:
                    row["evacuate"] = said
        earlier = [one["id"] for one in compute.evacuations(cloud, settings.host)]
    facts = Facts(found)
    decisions = decide(facts, settings.answers, settings.shared)
    has_power = host is not None and host.power is not None
    return planner.whole(facts, decisions, settings, plan_id, earlier=earlier, has_power=has_power), decisions, found


def evacuate(work: Work, terminal: Terminal) -> Status:
    """The host proved off, Nova told, the servers brought up elsewhere. What failed before is tried again."""
    with work.alone(), work.journal() as journal:
        refuse_errors(journal)
        if work.returns.numbers():
            raise InputError(
                f"{work.directory}: its host was returned, or that has begun",
                hint="A new failure is a new evacuation, in another directory.",
            )
        return _run(journal, terminal)


def give_back(work: Work, terminal: Terminal, *, power_on: bool, enable: bool) -> Status:
    """The host back in the cloud, in the order in which that is safe (`naru.operate.evacuate.way_back`). One that was
    interrupted goes on. While another command evacuates it nothing is given back, nor the other way round: guests
    would be begun elsewhere of a host that is being switched on."""
    with work.alone():
        with work.journal() as journal:
            with journal.exclusive():
                pass  # nobody runs its plan by other means
            with reading(journal) as now:
                if not now.has_begun():
                    raise InputError(f"{work.directory}: the evacuation has not begun: there is nothing to give back")
        last = work.returns.last()
        if last is not None:
            with last:
                if way_back.options(last) == (power_on, enable):
                    return _run(last, terminal)
        made = way_back.plan(work, power_on=power_on, enable=enable)
        with work.returns.begin(work.returns.following(), made) as begun:
            return _run(begun, terminal)


def _run(journal: Journal, terminal: Terminal) -> Status:
    load(journal.modules())
    control.retry_any_failed(journal)
    return run(journal, terminal)
