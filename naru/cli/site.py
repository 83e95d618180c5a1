"""`naru site show|run`: what a cloud runs on, and a command on many of its hosts."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Lister
from naru.errors import InputError, NaruError
from naru.site import site as sites
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
