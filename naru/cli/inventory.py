"""`naru inventory` and `naru archive`: what a cloud owns, and what was once read of it."""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from naru.cli.base import Command, Lines, Lister
from naru.cli.directory import ANY, HERE, add_directory
from naru.cloud.client import Cloud
from naru.errors import InputError
from naru.inventory.archive import Archive, Snapshot
from naru.inventory.cloud_reading import CloudReading
from naru.inventory.compare import compare
from naru.inventory.database import Database
from naru.inventory.kinds import KINDS
from naru.inventory.read import Reading, Sink
from naru.inventory.rows import Row

ARCHIVE = "archive.db"


def add_archive(parser: argparse.ArgumentParser, current: str = HERE) -> None:
    """The option that says which archive is meant: that of a work directory."""
    add_directory(parser, positional=False, current=current)


def archive_file(arguments: argparse.Namespace) -> Path:
    """The archive that --work means."""
    return Path(arguments.work) / ARCHIVE


@contextmanager
def counting(what: str) -> Iterator[Sink]:
    """Shows on standard error how many rows there are, while they come."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    total = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def count(rows: list[Row]) -> None:
            nonlocal total
            total += len(rows)
            bar.update(task, description=f"{what}: {total} things, last {rows[-1].kind}")

        yield count


class Inventory(Lister):
    """Read what a cloud owns, in bulk, as an administrator.

    CLOUD is a name of clouds.yaml (OS_CLIENT_CONFIG_FILE says where that is). A kind that the cloud does not have is
    shown with an empty count: that is another thing than none. Exit code 1 when a list could not be read.
    """

    examples = """
naru inventory old
naru inventory old --project hanok
naru inventory old --project hanok --list -f json
naru inventory old --save --work work/hanok
naru inventory old --nova-database nova-old.url
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("cloud", metavar="CLOUD")
        parser.add_argument("--list", action="store_true", help="one row per thing instead of a count per kind")
        parser.add_argument("--project", metavar="PROJECT", help="only what this project owns; its name or id")
        parser.add_argument("--save", action="store_true", help=f"keep all of it in the work directory's {ARCHIVE}")
        parser.add_argument(
            "--nova-database",
            type=Path,
            metavar="FILE",
            help="a file with the URL of Nova's database: key pairs come from there",
        )
        add_archive(parser, current=ANY)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        database = arguments.nova_database and Database(arguments.nova_database)
        with tempfile.TemporaryDirectory(prefix="naru-") as directory, Cloud(arguments.cloud) as cloud:
            file = archive_file(arguments) if arguments.save else Path(directory) / ARCHIVE
            with Archive(file) as archive:
                with counting(cloud.name) as count:
                    reading = CloudReading(archive, cloud, database, count)
                number = reading.snapshot
                rows = archive.rows(number, kind="project") if arguments.project else ()
                if projects := [row.id for row in rows if arguments.project in (row.id, row.name)]:
                    reading.user_quotas(projects)
                    reading.elsewhere(projects)
                reading.end()
                readings = reading.readings
                self.exit_code = 1 if any(one.failed for one in readings) else 0
                project = arguments.project and _project(archive, number, arguments.project)
                rows = archive.rows(number, project=project)
                if arguments.list:
                    fields = ("kind", "id", "name", "project", "status")
                    return fields, [tuple(getattr(row, field) for field in fields) for row in rows]
                counts = Counter(row.kind for row in rows)
                return ("kind", "count", "remark"), [_line(one, counts) for one in readings]


def _line(reading: Reading, counts: Counter[str]) -> tuple[str, int | None, str]:
    count = None if reading.problem and not reading.count else counts[reading.kind]
    return reading.kind, count, reading.problem or reading.source


def _project(archive: Archive, snapshot: int, text: str) -> str:
    found = [row for _, row in archive.find(text, snapshot) if row.kind == "project"]
    if not found:
        raise InputError(f"--project {text!r}: the cloud has no such project", hint="See: openstack project list")
    if len(found) > 1:
        ids = ", ".join(row.id for row in found)
        raise InputError(f"--project {text!r} is the name of several", hint=f"Give an id: {ids}.")
    return found[0].id


