"""The write gate of a HAProxy on a host: closed, and as it was again."""

from collections.abc import Mapping
from typing import Any, ClassVar

from naru.actions.hosts.place import HostAction, Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.site import haproxy
from naru.site.model import Network, WriteGate

DEADLINE = 900.0


class Gate(HostAction):
    """See `close`."""

    step_kind: ClassVar[str] = "host.write_gate"

    balancer: str
    services: list[str]
    allow: list[Network] = []


@step("host.write_gate", args=Gate, undo="host.write_gate.undo", deadline=DEADLINE, retry=())
def close(context: Context) -> dict[str, Any]:
    """Closes the write gates of `services` in the HAProxy of `host`, which is one of the site's load balancer
    `balancer`: in its files, so that it stays so over a reload, and in the one that runs, from the next request on. The
    addresses and networks in `allow` go on writing. The undo brings all of it to what it was.

    A HAProxy that does not run is closed when it starts (`running`: no)."""
    args = context.args
    place = Place(context, args, context.id)
    words = _words(place, args)
    context.log(f"{place.host}: close the write gates of {', '.join(args['services'])}")
    given = "".join(f"{one}\n" for one in (*args.get("allow", ()), "end"))
    said = place.change(
        "write-gate", "close", *words, *args["services"], given=given.encode(), functions=haproxy.FUNCTION
    )
    return {"running": said.strip().endswith("=yes")}


@step("host.write_gate.undo", args=Undo, no_undo="it is an undo itself", deadline=DEADLINE, retry=(), here=True)
def undo(context: Context) -> None:
    """Brings the write gates of a `host.write_gate` to what they were."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    context.log(f"{place.host}: open the write gates of {', '.join(args['services'])}")
    place.change("write-gate", "open", *_words(place, args), functions=haproxy.FUNCTION)


def _words(place: Place, args: Mapping[str, Any]) -> tuple[str, str, str]:
    """The socket, and the directory of the files, on the host and as HAProxy has it."""
    name = args["balancer"]
    for one in place.site.part.load_balancers:
        if one.name == name and one.write_gate and one.socket:
            gate: WriteGate = one.write_gate
            return one.socket, gate.directory, gate.seen_as or gate.directory
    raise PlanError(
        f"{place.site.file}: the load balancer {name!r} has no write_gate", hint="See: naru site gate rules"
    )
