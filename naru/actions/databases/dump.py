"""Schemas dumped on a host, whole and checked, and gone back to."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from naru.actions import durations
from naru.actions.databases.restore import BESIDE, back
from naru.actions.databases.server import OnServer, Schema, environment, forget, run, script
from naru.actions.hosts.detached import Detached
from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step

SCRIPTS = ("client", "dump")


class Dump(OnServer):
    """See `dump`."""

    step_kind: ClassVar[str] = "database.dump"

    schemas: Annotated[list[Schema], Field(min_length=1)]
    directory: AbsolutePath
    quiet: bool = False


class Point(Dump):
    """See `point`."""

    step_kind: ClassVar[str] = "database.point"


@step("database.dump", args=Dump, undo="database.dump.undo", deadline=durations.own, retry=())
def dump(context: Context) -> dict[str, Any]:
    """Dumps `schemas` of a server, those that there are, into `directory` on `host`: all in one transaction, so as they
    were at one instant, though others write meanwhile.

    It is there under its name only when it is whole: the program that dumps ended well, its last line is there, its
    digest is known. If nothing was written to the server meanwhile, rows and checksum of each table are kept with it,
    and what is restored from it is compared with those; with `quiet` it fails if something was. Refused without room,
    for tables that are not InnoDB's, and for views. The undo removes it.
    """
    return _dump(context)


@step("database.dump.undo", args=Undo, no_undo="it is an undo itself", deadline=3600, retry=(), here=True)
def undo(context: Context) -> None:
    """Removes a dump."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    context.log(f"{place.host}: rm -r {args['directory']}")
    forget(place, "do")
    place.change("remove", args["directory"], f"{args['directory']}.part")


@step("database.point", args=Point, undo="database.point.undo", deadline=durations.own, retry=())
def point(context: Context) -> dict[str, Any]:
    """Dumps as `database.dump` does, before something is done to the schemas that has no other way back. The undo puts
    the dump in their place (`database.restore`, beside), unless nothing was written to the server since; the dump
    stays, under another name when it was used."""
    return _dump(context)


@step("database.point.undo", args=Undo, no_undo="it is an undo itself", deadline=durations.own, retry=(), here=True)
def back_to(context: Context) -> dict[str, Any]:
    """Puts the dump of a `database.point` in the place of the schemas that it is of."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    Detached(place, "do", [], {}).stop()  # one that is still dumped is not needed any more
    done = back(place, args, args["directory"], BESIDE, used=True)
    forget(place, "do", "restore")  # in this order: as long as the first is there, the second one is
    return done


def _dump(context: Context) -> dict[str, Any]:
    args = context.args
    place = Place(context, args, context.id)
    said = f"dump {' '.join(args['schemas'])} into {args['directory']}"
    env = environment(place, args)
    made = run(place, "do", [*map(script, SCRIPTS)], [args["directory"], place.unit, *args["schemas"]], env, said)
    if args.get("quiet") and made["quiet"] != "yes":
        place.change("remove", args["directory"])
        forget(place, "do")
        raise PlanError(
            f"{place.host}: somebody wrote to {made['wrote']} while it was dumped",
            detail=f"Connected to these schemas: {made['who'] or 'nobody any more'}",
            hint="Find who it is, and end it. Given again, it is dumped anew.",
        )
    return {
        **{key: made[key] for key in ("version", "schemas", "absent", "quiet", "sha256")},
        **{key: int(made[key]) for key in ("bytes", "tables", "seconds")},
    }
