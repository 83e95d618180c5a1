"""`naru watch statements|run|groups|show|mute|resolve|open`: errors of a whole cloud, grouped by what printed them."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from naru.cli.base import DURATION, Command, Lines, Lister, ShowOne, argument
from naru.cli.directory import NEVER, add_directory
from naru.cli.watch_alerts import RATE_AN_HOUR, absolute, scraped
from naru.text import utc
from naru.watch import phases
from naru.watch.alerts.outbox import Outbox
from naru.watch.change.differences import since_change
from naru.watch.hide import hidden
from naru.watch.notifications.address import OF_SITE
from naru.watch.sources import Settings
from naru.watch.store import MUTED, OPEN, RESOLVED, Store


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 512:
        raise ValueError(f"{text!r}: give a number from 1 to 512")
    return int(text)


class OfWatch(Command):
    """A command on a watch that has been run: its directory is the argument `work`."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, as_type=Path)
        return parser

    def tell_doubts(self, store: Store) -> None:
        """Says on standard error what makes groups unreliable."""
        if self.app.options.verbose_level:
            for one in phases.doubts(store):
                print(f"naru: {one}", file=sys.stderr)


class Statements(Lister):
    """List what the deployed code can print: for each package how many log statements it has. They are read by the
    interpreter that runs the code, and kept by the packages' content: what was read once is not read again.

    Exit codes: 0, 1 files that could not be parsed, 2 bad input.
    """

    examples = """
naru watch statements --venv /var/lib/kolla/venv
naru watch statements --site site.yaml
naru watch statements --venv /opt/nova --package nova --package oslo_messaging -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--venv", type=Path, metavar="DIR", help="the services' virtual environment")
        where.add_argument("--site", type=Path, metavar="FILE", help="a site: the interpreters that its services name")
        parser.add_argument("--package", action="append", default=[], metavar="NAME", help="this one alone (several)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        settings = (
            Settings(environments=(str(arguments.venv),)) if arguments.venv else Settings(site=str(arguments.site))
        )
        found = [one for one in phases.packages(settings, arguments.package) if one.statements or one.refused]
        refused = sum(len(one.refused) for one in found)
        self.exit_code = 1 if refused else 0
        if self.app.options.verbose_level:
            total = sum(one.statements for one in found)
            print(f"naru: {total} log statements in {len(found)} packages", file=sys.stderr)
            for one in found:
                for file, why in one.refused:
                    print(f"naru: not parsed: {file}: {why}", file=sys.stderr)
        columns = ("package", "statements", "only_a_variable", "files", "not_parsed", "kept_before")
        return columns, (
            (one.name, one.statements, one.opaque, one.files, len(one.refused), one.known) for one in found
        )


class Run(ShowOne):
    """Read what is new of logs, and group warnings and errors by the statement that printed them:
    until interrupted, or once. Each group that is new, or has come back, is told as it comes; with --alert-to others
    are told of it, too: once for each that is new, has come back or escalates, within 20 alerts an hour, what is more
    in a digest.

    What is given is kept in DIR, and needs not be given again. Files are followed through rotation. It may be killed at
    any time: no record is lost, and none counted twice.

    Exit codes: 0 done, 1 what was read is in doubt (said on standard error), 2 bad input, 130 interrupted.
    """

    examples = """
