"""`naru plan pause|resume|cancel|hold|release|retry|skip|limit`: an operator's actions, through the journal."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from naru.cli.base import Command
from naru.cli.plan import add_work, where
from naru.plan import control
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.run import check_commands


class _Action(Command):
    """A command that changes the journal and says in one line what it did."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with Journal.open(where(parsed_args)) as journal:
            print(self.act(journal, parsed_args), file=self.app.stdout)

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        raise NotImplementedError


class _Mode(_Action):
    change: Callable[[Journal], None]
    said = ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        return parser

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        type(self).change(journal)
        return self.said


class Pause(_Mode):
    """Let running steps finish and start no further ones."""

    examples = "naru plan pause work/demo"
    change = staticmethod(control.pause)
    said = "paused: naru plan resume continues it"


class Resume(_Mode):
    """End a pause or a cancel; it starts no executor."""

    examples = "naru plan resume work/demo"
    change = staticmethod(control.resume)
    said = "resumed: an executor that waits goes on, otherwise naru plan run does"


class Cancel(_Mode):
    """Ask running steps to stop, start no further ones, and end the run."""

    examples = "naru plan cancel work/demo"
    change = staticmethod(control.cancel)
    said = "cancelled: naru plan rollback undoes what was done, naru plan resume continues it"


class _Gate(_Action):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("gate", metavar="GATE", help="the gate's name, or a pattern with * for several")
        add_work(parser, positional=False)
        return parser


class Hold(_Gate):
    """Hold a gate: the steps behind it do not start until it is released."""

    examples = "naru plan hold cutover --work work/demo"

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        return f"held: {', '.join(control.hold(journal, parsed_args.gate))}"


class Release(_Gate):
    """Release a gate: the steps behind it may start. Not of a move, whose commands open its gates."""

    examples = """
naru plan release cutover --work work/demo
naru plan release 'cutover/web-*' --work work/demo
"""

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        check_commands(journal)
        return f"released: {', '.join(control.release(journal, parsed_args.gate))}"


class _Steps(_Action):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("steps", metavar="STEP", nargs="*", help="ids of steps")
        parser.add_argument("--unit", metavar="UNIT", help="instead of steps: those of this unit")
        add_work(parser, positional=False)
        return parser


class Retry(_Steps):
    """Let failed, skipped or undone steps run again."""

    examples = """
naru plan retry volume/web-1-root --work work/demo
naru plan retry --unit server/web-1 --work work/demo
naru plan retry --failed --work work/demo
naru plan retry volume/web-1-root --args '{"type": "ssd"}' --work work/demo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--args", metavar="JSON", help="arguments to be replaced, for one step")
        parser.add_argument("--failed", action="store_true", help="instead of steps: all that have failed")
        return parser

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        if parsed_args.failed:
            if parsed_args.steps or parsed_args.unit or parsed_args.args is not None:
                raise PlanInputError("--failed stands for the steps: it is given alone")
            return _said("to be run again", control.retry_failed(journal))
        args = None if parsed_args.args is None else _object(parsed_args.args)
        if args is not None:
            load(journal.modules())  # they know what the step takes
        ids = control.retry(journal, steps=parsed_args.steps, unit=parsed_args.unit, args=args)
        return _said("to be run again", ids)


class Skip(_Steps):
    """Take steps as done without running them; what waits for them goes on."""

    examples = """
naru plan skip port/web-1 --reason 'made by hand' --work work/demo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--reason", metavar="TEXT", required=True, help="why: it is kept in the journal")
        return parser

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        ids = control.skip(journal, parsed_args.reason, steps=parsed_args.steps, unit=parsed_args.unit)
        return _said("skipped", ids)


class Limit(_Action):
    """Change how many steps of a limit group run at once, also while the plan runs."""

    examples = """
naru plan limit nova@new 8 --work work/demo
naru plan limit rbd@old 0 --work work/demo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="GROUP", help="the limit group")
        parser.add_argument("value", metavar="N", type=int, help="steps at once; 0 starts none")
        add_work(parser, positional=False)
        return parser

    def act(self, journal: Journal, parsed_args: argparse.Namespace) -> str:
        control.limit(journal, parsed_args.group, parsed_args.value)
        return f"limit {parsed_args.group}: {parsed_args.value}"


def _said(what: str, ids: Sequence[str]) -> str:
    return f"{what}: {', '.join(ids) if ids else 'none'}"


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise PlanInputError("--args is not JSON", detail=str(error)) from None
    if not isinstance(value, dict):
        raise PlanInputError("--args is not a JSON object", detail=text)
    return value
