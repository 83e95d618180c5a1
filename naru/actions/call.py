"""Requests that may be repeated; those that undo them; and those that cannot be rolled back."""

from typing import Any, ClassVar

from naru.actions.arguments import available, resolve
from naru.actions.clouds import DEADLINE, RETRY, client, cloud, deadline, send
from naru.actions.request import Action, Actor, Request
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step


class Call(Action):
    """`requests` that are sent one after the other, and those that `undo` them; without any of these, what was asked
    goes with the thing that it was asked of. `actor` is who asks, `deadline` seconds."""

    step_kind: ClassVar[str] = "cloud.call"

    requests: list[Request]
    undo: list[Request] = []
    actor: Actor | None = None
    deadline: float = DEADLINE


class Final(Action):
    """`requests` that cannot be rolled back."""

    step_kind: ClassVar[str] = "cloud.final"

    requests: list[Request]
    actor: Actor | None = None


@step("cloud.call", args=Call, undo="cloud.undo_call", retry=RETRY, deadline=deadline)
def call(context: Context) -> dict[str, Any]:
    """Sends the `requests` one after the other: each has `method`, `path`, `body`, `version`, and in `ok` the statuses
    that say it was done before, or in `there` (collection, where) what the list at its path then holds. `undo` are the
    requests that undo them; without any, the effect goes with the thing. A request that is `optional` is left out when
    a step that it refers to was skipped."""
    results = context.results()
    requests = [one for one in context.args["requests"] if not one.get("optional") or available(one, results)]
    args = resolve({**context.args, "requests": requests}, results, context)
    for request in args["requests"]:
        send(client(context, args), args["service"], request)
    return {"undo": args.get("undo", [])}


@step("cloud.undo_call", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DEADLINE)
def uncall(context: Context) -> None:
    """Sends the requests that undo a `cloud.call`."""
    args, done = context.undone.args, context.undone.result
    undo = done["undo"] if done else resolve(args.get("undo", []), context.undone.results, context)
    for request in undo:
        send(cloud(context, args["cloud"]), args["service"], request)


@step("cloud.final", args=Final, commit="what was held for a rollback is given up", retry=RETRY, deadline=600)
def final(context: Context) -> None:
    """Sends `requests` that cannot be rolled back."""
    args = resolve(context.args, context.results(), context)
    for request in args["requests"]:
        send(client(context, args), args["service"], request)
