"""`naru upgrade path|check`: through which releases a cloud goes, and what is in the way."""

import argparse
import pathlib
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from naru.cli.base import Lister
from naru.cli.directory import add_directory
from naru.cli.site import SITE, add_site, find_site, progress
from naru.errors import InputError
from naru.releases import path, release
from naru.releases.path import Way
from naru.site import site as sites
from naru.site.site import Site
from naru.upgrade.check import status
from naru.upgrade.check.check import check
from naru.upgrade.finding import Finding, Span, State
from naru.upgrade.work import Work

NAMES = "a release by name: naru lab releases"
WIDTH = 100
"""Characters of a line of reasons."""


class Path(Lister):
    """List the releases through which a cloud goes from one to a later one, and why.

    These are the releases of the way that upstream tests: from each release to the next, and from one SLURP release to
    the next. At each stop the schema steps and all online data migrations have to be complete, by that release's own
    code, before the next.

    Services under CANNOT PASS would lose something, or be refused, if they went past the release as well: for the
    others a later release's code makes its schema steps. So far does each release's code take what it finds. Upstream
    does not try that way; Naru's tests go it, on a small cloud's databases. With -f json each service has both ways
    (path, shortest) by itself.

    Nothing is asked of any cloud.
    """

    examples = """
naru upgrade path --from pike --to 2026.1
naru upgrade path --from pike --to 2026.1 --services nova,cinder
naru upgrade path --from pike --to 2026.1 -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--from", dest="start", required=True, metavar="RELEASE", help=NAMES)
        add_goal(parser)
        add_services(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        ways = path.ways(arguments.start, arguments.goal, arguments.services)
        if arguments.formatter != "table":
            columns = ("service", "order", "path", "shortest")
            return columns, ([way.service.name, way.service.why, *map(_hops, way[1:])] for way in ways)
        if self.app.options.verbose_level:
            print(f"naru: {path.TESTED}", file=sys.stderr)
        return ("release", "python", "services", "cannot pass", "why"), _rows(ways)


def add_start(parser: argparse.ArgumentParser) -> None:
    """The option that says what release runs."""
    parser.add_argument("--from", dest="start", metavar="RELEASE", help=f"{NAMES}; without, the site's")


def add_goal(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The option that says what release is wanted."""
    parser.add_argument("--to", dest="goal", required=required, metavar="RELEASE", help=NAMES)


def start_of(arguments: argparse.Namespace, site: Site) -> str:
    """The release that runs, by the option or the site. Raises InputError."""
    found: str = arguments.start or site.content.release
    if not found:
        raise InputError(f"{site.file}: release: is missing", hint="Add it, or give --from.")
    return found


def add_services(parser: argparse.ArgumentParser) -> None:
    """The option that says which services are meant."""
    parser.add_argument(
        "--services",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        metavar="NAME[,NAME...]",
        help=f"these alone, of: {', '.join(path.services())}",
    )


def _hops(hops: Sequence[path.Hop]) -> list[dict[str, Any]]:
    return [hop._asdict() for hop in hops]


def _rows(ways: Sequence[Way]) -> Iterator[tuple[str, ...]]:
    stops = {hop.release for way in ways for hop in (*way.hops, *way.shortest)}
    for name in (known for known in release.names() if known in stops):
        going = [way.service.name for way in ways if any(hop.release == name for hop in way.hops)]
        held = {way.service.name: hop.why for way in ways for hop in way.shortest[:-1] if hop.release == name}
        reasons = [f"{service}: {reason}" for service, why in held.items() for reason in why]
        lines = [line for reason in dict.fromkeys(reasons) for line in textwrap.wrap(reason, WIDTH)]
        yield name, release.load(name).python, " ".join(going), "\n".join(held), "\n".join(lines)


