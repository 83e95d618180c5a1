"""A host that is left behind: what is not done of it is skipped, what was begun of its moves is ended, and with
`give_back` servers are scheduled to it again. Others go on."""

from dataclasses import dataclass

from naru.errors import InputError
from naru.messages import message
from naru.operate.drain import beside, way_back
from naru.operate.drain import planner as drain
from naru.operate.waves import planner
from naru.operate.waves.standing import host_of, standings
from naru.operate.waves.work import Work, turn
from naru.plan import leaving
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import OVER, About, Plan, Step
from naru.plan.queries import StepRow, reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status

WHAT = "host"
QUIET = "quiet"
"""What the step is for that asks whether a host still does something."""
ASKED = 30.0
"""Seconds that a host may not answer which is asked for that."""
_QUIET = message("waves.title.quiet", en="nothing goes on on {host}", ko="{host}에서 진행 중인 작업 없음 확인")


@dataclass(frozen=True)
class Choice:
    """What else the operator says of a host that is left: `give_back` servers are scheduled to it again; `end` what
    still goes on there is ended; it is `off`, or out of reach for good, so that it is not asked."""

    give_back: bool = False
    end: bool = False
    off: bool = False


def leave(work: Work, host: str, reason: str, terminal: Terminal, choice: Choice) -> Status | None:
    """How it ended to put the host back; None where nothing was begun of it. Given again it goes on, also with
    `give_back` for a host that was left before. Nothing is left behind, and the status says so, while its command or a
    boot still goes on there. Raises InputError for one that is done, and PlanError while its steps run."""
    standing = next((one for one in standings(work) if one.host == host), None)
    if standing is None:
        raise InputError(
            f"{work.directory} has no host {host!r}", hint=f"It has: {', '.join(work.planned.hosts[:20])}."
        )
    if standing.state == "done":
        raise InputError(f"{host} is done: it was emptied, and given back", hint="There is nothing to leave behind.")
    if choice.off and (choice.give_back or choice.end):
        raise InputError("--off is of a host that is not asked", hint="Give it without --return and --end.")
    load(planner.MODULES)
    if not choice.off and (asked := _asked(work, host, choice)):
        ended = _run(work, asked, terminal)
        if ended.state != "done":
            return ended
    with turn(work.directory):
        begun: list[StepRow] = []
        for number in work.waves.numbers():
            with Journal.open(work.waves.path(number)) as journal:
                begun += _skip(journal, host, reason)
        work.leave(host, reason)
    if not begun:
        return None
    made = _plan(work, host, [*begun, *_taken_back(work, host)], give_back=choice.give_back)
    return _run(work, made, terminal) if made.steps else None


def _run(work: Work, made: Plan, terminal: Terminal) -> Status:
    with turn(work.directory):
        back = work.backs.begin(work.backs.following(), made)
    with back:
        return run(back, terminal)


def _mine(journal: Journal, host: str) -> list[StepRow]:
    """The steps of the host in a wave."""
    with reading(journal) as now:
        return [step for step in now.steps(args=True, result=True) if host_of(step) == host]


def _asked(work: Work, host: str, choice: Choice) -> Plan | None:
    """The plan that asks the host whether anything of its command, or a boot, still goes on there; None where neither
    was ever begun, or it was proved to be back since."""
    for number in work.waves.numbers():
        with Journal.open(work.waves.path(number)) as journal:
            mine = _mine(journal, host)
            last = journal.last_run()
            plan_id = journal.plan_id
        acts = [step for step in mine if step.purpose in (planner.RUN, planner.REBOOT) and step.attempt]
        is_back = any(step.purpose == planner.BACK and step.state == "done" for step in mine)
        if not acts or is_back:
            continue
        command = next((step.id for step in acts if step.purpose == planner.RUN), "")
        # what has come to its end may have left a host that is off, as one that does not boot: then nothing runs there
        settled = all(step.state in OVER for step in acts)
        args = {"host": acts[0].args["host"], "site": acts[0].args["site"], "patience": ASKED}
        args |= {"command": command, "plan": plan_id, "run": last, "end": choice.end}
        args |= {"may_be_down": settled and not choice.give_back}
        made = _empty(work, host)
        title, about = _QUIET(host=host), About("host", host, host)
        made.add(Step(QUIET, "waves.quiet", args, host, (drain.HOST,), title=title, about=about, purpose=QUIET))
        KINDS.check_arguments(made)
        return made
    return None


def _skip(journal: Journal, host: str, reason: str) -> list[StepRow]:
    """Skips what is left of the host in a wave; its steps that were ever begun."""
    with reading(journal) as now:
        steps = now.steps(args=True, result=True)
    mine = [step for step in steps if host_of(step) == host]
    if not mine:
        return []
    before = leaving.left_out(journal)
    things = {**before.things, host: before.things.get(host, reason)}
    part = {step.id: f"left: {things[host_of(step)]}" for step in steps if host_of(step) in things}
    if any(step.state not in OVER for step in mine):
        left = leaving.Part(part, part, {})
        leaving.settle(journal, before, things, left, Event.LEFT, f"{WHAT} {host}: {reason}", idle=True)
    return [step for step in mine if step.attempt]


def _taken_back(work: Work, host: str) -> list[StepRow]:
    """The steps that have taken back what was done to a host, when it was left before."""
    found: list[StepRow] = []
    for number in work.backs.numbers():
        with Journal.open(work.backs.path(number)) as journal, reading(journal) as now:
            steps = now.steps(purpose=(beside.AGENTS_BACK, beside.OSDS_BACK), args=True, result=True)
        found += [step for step in steps if step.about_id == host and step.attempt]
    return found


def _empty(work: Work, host: str) -> Plan:
    """A plan without steps, for what is done to a host that is left."""
    settings = work.settings.drain
    return Plan(
        title=drain.BACK_TITLE(host=host, cloud=settings.cloud),
        modules=planner.MODULES,
        limits={drain.CLOUD: settings.at_once, drain.HOST: 1, drain.PROOFS: 8},
        settings=settings.dump(),
    )


def _plan(work: Work, host: str, begun: list[StepRow], *, give_back: bool) -> Plan:
    """What is done to a host that is left: moves that were begun are ended, `noout` is taken from its OSDs if it was
    set on them, so that Ceph goes on by itself, Neutron's agents are on again, and scheduling is enabled."""
    settings = work.settings.drain
    made = _empty(work, host)
    ended = [way_back.settle(made, one) for one in begun if one.purpose == drain.MOVE and one.state != "done"]
    beside.add_take_back(made, host, begun, drain.HOST, ended, wait=False)
    if give_back:
        args = {"cloud": settings.cloud, "host": host, "plan": work.planned.id}
        title = drain.ENABLE_TITLE(host=host)
        about = About("host", host, host)
        step = Step(
            drain.ENABLE, "drain.enable", args, host, (drain.HOST,), title=title, about=about, purpose=drain.ENABLE
        )
        made.add(step, after=ended)
    KINDS.check_arguments(made)
    return made
