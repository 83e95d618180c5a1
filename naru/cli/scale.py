"""`naru scale compute|run|rollback|status`: compute hosts added to a cloud, and any growth run and taken back."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, ShowOne, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.planned import OfWork, StatusOfWork, ended
from naru.cli.site import add_site, find_site
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.messages import say
from naru.operate.scale import growth, kolla, phases
from naru.operate.scale.work import Settings, Work
from naru.plan.journal import Journal


class Compute(Lister):
    """Plan how compute hosts come to a cloud that kolla-ansible has deployed. Nothing is changed anywhere.

    The inventory and site.yaml are written with the new hosts, where the host --like is, into the work directory; what
    differs from those that are there is shown. The plan has kolla-ansible's bootstrap-servers, prechecks, pull and
    deploy, on the new hosts alone; each compute service is kept out of scheduling as soon as it is there. Then each
    host is proved to be what the other one is, the files are written, the host is tried by a server with --flavor and
    --image, and servers are scheduled to it.

    A host is given by its name, as Nova will have it, or NAME=ADDRESS. The new hosts have an operating system, SSH, and
    their networks. Exit codes: 0, 1 something is in the way, 2 bad input.
    """

    examples = """
naru scale compute compute8=192.0.2.18 compute9=192.0.2.19 --like compute7 --inventory multinode --work work/grow
naru scale compute compute8 --like compute7 --inventory multinode --kolla /opt/kolla --aggregate ssd --work work/grow
naru scale compute compute8 --like compute7 --inventory multinode --flavor tiny --image cirros --network n1 --mtu 9000
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("hosts", nargs="+", metavar="HOST[=ADDRESS]", help="the new hosts, as Nova will call them")
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument("--like", required=True, metavar="HOST", help="the compute host that they are to be like")
        parser.add_argument(
            "--inventory", required=True, type=Path, metavar="FILE", help="kolla-ansible's inventory, in INI form"
        )
        parser.add_argument(
            "--kolla",
            type=Path,
            metavar="DIRECTORY",
            help="what kolla-ansible is installed under; without, that of the program on the path",
        )
        parser.add_argument(
            "--config",
            type=Path,
            default=Path("/etc/kolla"),
            metavar="DIRECTORY",
            help="where globals.yml and passwords.yml are (%(default)s)",
        )
        parser.add_argument(
            "--aggregate", action="append", default=[], metavar="NAME", help="they come to it (several times)"
        )
        parser.add_argument("--flavor", default="", metavar="NAME", help="of the server that each host is tried with")
        parser.add_argument("--image", default="", metavar="NAME", help="of that server")
        parser.add_argument("--network", default="", metavar="NAME", help="of that server; without, it has none")
        parser.add_argument(
            "--mtu",
            type=int,
            default=0,
            metavar="BYTES",
            help="packets so big have to go from the other host to each new one, whole",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        if bool(arguments.flavor) != bool(arguments.image) or (arguments.network and not arguments.flavor):
            raise InputError("--flavor and --image are given together, --network with them")
        found = kolla.installed(arguments.kolla, arguments.config)
        settings = Settings(
            site=str(site.file.absolute()),
            cloud=site.cloud,
            hosts=hosts_given(arguments.hosts),
            like=arguments.like,
            inventory=str(arguments.inventory.absolute()),
            kolla=str(found.prefix),
            config=str(found.config),
            aggregates=tuple(arguments.aggregate),
            flavor=arguments.flavor,
            image=arguments.image,
            network=arguments.network,
            mtu=arguments.mtu,
        )
        made, texts = phases.plan(settings, arguments.work)
        print_findings(made.findings, every=self.app.options.verbose_level > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
        if self.app.options.verbose_level:
            for one in texts:
                print("\n".join(growth.difference(one.old, one.new, one.file)), file=sys.stderr)
            if not self.exit_code:
                print(f"naru: next: naru scale run {arguments.work}", file=sys.stderr)
        return ("step", "what"), ((step.id, say(step.title)) for step in made.steps)


def hosts_given(given: Sequence[str]) -> dict[str, str]:
    """Addresses by host, of what was given as HOST or HOST=ADDRESS. Raises InputError."""
    found: dict[str, str] = {}
    for one in given:
        name, sign, address = one.partition("=")
        if not name or (sign and not address) or any(letter.isspace() or letter in "[]{},:#" for letter in name):
            raise InputError(f"{one}: give a host as NAME or NAME=ADDRESS")
        if name in found:
            raise InputError(f"{name} is given twice")
        found[name] = address
    return found


class Run(OfWork, ShowOne):
    """Bring the hosts to the cloud as it was planned: checked, deployed, kept out until each is proved, opened.

    Given again it goes on where it was, and tries again what failed. Refused once a rollback has begun. Exit codes: 0
    done, 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru scale run work/grow
naru scale run work/grow -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, phases.go(Work(arguments.work), Terminal.of(self.app.options)))


class Rollback(OfWork, ShowOne):
    """Take the hosts back: no more servers are scheduled to them, they leave the aggregates, inventory and site.yaml
    are as they were. What kolla-ansible has deployed on them stays; servers that are on them do, too.

    Given again it goes on where it was, and tries again what could not be taken back. Exit codes as of naru scale run.
    """

    examples = """
naru scale rollback work/grow
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return ended(self, phases.roll_back(Work(arguments.work), Terminal.of(self.app.options)))


class StatusCommand(StatusOfWork):
    """Show how far it is, once, or with --watch until nothing runs any more.

    Exit codes: 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted, else 0.
    """

    examples = """
naru scale status work/grow
naru scale status work/grow --watch
"""

    def journal(self, work: Path) -> AbstractContextManager[Journal]:
        return Work(work).journal()
