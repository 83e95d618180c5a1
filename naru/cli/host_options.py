"""How a host is drained, as it is said on a command line: options that all commands which plan drains have; and what
becomes of servers, in all commands that ask."""

import argparse
from collections.abc import Sequence

from naru.cli.base import DURATION
from naru.errors import InputError
from naru.operate.drain.work import Settings
from naru.site.site import Site

_DEFAULTS = Settings("", "", "")


def add_drain_options(parser: argparse.ArgumentParser) -> None:
    """What becomes of servers, and how many move at a time."""
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="SERVER=WAY",
        help="what becomes of a server (name or id): live, cold or leave (several times)",
    )
    parser.add_argument(
        "--onto",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        metavar="HOST[,HOST...]",
        help="hosts that alone may take servers; without, all that are up and enabled",
    )
    parser.add_argument("--leave-stopped", action="store_true", help="servers that are off stay on the host")
    counts = {
        "at-once": "servers that move at a time",
        "per-source": "servers that leave one host at a time; Nova by itself has the rest wait",
        "per-target": "servers that come to one host at a time",
    }
    for name, what in counts.items():
        default = getattr(_DEFAULTS, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (%(default)s)")
    parser.add_argument(
        "--stuck-after",
        type=DURATION,
        default=_DEFAULTS.stuck,
        metavar="TIME",
        help="a live migration of which so long nothing new was the least that is left is ended, and tried again "
        "after others (2m)",
    )
    parser.add_argument(
        "--force-complete",
        action="store_true",
        help="such a one is forced first: its guest pauses until it is over",
    )
    parser.add_argument(
        "--settle",
        dest="patience",
        type=DURATION,
        default=_DEFAULTS.settle,
        metavar="TIME",
        help="how long to wait for servers that something is being done to (1m)",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="added to the reason that others see in Nova")


def drain_settings(arguments: argparse.Namespace, site: Site, host: str) -> Settings:
    """The settings that they make, for a host ("" for one that is not known yet). Raises InputError."""
    if min(arguments.at_once, arguments.per_source, arguments.per_target) < 1:
        raise InputError("--at-once, --per-source and --per-target are at least 1")
    return Settings(
        site=str(arguments.site.absolute()),
        cloud=site.cloud,
        host=host,
        answers=answers_of(arguments.answer, ("live", "cold", "leave")),
        only=tuple(arguments.onto),
        leave_stopped=arguments.leave_stopped,
        at_once=arguments.at_once,
        per_source=arguments.per_source,
        per_target=arguments.per_target,
        stuck=arguments.stuck_after,
        complete=arguments.force_complete,
        settle=arguments.patience,
        reason=arguments.reason,
    )


def answers_of(given: Sequence[str], ways: Sequence[str]) -> dict[str, str]:
    """What was given by --answer SERVER=WAY, by server. Raises InputError for what is not one of these ways, and for
    a server that is answered in two."""
    found: dict[str, str] = {}
    for one in given:
        name, _, way = one.rpartition("=")
        if not name or way not in ways:
            *most, last = (f"SERVER={known}" for known in ways)
            forms = f"{', '.join(most)} or {last}" if most else last
            raise InputError(f"--answer {one}: give it as {forms}")
        if found.setdefault(name, way) != way:
            raise InputError(f"--answer: {name} is answered twice, {found[name]} and {way}")
    return found
