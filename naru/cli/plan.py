"""`naru plan create|show|steps|diff|kinds|events|timings`: making and reading plans; and what the group shares."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Command, Lister
from naru.cli.directory import ANY, HERE, JOURNAL, add_directory, demanded
from naru.plan import planfile, rollback, timings
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import STATES, Plan
from naru.plan.queries import reading
from naru.plan.text import diff, text


def add_work(parser: argparse.ArgumentParser, *, positional: bool = True, current: str = HERE) -> None:
    """Adds the work directory: as the argument of commands that have no other, and `--work DIR`."""
    add_directory(parser, positional=positional, what=JOURNAL, current=current)


def where(parsed_args: argparse.Namespace) -> str:
    """The journal a command line means."""
    return str(parsed_args.work)


def moment(seconds: float | None) -> str:
    """Seconds since 1970 as local time, to the second; empty for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def read_plan(source: str, *, rollbacks: bool = True) -> Plan:
    """A plan from a file, or from the journal of a work directory or URL, there with or without its rollbacks."""
    if "://" in source or Path(source).is_dir():
        with Journal.open(source) as journal:
            return journal.plan(rollbacks=rollbacks)
    return planfile.read(Path(source))


class Create(Command):
    """Write a plan from a file into a new work directory."""

    examples = """
naru plan create move.yaml --work work/demo
naru plan create move.yaml --work work/demo --rehearsal work/try-1 --rehearsal work/try-2
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=Path, help="the plan, in YAML or JSON")
        add_work(parser, positional=False, current=ANY)
        parser.add_argument(
            "--rehearsal",
            metavar="DIR",
            action="append",
            default=[],
            help="a work directory where the same plan was run: its times become the estimates (repeatable)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        plan = planfile.read(parsed_args.file)
        load(plan.modules)
        KINDS.check(step.kind for step in plan.steps)
        KINDS.check_arguments(plan)
        plan = timings.with_estimates(plan, KINDS, [timings.of_directory(source) for source in parsed_args.rehearsal])
        with Journal.create(where(parsed_args), plan) as journal:
            print(f"{journal.name}: {len(plan.steps)} steps", file=self.app.stdout)


class Show(Command):
    """Show a plan: its text, or as JSON that `create` reads.

    DIR may also be a plan file, to see what it says before anything is made of it.
    """

    examples = """
