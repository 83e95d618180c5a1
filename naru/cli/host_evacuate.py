"""`naru host evacuate`: the servers of a compute host that has failed, brought up on others."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, ShowOne, print_findings
from naru.cli.directory import NEVER, add_directory
from naru.cli.host_options import answers_of
from naru.cli.plan_run import fields
from naru.cli.site import add_site, find_site
from naru.cli.terminal import Terminal
from naru.errors import InputError
from naru.operate.evacuate import phases
from naru.operate.evacuate.work import Settings, Work
from naru.text import count

_DEFAULTS = Settings("", "", "")
_SAID = {
    **{"shared": "shared", "off": "off", "trust": "trust-controller", "at_once": "at-once"},
    **{"settle": "patience", "reason": "reason"},
}
"""Settings that an option gives, and how the parser calls it."""


class Evacuate(ShowOne):
    """Bring the servers of a compute host that has failed up on other hosts: never before the host is proved off.

    First what is known is shown, and what becomes of each server: evacuate, leave or ask; --dry-run ends there, and
    nothing is changed anywhere. Then the host is switched off by its power controller, which has to be known as its
    own, and read back as off for some seconds, while nothing of it lives; Nova is told that it is down; the servers
    are evacuated, those with a higher priority first, and each is proved. A host that Nova calls up, or that answers by
    SSH, is not touched.

    Where the controller has no power either, somebody has to see that the host is off and stays off: --off WHO. That
    is the only thing that this command believes without a proof, and it is where data is lost when it is not so.

    A server whose disk may lie on the failed host alone is asked about: --shared says that disks lie on storage that
    hosts share. Servers that are asked about stay, and nothing waits for them. The host stays off: naru host return.

    Given again it goes on where it was, and tries again what failed; as long as the host is not proved off it plans
    anew, with what is given now (--off, --trust-controller). Exit codes: 0 done, 1 failed steps, or something
    in the way, 2 bad input, 3 paused or cancelled, 130 interrupted.
    """

    examples = """
naru host evacuate compute7 --site site.yaml --work work/compute7-failed --dry-run
naru host evacuate compute7 --site site.yaml --work work/compute7-failed
naru host evacuate compute7 --work work/compute7-failed --off "Kim, who pulled its cord at 03:12"
naru host evacuate compute7 --work work/compute7-failed --shared --answer old-test=leave
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", help="the host, as Nova calls it")
        add_site(parser)
        add_directory(parser, positional=False, current=NEVER, as_type=Path)
        parser.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
        parser.add_argument(
            "--answer",
            action="append",
            default=[],
            metavar="SERVER=WHAT",
            help="what becomes of a server (name or id): evacuate or leave (several times)",
        )
        parser.add_argument(
            "--shared", action="store_true", help="disks of servers lie on storage that hosts share (Ceph, NFS)"
        )
        parser.add_argument(
            "--off", default="", metavar="WHO", help="who has seen that the host is off, and that it stays so"
        )
        parser.add_argument(
            "--trust-controller",
            action="store_true",
            help="you know that the power controller in the site is the host's own",
        )
        parser.add_argument("--at-once", type=int, default=_DEFAULTS.at_once, metavar="N", help="servers (%(default)s)")
        parser.add_argument(
            "--settle",
            dest="patience",
            type=DURATION,
            default=_DEFAULTS.settle,
            metavar="TIME",
            help="how long its power controller has to go on saying off (20s)",
        )
        parser.add_argument("--reason", default="", metavar="TEXT", help="added to the reason that others see in Nova")
        parser.add_argument("--guard", default="", help=argparse.SUPPRESS)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        terminal = Terminal.of(self.app.options)
        if phases.has_begun(arguments.work):
            work = Work(arguments.work)
            if work.settings.host != arguments.host:
                raise InputError(f"{arguments.work} is the evacuation of {work.settings.host}, not {arguments.host}")
            if arguments.dry_run:
                raise InputError(f"{arguments.work}: this evacuation has begun", hint="naru host status shows it.")
            if phases.is_fenced(work):
                if not arguments.guard:
                    _check_same(arguments, work.settings)
                return self._ran(work, terminal)
            settings = self._settings(arguments, None if arguments.guard else work.settings)
        else:
            settings = self._settings(arguments)
        if arguments.dry_run:
            made, decisions, _ = phases.look(settings, terminal.say)
        else:
            made, decisions = phases.plan(settings, arguments.work, terminal.say)
        self._show(settings, made.findings, decisions)
        if arguments.dry_run or any(one.severity == "error" for one in made.findings):
            self.exit_code = 1 if any(one.severity == "error" for one in made.findings) else 0
            counted = {what: sum(one.action == what for one in decisions) for what in ("evacuate", "leave", "ask")}
            return ("host", *counted), (settings.host, *counted.values())
        return self._ran(Work(arguments.work), terminal)

    def _ran(self, work: Work, terminal: Terminal) -> tuple[Sequence[str], Iterable[Any]]:
        state = phases.evacuate(work, terminal)
        self.exit_code = state.exit_code
        return fields(state)

    def _show(self, settings: Settings, findings: Any, decisions: Any) -> None:
        print_findings(findings, every=self.app.options.verbose_level > 1)
        if self.app.options.verbose_level:
            going = sum(one.action == "evacuate" for one in decisions)
            print(
                f"naru: {settings.host}: {count(len(decisions), 'server')}, {going} evacuated, "
                f"{len(decisions) - going} stay",
                file=sys.stderr,
            )

    def _settings(self, arguments: argparse.Namespace, before: Settings | None = None) -> Settings:
        """What is given; what is not, as it was given `before`. Of one that a guard has begun it stays known what that
        knows of the host."""
        if before and not arguments.site.exists():
            arguments.site = Path(before.site)
        site = find_site(arguments)
        if arguments.at_once < 1:
            raise InputError("--at-once is at least 1")
        if not 5 <= arguments.patience <= 600:
            raise InputError("--settle is 5s to 10m", hint="Controllers say off some seconds before it is so.")
        given = Settings(
            site=str(arguments.site.absolute()),
            cloud=site.cloud,
            host=arguments.host,
            answers=answers_of(arguments.answer, ("evacuate", "leave")),
            shared=arguments.shared,
            off=arguments.off,
            trust=arguments.trust_controller,
            at_once=arguments.at_once,
            settle=arguments.patience,
            reason=arguments.reason,
            guard=arguments.guard,
        )
        if before is None:
            return given
        kept = {name: getattr(before, name) for name in _SAID if getattr(given, name) == getattr(_DEFAULTS, name)}
        kept |= {"guard": before.guard, "by_hand": bool(before.guard)}
        return replace(given, **kept, answers={**before.answers, **given.answers})


def _check_same(arguments: argparse.Namespace, settings: Settings) -> None:
    """Raises InputError for what is given and would change nothing, since the host is proved off."""
    for name, option in _SAID.items():
        given, default = getattr(arguments, option.replace("-", "_")), getattr(_DEFAULTS, name)
        if given not in (default, getattr(settings, name)):
            raise InputError(
                f"--{'settle' if name == 'settle' else option} has no effect any more: {settings.host} is proved off",
                hint="Give the command without it: it goes on with what was said before.",
            )
    if set(arguments.answer) - {f"{name}={what}" for name, what in settings.answers.items()}:
        raise InputError(
            f"--answer has no effect any more: {settings.host} is proved off, and its plan made",
            hint="Give the command without it. Servers that were left stay with the host until it returns.",
        )
