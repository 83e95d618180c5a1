"""`naru site gate rules|show`: the write gate at load balancers, what it needs and how it is."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Command, Lister
from naru.cli.site import add_site, find_site
from naru.errors import InputError, NaruError
from naru.files import write_whole
from naru.site.model import LoadBalancer, WriteGate
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.site.write_gate import forms, rules, state
from naru.site.write_gate.allowed import allowed


def _balancers(site: Site, name: str) -> list[tuple[LoadBalancer, WriteGate]]:
    found = [pair for pair in state.balancers(site) if not name or pair[0].name == name]
    if not found:
        what = (
            f"{site.file}: no load balancer has a write_gate" if not name else f"{site.file}: {name} has no write_gate"
        )
        hint = "Add to it, under load_balancers: write_gate: {directory: /etc/haproxy/naru}"
        raise InputError(what, hint=hint)
    return found


class Rules(Command):
    """Write what a load balancer has to have for the write gate: lines for the frontends, servers or virtual hosts of
    services, in the form of HAProxy, nginx or Apache, and the files that these name.

    While a gate is closed, reading goes on and writing gets 503 with Retry-After, in the form of the service's own
    errors; logins go on, and so do the addresses of the cloud's own services. Of Horizon nothing is let through but
    operators. Put the lines into its configuration by whatever writes that, the files into write_gate.directory on each
    host of the load balancer, and reload once: from then on gates are closed and opened by the file of each, or by
    HAProxy's socket. Nothing of that is done here.

    Exit codes: 0, 2 bad input.
    """

    examples = """
naru site gate rules
naru site gate rules --service nova --service neutron
naru site gate rules --to gate && scp gate/* lb1:/etc/haproxy/naru/
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        parser.add_argument("--balancer", default="", metavar="NAME", help="one load balancer of the site's")
        parser.add_argument(
            "--service",
            action="append",
            default=[],
            metavar="NAME",
            help="a service, as nova or horizon (several times); without, those of the site that have a port",
        )
        parser.add_argument("--to", type=Path, metavar="DIRECTORY", help="write all files there")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        site = find_site(arguments)
        balancers = _balancers(site, arguments.balancer)
        if len(balancers) > 1:
            names = ", ".join(one.name for one, _ in balancers)
            raise InputError(f"{site.file}: several load balancers have a write_gate", hint=f"--balancer: {names}")
        balancer, gate = balancers[0]
        services = arguments.service or rules.services(site)
        form, directory = forms.form(balancer.kind), gate.seen_as or gate.directory
        text = form.configuration(services, directory)
        if not arguments.to:
            print(text, end="")
            return
        try:
            arguments.to.mkdir(parents=True, exist_ok=True)
            written = {f"{balancer.kind}.txt": text, **form.files(services, allowed(site, gate), directory)}
            for name, content in written.items():
                write_whole(arguments.to / name, content, private=False)
        except OSError as error:
            raise InputError(f"--to {arguments.to} cannot be written", detail=str(error)) from error
        if self.app.options.verbose_level:
            print(
                f"naru: the lines for its configuration are in {arguments.to}/{balancer.kind}.txt; all others are for "
                f"{gate.directory} on the load balancer's hosts",
                file=sys.stderr,
            )


_OPEN = ("open", "open elsewhere", "not reached", "nowhere")
_CLOSED = ("closed", "not reached", "nowhere")
"""What may become of requests while all gates are open, and closed."""


class Show(Lister):
    """Show how the write gates are: in the files on each host, in what runs there, and by a request that writes,
    sent from each to every address that Keystone's catalogue has of the service.

    The request has no token and no content: one that is let through is refused by the service. `open elsewhere`: the
    address is another's, who let it through. Nothing is changed.

    Exit codes: 0 all are open or all are closed, 1 something differs or is not known, 2 bad input.
    """

    examples = """
naru site gate show
naru site gate show --site seoul.yaml -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        _balancers(site, "")
        with Fleet(site) as fleet:
            try:
                where, why = state.endpoints(site, fleet), ""
            except NaruError as error:
                where, why = [], error.summary
            found = state.look(site, fleet, where)
        if why:
            print(f"naru: no requests are sent: {why}", file=sys.stderr)
        ways = {(one.file, one.running) for one in found}
        alike = len(ways) == 1 and next(iter(ways)) in ((rules.OPEN, rules.OPEN), (rules.CLOSED, rules.CLOSED))
        expected = {rules.OPEN: _OPEN, rules.CLOSED: _CLOSED}[ways.pop()[0]] if alike else ()
        self.exit_code = 0 if alike and all(one.probed in expected for one in found) else 1
        return state.State._fields, found
