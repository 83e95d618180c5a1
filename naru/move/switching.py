"""Old servers switched off in the window and new ones on, by what the old ones are when it begins: one that was off
when the move was planned may run since, and the other way round.

Which of a project's servers run is read at once and kept in the journal before any of them is stopped. So whatever is
killed after that, the new servers become what the old ones were, and a rollback starts those that ran.
"""

from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve, resolve_or
from naru.actions.clouds import RETRY, cloud
from naru.actions.power import GROUP, LIMIT, bring, bring_off_again, settled
from naru.actions.request import Action
from naru.errors import NaruError
from naru.move.server_state import STILL
from naru.plan.arguments import Undo, Value
from naru.plan.context import Context
from naru.plan.kinds import step


class Servers(Action):
    """Which of the `servers` (ids) of a `project` run."""

    step_kind: ClassVar[str] = "move.servers"

    project: str
    servers: list[str]


@step("move.servers", args=Servers, no_undo="it only looks", retry=RETRY, deadline=600)
def servers(context: Context) -> dict[str, Any]:
    """Which of the `servers` of the `project` on `cloud` run now, by id (`ran`). Those that are gone do not."""
    args = context.args
    client = cloud(context, args["cloud"])
    path = f"/servers/detail?all_tenants=1&project_id={args['project']}"
    found = {item["id"]: item["status"] for item in client.items("compute", path, "servers")}
    return {"ran": {server: found.get(server, "SHUTOFF") not in STILL for server in args["servers"]}}


class Stop(Action):
    """The old `server`; whether it `ran` when the window began, and whether it `runs` by the plan."""

    step_kind: ClassVar[str] = "move.server.stop"
    limit_group: ClassVar[str] = GROUP

    server: str
    ran: Value[bool]
    runs: bool


@step("move.server.stop", args=Stop, undo="move.server.stop.undo", retry=RETRY, deadline=LIMIT + 60)
def stop(context: Context) -> dict[str, Any]:
    """Stops the `server` on `cloud`, unless it is still. `ran` in the result says whether it ran, when the window began
    or since."""
    args, results = context.args, context.results()
    client, server = cloud(context, args["cloud"]), args["server"]
    ran = bool(resolve_or(args["ran"], results, context, args["runs"]))
    ran = ran or bool((context.earlier or {}).get("ran"))
    found = settled(context, client, server)
    if found is None:
        raise NaruError(f"server {server} is gone from {client.name}", hint="Skip the step, or roll back.")
    seconds = 0.0
    if found["status"] not in STILL:
        ran = True
        context.save({"ran": True})
        seconds = bring(context, client, server, "SHUTOFF", found=found)
    return {"server": server, "ran": ran, "seconds": seconds}


@step("move.server.stop.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=LIMIT + 60)
def undo_stop(context: Context) -> None:
    """Starts the old server again, if it ran."""
    args, done = context.undone.args, context.undone.result or {}
    ran = done.get("ran")
    if ran is None:
        ran = resolve_or(args["ran"], context.undone.results, context, args["runs"])
    if ran:
        bring(context, cloud(context, args["cloud"]), args["server"], "ACTIVE", gone=True)


class Start(Action):
    """The new `server`; whether the old one `ran` when it was stopped, and whether it `runs` by the plan."""

    step_kind: ClassVar[str] = "move.server.start"
    limit_group: ClassVar[str] = GROUP

    server: Id
    ran: Value[bool]
    runs: bool


@step("move.server.start", args=Start, undo="move.server.start.undo", retry=RETRY, deadline=LIMIT + 60)
def start(context: Context) -> dict[str, Any]:
    """Starts the `server` on `cloud`, if the old one ran. Where the stop of that was skipped, the plan counts."""
    args, results = context.args, context.results()
    server = resolve(args["server"], results, context)
    ran = bool(resolve_or(args["ran"], results, context, args["runs"]))
    seconds = bring(context, cloud(context, args["cloud"]), server, "ACTIVE") if ran else 0.0
    return {"server": server, "ran": ran, "seconds": seconds}


@step("move.server.start.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=LIMIT + 60)
def undo_start(context: Context) -> None:
    """Switches the new server off again, if it was started."""
    args, done = context.undone.args, context.undone.result
    if done and not done["ran"]:
        return
    server = done["server"] if done else resolve(args["server"], context.undone.results, context)
    bring_off_again(context, cloud(context, args["cloud"]), server)