class Snapshots(Lister):
    """List what an archive holds: every reading of a cloud, when it was made and whether it is whole."""

    examples = "naru archive list --work work/hanok"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_archive(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Archive(archive_file(arguments), create=False) as archive:
            snapshots = archive.snapshots()
        return ("snapshot", "cloud", "began", "ended", "things", "lists_not_read", "remark"), map(_snapshot, snapshots)


def _snapshot(found: Snapshot) -> tuple[Any, ...]:
    things = sum(reading.count for reading in found.readings)
    failed = [reading.kind for reading in found.readings if reading.failed]
    elsewhere = [f"{reading.kind} {reading.source}" for reading in found.readings if reading.source]
    ended = found.ended or "interrupted"
    return found.number, found.cloud, found.began, ended, things, ", ".join(failed), ", ".join(elsewhere)


class Diff(Lister):
    """Show what differs between two readings of a cloud: what came, what went, which fields changed.

    Times of reporting, counters and the order of unordered lists do not count. Exit code 1 when something differs.
    """

    examples = """
naru archive diff --work work/hanok                  # the two newest of the same cloud
naru archive diff 1 5 --project hanok -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("before", nargs="?", type=int, metavar="N", help="a snapshot's number (naru archive list)")
        parser.add_argument("after", nargs="?", type=int, metavar="M", help="a later one's")
        parser.add_argument("--project", metavar="PROJECT", help="only what this project owns; its name or id")
        add_archive(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with Archive(archive_file(arguments), create=False) as archive:
            before, after = _pair(archive, arguments.before, arguments.after)
            project = arguments.project and _project(archive, before, arguments.project)
            found = list(compare(archive, before, after, project))
        self.exit_code = 1 if found else 0
        fields = ("change", "kind", "id", "name", "field")
        return (*fields, "before", "after"), [
            (*(getattr(item, field) for field in fields), Lines.of(item.before), Lines.of(item.after)) for item in found
        ]


def _pair(archive: Archive, before: int | None, after: int | None) -> tuple[int, int]:
    """The two snapshots that are meant, both whole."""
    whole = {snapshot.number: snapshot.cloud for snapshot in archive.snapshots() if snapshot.ended}
    if before is not None and after is not None:
        for number in (before, after):
            if number not in whole:
                raise InputError(f"there is no whole snapshot {number}", hint="See: naru archive list.")
        return before, after
    if before is not None:
        raise InputError("one snapshot cannot be compared", hint="Give two numbers, or none for the two newest.")
    newest = max(whole, default=0)
    earlier = [number for number, cloud in whole.items() if newest and number < newest and cloud == whole[newest]]
    if not earlier:
        raise InputError(f"{archive.file} has no two readings of one cloud", hint="See: naru archive list.")
    return max(earlier), newest


class Show(Command):
    """Show everything in an archive that has an id or a name: the API's whole answer, and what refers to it, as JSON.

    Of a volume that was moved from storage to storage also when its content was compared, and what was found.
    Without --snapshot the newest of each cloud that has it.
    """

    examples = """
naru archive show 5f1c7a52-... --work work/hanok
naru archive show web-1 --work work/hanok --kind server
naru archive show web-1 --snapshot 2
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("thing", metavar="ID", help="an id of then, or a name")
        parser.add_argument("--kind", choices=[kind.name for kind in KINDS], metavar="KIND", help="only this kind")
        parser.add_argument("--snapshot", type=int, metavar="N", help="only of this reading (naru archive list)")
        add_archive(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        with Archive(archive_file(arguments), create=False) as archive:
            clouds = {snapshot.number: snapshot.cloud for snapshot in archive.snapshots()}
            shown: dict[tuple[str, str, str], dict[str, Any]] = {}
            for number, row in archive.find(arguments.thing, arguments.snapshot):
                if arguments.kind in (None, row.kind):
                    users = [
                        {"kind": kind, "id": identity, "field": path}
                        for kind, identity, path in archive.users_of(number, row.id)
                    ]
                    told = {"cloud": clouds[number], "snapshot": number, "kind": row.kind, "id": row.id}
                    told |= {"named_by": users, "body": row.body}
                    if row.kind == "volume" and (proofs := archive.proofs(row.id)):
                        told["content"] = proofs
                    shown.setdefault((clouds[number], row.kind, row.id), told)
        if not shown:
            raise InputError(
                f"{archive.file} has nothing with the id or name {arguments.thing!r}",
                hint="`naru archive list` says which clouds were read.",
            )
        print(json.dumps(list(shown.values()), indent=2, ensure_ascii=False))