naru watch run watch --files '/var/log/kolla/*/*.log' --venv /var/lib/kolla/venv --once
naru watch run watch --site site.yaml --at-once 32
naru watch run watch --sources sources.yaml --venv /var/lib/kolla/venv
naru watch run watch --alert-to alertmanager:http://localhost:9093 --alert-to apprise:/etc/naru/chats
naru watch run watch --site site.yaml --notifications site
naru watch run watch --log-format '%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s %(message)s'
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_directory(parser, current=NEVER, as_type=Path)
        several: dict[str, Any] = {"action": "append", "default": []}
        parser.add_argument("--files", **several, metavar="PATTERN", help="log files, as a shell names them (several)")
        parser.add_argument(
            "--venv", **several, type=Path, metavar="DIR", help="a virtual environment of the services (several)"
        )
        parser.add_argument(
            "--site", type=Path, metavar="FILE", help="a site, whose services' logs are read on its hosts, by SSH"
        )
        parser.add_argument(
            "--log-format",
            **several,
            dest="formats",
            metavar="TEXT",
            help="logging_context_format_string of the services, and once more logging_default_format_string, where "
            "they are not oslo.log's own",
        )
        parser.add_argument(
            "--sources",
            type=Path,
            metavar="FILE",
            help="journals, what shippers push over HTTP, OpenSearch, Loki, as FILE names them",
        )
        parser.add_argument("--zone", default="", metavar="NAME", help="the time zone of lines (this machine's)")
        parser.add_argument("--host", default="", metavar="NAME", help="what this host is called (its own name)")
        parser.add_argument(
            "--at-once",
            type=argument(_count),
            default=0,
            metavar="N",
            help="hosts and sources that are read at a time (16)",
        )
        parser.add_argument(
            "--notifications",
            default="",
            metavar="FILE",
            help="read notifications of the message queue, too: `site`, whose services' configuration says where that "
            "is, or a file of mode 0600 with the transport_url",
        )
        parser.add_argument(
            "--alert-to",
            **several,
            metavar="SINK",
            help="who is told: alertmanager:URL, webhook:URL, apprise:FILE; ,header=FILE behind a URL is a file with a "
            "header that lets in; none for nobody (several)",
        )
        parser.add_argument(
            "--known", type=Path, metavar="DIR", help="known bugs that alerts name: scenario files of hotsos"
        )
        parser.add_argument("--metrics", default="", metavar="HOST:PORT", help="where Prometheus may scrape the watch")
        parser.add_argument("--once", action="store_true", help="read what there is, listen to nothing, and end")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        settings = Settings(
            tuple(str(Path(one).absolute()) for one in arguments.files),
            tuple(str(one.absolute()) for one in arguments.venv),
            tuple(arguments.formats),
            arguments.zone,
            arguments.host,
            str(arguments.site.absolute()) if arguments.site else "",
            sources=str(arguments.sources.absolute()) if arguments.sources else "",
            at_once=arguments.at_once,
            alert_to=tuple(map(absolute, arguments.alert_to)),
            known=str(arguments.known.absolute()) if arguments.known else "",
            notifications=_notifications(arguments.notifications),
        )

        def came(text: str) -> None:
            if self.app.options.verbose_level:
                print(text, file=sys.stderr, flush=True)

        with scraped(arguments.work, arguments.metrics):
            found = phases.run(arguments.work, settings, once=arguments.once, came=came)
        with Store(arguments.work) as store:
            doubts = phases.doubts(store)
        for one in doubts:
            print(f"naru: {one}", file=sys.stderr)
        self.exit_code = 1 if doubts else 0
        found["read up to"] = utc(found["read up to"])
        return [name.replace(" ", "_") for name in found], list(found.values())


def _notifications(given: str) -> str:
    return str(Path(given).absolute()) if given and given != OF_SITE else given


class Groups(OfWatch, Lister):
    """List groups of errors: how often, what, where, on which hosts, since when.

    `what` is the statement's text with … where it varies, and the exception; `where` the cloud's own code in which that
    was raised, else the module that printed it. Classes: client (a mistake of who called), deprecation, retry (it is
    tried again), unknown. States: new, open, escalating, regressed, muted, resolved; --state open is all but muted and
    resolved.

    Exit codes: 0, 2 bad input.
    """

    examples = """
naru watch groups watch
naru watch groups watch --since 1h --class unknown --class retry
naru watch groups watch --state all -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--since", type=DURATION, default=86400.0, metavar="TIME", help="seen within (1d)")
        states = ("all", OPEN, "new", "escalating", "regressed", MUTED, RESOLVED)
        parser.add_argument("--state", default=OPEN, choices=states, help="(%(default)s)")
        kinds = ("client", "deprecation", "retry", "unknown")
        parser.add_argument("--class", dest="kinds", action="append", default=[], choices=kinds, help="(several; all)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Store(arguments.work) as store:
            found = phases.groups(
                store, since=arguments.since, asked=arguments.state, kinds=arguments.kinds, now=time.time()
            )
            self.tell_doubts(store)
        columns = (
            *("group", "level", "class", "state", "count", "last_hour", "program", "what", "where", "hosts"),
            *("first", "last"),
        )
        table = arguments.formatter == "table"
        return columns, (
            (
                *(one["key"], one["level"], one["class"], one["state"], one["count"], one["hour"], one["binary"]),
                *(short(one["what"]) if table else one["what"], one["where"]),
                len(one["hosts"]) if table else one["hosts"],
                *(utc(one["first"]), utc(one["last"])),
            )
            for one in found
        )


def short(text: str) -> str:
    """As much of a text as a column has room for."""
    line = text.partition("\n")[0]
    return line if len(line) <= 80 else f"{line[:79]}…"


class Show(OfWatch, ShowOne):
    """Show one group: what it is, and examples with their tracebacks and the lines before them. Secrets are not kept.

    Exit codes: 0, 2 there is no such group.
    """

    examples = """
