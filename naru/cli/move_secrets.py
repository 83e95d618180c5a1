"""`naru move secrets`: Barbican's secrets and containers, moved as somebody who may read them."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister
from naru.cli.move_plan import add_chosen, add_work
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.move import phases, work
from naru.move.secrets.people import Given
from naru.move.secrets.run import Row, Wish
from naru.work import keys


class Secrets(Lister):
    """Move secrets and containers of Barbican from cloud to cloud, as one of the move's users with its own credentials.

    What a secret holds goes through the memory of this command alone, never to a disk, a log or the journal. Types,
    content types, algorithm, bit length, mode, expiry, metadata and ACLs go with it, and containers when all that is
    in them has gone. The new references are shown and kept in the journal; images and volumes of the move that name a
    secret get the new one. It may be ended or killed, and given again: what is there is found and compared. With
    --nothing it only lists.

    The user's own credentials, never on a command line: an entry of clouds.yaml for each cloud (--old-cloud,
    --new-cloud), or the passwords in the environment (NARU_OLD_PASSWORD, NARU_NEW_PASSWORD). Of a user whom the move
    has made, the new password is derived from the move's key, if the user has not changed it.

    Exit codes: 0 all that is the user's is moved, 1 something is not, 2 bad input, 130 interrupted.
    """

    examples = """
naru move secrets work/hanok --as sora --nothing
naru move secrets work/hanok --as sora --old-cloud sora-old --new-cloud sora-new
naru move secrets work/hanok --as sora --project hanok --others
naru move secrets work/hanok --as sora -f json
naru move secrets work/hanok --as sora --undo
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_work(parser)
        parser.add_argument("--as", dest="user", required=True, metavar="USER", help="a user of the move: name or id")
        parser.add_argument(
            "--old-cloud", default="", metavar="ENTRY", help="its entry of clouds.yaml on the old cloud"
        )
        parser.add_argument("--new-cloud", default="", metavar="ENTRY", help="its entry of clouds.yaml on the new one")
        parser.add_argument("--key", type=Path, metavar="FILE", help=f"the move's key ({keys.default_key()})")
        add_chosen(parser)
        parser.add_argument(
            "--others",
            action="store_true",
            help="also what others have created and the user may read: it is USER's then",
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--nothing", action="store_true", help="only list what there is and who can move it")
        which.add_argument("--undo", action="store_true", help="remove from the new cloud what was made as the user")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if arguments.undo and arguments.others:
            raise InputError("--others is for what is moved", hint="Give --undo without it.")
        move = work.Work(arguments.work)
        given = Given(arguments.old_cloud, arguments.new_cloud, arguments.key and arguments.key.absolute())
        wish = Wish(
            move.chosen(arguments.project) or list(move.projects),
            others=arguments.others,
            nothing=arguments.nothing,
            undo=arguments.undo,
        )
        rows, self.exit_code = phases.secrets(move, arguments.user, given, wish, Terminal.of(self.app.options))
        return Row._fields, rows
