"""`naru site show|check|run`: what a cloud runs on, whether it is so, and a command on many of its hosts."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from naru.cli.base import DURATION, Lister
from naru.errors import InputError, NaruError
from naru.releases.versions import releases_of
from naru.site import site as sites
from naru.site.check import run
from naru.site.check.result import State, together
from naru.site.site import Site
from naru.site.ssh import Fleet, Ran, Remote

SITE = sites.FILE


def add_site(parser: argparse.ArgumentParser) -> None:
    """The options that all commands of the group have."""
    parser.add_argument("--site", type=Path, default=Path(SITE), metavar="FILE", help="the site (%(default)s)")
    parser.add_argument("--next", action="store_true", help="the site as it will be, with what stands under next:")


def find_site(arguments: argparse.Namespace) -> Site:
    """The site that --site means."""
    return sites.load(arguments.site, next_part=arguments.next)


class Show(Lister):
    """List a site's hosts: address, rack, groups, the services on it, power controller.

    Nothing is asked of any host: this is what the file says.
    """

    examples = """
naru site show --site site.yaml
naru site show computes 'ctl[1:2]'
naru site show -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        parser.add_argument("hosts", nargs="*", metavar="GROUP", help="groups, hosts or ranges of hosts; without, all")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        services: dict[str, list[str]] = {}
        for service in site.part.services:
            for host in site.named(service.hosts):
                services.setdefault(host.name, []).append(service.name)
        return ("name", "address", "rack", "zone", "groups", "services", "power_controller"), (
            (
                host.name,
                host.address,
                host.rack,
                host.zone,
                " ".join(site.groups_of(host.name)),
                " ".join(services.get(host.name, [])),
                host.power.address if host.power else "",
            )
            for host in site.named(arguments.hosts or [sites.ALL])
        )


class Check(Lister):
    """Prove what a site says, line by line, and list what is not so. Nothing is changed anywhere.

    Each host is reached, as root where sudo is said, with its clock and disks; each service runs as it is managed, of
    its release, at its port, with its files; each database and queue lets its user in, with the rights that will be
    needed; each power controller says what is so, and is that of its host; each load balancer can be told, and has the
    services behind it; each virtual address is on one host; each storage is where the file says. What could not be
    found out is listed as not known. What is right is counted; -v lists it.

    Exit codes: 0 all is as written, 1 something is not, or is not known, 2 bad input, 130 interrupted.
    """

    examples = """
naru site check
naru site check --site seoul.yaml --next
naru site check -f json
naru -v site check
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        with progress() as shown:
            results = run.check(site, releases_of, shown)
        numbers = {state: results.number(state) for state in _STATES}
        follow = sum(one.follows for one in results)
        if numbers["wrong"] or numbers["unknown"]:
            self.exit_code = 1
        told = [f"{number} {_STATES[state]}" for state, number in numbers.items() if number or state == "right"]
        more = f" ({follow} of them on hosts that could not be looked at)" if follow else ""
        if self.app.options.verbose_level:
            print(f"naru: {arguments.site}: {', '.join(told)}{more}", file=sys.stderr)
        every = self.app.options.verbose_level > 1
        listed = sorted((one for one in results if every or one.state != "right"), key=lambda one: _ORDER[one.state])
        if arguments.formatter != "table":
            columns = ("state", "field", "host", "what", "what_to_do")
            return columns, ((one.state, one.field, one.host, one.what, one.what_to_do) for one in listed)
        rows = together(one for one in listed if every or not one.follows)
        return ("state", "field", "host", "what", "what_to_do"), (
            (_STATES[one.state], one.field, "\n".join(hosts), one.what, one.what_to_do) for one, hosts in rows
        )


_STATES: dict[State, str] = {"right": "right", "wrong": "wrong", "unknown": "not known"}
_ORDER: dict[State, int] = {"wrong": 0, "unknown": 1, "right": 2}


class Run(Lister):
    """Run a command on many hosts at once, and show what each of them said.

    One word after -- is a line for the host's shell, several are a program and its arguments. It is run as root, by
    sudo where the site says so; --user runs it as whom the site logs in as. The output of each host is shown as it
    ends, the table at the end has how.

    Exit codes: 0 it ended with 0 on all hosts, 1 not on all, 2 bad input, 130 interrupted.
    """

    examples = """
naru site run computes -- systemctl is-active nova-compute
naru site run all --at-once 20 --timeout 10m -- 'apt-get update && apt-get -y upgrade'
naru site run 'compute[001:020]' -f json -- uname -r
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        parser.add_argument("--at-once", type=int, default=100, metavar="N", help="hosts at a time (%(default)s)")
        parser.add_argument("--timeout", type=DURATION, metavar="TIME", help="for each host, as in 30s or 10m")
        parser.add_argument("--user", action="store_true", help="without sudo")
        parser.add_argument("hosts", metavar="GROUP", help="a group, a host or a range of hosts; several with commas")
        parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        if arguments.at_once < 1:
            raise InputError("--at-once is at least 1")
        names = [host.name for host in site.named(arguments.hosts.split(","))]
        words = arguments.command
        line = words[0] if len(words) == 1 else shlex.join(words)

        async def work(remote: Remote) -> Ran:
            return await remote.run(line, seconds=arguments.timeout, root=not arguments.user)

        quiet = self.app.options.verbose_level == 0 or arguments.formatter != "table"
        with Fleet(site) as fleet:
            found = fleet.each(names, work, at_once=arguments.at_once, ended=None if quiet else _show)
        if any(not isinstance(one, Ran) or one.code for one in found.values()):
            self.exit_code = 1
        rows = [(name, *_row(one)) for name, one in found.items()]
        if arguments.formatter == "table":
            return ("host", "code", "error"), ((name, code, error) for name, code, _, _, error in rows)
        return ("host", "code", "out", "errors", "error"), rows


def _row(result: "Ran | NaruError") -> tuple[int | None, str, str, str]:
    """Code, output, error output, and why it could not be run."""
    if isinstance(result, Ran):
        return result.code, result.out, result.errors, ""
    return None, "", "", " ".join(filter(None, (result.summary, result.detail)))


def _show(name: str, result: "Ran | NaruError") -> None:
    if isinstance(result, NaruError):
        lines = [str(result)]
    else:
        lines = [text.rstrip("\n") for text in (result.out, result.errors) if text]
    for text in lines:
        for line in text.splitlines():
            print(f"{name}: {line}", file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[Callable[[int, int, str], None]]:
    """Shows on standard error what is being done: how many, of how many (0: not known), what."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int, what: str) -> None:
            bar.update(task, description=what, total=total or None, completed=done)

        yield show
