"""A whole cloud down and up: the verbs that commands call.

Each may be interrupted, or killed, and given again. The first way down goes on where it was; every further way, and
each way up, is planned anew whenever it is given, from the record, and each of its steps looks before it does
something: so a power loss in the middle is gone on from with what is seen, not with what was meant.
"""

import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from naru.cloud.client import Cloud
from naru.cloud.transport import GaveUp
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.messages import say
from naru.operate.cluster import history, members, planner, reading, way_up
from naru.operate.cluster.order import placed
from naru.operate.cluster.reading import Progress, Reading
from naru.operate.cluster.work import READING, UP, WAY, Settings, Work, work_directory
from naru.plan import control
from naru.plan.findings import refuse_errors
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import OVER, Plan
from naru.plan.queries import reading as looking
from naru.plan.run import Terminal, run
from naru.plan.status import Status, status
from naru.site import site as sites
from naru.site.model import Ceph
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.text import shortened

NOVA_SECONDS = 60.0
"""How long Nova is asked whether it answers."""


def plan(settings: Settings, directory: Path, say: Progress) -> tuple[Plan, list[tuple[int, str, str, str]]]:
    """Reads what runs, and writes the plan of the way down into the work directory; the plan, and its order as rows for
    people (`planner.table`). Nothing is changed anywhere."""
    work = work_directory(directory)
    work.prepare(settings.dump().keys())
    site = _site(settings)
    found = _read(site, say)
    plan_id = str(uuid.uuid4())
    made = planner.plan(site, found, settings, plan_id)
    write_whole(directory / READING, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    work.create(made, plan_id=plan_id)
    return made, planner.table(site, found, settings)


def down(work: Work, terminal: Terminal, *, lost: Sequence[str] = ()) -> Status:
    """All stopped in order. Before anything is, the cloud is read once more: refused when it is not any more as it was
    planned. After a way up that was begun and not finished, what the record has is stopped once more; hosts that are
    `lost` are left out then."""
    with work.alone(), work.journal() as journal:
        refuse_errors(journal)
        with journal.exclusive():
            pass  # nobody runs its plan by other means
        with looking(journal) as now:
            left = [one.id for one in now.steps() if one.state not in OVER]
        last = work.ways.last()
        if last is not None:
            with last:
                _check_not_over(work, last)
        record = history.record(journal)
        if record is None:
            _check_none_lost(work, lost)
            _check_again(work, terminal)
            return _run(journal, terminal)
        if last is None and not lost and not _is_proof_alone(left):
            return _run(journal, terminal)
        site = _site(work.settings)
        _check_known(site, record, lost)
        _check_recorded(site, record, lost)
        since = _since(work, site, record, tuple(lost))
        made = planner.again(site, record, work.settings, str(uuid.uuid4()), since)
        return _round(work, made, terminal)


def up(work: Work, terminal: Terminal, *, lost: Sequence[str] = (), behind: bool = False) -> Status:
    """All that ran when it was recorded started in order, and proved to be as it was. Hosts that are `lost` are left
    out; with `behind` a database may begin with less than was seen of it."""
    with work.alone():
        with work.journal() as journal:
            with journal.exclusive():
                pass
            record = history.record(journal)
        if record is None:
            raise InputError(
                f"{work.directory}: the way down has recorded nothing yet: nothing was stopped",
                hint=f"naru cluster down {work.directory}",
            )
        site = _site(work.settings)
        _check_known(site, record, lost)
        past = history.past(work)
        known = way_up.Known(record, past.left, past.flags, tuple(lost), behind)
        return _round(work, way_up.plan(site, known, work.settings), terminal)


def now(work: Work) -> Journal:
    """The journal of the way that was gone last."""
    return work.ways.last() or work.journal()


def _is_proof_alone(left: Sequence[str]) -> bool:
    """Whether all was stopped, and what is left is to prove it, or nothing: it is stopped once more then."""
    return all(one == planner.PROOF.replace(" ", "-") for one in left)


def _round(work: Work, made: Plan, terminal: Terminal) -> Status:
    """Goes a way anew. Steps that the operator left out of the last one, which went the same way and was not finished,
    are left out again."""
    skipped: set[str] = set()
    last = work.ways.last()
    if last is not None:
        with last:
            with last.exclusive():
                pass
            if last.settings()[WAY] == made.settings[WAY] and status(last).state != "done":
                with looking(last) as then:
                    skipped = {one.id for one in then.steps(states=["skipped"])}
    for one in made.findings:
        terminal.warn(" ".join(filter(None, (f"{one.severity}: {say(one.summary)}.", say(one.hint)))))
    with work.ways.begin(work.ways.following(), made) as journal:
        ours = [one.id for one in made.steps if one.id in skipped]
        if ours:
            number = work.ways.numbers()[-1] - 1
            control.skip(journal, f"left out of way {number} already", steps=ours)
        return run(journal, terminal)


def _run(journal: Journal, terminal: Terminal) -> Status:
    load(journal.modules())
    control.retry_any_failed(journal)
    return run(journal, terminal)


def _check_not_over(work: Work, last: Journal) -> None:
    """Raises InputError when all is up again: a further way down needs a record of its own."""
    if last.settings()[WAY] == UP and status(last).state == "done":
        raise InputError(
            f"{work.directory}: its cloud is up again: the record is of before",
            hint="Plan again, into another directory: naru cluster plan down --work DIR",
        )


def _check_again(work: Work, terminal: Terminal) -> None:
    """Raises InputError for what is otherwise than it was planned."""
    planned = json.loads((work.directory / READING).read_text())
    found = _read(_site(work.settings), terminal.say)
    changed = [*reading.differences(planned, found), *reading.unhealthier(planned, found), *_came(planned, found)]
    if changed:
        raise InputError(
            f"{work.directory}: {len(changed)} things are not as they were planned",
            detail="\n".join(changed),
            hint=f"Plan again, with the same options: naru cluster plan down --work {work.directory}",
        )


def _check_none_lost(work: Work, lost: Sequence[str]) -> None:
    """Raises InputError for hosts that are given as lost before there is a record."""
    if lost:
        raise InputError(
            f"--lost {lost[0]}: nothing is recorded yet, and a cloud is recorded whole",
            hint=f"Take the host out of the site, then: naru cluster plan down --work {work.directory}",
        )


def _check_known(site: Site, record: Reading, lost: Sequence[str]) -> None:
    """Raises InputError for hosts that are given as lost and are in neither, for what the site does not have any more,
    and where a Galera cluster would have no member left."""
    unknown = [name for name in lost if name not in record["hosts"] and name not in site.hosts]
    if unknown:
        hint = f"The record has: {', '.join(record['hosts'])}."
        raise InputError(f"--lost {unknown[0]}: the record has no such host", hint=hint)
    parts = {
        "database": (record["databases"], {one.name for one in site.content.databases}),
        "queue": (record["queues"], {one.name for one in site.content.queues}),
        "Ceph": (record["ceph"], {one.name for one in site.content.storage if isinstance(one, Ceph)}),
    }
    for what, (recorded, there) in parts.items():
        gone = sorted(set(recorded) - there)
        if gone:
            hint = "Put it back as it was: nobody knows else where it is, and how to start it."
            raise InputError(f"{site.file} has no {what} {gone[0]} any more, and the record has", hint=hint)
    for name, database in record["databases"].items():
        if database["members"] and not set(database["members"]) - set(lost):
            hint = "Bring one back, its disk at least; or build a new one, and restore the backup."
            raise InputError(f"--lost: of the database {name} there would be no member left", hint=hint)


def _check_recorded(site: Site, record: Reading, lost: Sequence[str]) -> None:
    """Raises InputError for services that the site has got since: they would be stopped, and not started again."""
    every = [one for group, these in placed(site).items() if group for one in these]
    new = [one.id for one in every if one.id not in record["services"] and one.host not in lost]
    if new:
        raise InputError(
            f"{site.file}: {', '.join(shortened(new, 5))} came into the site since the record: the way up would not "
            "start it",
            hint="Take it out of the site until the cloud is up again, and stop it by hand.",
        )


def _since(work: Work, site: Site, record: Reading, lost: tuple[str, ...]) -> planner.Since:
    """What has become of a cloud that was recorded, by what the ways before have done, and by what answers now."""
    past, off = history.past(work), set[str]()
    with Fleet(site) as fleet:
        for database in site.content.databases:
            if database.name not in past.saved:
                seen = members.databases(site, fleet, database)["members"]
                if all("error" in one for one in seen.values()):
                    off.add(database.name)
    answers = work.settings.guests == "stop" and bool(record["cloud"]) and _answers(site)
    return planner.Since(past.stopped, past.saved, off, answers, lost)


def _answers(site: Site) -> bool:
    """Whether Nova says which servers there are. After a way down it does not: that is not waited for."""
    if not site.content.cloud:
        return False
    end = time.monotonic() + NOVA_SECONDS

    def patience() -> float:
        left = end - time.monotonic()
        if left <= 0:
            raise GaveUp("no answer in time")
        return left

    with Cloud(site.content.cloud, patience=patience) as cloud:
        try:
            cloud("compute", "GET", "/servers?all_tenants=1&limit=1")
        except NaruError:
            return False
    return True


def _came(planned: Reading, found: Reading) -> list[str]:
    then, now = (one["cloud"] or {} for one in (planned, found))
    there = {one["id"] for one in then.get("servers", [])}
    return [f"server {one['name']} is there now" for one in now.get("servers", []) if one["id"] not in there]


def _read(site: Site, say: Progress) -> Reading:
    with Fleet(site) as fleet:
        return reading.read(site, fleet, say)


def _site(settings: Settings) -> Site:
    return sites.load(Path(settings.site))
