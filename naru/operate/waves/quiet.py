"""Whether anything of a host's command still goes on there, of a host that is to be left behind.

The command runs on without the executor, and a boot that was asked for comes by itself: a host that servers are
scheduled to again, or that Ceph rebuilds, must not do either.
"""

import time
from typing import Any, ClassVar

from naru.actions.hosts.detached import Detached
from naru.actions.hosts.place import HostAction, Place
from naru.errors import NaruError
from naru.operate.waves.upkeep import Host
from naru.plan.context import Context
from naru.plan.kinds import step

STILL = 30.0
"""Seconds that a host which was told to end it may take."""
EVERY = 1.0
CANCEL = "shutdown -c"
HINT = (
    "Wait for its end and give the command again; --end ends the command, and a shutdown that is scheduled; --off "
    "says that the host is off, and asks it nothing."
)


class Quiet(HostAction):
    """Nothing of the step `command` ("" for none) of the plan `plan`, whose newest run is `run`, goes on on `host`, and
    no boot of it. With `end` it is ended; with `may_be_down` a host that does not answer is taken to be off."""

    step_kind: ClassVar[str] = ""

    command: str
    plan: str
    run: int
    end: bool = False
    may_be_down: bool = False


@step("waves.quiet", args=Quiet, no_undo="what it ends stays so", retry=(), deadline=600)
def quiet(context: Context) -> dict[str, Any]:
    """Proves that on `host` neither its command runs nor a shutdown is under way or scheduled; with `end` ends them."""
    args = context.args
    place = Place(context, args, args["command"] or context.id, plan=args["plan"], run=args["run"])
    host = Host(place)
    if args.get("end"):
        _end(context, place, host, is_command=bool(args["command"]))
    if host.boot() is None:
        if args.get("may_be_down") and not host.answers:
            return {"down": host.why}
        raise NaruError(f"{args['host']} {host.why}", detail="It is not known what goes on there.", hint=HINT)
    if args["command"] and Detached(place, "do", [], {}).look().state == "running":
        raise NaruError(f"{args['host']}: its command still runs", hint=HINT)
    return {"ended": bool(args.get("end"))}


def _end(context: Context, place: Place, host: Host, *, is_command: bool) -> None:
    """Ends the command, and then a shutdown that is scheduled: the command may have been about to schedule one."""
    end = time.monotonic() + STILL
    if host.boot() is None and not host.answers:
        return  # told by the caller
    if is_command:
        Detached(place, "do", [], {}).stop()
    while host.boot() is None and host.is_scheduled and time.monotonic() < end:
        context.log(f"{place.host}: {CANCEL}")
        place.ask(lambda remote: remote.run(CANCEL, seconds=STILL))
        context.sleep(EVERY)
