"""`naru upgrade callers`: who still calls APIs that are gone in the wanted release."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from naru.cli.base import Lister, argument
from naru.cli.upgrade import add_meant, meant, wrapped
from naru.upgrade.check import callers
from naru.upgrade.check.callers import Caller

DAYS = 7
WIDTH = 40
"""Characters of a line of what is long."""


def _days(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ValueError(f"{text!r} is no number of days, as 7")
    return int(text)


class CallersList(Lister):
    """List who still calls APIs that the wanted release has no more: programs of users, and services of the cloud.

    Read are the logs of the site's API services and load balancers, on their hosts, with what was rotated and packed:
    the files under logs:, and where the site names none, the journal of the unit or the log of the container.
    Understood are lines of the services themselves, of HAProxy (option httplog, with captured headers), Apache, nginx
    and uWSGI. Only counts leave a host, and nothing is changed anywhere. Of an upgrade that was planned (DIR), site,
    releases and services are its own; else --site and --to say what is meant.

    A request is listed for each log that has it: at the load balancer with its User-Agent, at the service with user
    and project. Paths are without ids and queries.

    Exit codes: 0 nobody does, 1 somebody does, or something could not be read (not known), 2 bad input, 130
    interrupted.
    """

    examples = """
naru upgrade callers work/seoul
naru upgrade callers --to 2026.1 --days 30
naru upgrade callers --site seoul.yaml --to 2026.1 --services keystone,cinder -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_meant(parser)
        parser.add_argument(
            "--days",
            type=argument(_days),
            default=DAYS,
            metavar="N",
            help="how many days of the logs are read, from now back (%(default)s)",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site, span, services, _ = meant(arguments)
        found, requests = callers.look(site, span, services, arguments.days)
        self.exit_code = 1 if found else 0
        if self.app.options.verbose_level:
            for service, seen in requests.items():
                when = f", {seen.first} to {seen.last}" if seen.first else ""
                print(f"naru: {service}: {seen.count} requests read{when}", file=sys.stderr)
            if not requests:
                print(f"naru: no API is gone from {span.start} to {span.goal}", file=sys.stderr)
        if arguments.formatter != "table":
            return Caller._fields, found
        columns = ("release", "service", "request", "count", "first and last", "who", "log", "instead")
        return columns, _rows(found)


def _rows(found: Iterable[Caller]) -> Iterator[tuple[Any, ...]]:
    for one in found:
        release = one.release if one.state == "called" else "not known"
        where = f"{one.log} ({', '.join(one.hosts)})" if one.hosts else one.log
        number = one.number or ""
        what = f"{one.what}{f' ({one.status})' if one.status else ''}"
        texts = [wrapped(text, WIDTH) for text in (where, one.instead)]
        yield release, one.service, wrapped(what, WIDTH), number, f"{one.first}\n{one.last}".strip(), _who(one), *texts


def _who(one: Caller) -> str:
    project = f"{one.project} ({one.project_name})" if one.project_name else one.project
    said = {"": one.client, "for ": one.forwarded_for, "by ": one.user_agent, "user ": one.user, "project ": project}
    return "\n".join(wrapped(f"{name}{text}", WIDTH) for name, text in said.items() if text)
