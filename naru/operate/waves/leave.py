"""A host that is left behind: what is not done of it is skipped, what was begun of its moves is ended, and with
`give_back` servers are scheduled to it again. Others go on."""

from naru.errors import InputError
from naru.operate.drain import beside, way_back
from naru.operate.drain import planner as drain
from naru.operate.waves import planner
from naru.operate.waves.standing import host_of, standings
from naru.operate.waves.work import Work
from naru.plan import leaving
from naru.plan.errors import PlanError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import OVER, About, Plan, Step
from naru.plan.queries import StepRow, reading
from naru.plan.run import Terminal, run
from naru.plan.status import Status

WHAT = "host"


def leave(work: Work, host: str, reason: str, terminal: Terminal, *, give_back: bool) -> Status | None:
    """How it ended to put the host back; None where nothing was begun of it. Given again it goes on, also with
    `give_back` for a host that was left before. Raises InputError for one that is done, and PlanError while its steps
    run."""
    standing = next((one for one in standings(work) if one.host == host), None)
    if standing is None:
        raise InputError(
            f"{work.directory} has no host {host!r}", hint=f"It has: {', '.join(work.planned.hosts[:20])}."
        )
    if standing.state == "done":
        raise InputError(f"{host} is done: it was emptied, and given back", hint="There is nothing to leave behind.")
    load(planner.MODULES)
    begun: list[StepRow] = []
    for number in work.waves.numbers():
        with Journal.open(work.waves.path(number)) as journal:
            begun += _skip(journal, host, reason)
    work.leave(host, reason)
    if not begun:
        return None
    made = _plan(work, host, begun, give_back=give_back)
    if not made.steps:
        return None
    with work.backs.begin(work.backs.following(), made) as back:
        return run(back, terminal)


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
        settled = leaving.settle(journal, before, things, left, Event.LEFT, f"{WHAT} {host}: {reason}")
        if settled.running:
            raise PlanError(
                f"{host}: {len(settled.running)} of its steps are running",
                detail="\n".join(settled.running),
                hint="When they have ended, or were stopped (Ctrl-C twice where they run), give this again.",
            )
    return [step for step in mine if step.attempt]


def _plan(work: Work, host: str, begun: list[StepRow], *, give_back: bool) -> Plan:
    """What is done to a host that is left: moves that were begun are ended, `noout` is taken from its OSDs if it was
    set on them, so that Ceph goes on by itself, Neutron's agents are on again, and scheduling is enabled."""
    settings = work.settings.drain
    made = Plan(
        title=drain.BACK_TITLE(host=host, cloud=settings.cloud),
        modules=planner.MODULES,
        limits={drain.CLOUD: settings.at_once, drain.HOST: 1, drain.PROOFS: 8},
        settings=settings.dump(),
    )
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
