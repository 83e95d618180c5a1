"""The write gate of a load balancer on a host: closed, and as it was again."""

from collections.abc import Mapping
from typing import Any, ClassVar

from naru.actions.hosts.place import HostAction, Place, script_text
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.site import haproxy
from naru.site.model import LoadBalancer, Network, WriteGate
from naru.site.write_gate import forms

DEADLINE = 900.0


class Gate(HostAction):
    """See `close`."""

    step_kind: ClassVar[str] = "host.write_gate"

    balancer: str
    services: list[str]
    allow: list[Network] = []


@step("host.write_gate", args=Gate, undo="host.write_gate.undo", deadline=DEADLINE, retry=())
def close(context: Context) -> dict[str, Any]:
    """Closes the write gates of `services` in what runs on `host` of the site's load balancer `balancer`: in its files,
    so that it stays so over a reload, and from the next request on. The addresses and networks in `allow` go on
    writing; where nginx or Apache have not let one through before, they are reloaded once for it. The undo brings all
    of it to what it was.

    One that does not run is closed when it starts (`running`: no)."""
    args = context.args
    place = Place(context, args, context.id)
    balancer, gate = _meant(place, args)
    context.log(f"{place.host}: close the write gates of {', '.join(args['services'])}")
    form = forms.form(balancer.kind)
    given = "".join(f"{one}\n" for one in (*map(form.allowed_line, args.get("allow", ())), "end"))
    said = _change(place, balancer, gate, "close", *args["services"], given=given.encode())
    return {"running": said.strip().endswith("=yes")}


@step("host.write_gate.undo", args=Undo, no_undo="it is an undo itself", deadline=DEADLINE, retry=(), here=True)
def undo(context: Context) -> None:
    """Brings the write gates of a `host.write_gate` to what they were."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    context.log(f"{place.host}: open the write gates of {', '.join(args['services'])}")
    _change(place, *_meant(place, args), "open")


def _change(
    place: Place, balancer: LoadBalancer, gate: WriteGate, verb: str, *services: str, given: bytes = b""
) -> str:
    script, words, functions = script_of(balancer, gate)
    return place.change(script, verb, *words, *services, given=given, functions=functions)


def script_of(balancer: LoadBalancer, gate: WriteGate) -> tuple[str, tuple[str, ...], str]:
    """The script that closes and opens the gates of a load balancer, its words before the services, and the functions
    of the shell that it needs."""
    lists = script_text("write-gate-lists")
    if balancer.socket:
        seen = gate.seen_as or gate.directory
        return "write-gate", (balancer.socket, gate.directory, seen), haproxy.FUNCTION + lists
    programs = " ".join(forms.PROGRAMS[balancer.kind])
    return "write-gate-files", (gate.directory, programs, balancer.reload or ""), lists


def _meant(place: Place, args: Mapping[str, Any]) -> tuple[LoadBalancer, WriteGate]:
    name = args["balancer"]
    for one in place.site.part.load_balancers:
        if one.name == name and one.write_gate:
            return one, one.write_gate
    raise PlanError(
        f"{place.site.file}: the load balancer {name!r} has no write_gate", hint="See: naru site gate rules"
    )
