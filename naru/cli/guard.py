"""`naru guard`: a service that finds compute hosts which are dead, and evacuates them when it may."""

import argparse
import datetime
import getpass
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Command, Lister, ShowOne
from naru.cli.directory import NEVER, add_directory
from naru.cli.site import add_site, find_site
from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.operate.guard import beat, drill, kdump, policy, review, witness
from naru.operate.guard.seeing import Patience
from naru.operate.guard.service import Guard, Settings
from naru.operate.guard.state import Directory
from naru.operate.guard.verdict import APPROVED_BY

INTERRUPTED = 130
PATIENCE = 20.0
"""Seconds that a round waits for the cloud: then nothing is known of it."""


def _keys(path: Path) -> list[bytes]:
    try:
        return beat.read_key(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"--key {path}: {error}", hint="umask 077; openssl rand -hex 32 > guard.key") from error


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the key of heartbeats, mode 600")
    parser.add_argument(
        "--listen",
        type=beat.address,
        default=("0.0.0.0", beat.PORT),
        metavar="ADDRESS:PORT",
        help=f"where heartbeats are heard (all addresses, UDP {beat.PORT})",
    )
    parser.add_argument("--domain", required=True, metavar="NAME", help="the failure domain of this machine: its rack")


class Run(Command):
    """Watch over compute hosts. Without --act it only says what it would do (shadow): let it, for weeks, and see
    naru guard verdicts --precision.

    Each round it asks Nova, hears heartbeats and what witnesses report, reads the guests' storage (--storage) and power
    controllers, and judges each host by sixteen gates: docs/reference/guard.md. A verdict that is another one than
    before is printed, and kept with all its evidence. With --act a host that passes all gates is evacuated as by
    naru host evacuate, in a process of its own.

    It may be killed at any instant and begun again. Evacuations need its word: while none runs those that were begun
    wait for some minutes, and then fail. One guard at a time has a directory; guards with different directories do not
    know of each other: have one.

    A host whose power controller does not answer is asked about, and so is one with a monitor, an OSD or a controller
    on it. A kernel that writes its dump is heard with --kdump, and not switched off for half an hour; without, the
    fence cuts its dump off. Seen by nothing: a host that is cut off from every network and writes on, and whose power
    controller says off for the first time when it is not; a host that was proved off, and is switched on by somebody
    after its servers are up elsewhere, until the guard hears it: leave it off.

    Exit codes: 0 ended, 1 failed, 2 bad input, 130 interrupted.
    """

    examples = """
naru guard run --site site.yaml --work guard --key guard.key --domain rack-a
naru guard run --site site.yaml --work guard --key guard.key --domain rack-a --storage /mnt/guests/.naru --shared --act
naru guard run --site site.yaml --work guard --key guard.key --domain rack-a --policy guard.yaml --every 10s
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        _add_key(parser)
        parser.add_argument("--act", action="store_true", help="evacuate; without, only say so")
        parser.add_argument("--policy", type=Path, metavar="FILE", help="limits other than the defaults")
        parser.add_argument("--every", type=DURATION, default=15.0, metavar="TIME", help="between two rounds (15s)")
        parser.add_argument(
            "--storage", type=Path, metavar="DIR", help="directory on the guests' storage with files NAME.beat of hosts"
        )
        parser.add_argument(
            "--shared", action="store_true", help="disks of servers lie on storage that hosts share (Ceph, NFS)"
        )
        parser.add_argument(
            "--kdump",
            type=kdump.address,
            metavar="ADDRESS[:PORT]",
            help=f"where kernels say that they write their dump (fence_kdump_send; UDP {kdump.PORT})",
        )
        parser.add_argument("--rounds", type=int, default=0, metavar="N", help="end after so many rounds")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        site = find_site(arguments)
        cloud_name = site.cloud
        if not 5 <= arguments.every <= 30:
            raise InputError("--every is 5s to 30s", hint="A verdict that is a minute old counts for nothing.")
        limits = policy.load(arguments.policy) if arguments.policy else policy.Policy()
        settings = Settings(
            act=arguments.act,
            listen=arguments.listen,
            domain=arguments.domain,
            every=arguments.every,
            storage=arguments.storage,
            shared=arguments.shared,
            rounds=arguments.rounds,
            kdump=arguments.kdump,
        )
        keys = _keys(arguments.key)
        directory = Directory(arguments.work, make=True)
        patience = Patience(PATIENCE)
        with directory.lock(), Cloud(cloud_name, patience=patience) as cloud:
            guard = Guard(directory, site, cloud, limits, settings, keys, _say, patience)
            _say("acts" if settings.act else "in shadow: it does nothing (--act)")
            self.exit_code = INTERRUPTED if guard.run() else 0


def _say(line: str) -> None:
    print(f"naru: {datetime.datetime.now():%H:%M:%S} {line}", file=sys.stderr, flush=True)


class Witness(Command):
    """Hear heartbeats in another failure domain than the guard's, and report to it. A guard needs one at least: what it
    alone does not hear is no sign of death.

    It says as well whether it reaches the cloud's controllers: one that does not is not counted.

    Exit codes: 0 ended, 1 failed, 2 bad input, 130 interrupted.
    """

    examples = """
