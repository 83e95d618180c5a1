"""The step kind that runs the operator's hooks at a moment of a project's or a server's cut-over, and in a rollback at
the moment that corresponds to it. What hooks there are is read when it runs: without any it does nothing."""

from pathlib import Path
from typing import Any, ClassVar

from naru.actions.arguments import resolve_or
from naru.actions.request import Action, Part
from naru.errors import InputError
from naru.inventory.rows import Row
from naru.move import moments
from naru.move.draft import HOOKS
from naru.move.purposes import MAKE
from naru.plan.arguments import Undo, Value
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import Retry, step
from naru.plan.model import About
from naru.plan.queries import JournalView, reading
from naru.work import hooks

KIND = "move.hook"
UNDO_HOOK = "move.hook.undo"


class Told(Part):
    """A project or a server, as hooks are told of it. A server has the `addresses` that it had when it was planned; a
    project that was on the new cloud already has its `new_id` there."""

    name: str
    old_id: str
    new_id: str = ""
    addresses: list[str] = []


class Hooks(Action):
    """The hooks of a `moment` of the move whose work directory is `directory`; `back` is the moment in a rollback.
    Of a server also whether it `ran` when its window began, and whether it `runs` by the plan."""

    step_kind: ClassVar[str] = KIND
    limit_group: ClassVar[str] = HOOKS

    directory: str
    moment: str
    back: str = ""
    project: Told
    server: Told | None = None
    ran: Value[bool] | None = None
    runs: bool = True


def server(row: Row) -> Told:
    """An old server, as hooks are told of it."""
    networks = (row.body.get("addresses") or {}).values()
    addresses = [str(address["addr"]) for network in networks for address in network]
    return Told(name=row.name, old_id=row.id, addresses=addresses)


@step(KIND, args=Hooks, undo=UNDO_HOOK, retry=Retry(tries=1))
def hook(context: Context) -> dict[str, Any] | None:
    """Runs the operator's hooks of `moment`, in the work directory's hooks.yaml, with the facts about `project` and
    `server`, unless that is off. It fails when one of them fails that may stop what comes after it."""
    if not _ran(context, context.args, context.results()):
        return None
    return _tell(context, context.args, context.args["moment"])


@step(UNDO_HOOK, args=Undo, no_undo="it is an undo itself", retry=Retry(tries=1))
def undo_hook(context: Context) -> dict[str, Any] | None:
    """Runs the operator's hooks of the moment in a rollback that corresponds to a `move.hook`, if there is one. It
    never fails by them: a rollback goes on."""
    args = context.undone.args
    if not (moment := args.get("back")) or not _ran(context, args, context.undone.results):
        return None
    try:
        return _tell(context, args, moment)
    except InputError as error:
        # such as a file that was spoiled meanwhile; it is told at the end, with the hooks that failed
        return {"moment": moment, "problem": " ".join(str(error).split())}


def _ran(context: Context, args: Any, results: Any) -> bool:
    """Whether the server ran that the hooks are about, if they are about one: else nothing is done with it."""
    ran = args.get("ran")
    if ran is None:
        return True
    return bool(resolve_or(ran, results, context, args.get("runs", True)))


def _tell(context: Context, args: Any, moment: str) -> dict[str, Any] | None:
    directory = Path(args["directory"])
    found = hooks.at(directory, moments.MOMENTS, moment)
    if not found:
        return None
    with Journal.open(directory) as journal, reading(journal) as now:
        things = {kind: told(now, kind, args[kind]) for kind in ("project", "server") if args.get(kind)}
        facts = moments.facts(journal, directory, moment, _occurrence(now, context.id), context.attempt, **things)
    for one in found:
        context.log(one.called)
    try:
        ran = hooks.run(directory, found, facts, context.check, hint="naru plan skip goes on without it.")
    except hooks.HookFailed as error:
        context.save({"moment": moment, "hooks": hooks.written(error.ran)})
        raise PlanError(error.summary, detail=error.detail, hint=error.hint) from error
    return {"moment": moment, "hooks": hooks.written(ran)}


def _occurrence(now: JournalView, step: str) -> str:
    """The step, and how many times it was done and undone before: what was undone and is done again is another moment,
    what is only tried again is the same."""
    undone = sum(event.what == Event.UNDONE for event in now.events(step=step))
    return f"{step}#{undone + 1}" if undone else step


def told(now: JournalView, kind: str, thing: Any) -> dict[str, Any]:
    """What is told of a project or a server: as it was planned, with the id that it got meanwhile."""
    made = now.steps(purpose=MAKE, about=About(kind, thing["old_id"]), states=["done"], result=True)
    new = thing.get("new_id") or next((step.result["id"] for step in made if step.result), None)
    return {**thing, "new_id": new}
