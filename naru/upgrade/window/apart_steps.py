"""The steps by which controllers on other hosts take the place of those that were: records in the databases
(`records`), endpoints (`catalogue`), virtual addresses (`addresses`), and load balancers that are seen to give requests
to nobody else (`balancers`)."""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from naru.actions import durations
from naru.actions.databases.server import OnServer, Schema, environment, run
from naru.actions.databases.server import script as database_script
from naru.actions.hosts.place import HostAction, Place, script_text
from naru.errors import NaruError
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.upgrade.check import addresses, balancers
from naru.upgrade.check.balancers import Change

PATIENCE = 60.0
"""Seconds until a load balancer, or a virtual address, is where it is to be."""
PAUSE = 0.5
DEADLINE = 2 * PATIENCE + 600
DUMPED = "the databases' dump has them as they were"


class Records(OnServer):
    """See `records`."""

    step_kind: ClassVar[str] = "upgrade.records"

    project: Literal["cinder", "nova"]
    schemas: list[Schema]
    moved: list[list[str]]


class Catalogue(OnServer):
    """See `catalogue`."""

    step_kind: ClassVar[str] = "upgrade.catalogue"

    moved: list[list[str]]


class Behind(HostAction):
    """See `behind`."""

    step_kind: ClassVar[str] = "upgrade.behind"

    balancer: str
    changes: list[dict[str, Any]]


class Address(HostAction):
    """See `address`."""

    step_kind: ClassVar[str] = "upgrade.address"

    address: str
    on: list[str]
    off: list[str]
    others: list[str] = Field(default_factory=list)
    back: bool = False


@step("upgrade.records", args=Records, no_undo=DUMPED, deadline=durations.own, retry=())
def records(context: Context) -> dict[str, Any]:
    """Gives the records of services of a `project`, and the volumes, groups and backups that are theirs, other names:
    `moved` has BINARY, OLD, NEW of each."""
    args = context.args
    place = Place(context, args, context.id)
    words = [args["project"], " ".join(args["schemas"]), *(word for one in args["moved"] for word in one)]
    said = ", ".join(f"{binary} {old} is {new}" for binary, old, new in args["moved"])
    scripts = [database_script("client"), script_text("records", "naru.upgrade")]
    return dict(run(place, "do", scripts, words, environment(place, args), said))


@step("upgrade.catalogue", args=Catalogue, no_undo=DUMPED, deadline=durations.own, retry=())
def catalogue(context: Context) -> dict[str, Any]:
    """Gives endpoints other addresses: `moved` has OLD and NEW of each, as SCHEME://HOST:PORT."""
    args = context.args
    place = Place(context, args, context.id)
    words = [word for one in args["moved"] for word in one]
    said = ", ".join(f"endpoints at {old} are at {new}" for old, new in args["moved"])
    scripts = [database_script("client"), script_text("catalogue", "naru.upgrade")]
    return dict(run(place, "do", scripts, words, environment(place, args), said))


@step("upgrade.behind", args=Behind, no_undo="it only looks", deadline=DEADLINE, retry=())
def behind(context: Context) -> dict[str, Any]:
    """Waits until the HAProxy on `host`, which is one of the load balancer `balancer`, gives requests of services to
    the new ones alone: each of `changes` has its `service`, where it was (`old`) and where it is now (`new`), as
    HOST:PORT."""
    args = context.args
    place = Place(context, args, context.id)
    found = [Change(one["service"], tuple(one["old"]), tuple(one["new"])) for one in args["changes"]]
    balancer = next((one for one in place.site.part.load_balancers if one.name == args["balancer"]), None)
    if balancer is None or not balancer.socket:
        raise PlanError(f"{place.site.file}: there is no load balancer {args['balancer']!r} with a socket any more")
    where = balancers.addresses(place.fleet, found)

    def look() -> str:
        said = balancers.servers(place.fleet, balancer)[place.host]
        return said.summary if isinstance(said, NaruError) else balancers.left(said, found, where)

    _until(context, look, f"{place.host}: {balancer.name} does not give all requests to the new services")
    return {}


@step("upgrade.address", args=Address, undo="upgrade.address.undo", deadline=DEADLINE, retry=())
def address(context: Context) -> dict[str, Any]:
    """Waits until the virtual address `address` is on exactly one of the hosts `on`, on none of those `off`, and until
    `others` take that one for it, as far as they have spoken to it. With `back` the undo waits for the same,
    when what was done after it is undone."""
    return _wait(context, context.args)


@step("upgrade.address.undo", args=Undo, no_undo="it is an undo itself", deadline=DEADLINE, retry=(), here=True)
def address_back(context: Context) -> dict[str, Any] | None:
    """See `address`."""
    return _wait(context, context.undone.args) if context.undone.args.get("back") else None


def _wait(context: Context, args: Mapping[str, Any]) -> dict[str, Any]:
    place = Place(context, args, context.id)
    hosts = list(dict.fromkeys((*args["on"], *args["off"], *args.get("others", ()))))
    seen: Mapping[str, Any] = {}

    def look() -> str:
        nonlocal seen
        seen = addresses.look(place.fleet, args["address"], hosts)
        return addresses.wrong(seen, args["on"], args.get("others", ()))

    _until(context, look, f"the virtual address {args['address']}")
    return {"on": next(name for name in args["on"] if not isinstance(seen[name], NaruError) and seen[name].has)}


def _until(context: Context, look: Callable[[], str], what: str) -> None:
    """Looks until nothing is wrong any more. Raises PlanError."""
    end = time.monotonic() + PATIENCE
    while why := look():
        if time.monotonic() > end:
            raise PlanError(f"{what}: {why}", hint="Mend it there, and give the command again.")
        context.sleep(PAUSE)
