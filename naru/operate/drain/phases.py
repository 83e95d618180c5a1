"""A drain from its plan to the host's return: the verbs that commands call, in the order in which an operator gives
them.

Each may be interrupted, or killed, and given again: it goes on where it was. All that is known is in the work directory
(`naru.operate.drain.work.Work`).
"""

import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.files import write_whole
from naru.operate.drain import beside, planner, way_back
from naru.operate.drain.facts import Facts
from naru.operate.drain.reading import Progress, read
from naru.operate.drain.rules import Decision, decide
from naru.operate.drain.work import READING, Settings, Work, work_directory
from naru.plan import control
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import Plan
from naru.plan.queries import reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status


def plan(settings: Settings, directory: Path, say: Progress) -> tuple[Plan, list[Decision]]:
    """Reads what is on the host and where it fits, and writes the plan of its drain into the work directory. Nothing is
    changed anywhere."""
    load(planner.MODULES)
    written = settings.dump()
    work = work_directory(directory)
    work.prepare(written.keys())
    with Cloud(settings.cloud) as cloud:
        found = read(cloud, settings.host, settings.settle, say)
    facts = Facts(found)
    decisions = decide(facts, settings.options)
    plan_id = str(uuid.uuid4())
    storage = beside.storages_of(settings.site, settings.host)
    made = planner.whole(facts, decisions, settings, plan_id, storage)
    write_whole(directory / READING, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    work.create(made, plan_id=plan_id)
    return made, decisions


def drain(work: Work, terminal: Terminal) -> Status:
    """Scheduling disabled, the servers moved and proved, the host proved empty. Before anything is done the host is
    read once more: refused when it is not any more as it was planned."""
    with work.alone(), work.journal() as journal:
        refuse_errors(journal)
        _check_not_returned(work)
        with reading(journal) as now:
            begun = now.has_begun()
        if not begun:
            _check_again(work, journal, terminal.say)
        return _run(journal, terminal)


def give_back(work: Work, terminal: Terminal, *, home: bool) -> Status:
    """The host back in service: what was begun of a move is ended, scheduling enabled if it was this plan that disabled
    it, and with `home` the servers that were moved are brought back. One that was interrupted goes on first."""
    with work.alone(), work.journal() as journal:
        with journal.exclusive():
            pass  # nobody runs its plan by other means
        with reading(journal) as now:
            if not now.has_begun():
                raise InputError(
                    f"{work.directory}: the drain has not begun: there is nothing to give back",
                    hint=f"naru host drain {work.directory}",
                )
        last = work.returns.last()
        if last is not None:
            with last:
                is_enough = way_back.is_home(last) or not home
                if is_enough or status(last).state != "done":
                    ended = _run(last, terminal)
                    if is_enough or ended.state != "done":
                        return ended
        with Cloud(work.settings.cloud) as cloud:
            made = way_back.plan(work, journal, cloud, home=home)
        with work.returns.begin(work.returns.following(), made) as begun:
            return _run(begun, terminal)


def _check_not_returned(work: Work) -> None:
    if work.returns.numbers():
        raise InputError(
            f"{work.directory}: its host was returned, or that has begun",
            hint="Plan again, into another directory: naru host plan",
        )


def _check_again(work: Work, journal: Journal, say: Callable[[str], None]) -> None:
    """Raises InputError for what is otherwise than it was planned: servers that came, went or changed."""
    settings = work.settings
    with Cloud(settings.cloud) as cloud:
        now = decide(Facts(read(cloud, settings.host, settings.settle, say)), settings.options)
    planned = json.loads((work.directory / READING).read_text())
    before = decide(Facts(planned), settings.options)
    changed = _changed(before, now)
    if changed:
        raise InputError(
            f"{work.directory}: {len(changed)} servers of {settings.host} are not as they were planned",
            detail="\n".join(changed),
            hint=f"Plan again, with the same options: naru host plan {settings.host} --work {work.directory}",
        )


def _changed(before: Sequence[Decision], now: Sequence[Decision]) -> list[str]:
    was = {one.server.id: one for one in before}
    found = [f"{one.server.name} is there now" for one in now if one.server.id not in was]
    here = {one.server.id for one in now}
    found += [f"{one.server.name} is gone" for one in before if one.server.id not in here]
    for one in now:
        old = was.get(one.server.id)
        if old and (old.action, old.server.status) != (one.action, one.server.status):
            found.append(
                f"{one.server.name} was {old.server.status} ({old.action}), is {one.server.status} ({one.action})"
            )
    return found


def _run(journal: Journal, terminal: Terminal) -> Status:
    load(journal.modules())
    control.retry_any_failed(journal)
    return run(journal, terminal)
