"""`naru twin up|status|down`: a large test cloud from a copy of a site's databases, with fake hosts."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Command, Lister
from naru.cli.directory import NEVER, add_directory
from naru.cli.lab import cloud_progress
from naru.cli.lab_install import progress as install_progress
from naru.errors import InputError
from naru.site import site as sites
from naru.text import count
from naru.twin import spec
from naru.twin.spec import Facts
from naru.twin.twin import Twin

WHAT = "the twin's work directory, all of which is removed with it"


def add_twin(parser: argparse.ArgumentParser) -> None:
    """The argument that all commands of the group have."""
    add_directory(parser, what=WHAT, current=NEVER, as_type=Path)


class Up(Command):
    """Bring up a twin of a site: its control plane from a copy of its databases, with fake compute hosts and agents.

    The databases are dumped as they are at one instant (or --dump names what a step database.dump has made), brought
    here, and restored in a server of the twin's own. Secrets are replaced, and whatever leads to the site leads to
    loopback or nowhere, before any service is started. The site itself is only read. Services are of the site's
    release, in the environments of `naru lab install`; the fake hosts have the names and sizes of the site's own and
    make the calls that real ones make. Needs root, and as much room here as the databases have.

    Given again it begins anew with a dump that an attempt before has left, unless that is older than a day, or starts
    what does not run of a twin that is whole; without options too.
    """

    examples = """
naru twin up /srv/twin --site site.yaml
naru twin up /srv/twin --site site.yaml --computes 200 --agents 500
naru twin up /srv/twin --site site.yaml --dump /var/tmp/dump-of-last-night
naru twin up /srv/twin
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_twin(parser)
        parser.add_argument("--site", type=Path, metavar="FILE", help="the site that it is made of; only at first")
        parser.add_argument("--dump", type=Path, metavar="DUMP", help="a dump of its databases, or a directory of some")
        parser.add_argument("--computes", type=int, metavar="N", help=f"fake compute hosts, at most ({spec.COMPUTES})")
        parser.add_argument("--agents", type=int, metavar="N", help=f"fake network agents, at most ({spec.AGENTS})")
        parser.add_argument("--region", metavar="NAME", help="the site's region, where Keystone has several")
        parser.add_argument("--port-base", type=int, metavar="PORT", help=f"first TCP port ({spec.PORT_BASE})")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        twin = Twin(arguments.work)
        given = (arguments.dump, arguments.computes, arguments.agents, arguments.region, arguments.port_base)
        wanted = None
        if arguments.site:
            wanted = spec.build(
                sites.load(arguments.site),
                arguments.dump,
                spec.COMPUTES if arguments.computes is None else arguments.computes,
                spec.AGENTS if arguments.agents is None else arguments.agents,
                arguments.region or "",
                spec.PORT_BASE if arguments.port_base is None else arguments.port_base,
            )
        elif any(one is not None for one in given):
            raise InputError("--site is missing: the other options are for a new twin", hint="Add --site site.yaml")
        else:
            twin.spec()  # says that there is none
        with cloud_progress() as tell, install_progress() as installing:
            facts = twin.up(wanted, tell, installing)
        _say(facts)
        print(f"The twin is up. For OpenStack clients: export OS_CLIENT_CONFIG_FILE={twin.clouds_yaml} OS_CLOUD=twin")


def _say(facts: Facts) -> None:
    words = ", ".join(f"{number} {what}" for what, number in spec.summary(facts).items())
    print(f"naru: {words}; the site has {facts.every_host} and {count(facts.every_agent, 'agent')}", file=sys.stderr)
    for column, number in facts.left.items():
        rows = count(number, "row")
        print(f"naru: an address of the site stands in {rows} of {column} still: look what it is for", file=sys.stderr)


class StatusList(Lister):
    """List a twin's processes: port, pid, memory (proportional set size), whether each is healthy.

    The fake compute hosts are the processes of nova-compute, and as healthy as their heartbeats are; fake agents are a
    hundred to a process. With -v it is also said what of the site they are.

    Exit codes: 0 all are healthy, 1 one is not, 2 bad input.
    """

    examples = """
naru twin status /srv/twin
naru twin status /srv/twin -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_twin(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        twin = Twin(arguments.work)
        facts, rows = twin.facts() if twin.spec() else None, twin.rows()
        if facts and self.app.options.verbose_level:
            _say(facts)
        self.exit_code = 0 if rows and all(row.healthy for row in rows) else 1
        columns = ("service", "port", "pid", "memory_mib", "healthy")
        return columns, ((row.service, row.port, row.pid, row.memory >> 20, row.healthy) for row in rows)


class Down(Command):
    """End all processes of a twin and remove its directory, with the copy of the databases.

    Of the site nothing is touched but a dump that an interrupted `up` has left on a database's host: it is removed, or
    its host and path are told. A twin that is not there is none: given again it is done.

    Exit codes: 0 done, 1 a dump may be on a host still, 2 bad input.
    """

    examples = "naru twin down /srv/twin"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_twin(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        if not arguments.work.exists():
            print(f"naru: there is no twin in {arguments.work}", file=sys.stderr)
        left = Twin(arguments.work).down()
        for told in left:
            print(f"naru: {told}", file=sys.stderr)
        self.exit_code = 1 if left else 0
