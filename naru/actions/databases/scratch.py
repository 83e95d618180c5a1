"""A database server of one's own on a host."""

import hashlib
from typing import Annotated, Any, ClassVar

from pydantic import Field

from naru.actions.databases.server import forget, run, script
from naru.actions.hosts.detached import Detached
from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import HostAction, Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step

SECONDS = 600.0
MEGABYTES = 512


class Scratch(HostAction):
    """See `scratch`."""

    step_kind: ClassVar[str] = "database.scratch"

    directory: AbsolutePath
    megabytes: Annotated[int, Field(ge=32)] = MEGABYTES
    charset: Annotated[str, Field(pattern=r"^\w+$")] = "utf8mb3"
    collation: Annotated[str, Field(pattern=r"^\w+$")] = "utf8mb3_general_ci"


@step("database.scratch", args=Scratch, undo="database.scratch.undo", deadline=SECONDS, retry=())
def scratch(context: Context) -> dict[str, Any]:
    """Starts a MariaDB server of the host's own packages in `directory`, as a transient unit, for nobody but the steps
    that name it: it listens at no address, and its password stays there. `megabytes` are for its buffer pool. The undo
    ends it and removes all of it."""
    args = Scratch.model_validate(context.args)
    place = Place(context, context.args, context.id)
    more = (str(args.megabytes), args.charset, args.collation)
    words = ["start", args.directory, _unit(args.directory), *more]
    made = run(place, "do", [script("scratch")], words, {}, f"start a database server in {args.directory}")
    return {"version": made["version"]}


@step("database.scratch.undo", args=Undo, no_undo="it is an undo itself", deadline=SECONDS, retry=(), here=True)
def undo(context: Context) -> None:
    """Ends the server of a `database.scratch`, and removes all of it."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    words = ["stop", args["directory"], _unit(args["directory"])]
    Detached(place, "do", [], {}).stop()
    run(place, "undo", [script("scratch")], words, {}, f"remove the database server in {args['directory']}")
    forget(place, "do", "undo")


def _unit(directory: str) -> str:
    return f"naru-scratch-{hashlib.sha256(directory.encode()).hexdigest()[:12]}"
