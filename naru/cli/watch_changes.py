"""`naru watch change begin|end` and `naru watch changes`: what a deploy or an upgrade did to the errors of a cloud."""

import argparse
import datetime
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import Lister, ShowOne, argument
from naru.cli.watch import OfWatch, short
from naru.errors import InputError
from naru.text import utc
from naru.watch.change import changes, differences
from naru.watch.phases import what
from naru.watch.sources import Settings
from naru.watch.store import Store


def _moment(text: str) -> float:
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment; like 2026-11-30T03:58 (UTC) or 2026-11-30T03:58+09:00") from error
    return (read if read.tzinfo else read.replace(tzinfo=datetime.UTC)).timestamp()


MOMENT = argument(_moment)


class _Moment(OfWatch, ShowOne):
    """A beginning or an end."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--upgrade", type=Path, metavar="DIR", help="when and what are those of an upgrade: its work directory"
        )
        parser.add_argument("--at", type=MOMENT, metavar="TIME", help="when, in UTC (now)")
        parser.add_argument(
            "--venv",
            action="append",
            default=[],
            type=Path,
            metavar="DIR",
            help="the environment that runs (several; those that naru watch run was given)",
        )
        parser.add_argument("--site", type=Path, metavar="FILE", help="a site, as naru watch run takes it")
        return parser

    @staticmethod
    def _code(arguments: argparse.Namespace) -> Settings:
        return Settings(
            environments=tuple(str(one.absolute()) for one in arguments.venv),
            site=str(arguments.site.absolute()) if arguments.site else "",
        )

    @staticmethod
    def _shown(change: changes.Change) -> tuple[Sequence[str], Sequence[Any]]:
        ended = utc(change.ended) if change.ended is not None else None
        return ("change", "what", "begun", "ended"), (change.id, change.what, utc(change.begun), ended)


class Begin(_Moment):
    """Say that the cloud is about to be changed: a deploy, another configuration, an upgrade. What the deployed code
    can print is kept as the code before it. After it: naru watch change end.

    With --upgrade it is called as that upgrade is, and began when its first service was stopped; now, where none was
    yet. Where the code of before is not deployed any more, --venv names an environment that has it.

    Exit codes: 0, 2 bad input, or another change goes on.
    """

    examples = """
naru watch change begin watch --what "nova 32.1.0-2"
naru watch change begin watch --upgrade work/seoul
naru watch change begin watch --upgrade work/seoul --venv /opt/openstack-pike
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--what", default="", metavar="TEXT", help="what is changed, as people are told")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        what, at = arguments.what, arguments.at
        if arguments.upgrade is not None:
            found = changes.upgrade(arguments.upgrade)
            what, at = what or found.what, at or found.begun
        if not what:
            raise InputError("it is not said what is changed", hint='Give --what "..." or --upgrade DIR.')
        with Store(arguments.work) as store:
            return self._shown(changes.begin(store, what, at or time.time(), self._code(arguments)))


class End(_Moment):
    """Say that the change that has begun is over: all services run what was deployed. What they can print is kept as
    the code after it, and is what records are matched with from now on, also by a naru watch run that goes on.

    With --upgrade it ended when the last service answered; an upgrade that goes on is refused.

    Exit codes: 0, 2 bad input, or no change goes on.
    """

    examples = """
naru watch change end watch
naru watch change end watch --venv /opt/openstack-2026.2
naru watch change end watch --upgrade work/seoul
"""

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        at = arguments.at
        if arguments.upgrade is not None:
            found = changes.upgrade(arguments.upgrade)
            if found.ended is None and at is None:
                raise InputError(f"--upgrade {arguments.upgrade}: it goes on", hint="Let it end, or give --at.")
            at = at or found.ended
        with Store(arguments.work) as store:
            return self._shown(changes.end(store, at or time.time(), self._code(arguments)))


class Changes(OfWatch, Lister):
    """List the changes of the cloud, with how many groups of errors each concerns; or, of one, these groups.

    new_code: not there before, and its statement was not in the code; new_behaviour: not there before, though its
    statement was; new: not there before, and its statement is not known. while_it_went_on: not there before, and not
    since. carried_over: there before, with another text or function, whose state it has. gone: nothing since, although
    it was to be expected, or its statement is gone. more, less: three times as often as before, or as seldom. A day
    before the change is compared with the day after it, as far as both were watched; before and after are per hour.

    Exit codes: 0, 2 bad input.
    """

    examples = """
naru watch changes watch
naru watch changes watch --change 3
naru watch changes watch --change 3 --kind "new code" --kind "new behaviour" -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--change", type=int, metavar="NUMBER", help="the groups that this one concerns")
        parser.add_argument("--kind", action="append", default=[], choices=differences.KINDS, help="(several; all)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Store(arguments.work) as store:
            if arguments.change is None:
                return _overview(store)
            change = changes.change_of(store, arguments.change)
            found = differences.differences(store, change, differences.sides(store, change), time.time())
        table = arguments.formatter == "table"
        columns = ("kind", "group", "class", "state", "program", "what", "where", "before", "after", "mapped_from")
        return columns, [
            (
                *(one.kind, one.group["key"], one.group["class"], one.group["state"], one.group["binary"]),
                *(short(what(one.group)) if table else what(one.group), one.group["frame"] or one.group["module"]),
                *(_rounded(one.before), _rounded(one.after), one.mapped_from),
            )
            for one in found
            if not arguments.kind or one.kind in arguments.kind
        ]


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)


def _overview(store: Store) -> tuple[Sequence[str], Iterable[Any]]:
    names = ("packages_changed", "texts_new", "texts_gone")
    rows = []
    for change in changes.listed(store):
        sets = differences.sides(store, change)
        code, found = differences.code(sets), differences.differences(store, change, sets, time.time())
        numbers = [sum(one.kind == kind for one in found) for kind in differences.KINDS]
        ended = utc(change.ended) if change.ended is not None else None
        rows.append((change.id, change.what, utc(change.begun), ended, *(code or (None, None, None)), *numbers))
    kinds = (kind.replace(" ", "_") for kind in differences.KINDS)
    return ("change", "what", "begun", "ended", *names, *kinds), rows
