"""Directories on hosts, such as virtual environments: shipped once as archives, unpacked beside, switched by a link."""

import tarfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from naru.actions import durations
from naru.actions.hosts.file import ROOM, AbsolutePath, Digest
from naru.actions.hosts.place import HostAction, Place
from naru.actions.hosts.shipping import Source, ship
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.work.rate import rate, share

KINDS = ("host.tree",)
"""The kinds that share a work directory's cap."""
BLOCK = 4096
"""Bytes in which a file system gives room to a file."""


class Tree(HostAction):
    """See `tree`."""

    step_kind: ClassVar[str] = "host.tree"

    path: AbsolutePath
    archive: str = ""
    sha256: Digest | None = None
    link: AbsolutePath | None = None
    owners: bool = False
    work: str | None = None


def _limit(args: Mapping[str, Any]) -> float:
    """Seconds for the archive and all that it holds; the undo of one that is gone has what an empty one has."""
    own = args.get("args", args)
    if own.get("work"):
        return durations.DAY  # it goes as slowly as somebody says
    archive = Path(own.get("archive") or "").expanduser()
    return durations.limit(archive.stat().st_size if archive.is_file() else 0, times=5)


@step("host.tree", args=Tree, undo="host.tree.undo", deadline=_limit, retry=())
def tree(context: Context) -> dict[str, Any]:
    """Unpacks the tar file `archive` here (plain, or compressed by gzip, bzip2 or xz) as the directory `path` on
    `host`, and switches the symbolic link `link`, if one is named, to it at once.

    A directory that is there from this archive is not shipped again: so one step may ship it days before, and another
    switch. Files are root's, with `owners` those of whom the archive says. Room is looked at before. The undo switches
    back and removes the directory, if this step made it. `sha256` is the digest that `archive` has to have. With
    `work`, a work directory, all such steps that run send together what the file `rate` in it says, and what is
    unpacked comes after all else that the host does. Without `archive` a directory that one of these steps has made has
    to be there, and the link is switched.
    """
    args = context.args
    place = Place(context, args, context.id)
    source = Source(path=args["archive"], wanted=args.get("sha256") or "") if args.get("archive") else None
    words = (args["path"], args.get("link") or "", source.digest if source else "")
    now = _begin(place, words)
    found = now["is"] == "ours"
    if now["is"] == "other":
        raise PlanError(
            f"{place.host}: {args['path']} is there, and is not from {args.get('archive') or 'an archive'}",
            hint="Name another path, or remove what is there.",
        )
    if not found and source is None:
        raise PlanError(f"{place.host}: there is no {args['path']}", hint="Ship it first, by a step with its archive.")
    if not found and source:
        _check_room(place, args, source, now)
        context.log(f"{place.host}: unpack {args['archive']} ({source.size} bytes) as {args['path']}")
        options = "--same-owner --numeric-owner" if args.get("owners") else "--no-same-owner"
        ship(
            *(place, source, _part(args["path"], place), int(now["part"])),
            lambda: place.change("tree", "unpack", *words, options, "ahead" if args.get("work") else ""),
            capped(context, Path(args["work"])) if args.get("work") else lambda: None,
        )
    if args.get("link"):
        context.log(f"{place.host}: {args['link']} -> {args['path']}")
        place.change("tree", "switch", *words)
    return {"found": found, "sha256": source.digest if source else "", "before": now.get("before", "")}


@step("host.tree.undo", args=Undo, no_undo="it is an undo itself", deadline=_limit, retry=(), here=True)
def undo(context: Context) -> None:
    """Switches the link of a `host.tree` back to where it was, and removes the directory that the step made. A link
    that somebody has switched since stays."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    context.log(f"{place.host}: take back {args['path']}")
    place.change("tree", "undo", args["path"], args.get("link") or "")


def capped(context: Context, work: Path) -> Callable[[], float | None]:
    """What may be sent a second, by a work directory's cap. Raises PlanError where that directory is no longer, and
    InputError where the cap cannot be read: else all would go as fast as it can, through a network that others use."""
    if not work.is_dir():
        raise PlanError(f"{work} is no longer there, whose cap (--rate) counts", hint="Put it back where it was.")
    rate(work)
    return share(context, work, KINDS)


def _part(path: str, place: Place) -> str:
    """The archive as far as it has come: beside the directory, as tree.sh knows it."""
    return f"{path.rpartition('/')[0]}/.naru-{place.key.rpartition('-')[2]}.part"


def _begin(place: Place, words: tuple[str, str, str]) -> dict[str, str]:
    said = place.change("tree", "begin", *words)
    return dict(line.split("=", 1) for line in said.splitlines())


def _check_room(place: Place, args: Mapping[str, Any], source: Source, now: Mapping[str, str]) -> None:
    """Raises PlanError when the archive and what is in it have no room beside each other."""
    archive = Path(args["archive"]).expanduser()
    stat = archive.stat()
    size, count = _unpacked(str(archive), stat.st_size, stat.st_mtime_ns)
    needed = source.size - int(now["part"]) + size + ROOM
    if int(now["free"]) < needed:
        raise PlanError(
            f"{place.host}: there is no room for {args['path']}: {now['free']} bytes are free, {needed} are needed",
            hint="The archive and what is in it lie there beside each other for a moment.",
        )
    # not every file system counts files
    if now["files"].isdigit() and 0 < int(now["files"]) < count:
        raise PlanError(
            f"{place.host}: there is no room for {args['path']}: {now['files']} files can be made, {count} are needed"
        )


@lru_cache(maxsize=64)
def _unpacked(path: str, size: int, changed: int) -> tuple[int, int]:
    """The bytes that what is in the archive takes, and how many files and directories that is."""
    total = count = 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                total += (member.size + BLOCK - 1) // BLOCK * BLOCK if member.isreg() else BLOCK * member.isdir()
                count += 1
    except tarfile.TarError as error:
        raise PlanError(f"{path} is no tar file that can be read", detail=str(error)) from error
    return total, count