naru watch show watch 5d57de11d6
naru watch show watch 5d57 -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="GROUP", help="its key, or the first characters of that")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        with Store(arguments.work) as store:
            group, examples, hosts = phases.show(store, arguments.group, time.time())
            before = [phases.before(store, one) for one in examples]
            change = since_change(store, group)
            told = Outbox(store).alert_of(group["key"])
        fields = {
            **{"group": group["key"], "state": group["state"], "class": group["class"], "level": group["level"]},
            **{"program": group["binary"], "module": group["module"], "text": group["text"]},
            **{"exception": group["exception"], "frame": group["frame"], "count": group["count"]},
            **{"first": utc(group["first"]), "last": utc(group["last"]), "hosts": Lines.of(hosts)},
            "muted_until": utc(group["muted_until"]) if group["muted_until"] else None,
            **{
                "by": group["muted_by"],
                "reason": group["reason"],
                "change": change,
                "told": f"{utc(told[0])}: {told[1]}" if told else None,
            },
        }
        if arguments.formatter != "table":
            fields["examples"] = [
                {"host": one.host, **one.body, "before": lines} for one, lines in zip(examples, before, strict=True)
            ]
        else:
            for number, (one, lines) in enumerate(zip(examples, before, strict=True), 1):
                fields[f"example {number}"] = _told(one.host, one.body)
                fields[f"before {number}"] = "\n".join(lines)
        return list(fields), list(fields.values())


def _told(host: str, body: dict[str, Any]) -> str:
    named = {name: value for name, value in body.items() if name not in ("message", "traceback", "time")}
    lines = [f"{body.get('time', '')} on {host}", " ".join(f"{name}={value}" for name, value in named.items())]
    return "\n".join([*lines, body.get("message", ""), *body.get("traceback", "").splitlines()])


class Request(OfWatch, Lister):
    """List all records of one request, of all services, in their order, each with the reason why it belongs: by its id,
    its global id, ids of the requests that it made, or the server that it is about. Records that only seem to belong,
    since a thread kept the id of a request that was over, are marked.

    ID is what the API answered as x-openstack-request-id, or the global id that its caller sent. Files are read by the
    index that naru watch run made; journals, OpenSearch and Loki are asked. What was pushed is not kept, and not found.

    Exit codes: 0, 1 no record of it, or files and sources that could not be looked through, 2 bad input.
    """

    examples = """
naru watch request watch req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d --since 1h
naru watch request watch req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d
naru watch request watch req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("request", metavar="ID", help="req- and a UUID, or the UUID alone")
        parser.add_argument(
            "--since", type=DURATION, default=phases.WEEK, metavar="TIME", help="how far back stores are asked (7d)"
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        found, skipped = phases.request(arguments.work, arguments.request, arguments.since)
        for one in skipped:
            print(f"naru: {one}", file=sys.stderr)
        self.exit_code = 1 if skipped or not found else 0
        table = arguments.formatter == "table"
        columns = ("time", "host", "program", "level", "reason", "trusted", "message", "traceback")
        return columns[: -1 if table else None], (
            (
                *(one.record.time, one.host, one.program, one.record.level, one.reason, one.trusted),
                *((short(hidden(one.record.message)),) if table else (hidden(one.record.message),)),
                *(() if table else (hidden("\n".join(one.record.traceback)),)),
            )
            for one in found
        )


class _Mark(OfWatch, ShowOne):
    """What sets a group's state."""

    state = OPEN

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="GROUP", help="its key, or the first characters of that")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, for others")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        now = time.time()
        until = now + arguments.until if getattr(arguments, "until", None) else None
        per_hour = getattr(arguments, "until_rate", None)
        with Store(arguments.work) as store:
            group = phases.mark(
                store, arguments.group, self.state, until=until, per_hour=per_hour, why=arguments.reason, now=now
            )
        fields = {
            **{"group": group["key"], "state": group["state"], "what": phases.what(group)},
            **{
                "until": utc(until) if until else None,
                "until_rate": f"{per_hour:g}/h" if per_hour is not None else None,
            },
            **{"by": group["muted_by"], "reason": group["reason"]},
        }
        return list(fields), list(fields.values())


class Mute(_Mark):
    """Have a group counted, and not told of: this group alone, for a time, up to a rate, or for good. Others of the
    same service are told as before. One that is over its rate is told, and open again.

    Exit codes: 0, 2 there is no such group.
    """

    state = MUTED
    examples = """
naru watch mute watch 5d57de11d6 --for 7d --reason "fixed by the next deploy"
naru watch mute watch 5d57de11d6 --until-rate 50/h --reason "some are normal"
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--for", dest="until", type=DURATION, metavar="TIME", help="how long; without, for good")
        parser.add_argument(
            "--until-rate", type=RATE_AN_HOUR, metavar="N/h", help="until there are more than so many within an hour"
        )
        return parser


class Resolve(_Mark):
    """Say that a group is cured. A record of it that is written after this has it come back, as regressed.

    Exit codes: 0, 2 there is no such group.
    """

    state = RESOLVED
    examples = """
naru watch resolve watch 5d57de11d6 --reason "policy fixed"
"""


class Open(_Mark):
    """Take back that a group is muted or resolved.

    Exit codes: 0, 2 there is no such group.
    """

    examples = """
naru watch open watch 5d57de11d6
"""
