"""Servers that are switched on and off."""

import math
import time
from typing import Any, ClassVar, Literal

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import POLL, RETRY, TooLong, cloud, wait_for, within
from naru.actions.looks import Server, find, looks
from naru.actions.request import Action
from naru.cloud.client import Cloud, CloudError, Unavailable
from naru.errors import NaruError
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step

ACTIONS = {"SHUTOFF": "os-stop", "ACTIVE": "os-start"}
OFF_PATIENCE = 20.0
"""Seconds that a rollback waits for an answer about a server that is to be off, before it asks the operator."""
TASK_PATIENCE = 150.0
"""Seconds that a rollback waits for the end of what else is being done with such a server: Nova gives a guest a minute
to shut down, and a task that nobody works on never ends."""
LOOK = 0.8
"""Seconds between two looks at a server at most: while it stops or starts nobody reaches it."""
GROUP = "power"
"""The limit group of steps that switch servers on and off: they wait for hypervisors more than they ask Nova."""
LIMIT = 900.0
"""Seconds that a server may take to stop or start: a guest that ignores ACPI is switched off by Nova after its own."""


class Power(Action):
    """The state that the server is brought `to`; `back` is the one that a rollback brings it to, if any."""

    step_kind: ClassVar[str] = "cloud.power"
    limit_group: ClassVar[str] = GROUP

    server: Id
    to: Literal["SHUTOFF", "ACTIVE"]
    back: Literal["SHUTOFF", "ACTIVE"] | None = None


@step("cloud.power", args=Power, undo="cloud.power.undo", retry=RETRY, deadline=LIMIT + 60)
def power(context: Context) -> dict[str, Any]:
    """Brings `server` on `cloud` to the state `to` (SHUTOFF or ACTIVE); `back` is where a rollback brings it, if it is
    to be brought anywhere."""
    args = resolve(context.args, context.results(), context)
    return {
        "server": args["server"],
        "seconds": bring(context, cloud(context, args["cloud"]), args["server"], args["to"]),
    }


@step("cloud.power.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=LIMIT + 60)
def undo_power(context: Context) -> None:
    """Brings a server back to where it was before a `cloud.power`."""
    args, done = context.undone.args, context.undone.result
    if args.get("back") is None:
        return
    resolved = args if done else resolve(args, context.undone.results, context)
    server = done["server"] if done else resolved["server"]
    client = cloud(context, args["cloud"])
    if args["back"] == "ACTIVE":
        bring(context, client, server, args["back"], gone=True)
    else:
        bring_off_again(context, client, server)


def bring_off_again(context: Context, client: Cloud, server: str) -> None:
    """Switches a server off in a rollback, if it is there. Raises NaruError when its cloud does not answer for long, or
    goes on doing something else with it."""
    try:
        found = settled(context, client, server, OFF_PATIENCE, TASK_PATIENCE)
        if found is not None:
            bring(context, client, server, "SHUTOFF", gone=True, patience=OFF_PATIENCE, found=found)
    except (Unavailable, TooLong) as error:
        raise NaruError(
            f"{client.name} does not say that server {server} is off",
            detail=str(error),
            hint="Others wait for that, since two of it must not run. If you know that it is off, say so.",
        ) from error


def bring(
    context: Context,
    client: Cloud,
    server: str,
    state: str,
    *,
    gone: bool = False,
    patience: float = math.inf,
    found: Server | None = None,
) -> float:
    """Brings the server to the state, once nothing else is done to it; the seconds that it took. The caller may have
    `found` it just now, with no task. Where no answer comes within `patience` seconds it is Unavailable; a server that
    takes longer, of which the cloud says so, is waited for."""
    begun = time.monotonic()
    if found is None:
        found = settled(context, client, server, patience)
    if found is None:
        if gone:
            return 0.0
        raise NaruError(f"server {server} is gone from {client.name}", hint="Skip the step, or roll back.")
    if found["status"] != state:
        now = _switched(context, client, found, state, patience)
        if now is None and not gone:
            raise NaruError(
                f"server {server} disappeared from {client.name} meanwhile", hint="Skip the step, or roll back."
            )
        if now is not None and now["status"] != state:
            raise NaruError(f"server {server} came to {now['status']}, not {state}", hint="See its fault in Nova.")
    return round(time.monotonic() - begun, 1)


def settled(
    context: Context, client: Cloud, server: str, patience: float = math.inf, limit: float = LIMIT
) -> Server | None:
    """The server once nothing is done to it any more, None when there is none: what a command asked for before it was
    killed may come yet, and a server that still runs may be about to stop. Raises TooLong after `limit` seconds."""

    def look() -> Server | None:
        with within(patience):
            return find(client, server)

    def over(now: Server | None) -> bool:
        return now is None or not now.get("OS-EXT-STS:task_state")

    return wait_for(context, look, over, f"something is being done with server {server}", limit, LOOK)


def _switched(context: Context, client: Cloud, found: Server, state: str, patience: float) -> Server | None:
    """The server once it is at the state, or in error, and nothing is done to it any more; None when it is gone."""
    server = found["id"]

    def look() -> Server | None:
        with within(patience):
            return together.look(client, server)

    def over(now: Server | None) -> bool:
        return now is None or (now["status"] in (state, "ERROR") and not now.get("OS-EXT-STS:task_state"))

    together = looks(client, found["tenant_id"])
    with together.waiting(server):
        try:
            with within(patience):
                client("compute", "POST", f"/servers/{server}/action", {ACTIONS[state]: None})
        except CloudError as error:
            if error.status == 409:
                raise Transient(error.summary, detail=error.detail) from error
            raise
        context.sleep(POLL[0])  # nothing stops or starts in no time
        return wait_for(context, look, over, f"server {server} is not {state}", LIMIT, LOOK)
