"""`naru scale osd`: OSDs added to a Ceph cluster."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.scale import hosts_given
from naru.cli.site import add_site, find_site
from naru.errors import InputError
from naru.messages import say
from naru.operate.scale import growth
from naru.operate.scale.osd import phases, playbooks
from naru.operate.scale.osd.work import Settings
from naru.site.model import Ceph
from naru.site.site import Site

DEPLOYERS = ("cephadm", "ceph-ansible")


class Osd(Lister):
    """Plan how OSDs come to a Ceph cluster, on new hosts or on new disks of hosts. Nothing is changed anywhere.

    They are made by what the site says the cluster is deployed with (storage[].deployed_by): cephadm's orchestrator,
    or ceph-ansible, run on these hosts alone. What the orchestrator is told, or how inventory and variables grow, is
    shown, and site.yaml with it. Ceph and the hosts are asked first for what is in the way. The plan has the new OSDs
    weigh nothing until they are proved, then gives them their share of data in steps, waits until all of it is there,
    and stops when the cluster's health, or the time that writes take, gets worse. All that was switched off for that is
    put back. naru scale run does it, naru scale rollback takes it back.

    Exit codes: 0, 1 something is in the way, 2 bad input.
    """

    examples = """
naru scale osd osd7=192.0.2.27 osd8=192.0.2.28 --like osd6 --disk /dev/sdb --disk /dev/sdc --work work/osds
naru scale osd osd7=192.0.2.27 --like osd6 --disk /dev/sdb --location rack=r3 --label osd --steps 10 --work work/osds
naru scale osd osd5 osd6 --disk osd5:/dev/sdf --disk osd6:/dev/sdg --class ssd --work work/disks
naru scale osd osd7 --like osd6 --disk /dev/sdb --ceph-ansible /opt/ceph-ansible --inventory hosts --work work/osds
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "hosts",
            nargs="+",
            metavar="HOST[=ADDRESS]",
            help="hosts, as `hostname` calls them there; one that the site has gets more disks",
        )
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument(
            "--disk",
            action="append",
            required=True,
            metavar="[HOST:]PATH",
            help="an OSD is made of it (several times); without HOST on each of the hosts",
        )
        parser.add_argument("--like", default="", metavar="HOST", help="the host of OSDs that new hosts are to be like")
        parser.add_argument(
            "--storage", default="", metavar="NAME", help="the Ceph cluster as the site calls it, where it has several"
        )
        parser.add_argument(
            "--class", dest="device_class", default="", metavar="NAME", help="the OSDs' device class, as ssd"
        )
        parser.add_argument(
            "--location",
            action="append",
            default=[],
            metavar="TYPE=NAME",
            help="where in CRUSH the hosts belong, as rack=r3 (several times)",
        )
        parser.add_argument(
            "--label", action="append", default=[], metavar="NAME", help="cephadm's, for new hosts (several times)"
        )
        parser.add_argument(
            "--steps", type=int, default=5, metavar="NUMBER", help="in which data comes to the OSDs (%(default)s)"
        )
        parser.add_argument(
            "--backfills",
            type=int,
            default=1,
            metavar="NUMBER",
            help="that an OSD takes and gives at a time meanwhile (%(default)s)",
        )
        parser.add_argument(
            "--every",
            type=float,
            default=10.0,
            metavar="SECONDS",
            help="between two looks while data moves (%(default)s)",
        )
        parser.add_argument(
            "--patience",
            type=float,
            default=1800.0,
            metavar="SECONDS",
            help="that data is held when something is worse than before, until the step fails (%(default)s)",
        )
        parser.add_argument("--ceph-ansible", type=Path, metavar="DIRECTORY", help="where ceph-ansible's playbooks are")
        parser.add_argument(
            "--playbook",
            default="",
            metavar="FILE",
            help="the one of them that the cluster was deployed with, where there are several",
        )
        parser.add_argument("--inventory", type=Path, metavar="FILE", help="ceph-ansible's inventory, in INI form")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        made = phases.plan(_settings(find_site(arguments), arguments), arguments.work)
        print_findings(made.plan.findings, every=self.app.options.verbose_level > 1)
        self.exit_code = 1 if any(one.severity == "error" for one in made.plan.findings) else 0
        if self.app.options.verbose_level:
            shown = [line for one in made.texts.values() for line in growth.difference(one.old, one.new, one.file)]
            shown += [f"+{line}" for line in made.spec.splitlines()]
            shown += made.preview.splitlines()
            print("\n".join(shown), file=sys.stderr)
            if not self.exit_code:
                print(f"naru: next: naru scale run {arguments.work}", file=sys.stderr)
        return ("step", "what"), ((step.id, say(step.title)) for step in made.plan.steps)


