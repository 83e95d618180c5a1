"""`naru plan run|status|rollback`: running a plan, or watching it run."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff.columns import FormattableColumn

from naru.cli.base import ShowOne
from naru.cli.plan import add_work, moment, where
from naru.cli.plan_view import BETWEEN, add_watch, look
from naru.cli.terminal import Terminal
from naru.plan import rollback
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.run import check_commands, run
from naru.plan.status import FailedStep, Status


class _Rows(FormattableColumn[Any]):
    """Rows that a table shows as lines, and JSON as they are."""

    form = ""

    def human_readable(self) -> str:
        return "\n".join(self.form.format(**row) for row in self._value)


class _Groups(_Rows):
    form = "{name}: {limit} at once, {running} running, {left} left"


class _Running(_Rows):
    form = "{id}: {title}, {seconds:.0f} s"


class _Failed(FormattableColumn[Any]):
    """What each failed step was to do, why it failed, and what can be done; a traceback is left to JSON."""

    def human_readable(self) -> str:
        lines = []
        for row in self._value:
            lines.append(f"{row['title']} ({row['id']})" if row["title"] else row["id"])
            trace = row["detail"].startswith("Traceback")
            parts = (row["summary"], "" if trace else row["detail"], row["hint"])
            lines += [f"  {line}" for part in parts for line in part.splitlines()[:DETAIL]]
        return "\n".join(lines)


DETAIL = 5
"""Of each part of a failed step's error, so many lines are shown."""


class _State(FormattableColumn[Any]):
    """One word; that of a plan with commands of its own which waits for the next of them is not that of a plan that
    somebody has to release."""

    def human_readable(self) -> str:
        word, commands = self._value
        return BETWEEN if commands and word == "held" else str(word)

    def machine_readable(self) -> str:
        return str(self._value[0])


class _Counts(FormattableColumn[Any]):
    def human_readable(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._value.items() if value)


def fields(state: Status) -> tuple[Sequence[str], Iterable[Any]]:
    """A state as one thing's fields."""
    shown = {
        "title": state.title,
        "state": _State((state.state, state.commands)),
        "steps": _Counts(state.counts),
        "blocked": state.blocked,
        "limits": _Groups([group._asdict() for group in state.groups]),
        "gates": _Counts({name: "held" if held else "open" for name, held in state.gates.items()}),
        "running": _Running([step._asdict() for step in state.running]),
        "failed": _Failed([_failed(step) for step in state.failed]),
        "bytes": int(state.bytes),
        "started": moment(state.started),
        "expected end": moment(state.eta),
        "executor": state.executor,
    }
    return tuple(shown), tuple(shown.values())


def _failed(step: FailedStep) -> dict[str, Any]:
    about = step.about._asdict() if step.about else None
    return {**step._asdict(), "about": about}


class _Runs(ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--wait", action="store_true", help="stay while it is paused, held, or at a limit of 0")
        return parser

    def run_journal(self, journal: Journal, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        state = run(journal, Terminal.of(self.app.options), wait=parsed_args.wait)
        self.exit_code = state.exit_code
        return fields(state)


class Run(_Runs):
    """Run a plan, or go on with one that was interrupted.

    Ctrl-C once lets running steps finish and stops, twice stops at once. Exit codes: 0 done, 1 failed steps, 2 bad
    input, 3 held, paused or cancelled, 130 interrupted.
    """

    examples = """
naru plan run work/demo
naru plan run work/demo --wait
naru plan run work/demo -f json
"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            check_commands(journal)
            return self.run_journal(journal, parsed_args)


class Rollback(_Runs):
    """Take back what was done, of some units or of everything, in the reverse order.

    Refused when a step without a way back has begun; `naru plan show --rollback` shows it before. A rollback that was
    interrupted goes on with `naru plan run`, or when it is given again. Of units, steps of others that can run do so
    meanwhile.
    """

    examples = """
naru plan rollback work/demo --unit server/web-1
naru plan rollback work/demo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--unit", action="append", metavar="UNIT", help="only this unit; may be repeated")
        parser.add_argument(
            "--with-dependents", action="store_true", help="also the steps of other units that rest on the unit"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            check_commands(journal)
            load(journal.modules())
            rollback.start(journal, units=parsed_args.unit, with_dependents=parsed_args.with_dependents)
            return self.run_journal(journal, parsed_args)


class StatusShow(ShowOne):
    """Show the state of a plan, once or live.

    Exit codes: 1 failed steps, 3 held, paused or cancelled, 130 interrupted, else 0.
    """

    examples = """
naru plan status work/demo
naru plan status work/demo --watch
naru plan status work/demo -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        add_watch(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Journal.open(where(parsed_args)) as journal:
            state = look(journal, live=parsed_args.watch)
        self.exit_code = state.exit_code
        return fields(state)
