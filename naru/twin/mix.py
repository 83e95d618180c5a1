"""What a site's users ask its APIs for, and how often: counted in the logs of its API services on their hosts, by path
and project. The reader of the logs is that of `naru upgrade callers`."""

import datetime
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydantic

from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check import callers
from naru.upgrade.check.callers import Source

SERVICES = ("cinder", "glance", "keystone", "neutron", "nova", "placement")
SECONDS = 3600.0
"""How long a host may read."""
PATH = r"^/[^@\s]*$"
MOST_SPAN = 1.0
"""Seconds that the calls of a log take at least: one call has no span."""


class _Kept(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Calls(_Kept):
    """How often a path of a service was asked for by a project (an id; "" where the log does not say it). In the path
    {project} and {id} stand for ids; what follows the port in a URL begins with / and has no @, or it were a host."""

    service: str
    path: str = pydantic.Field(pattern=PATH)
    project: str = ""
    count: int = pydantic.Field(ge=1)


class Mix(_Kept):
    """The calls of a time, `seconds` long."""

    naru_mix: int = 1
    seconds: float = pydantic.Field(gt=0)
    calls: tuple[Calls, ...] = pydantic.Field(min_length=1)

    @property
    def rate(self) -> float:
        """Calls a second, on the average."""
        return sum(one.count for one in self.calls) / self.seconds


def load(file: Path) -> Mix:
    """The mix in a file. Raises InputError."""
    try:
        return Mix.model_validate_json(file.read_text())
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        hint = "What it holds: docs/reference/twin.md"
        raise InputError(
            f"{file}: {field}: {first['msg']}" if field else f"{file}: {first['msg']}", hint=hint
        ) from error


def save(mix: Mix, file: Path) -> None:
    """Writes it."""
    write_whole(file, mix.model_dump_json(indent=1) + "\n")


def read(site: Site, days: int) -> Mix:
    """The mix of so many days, from now back, in the logs of the site. Raises NaruError where they have no call, or a
    host cannot be asked."""
    by_host = {host: chosen(found) for host, found in callers.sources(site, SERVICES).items()}
    with Fleet(site) as fleet:
        said = fleet.each(by_host, lambda remote: _read(site, remote, by_host[remote.name], days))
    for host, one in said.items():
        if isinstance(one, NaruError):
            raise NaruError(f"{host}: its logs cannot be read", detail=str(one), hint="See: naru site check")
    lines = [line for one in said.values() if isinstance(one, str) for line in one.splitlines()]
    if (found := counted(lines)) is None:
        raise NaruError(
            f"no log of {site.file} has a GET that was answered well in {days} days",
            hint="Name the logs of API services and load balancers under logs:; or give a file with --mix.",
        )
    return found


def chosen(sources: Sequence[Source]) -> list[Source]:
    """The logs of a host that are read: services' own, which know the project; a load balancer's where it has none, for
    they have the same requests."""
    return [one for one in sources if one.services] or list(sources)


def counted(lines: Iterable[str]) -> Mix | None:
    """The mix that the hosts' scripts have said; None where there is no call."""
    counts: dict[tuple[str, str, str], int] = {}
    moments = []
    for line in lines:
        match line.split("\t"):
            case [_, "call", count, first, last, service, _, _, path, *rest]:
                # /v3/auth is what others ask to check tokens: it comes by itself
                if re.fullmatch(PATH, path) and not path.startswith("/v3/auth/"):
                    key = service, path, rest[-1]
                    counts[key] = counts.get(key, 0) + int(count)
                    moments += [datetime.datetime.fromisoformat(one) for one in (first, last) if one]
    if not counts:
        return None
    span = (max(moments) - min(moments)).total_seconds() if moments else 0.0
    calls = [
        Calls(service=service, path=path, project=project, count=number)
        for (service, path, project), number in sorted(counts.items(), key=lambda item: -item[1])
    ]
    return Mix(seconds=max(span, MOST_SPAN), calls=tuple(calls))


async def _read(site: Site, remote: Remote, sources: Sequence[Source], days: int) -> str:
    whose, _ = await callers.owners(site, remote, SERVICES)
    words = callers.mounts(SERVICES, {line.project for line in site.part.services})
    rows = [f"{service}\t{at}\tGET\t^/\t" for at, service in enumerate(SERVICES)]
    script = callers.counting(sources, rows, whose, words, days, by_project=True)
    return await remote.checked(script, seconds=SECONDS)
