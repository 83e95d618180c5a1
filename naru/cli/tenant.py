"""`naru tenant diff|plan|apply|rollback|export`: projects as a file declares them."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Command, Lines, Lister, ShowOne, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.inventory import counting
from naru.cli.plan_run import fields
from naru.cli.terminal import Terminal
from naru.operate.tenants import phases
from naru.operate.tenants.draft import Difference, Draft


def _add_file(parser: argparse.ArgumentParser, what: str = "tenants.yaml, or a directory of such files") -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help=what)
    parser.add_argument("--cloud", required=True, help="the cloud of clouds.yaml")


class Diff(Lister):
    """Show what a cloud has in another way than a file declares. Nothing is changed.

        create      it is not there
        change      a field is another one
        add         somebody may not yet, is not in yet, a rule or an interface is missing
        remove      it is there, the file does not name it, and `prune` has its kind
        refused     it cannot be changed once it is made: correct the file, or delete the thing

    What the cloud alone has is left in peace and is no difference: --undeclared lists it. Exit codes: 0 none, 1 there
    is a difference, 2 bad input.
    """

    examples = """
naru tenant diff tenants.yaml --cloud seoul
naru tenant diff tenants/ --cloud seoul --undeclared -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_file(parser)
        parser.add_argument("--undeclared", action="store_true", help="also what the cloud alone has")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with counting(f"read {arguments.cloud}") as count:
            draft = phases.compare(arguments.file, arguments.cloud, count)
        print_findings(draft.plan.findings)
        differences = [one for one in draft.differences if one.what != "undeclared"]
        more = [one for one in draft.differences if one.what == "undeclared"]
        self.exit_code = 1 if differences else 0
        if more and not arguments.undeclared and self.app.options.verbose_level:
            print(f"naru: {len(more)} things are on {arguments.cloud} alone: --undeclared lists them", file=sys.stderr)
        shown = differences + (more if arguments.undeclared else [])
        return Difference._fields, [tuple(map(Lines.of, one)) for one in shown]


class PlanList(Lister):
    """Show what `apply` would do, step by step. Nothing is changed.

    Exit codes: 0, also where nothing is to be done; 2 bad input, and where the file says what cannot be changed.
    """

    examples = """
naru tenant plan tenants.yaml --cloud seoul
naru tenant plan tenants/ --cloud seoul -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_file(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with counting(f"read {arguments.cloud}") as count:
            draft = phases.planned(arguments.file, arguments.cloud, count)
        print_findings(draft.plan.findings)
        return ("unit", "step", "title"), _steps(draft)


def _steps(draft: Draft) -> list[tuple[Any, ...]]:
    units = list(dict.fromkeys(step.unit for step in draft.plan.steps))
    ordered = sorted(draft.plan.steps, key=lambda step: units.index(step.unit))
    return [(step.unit, step.id, step.title) for step in ordered]


class Apply(ShowOne):
    """Make a cloud what a file declares.

    What exists is taken as it is found by its name, and changed where the file says otherwise. What the file does not
    name is never deleted, but for the kinds under `prune`. Given again it has nothing to do; killed or interrupted, it
    goes on. What was done is in the work directory, and `naru tenant rollback` takes it back.

    Exit codes: 0 done, or nothing to do; 1 failed steps, 2 bad input, 3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru tenant apply tenants.yaml --cloud seoul --work work/tenants
naru tenant apply tenants/ --cloud seoul --work work/tenants -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_file(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        terminal = Terminal.of(self.app.options)
        with counting(f"read {arguments.cloud}") as count:
            ready = phases.ready(arguments.file, arguments.cloud, arguments.work, terminal, count)
        print_findings(ready.findings)
        state = ready.run(terminal)
        if state is None:
            return ("state", "steps"), ("nothing to do", 0)
        self.exit_code = state.exit_code
        return fields(state)


class Rollback(ShowOne):
    """Take back what the last apply did: what it made is deleted, what it changed is as it was.

    Given again it takes back the one before; interrupted, it goes on. Exit codes: 0 done, 1 failed steps, 2 bad input,
    130 interrupted.
    """

    examples = """
naru tenant rollback work/tenants
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, as_type=Path)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        state = phases.roll_back(arguments.work, Terminal.of(self.app.options))
        self.exit_code = state.exit_code
        return fields(state)


class Export(Command):
    """Write the file of what a cloud has: of some projects with all who are in them, or of the whole cloud.

    What such a file cannot say is told on standard error. Applied to an empty cloud, and exported again, it is the same
    file. No password is in it.
    """

    examples = """
naru tenant export tenants.yaml --cloud seoul --project shop --project laboratory
naru tenant export everything.yaml --cloud seoul --replace
naru tenant export tenants.yaml --cloud seoul --project shop --images images
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_file(parser, "the file that is written")
        parser.add_argument(
            "--project",
            action="append",
            default=[],
            metavar="NAME",
            help="a project: its name, DOMAIN/NAME or id (several times; without, all)",
        )
        parser.add_argument("--replace", action="store_true", help="also where the file is there already")
        parser.add_argument(
            "--images",
            type=Path,
            metavar="DIR",
            help="write the content of images into files there, too",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        with counting(f"read {arguments.cloud}") as count:
            left = phases.export(
                *(arguments.file, arguments.cloud, arguments.project, count),
                replace=arguments.replace,
                images=arguments.images,
            )
        for line in left:
            print(f"naru: not in the file: {line}", file=sys.stderr)
