"""Which server a step asks, and the scripts that do so on its host."""

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from naru.actions import durations
from naru.actions.hosts.detached import Detached, Look
from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import HostAction, Place, script_text
from naru.plan.errors import DeadlineExceeded, PlanError
from naru.site.model import Database

Schema = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,48}$")]
"""A schema's name: longer ones leave no room for what stands before those that are restored beside them."""


class OnServer(HostAction):
    """What a step asks of a server from its host: of `database`, which the site has under this name, or of the one that
    a `database.scratch` has made in the directory `scratch` of that host."""

    database: str = ""
    scratch: AbsolutePath | None = None
    deadline: Annotated[float, Field(gt=0)] = durations.DAY

    @model_validator(mode="after")
    def _which(self) -> Self:
        if bool(self.database) == bool(self.scratch):
            raise ValueError("give either database, one of the site's, or scratch, a directory on the host")
        return self


def environment(place: Place, args: Mapping[str, Any]) -> dict[str, str]:
    """What the scripts have to know to ask the server of a step's arguments. It holds a password."""
    if args.get("scratch"):
        return {"NARU_SCRATCH": args["scratch"]}
    database = _named(place, args["database"])
    host = place.site.named(database.hosts)[0]
    password = place.secret(database.password, f"databases.{database.name}.password")
    quoted = urllib.parse.quote(password, safe="")
    place.context.hide(quoted)
    found = {
        "NARU_DB_HOST": database.address or host.address,
        "NARU_DB_PORT": str(database.port),
        "NARU_DB_USER": database.user,
        "NARU_DB_LOGIN": f"{urllib.parse.quote(database.user, safe='')}:{quoted}",
        "MYSQL_PWD": password,
    }
    if database.certificate:
        found["NARU_DB_CA"] = place.site.path(database.certificate).read_text()
    return found


def _named(place: Place, name: str) -> Database:
    for database in place.site.part.databases:
        if database.name == name:
            return database
    known = ", ".join(one.name for one in place.site.part.databases) or "none"
    raise PlanError(f"{place.site.file}: there is no database {name!r}", hint=f"It has: {known}.")


def run(
    place: Place,
    name: str,
    scripts: Sequence[str],
    words: Sequence[str],
    env: Mapping[str, str],
    said: str,
    *,
    repeat: bool = True,
) -> dict[str, str]:
    """Runs scripts on the host, begun once and found again, and gives the KEY=VALUE lines of what they say at their
    end. `said` is how the journal tells it. One that was cut off is begun again if it may `repeat`."""
    env = {**env, "NARU_OWN": _own(place, name)}
    detached = Detached(place, name, ["sh", "-c", "".join(scripts), "naru", *words], env, said=said)
    try:
        done = detached.finish(repeat=repeat)
    except DeadlineExceeded as error:
        raise detached.overdue(error) from error
    assert done is not None  # it was not asked whether its effect is there
    return pairs(done)


def forget(place: Place, *names: str) -> None:
    """Leaves nothing of these scripts on the host: their step was undone, and may be done again."""
    for name in names:
        Detached(place, name, [], {}).clear()
        place.change("remove", _own(place, name))


def _own(place: Place, name: str) -> str:
    """What a script has for itself while it runs, root's alone: a password stands in it. One that was cut off leaves
    it, and the next takes it away."""
    return f"/run/naru/{place.unit}-{name}.own"


def pairs(done: Look) -> dict[str, str]:
    """The KEY=VALUE lines of what a command says."""
    lines = (line.partition("=") for line in done.output.splitlines() if "=" in line)
    return {key: value for key, _, value in lines if key.isidentifier()}


def script(name: str) -> str:
    """A script's text."""
    return script_text(name, "naru.actions.databases")
