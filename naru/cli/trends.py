"""`naru trends`: what is full when, whether what is lost with a host or rack fits elsewhere, who grows."""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister
from naru.errors import InputError
from naru.operate.metrics import trends
from naru.operate.metrics.prometheus import Prometheus
from naru.operate.metrics.store import FILE, Store


class Trends(Lister):
    """Answer the questions of a day from samples. Nothing is asked of any cloud.

        full     zones, storage pools, networks, flavors: how full, how fast, full in how many weeks
        loss     for each host and each rack: whether what is on it fits on the others of its zone
        growth   the projects that grow most
        hosts    hosts of which another share is used than of most of their zone

    The samples are those that naru exporter keeps (--state), or a Prometheus that scrapes it. Growth is the median of
    the slopes between days, and takes two days at least. Of what is lost `tight` is where the sum of each resource is
    enough, and the size of servers may still be in the way.

    Exit codes: 0, 1 something is full, soon full, or has no room elsewhere, or a question has no samples, 2 bad input.
    """

    examples = """
naru trends --prometheus http://prometheus:9090
naru trends full --state /var/lib/naru --since 90d --within 12
naru trends loss --prometheus http://prometheus:9090 --match 'site="seoul"' -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("questions", nargs="*", metavar="QUESTION", help="full, loss, growth, hosts; without, all")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--prometheus", metavar="URL", help="a Prometheus; $NARU_PROMETHEUS_TOKEN is its token")
        where.add_argument("--state", type=Path, metavar="DIR", help="what naru exporter --state DIR keeps")
        parser.add_argument("--prometheus-ca", metavar="FILE", help="certificates to check that of Prometheus by")
        parser.add_argument(
            "--match",
            default="",
            metavar="LABELS",
            help="of a Prometheus that scrapes several exporters, the series with these labels alone",
        )
        parser.add_argument(
            "--since", type=DURATION, default=4 * trends.WEEK, metavar="TIME", help="samples of the last TIME (28d)"
        )
        parser.add_argument(
            "--full", type=float, default=90.0, metavar="PERCENT", help="what counts as full (%(default)g)"
        )
        parser.add_argument(
            "--within", type=float, default=8.0, metavar="WEEKS", help="what counts as soon (%(default)g)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        asked = [one for one in trends.QUESTIONS if one in arguments.questions or not arguments.questions]
        if unknown := set(arguments.questions) - set(trends.QUESTIONS):
            raise InputError(f"{', '.join(sorted(unknown))}: is no question; there are {', '.join(trends.QUESTIONS)}")
        if not 0 < arguments.full <= 100 or arguments.within < 0:
            raise InputError("--full is a percentage above 0, up to 100, and --within a number of weeks")
        samples: Store | Prometheus
        if arguments.prometheus:
            samples = Prometheus(arguments.prometheus, arguments.prometheus_ca, arguments.match)
        else:
            samples = Store(arguments.state / FILE, make=False)
        with closing(samples):
            share = arguments.full / 100
            found = list(trends.answers(samples, asked, since=arguments.since, full=share, within=arguments.within))
        self.exit_code = 1 if any(one.state in trends.BAD for one in found) else 0
        if arguments.formatter == "table" and self.app.options.verbose_level < 2:
            found = list(trends.shortened(found))
        is_table = arguments.formatter == "table"
        return trends.Answer._fields, (
            (
                *one[:3],
                *((_rounded(one.used), _rounded(one.capacity), _rounded(one.per_week)) if is_table else one[3:6]),
                _weeks(one.weeks, is_table),
                one.why,
            )
            for one in found
        )


def _weeks(value: float | None, is_table: bool) -> float | str | None:
    return ("" if is_table else None) if value is None else round(value, 1)


def _rounded(value: float | None) -> str:
    if value is None:
        return ""
    for size, sign in ((1 << 40, "Ti"), (1 << 30, "Gi")):
        if abs(value) >= size:
            return f"{value / size:,.1f} {sign}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
