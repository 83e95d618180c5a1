"""`naru worker`: runs the steps that are to run elsewhere than in the executor."""

import argparse

from naru.cli.base import Command
from naru.cli.directory import add_directory
from naru.cli.plan import where
from naru.plan.errors import PlanInputError
from naru.plan.run import workers


class Worker(Command):
    """Run steps of a plan that are placed here, beside the storage or on a host.

    The journal is on PostgreSQL. --work is its database's URL, or a work directory whose journal is there; all plans
    and moves in that database are served. May be started before them, and stay between them. Ctrl-C or SIGTERM lets
    running steps finish. A worker that is killed loses its steps to another one; give each place as many workers as it
    needs.

    Steps of a move need its work directory here too, at the same path, and the storages; no clouds.yaml.
    """

    examples = """
naru worker --queue storage-new --work postgresql://naru@db.example/move_demo
naru worker --queue rbd@old --concurrency 4 --work /srv/moves/hanok
naru worker --queue storage-new --queue storage-old --concurrency 4
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            *("--queue", "--place"),
            dest="queue",
            metavar="NAME",
            action="append",
            required=True,
            help="a queue to run steps of (repeatable); --place is its older name",
        )
        parser.add_argument("--concurrency", metavar="N", type=int, default=1, help="steps at once (default: 1)")
        add_directory(parser, positional=False, what="the database's URL, or a work directory with a journal there")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.concurrency < 1:
            raise PlanInputError(f"--concurrency {parsed_args.concurrency}: give a number above 0")
        workers().Worker(where(parsed_args), parsed_args.queue, parsed_args.concurrency).run()
