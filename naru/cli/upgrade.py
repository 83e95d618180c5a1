"""`naru upgrade path`: through which releases a cloud goes."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from naru.cli.base import Lister
from naru.releases import path, release
from naru.releases.path import Way

WIDTH = 100
"""Characters of a line of reasons."""


class Path(Lister):
    """List the releases through which a cloud goes from one to a later one, and why.

    These are the releases of the way that upstream tests: from each release to the next, and from one SLURP release to
    the next. At each stop the schema steps and all online data migrations have to be complete, by that release's own
    code, before the next.

    Services under CANNOT PASS would lose something, or be refused, if they went past the release as well: for the
    others a later release's code makes its schema steps. So far does each release's code take what it finds; that way
    nobody has tried but your own rehearsals. With -f json each service has both ways (path, shortest) by itself.

    Nothing is asked of any cloud.
    """

    examples = """
naru upgrade path --from pike --to 2026.1
naru upgrade path --from pike --to 2026.1 --services nova,cinder
naru upgrade path --from pike --to 2026.1 -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        names = "a release by name: naru lab releases"
        parser.add_argument("--from", dest="start", required=True, metavar="RELEASE", help=names)
        parser.add_argument("--to", dest="goal", required=True, metavar="RELEASE", help=names)
        parser.add_argument(
            "--services",
            type=lambda text: [name for name in text.split(",") if name],
            default=[],
            metavar="NAME[,NAME...]",
            help=f"these alone, of: {', '.join(path.services())}",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        ways = path.ways(arguments.start, arguments.goal, arguments.services)
        if arguments.formatter != "table":
            columns = ("service", "order", "path", "shortest")
            return columns, ([way.service.name, way.service.why, *map(_hops, way[1:])] for way in ways)
        if self.app.options.verbose_level:
            print(f"naru: {path.TESTED}", file=sys.stderr)
        return ("release", "python", "services", "cannot pass", "why"), _rows(ways)


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
