"""Dumps put into servers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from naru.actions import durations
from naru.actions.databases.server import OnServer, environment, forget, run, script
from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step

BESIDE, FRESH = "beside", "fresh"


class Restore(OnServer):
    """See `restore`."""

    step_kind: ClassVar[str] = "database.restore"

    directory: AbsolutePath
    way: Literal["beside", "fresh"] = BESIDE  # type: ignore[assignment]


@step(
    "database.restore",
    args=Restore,
    undo="database.restore.undo",
    deadline=durations.own,
    retry=(),
)
def restore(context: Context) -> dict[str, Any]:
    """Puts the dump in `directory` on `host` into a server, in the place of the schemas that it is of.

    Its digest is checked before, and after loading the rows and checksums of all tables, by what is kept with the dump;
    checksums on a server of the same version alone. Of a dump that others wrote during, the first copy is what further
    ones are compared with. By the `way` beside, the schemas that are there stay until the restored ones are whole, and
    are then replaced by renaming; fresh is for a server that nobody uses. Schemas that were not there at the dump, and
    that it was to have, are dropped. Killed at any instant it begins again.
    """
    args = context.args
    return back(Place(context, args, context.id), args, args["directory"], args.get("way", BESIDE))


@step("database.restore.undo", args=Undo, no_undo="it is an undo itself", deadline=3600, retry=(), here=True)
def undo(context: Context) -> None:
    """Leaves what was restored as it is: what was there before is in no dump of the step."""
    forget(Place(context, context.undone.args, context.undone.step), "restore")


def back(place: Place, args: Mapping[str, Any], directory: str, way: str, *, used: bool = False) -> dict[str, Any]:
    """Puts a dump into the server of the arguments. One that was `used` up is renamed, and one of a server to which
    nothing was written since is left alone."""
    scripts = ["client", *(["unless-quiet"] if used else []), "restore", *(["used"] if used else [])]
    said = f"restore {directory} ({way})"
    done = run(place, "restore", [*map(script, scripts)], [directory, way], environment(place, args), said)
    if used:
        place.context.log(f"{place.host}: {directory}: {done.get('state', 'restored')}")
    return {key: int(value) if value.isdigit() else value for key, value in done.items()}