naru plan show work/demo
naru plan show move.yaml
naru plan show work/demo -f json
naru plan show work/demo --rollback --unit server/web-1
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="default: text")
        parser.add_argument("--rollback", action="store_true", help="the plan a rollback would make and run")
        parser.add_argument(
            "--unit", action="append", metavar="UNIT", help="with --rollback: of this unit only; may be repeated"
        )
        parser.add_argument("--with-dependents", action="store_true", help="with --unit: and what depends on it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        plan = self._rollback(parsed_args) if parsed_args.rollback else read_plan(where(parsed_args))
        if parsed_args.format == "json":
            print(json.dumps(planfile.dump(plan), indent=2, ensure_ascii=False), file=self.app.stdout)
        else:
            print(text(plan), end="", file=self.app.stdout)

    def _rollback(self, parsed_args: argparse.Namespace) -> Plan:
        with Journal.open(where(parsed_args)) as journal:
            load(journal.modules())
            return rollback.preview(journal, units=parsed_args.unit, with_dependents=parsed_args.with_dependents)


class Steps(Lister):
    """List steps with their states, attempts and times."""

    examples = """
naru plan steps work/demo --state failed
naru plan steps work/demo --unit server/web-1 -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--state", choices=STATES, help="only those in this state")
        parser.add_argument("--unit", metavar="UNIT", help="only those of this unit")
        parser.add_argument("--kind", metavar="KIND", help="only those of this kind")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            if parsed_args.kind is not None:
                load(journal.modules())  # they know which names the kind had before
            with reading(journal) as now:
                rows = now.steps(
                    kind=parsed_args.kind,
                    unit=parsed_args.unit,
                    states=None if parsed_args.state is None else [parsed_args.state],
                    rollbacks=True,
                )
        return ("id", "kind", "unit", "state", "attempt", "started", "seconds", "error"), [
            (
                row.id,
                row.kind,
                row.unit,
                row.state,
                row.attempt,
                moment(row.started),
                None if row.ended is None or row.started is None else round(row.ended - row.started, 3),
                row.error,
            )
            for row in rows
        ]


class Diff(Lister):
    """List what differs between two plans: files or work directories."""

    examples = """
naru plan diff move-old.yaml move.yaml
naru plan diff work/demo move.yaml -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("old", metavar="OLD", help="a plan file or a work directory")
        parser.add_argument("new", metavar="NEW", help="a plan file or a work directory")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        changes = diff(read_plan(parsed_args.old, rollbacks=False), read_plan(parsed_args.new, rollbacks=False))
        return ("change", "what", "field", "old", "new"), changes


class KindsList(Lister):
    """List the step kinds: the built-in ones and those of the modules named, or of a plan."""

    examples = """
naru plan kinds
naru plan kinds --module mycompany.steps
naru plan kinds --work work/demo -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--module", metavar="MODULE", action="append", default=[], help="repeatable")
        parser.add_argument("--work", metavar="DIR", help="the modules of the plan in this work directory")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        modules = list(parsed_args.module)
        if parsed_args.work:
            with Journal.open(parsed_args.work) as journal:
                modules += journal.modules()
        load(modules)
        return ("kind", "runs", "undo", "commit", "what it does"), [
            (
                kind.name,
                "async" if kind.is_async else "thread",
                kind.undo or (f"none: {kind.no_undo}" if kind.no_undo else ""),
                kind.commit,
                kind.doc,
            )
            for _, kind in sorted(KINDS.by_name.items())
        ]


class Events(Lister):
    """List what happened, in order: every attempt, every action of an operator, and on request what the steps sent."""

    examples = """
naru plan events work/demo --last 50
naru plan events work/demo --step volume/web-1-root --requests
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--step", metavar="ID", help="only those of this step")
        parser.add_argument("--last", metavar="N", type=int, help="only the last N")
        parser.add_argument(
            "--requests", action="store_true", help="also the literal requests and commands, with their request ids"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if parsed_args.last is not None and parsed_args.last < 1:
            raise PlanInputError(f"--last {parsed_args.last}: give a number above 0")
        with Journal.open(where(parsed_args)) as journal, reading(journal) as now:
            rows = now.events(step=parsed_args.step, last=parsed_args.last)
            if parsed_args.requests:
                sent = now.requests(step=parsed_args.step, last=parsed_args.last)
                rows = sorted([*rows, *sent], key=lambda row: row.at)
        if parsed_args.last is not None:
            rows = rows[-parsed_args.last :]
        return ("at", "step", "attempt", "what", "detail"), [(moment(at), *rest) for at, *rest in rows]


class Timings(Lister):
    """Show where the time went, in seconds: of one run, or of several rehearsals side by side.

    Of one work directory: how many steps, their total, median, 95th percentile, longest, and bytes, by kind or unit. Of
    several: the total in each, the median and the 95th percentile of those.
    """

    examples = """
naru plan timings work/demo
naru plan timings work/demo --by path
naru plan timings work/try-1 work/try-2 work/try-3 --by unit
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("directories", nargs="*", metavar="DIR", help="one or more, in place of --work")
        add_directory(parser, positional=False, what=JOURNAL, optional=True)
        parser.add_argument(
            "--by",
            choices=("kind", "unit", "step", "whole", "path"),
            default="kind",
            help="whole: wall clock, cumulative, critical path; path: the steps of the critical path (default: kind)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        sources = parsed_args.directories or [demanded(parsed_args)]
        runs = [timings.of_directory(source) for source in sources]
        by: str = parsed_args.by
        if by == "path":
            seconds = {step.id: step.seconds for run in runs for step in run.steps}
            return ("step", "seconds"), [(id, round(seconds[id], 3)) for run in runs[-1:] for id in run.chain]
        if by == "whole" or len(runs) > 1:
            key = {"kind": _kind, "unit": _unit, "step": _step}.get(by)
            compared = timings.compare_whole(runs) if key is None else timings.compare(runs, key)
            return (by if key else "what", *sources, "median", "p95"), [
                (row.name, *(_rounded(total) for total in row.totals), _rounded(row.median), _rounded(row.p95))
                for row in compared
            ]
        run = runs[0]
        print(
            f"wall clock {run.wall:.1f} s, cumulative {run.cumulative:.1f} s, critical path {run.critical_path:.1f} s",
            file=sys.stderr,
        )
        lines = run.by({"kind": _kind, "unit": _unit, "step": _step}[by])
        return (by, "steps", "total", "median", "p95", "longest", "bytes"), [
            (line.name, line.steps, *map(_rounded, line[2:6]), int(line.bytes)) for line in lines
        ]


def _kind(step: timings.Timed) -> str:
    return step.kind


def _unit(step: timings.Timed) -> str:
    return step.unit


def _step(step: timings.Timed) -> str:
    return step.id


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
