"""`naru worker`: runs the steps that a plan places elsewhere than in its executor."""

import argparse

from naru.cli.base import Command
from naru.cli.plan import where
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.kinds import load


class Worker(Command):
    """Run steps of a plan that are placed here, beside the storage or on a host.

    The journal is on PostgreSQL and is named by its URL. Ctrl-C or SIGTERM lets running steps finish. A worker that is
    killed loses its steps to another one; give each place as many workers as it needs.
    """

    examples = """
naru worker --place storage-new --work postgresql://naru@db.example/move_demo
naru worker --place storage-new --place storage-old --concurrency 4
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--place", metavar="NAME", action="append", required=True, help="a place to work for (repeatable)"
        )
        parser.add_argument("--concurrency", metavar="N", type=int, default=1, help="steps at once (default: 1)")
        parser.add_argument("--work", metavar="URL", help="the journal's URL (default: $NARU_WORK)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.concurrency < 1:
            raise PlanInputError(f"--concurrency {parsed_args.concurrency}: give a number above 0")
        try:
            from naru.plan import workers
        except ModuleNotFoundError as error:
            raise PlanInputError(
                "naru worker needs more than is installed",
                detail=str(error),
                hint="pip install naru-openstack[workers]",
            ) from None
        with Journal.open(where(parsed_args)) as journal:
            load(journal.modules())
            workers.Worker(journal, parsed_args.place, parsed_args.concurrency).run()