class Check(Lister):
    """Look for what is in the way of an upgrade: rows in a cloud's databases at which the code of a release on its way
    would end, or that would be lost; settings that a release refuses or ignores, in configuration files; what is under
    OpenStack, on hosts and as servers, and too old for a release: libvirt, QEMU, OVN, databases, message queues, Ceph,
    the C library.

    Of an upgrade that was planned (DIR), site, releases and services are its own; else --site and --to say what is
    meant. With DIR it also lists what the services' own upgrade checks (nova-status upgrade check, ...) have said in
    the newest rehearsal, each by its release's code on the copy; which of them are known to be wrong is said.

    Each line has the statement or command that proves it (-f json, -v) and what cures it. Nothing is changed: the
    statements are run in transactions that can only read, through the hosts of the site. What is right is counted; -v
    lists it.

        blocks       to be cured, by the release that runs, before the upgrade is begun
        on the way   the online data migrations of a release on the way do it
        later        the release that runs has no such column or table: it is looked for once the way is past that
        not known    no database of the site has the schema, a host does not say it, or a program is older than what is
                     said to work, while no code refuses it; a service's own check has ended with an error
        warns        a service's own check warns: to be read, nothing stops at it
        not looked at  a service's own check cannot find it out on a copy, or no rehearsal has run it

    Exit codes: 0 nothing blocks, 1 something does, or is not known, 2 bad input, 130 interrupted.
    """

    examples = """
naru upgrade check work/seoul
naru upgrade check --to 2026.1
naru upgrade check --site seoul.yaml --to 2026.1 --services cinder -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_meant(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site, span, services, work = meant(arguments)
        with progress() as shown:
            findings = check(site, span, services, shown)
        if work:
            findings += status.check(work, services)
        numbers = {state: sum(one.state == state for one in findings) for state in _STATES}
        if numbers["blocks"] or numbers["unknown"]:
            self.exit_code = 1
        told = [f"{number} {_STATES[state]}" for state, number in numbers.items() if number or state == "right"]
        if self.app.options.verbose_level:
            print(f"naru: {site.file}: {span.start} to {span.goal}: {', '.join(told)}", file=sys.stderr)
        every = self.app.options.verbose_level > 1
        listed = sorted((one for one in findings if every or one.state != "right"), key=lambda one: _ORDER[one.state])
        if arguments.formatter != "table":
            return Finding._fields, listed
        columns = ("state", "service", "release", "what", "found", "cure")
        return columns, (
            (
                _STATES[one.state],
                one.service,
                one.release,
                wrapped(f"{one.where}: {one.what}"),
                "\n".join([f"{one.number}:" if one.number else "", *one.examples]).strip(),
                wrapped(one.cure) + (f"\n{wrapped(one.proof)}" if every else ""),
            )
            for one in listed
        )


def add_meant(parser: argparse.ArgumentParser) -> None:
    """The argument and the options that say which upgrade is meant: see `meant`."""
    add_directory(parser, optional=True, as_type=pathlib.Path)
    add_site(parser)
    parser.set_defaults(site=None)
    add_start(parser)
    add_goal(parser, required=False)
    add_services(parser)


def meant(arguments: argparse.Namespace) -> tuple[Site, Span, Sequence[str], Work | None]:
    """The site, the way, and the services, by --to or by the upgrade that was planned, which is the last. Raises
    InputError."""
    if arguments.goal:
        arguments.site = arguments.site or pathlib.Path(SITE)
        site = find_site(arguments)
        return site, Span(start_of(arguments, site), arguments.goal), arguments.services, None
    if arguments.work is None or arguments.site or arguments.start:
        raise InputError(
            "--to RELEASE is not given" if arguments.work else "neither DIR nor --to RELEASE is given",
            hint="Give DIR alone, or --to with --site and --from.",
        )
    upgrade = Work(arguments.work)
    settings = upgrade.settings
    return sites.load(pathlib.Path(settings.site)), settings.span, arguments.services or settings.services, upgrade


def wrapped(text: str, width: int = WIDTH // 2) -> str:
    """A text on lines of so many characters, for a column of a table."""
    return "\n".join(textwrap.wrap(text, width))


_STATES: dict[State, str] = {
    "blocks": "blocks",
    "unknown": "not known",
    "warns": "warns",
    "on the way": "on the way",
    "later": "later",
    "unseen": "not looked at",
    "right": "right",
}
_ORDER = {state: number for number, state in enumerate(_STATES)}
