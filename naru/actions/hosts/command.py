"""Commands on hosts: begun once, and found again."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from naru.actions import durations
from naru.actions.hosts.detached import Detached
from naru.actions.hosts.place import HostAction, Place
from naru.plan.arguments import Undo
from naru.plan.builtin import Argv
from naru.plan.context import Context
from naru.plan.errors import DeadlineExceeded
from naru.plan.kinds import step


class Command(HostAction):
    """See `command`."""

    step_kind: ClassVar[str] = "host.command"

    argv: Argv
    check: Argv | None = None
    undo: Argv | None = None
    env: dict[str, str] = {}
    cwd: str = ""
    repeat: bool = False
    deadline: Annotated[float, Field(gt=0)] = durations.DAY


@step("host.command", args=Command, undo="host.command.undo", deadline=durations.own, retry=())
def command(context: Context) -> dict[str, Any]:
    """Runs the program `argv` on `host` as root; it is done when it exits with 0.

    It goes on when the executor is killed or the connection ends, and is found again. One that was cut off, because the
    host was started again meanwhile or somebody killed it, is repeated with `repeat`, else the step fails. `check` is a
    program that exits with 0 when the effect is there: `argv` is then not run, or not again. `undo` undoes it. `env`
    maps names in the program's environment to names in Naru's, whose values are not recorded. `cwd` is the directory,
    `deadline` seconds (a day), after which it is ended.
    """
    return perform(context)


def perform(context: Context, begins: Callable[[], None] | None = None) -> dict[str, Any]:
    """What the step does, for kinds that are commands as well: `begins` is called each time before it is started, and
    keeps it from that by what it raises; not for one that runs already."""
    args = context.args
    place = Place(context, args, context.id)
    run = _detached(context, place, args, "do", args["argv"])
    check: list[str] = args.get("check") or []

    def there() -> bool:
        return place.look("check", args.get("cwd") or "/", *check) == "yes\n"

    try:
        if check and run.look().state == "none" and there():
            return {"found": True}
        done = run.finish(repeat=args.get("repeat", False), there=there if check else None, begins=begins)
    except DeadlineExceeded as error:
        raise run.overdue(error) from error
    return {"found": True} if done is None else {"output": done.output, "seconds": done.ended - done.started}


@step("host.command.undo", args=Undo, no_undo="it is an undo itself", deadline=durations.own, retry=(), here=True)
def undo(context: Context) -> dict[str, Any] | None:
    """Runs the program `undo` of a `host.command` that was begun, in the same way; one that still runs is ended
    before. Without `undo` its effect is left as it is."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    begun = Detached(place, "do", args["argv"], {})
    back = Detached(place, "undo", [], {})
    result = None
    if args.get("undo") and begun.look().state != "none":
        begun.stop()
        back = _detached(context, place, args, "undo", args["undo"])
        try:
            done = back.finish(repeat=args.get("repeat", False))
        except DeadlineExceeded as error:
            raise back.overdue(error) from error
        result = {"output": done.output} if done else None
    # in this order: as long as the first is there, the second one is
    begun.clear()
    back.clear()
    return result


def _detached(context: Context, place: Place, args: Mapping[str, Any], name: str, argv: list[str]) -> Detached:
    env = {name: context.secret(source) for name, source in args.get("env", {}).items()}
    return Detached(place, name, argv, env, args.get("cwd", ""))