naru guard witness --name w2 --domain rack-b --cloud prod --key guard.key --to guard1:7411
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_key(parser)
        parser.add_argument("--name", required=True, help="its own name")
        parser.add_argument("--cloud", required=True, metavar="CLOUD", help="in clouds.yaml")
        parser.add_argument("--to", required=True, metavar="HOST:PORT[,...]", help="the guards")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        patience, keys = Patience(PATIENCE), _keys(arguments.key)
        to = arguments.to.split(",")
        with Cloud(arguments.cloud, patience=patience) as cloud:
            witness.run(arguments.name, arguments.domain, arguments.listen, to, keys, cloud, patience)
        self.exit_code = INTERRUPTED


class OfGuard(Command):
    """A command on a guard's directory."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, positional=False, as_type=Path)
        return parser


class StatusCommand(OfGuard, ShowOne):
    """Show what the guard said in its newest round: whether it runs and acts, hosts by outcome, those that are not
    well, witnesses, what is approved and held, evacuations.

    Exit codes: 0, 1 it does not run, or its newest round is older than a minute; 2 bad input.
    """

    examples = """
naru guard status --work guard
naru guard status --work guard -f json
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        found = review.status(Directory(arguments.work))
        self.exit_code = 0 if found["runs"] else 1
        return tuple(found), tuple(found.values())


class Verdicts(OfGuard, Lister):
    """List verdicts: when, host, outcome, gate, why, and what it turned out to be.

    With --replay each is made once more from its evidence by the gates of today: what differs has changed since.
    With --precision: of the evacuations that were begun, or would have been (shadow), how many were right. A verdict is
    wrong when somebody says so (--label ID=wrong), and counts as wrong when the host was seen well within 15 min
    without an evacuation; right when somebody says so; else it is open.

    Exit codes: 0, 1 one is made otherwise today, 2 bad input.
    """

    examples = """
naru guard verdicts --work guard
naru guard verdicts --work guard --host compute7 --replay
naru guard verdicts --work guard --label 20261130-031205-compute7-1a2b=right
naru guard verdicts --work guard --precision
naru guard verdicts --work guard --evidence 20261130-031205-compute7-1a2b
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--host", metavar="HOST", help="of this host alone")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--replay", action="store_true", help="make each once more")
        what.add_argument("--precision", action="store_true", help="how often it was right, by week")
        what.add_argument("--evidence", metavar="ID", help="what one was made from: a row for each sign")
        what.add_argument("--label", metavar="ID=right|wrong", help="say what one turned out to be")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        directory = Directory(arguments.work)
        if arguments.precision:
            return review.PRECISION, review.precision(directory)
        if arguments.evidence:
            return review.EVIDENCE, review.evidence_of(directory, arguments.evidence)
        if arguments.label:
            verdict, _, what = arguments.label.rpartition("=")
            review.label(directory, verdict, what, getpass.getuser())
        if arguments.replay:
            rows = review.replayed(directory, arguments.host or "")
            self.exit_code = 1 if any(row[-1] != review.SAME for row in rows) else 0
            return review.REPLAYED, rows
        return review.LISTED, review.listed(directory, arguments.host or "")


class Approve(OfGuard):
    """Say of a host what opens a gate, for half an hour:

        go    evacuate it although many hosts fail, or the budget is spent; still one after the other
        off   you have seen that it has no power, and that it stays so. The guard orders nothing of its power
              controller then, and evacuates when nothing says otherwise

    Neither opens anything for a host that lives. If a host that is said to be off is not, its data is destroyed.
    --revoke takes back what was said.
    """

    examples = """
