"""What a site's users ask its APIs for, and how often: counted in the logs of its API services on their hosts, by path
and project (`naru.site.access_logs`)."""

import datetime
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pydantic

from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.site import access_logs
from naru.site.access_logs import Line, Unread
from naru.site.site import Site
from naru.site.ssh import Fleet

SERVICES = ("cinder", "glance", "keystone", "neutron", "nova", "placement")
DAY = 86400.0
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


def read(site: Site, days: int, tell: Callable[[str], None]) -> Mix:
    """The mix of so many days, from now back, in the logs of the site; `tell` is told what of them could not be read.
    Raises NaruError where they have no call, or a host cannot be asked."""
    by_host = access_logs.sources(site, SERVICES)
    rows = [f"{service}\t{at}\tGET\t^/\t" for at, service in enumerate(SERVICES)]
    with Fleet(site) as fleet:
        answers = access_logs.ask(site, fleet, by_host, rows, SERVICES, days, by_project=True)
    for host, error in answers.failed.items():
        raise NaruError(f"{host}: its logs cannot be read", detail=str(error), hint="See: naru site check") from error
    for one in answers.said:
        if isinstance(one, Unread):
            number = f": {one.number}" if one.number else ""
            tell(f"{one.host}: {one.log}: {one.what}{number}. {one.cure}")
    if (found := counted(answers.said, days, tell)) is None:
        raise NaruError(
            f"no log of {site.file} has a GET that was answered well in {days} days",
            hint="Name the logs of API services and load balancers under logs:; or give a file with --mix.",
        )
    return found


def counted(said: Iterable[Line | Unread], days: int, tell: Callable[[str], None]) -> Mix | None:
    """The mix that the hosts have said; None where there is no call. A load balancer's log has the same requests as
    those of the services behind it, and knows no project: it counts for a service of which no own log has one."""
    counts: dict[tuple[str, str, str, bool], int] = {}
    moments = []
    for one in said:
        match one:
            case Line(source=source, kind="call", values=[count, first, last, service, _, _, path, *rest]):
                # /v3/auth is what others ask to check tokens: it comes by itself
                if re.fullmatch(PATH, path) and not path.startswith("/v3/auth/"):
                    key = service, path, rest[-1], bool(source.services)
                    counts[key] = counts.get(key, 0) + int(count)
                    moments += [datetime.datetime.fromisoformat(moment) for moment in (first, last) if moment]
    if not counts:
        return None
    if not moments:
        tell(f"no log says when a request was: they are taken for those of all {days} days")
    span = (max(moments) - min(moments)).total_seconds() if moments else days * DAY
    own = {service for service, *_, is_own in counts if is_own}
    calls = [
        Calls(service=service, path=path, project=project, count=number)
        for (service, path, project, is_own), number in sorted(counts.items(), key=lambda item: -item[1])
        if is_own or service not in own
    ]
    return Mix(seconds=max(span, MOST_SPAN), calls=tuple(calls))