def _settings(site: Site, arguments: argparse.Namespace) -> Settings:
    storage = _storage(site, arguments.storage)
    hosts = hosts_given(arguments.hosts)
    for name, address in hosts.items():
        if name in site.hosts and address:
            raise InputError(f"{name}={address}: {site.file} has the host already", hint=f"Give it as {name}.")
    if arguments.steps < 1 or arguments.steps > 100:
        raise InputError(f"--steps {arguments.steps}: give 1 to 100")
    if arguments.backfills < 1 or arguments.every <= 0 or arguments.patience <= 0:
        raise InputError("--backfills, --every and --patience are above 0")
    directory = playbook = inventory = ""
    if storage.deployed_by == "ceph-ansible":
        if not arguments.ceph_ansible or not arguments.inventory:
            raise InputError(
                f"{storage.name} is deployed by ceph-ansible: --ceph-ansible and --inventory are missing",
                hint="They name the directory of its playbooks, and its inventory.",
            )
        if arguments.label:
            raise InputError("--label is cephadm's")
        found = playbooks.installed(arguments.ceph_ansible, arguments.playbook)
        directory, playbook, inventory = str(found.directory), found.playbook, str(arguments.inventory.absolute())
    elif arguments.ceph_ansible or arguments.inventory or arguments.playbook:
        raise InputError(f"{storage.name} is deployed by cephadm, and --ceph-ansible, --inventory or --playbook given")
    return Settings(
        site=str(site.file.absolute()),
        storage=storage.name,
        deployed_by=str(storage.deployed_by),
        hosts=hosts,
        disks=_disks(arguments.disk, hosts),
        like=arguments.like,
        steps=arguments.steps,
        device_class=arguments.device_class,
        location=_location(arguments.location),
        labels=tuple(arguments.label),
        disk=tuple(arguments.disk),
        directory=directory,
        playbook=playbook,
        inventory=inventory,
        backfills=arguments.backfills,
        every=arguments.every,
        patience=arguments.patience,
    )


def _storage(site: Site, name: str) -> Ceph:
    every = {one.name: one for one in site.part.storage if isinstance(one, Ceph)}
    if name and name not in every:
        raise InputError(f"--storage {name}: {site.file} has no Ceph of that name", hint=f"It has: {_listed(every)}.")
    if not name and len(every) != 1:
        hint = "--storage names one." if every else "Add it under storage:, with kind: ceph."
        raise InputError(f"{site.file} has {len(every) or 'no'} Ceph clusters: {_listed(every)}", hint=hint)
    found = every[name] if name else next(iter(every.values()))
    if found.deployed_by is None:
        raise InputError(
            f"{site.file}: storage: {found.name}: deployed_by: is missing",
            hint=f"Write what the cluster is deployed by: {' or '.join(DEPLOYERS)}.",
        )
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _disks(given: Sequence[str], hosts: Iterable[str]) -> dict[str, list[str]]:
    hosts = list(hosts)
    found: dict[str, list[str]] = {name: [] for name in hosts}
    for one in given:
        host, sign, path = one.partition(":") if not one.startswith("/") else ("", "", one)
        if not path.startswith("/") or any(letter.isspace() or letter in "\"'" for letter in path):
            raise InputError(f"--disk {one}: give PATH or HOST:PATH, the path from / on")
        if sign and host not in found:
            raise InputError(f"--disk {one}: {host} is none of the hosts", hint=f"They are {', '.join(hosts)}.")
        for name in [host] if sign else hosts:
            if path in found[name]:
                raise InputError(f"--disk {one}: {name} has it twice")
            found[name].append(path)
    if lacking := [name for name, paths in found.items() if not paths]:
        raise InputError(f"{', '.join(lacking)}: no disk is given", hint="--disk HOST:PATH")
    return found


def _location(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        kind, sign, name = one.partition("=")
        if not (kind and sign and name) or kind in found or kind in ("host", "osd"):
            raise InputError(f"--location {one}: give TYPE=NAME, as rack=r3, each type once, and no host")
        found[kind] = name
    return found