naru guard approve --work guard compute7 go
naru guard approve --work guard compute7 off --by "Kim, at the rack"
naru guard approve --work guard compute7 --revoke
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", help="as Nova calls it")
        parser.add_argument("what", nargs="?", choices=APPROVED_BY, help="what is said")
        parser.add_argument("--by", default="", metavar="WHO", help="who says so (the user)")
        parser.add_argument("--revoke", action="store_true", help="take back what was said")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        directory = Directory(arguments.work)
        if bool(arguments.what) == arguments.revoke:
            raise InputError("give go or off, or --revoke")
        if arguments.revoke:
            directory.revoke(arguments.host)
            return
        said = directory.now().get("verdicts", {}).get(arguments.host)
        if said is None or not _is_open_to(arguments.what, said["outcome"], said["gate"]):
            what = f"the guard says {said['outcome']} of it" if said else "the guard has nothing to ask of it"
            raise InputError(f"{arguments.host}: {what}", hint="naru guard status shows what is asked.")
        directory.approve(arguments.host, arguments.what, arguments.by or getpass.getuser())


def _is_open_to(what: str, outcome: str, gate: str) -> bool:
    """Whether a human's word counts of a host of which the guard says this. That it is off is also what an evacuation
    asks for that was begun: its power controller does not switch it off, or the word was taken back."""
    return outcome in ("ask", "hold") or (
        what == "off" and (outcome == "evacuate" or (outcome, gate) == ("none", "flight"))
    )


class Hold(OfGuard):
    """Have the guard begin nothing any more, until --release. Where a host is proved off already its evacuation goes
    on; one that was begun and has not come so far waits, some minutes, and then fails.
    """

    examples = """
naru guard hold --work guard "work on the switches of rack b"
naru guard hold --work guard --release
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("why", nargs="?", default="", help="for whoever wonders")
        parser.add_argument("--release", action="store_true", help="let it go on")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        directory = Directory(arguments.work)
        if arguments.release:
            directory.release()
        else:
            directory.hold(getpass.getuser(), arguments.why)


class Drill(OfGuard, Lister):
    """Try all that an evacuation of a host that lives would need, and change nothing: its power controller answers,
    lets us in, says on, and is the host's own by the UUID that the host itself has; the host is heard; Nova could be
    told; which servers would come up, and where there is no room. The UUID is kept: once the host is dead nobody can
    ask it any more.

    Exit codes: 0, 1 something would be in the way, 2 bad input.
    """

    examples = """
naru guard drill --work guard --site site.yaml compute7
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_site(parser)
        parser.add_argument("host", metavar="HOST", help="as Nova calls it")
        parser.add_argument("--shared", action="store_true", help="disks of servers lie on storage that hosts share")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        site = find_site(arguments)
        cloud_name = site.cloud
        directory = Directory(arguments.work)
        with Cloud(cloud_name) as cloud:
            rows = drill.drill(cloud, site, directory, arguments.host, shared=arguments.shared)
        self.exit_code = 1 if any(row[1] == drill.WRONG for row in rows) else 0
        return ("what", "is", "why"), rows
