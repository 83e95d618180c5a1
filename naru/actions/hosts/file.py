"""Files on hosts: shipped whole, put in place at once, the former ones kept."""

import posixpath
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from naru.actions import durations
from naru.actions.hosts.place import HostAction, Place
from naru.actions.hosts.shipping import Source, ship
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step


def _absolute(path: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path or "\n" in path or path == "/":
        raise ValueError("give a path from / on, without . and .. and without a / at its end")
    return path


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
"""A file or directory on a host."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256, as sha256sum prints it."""
ROOM = 1 << 20
"""Bytes that have to stay free beside what is shipped."""


class File(HostAction):
    """See `file`."""

    step_kind: ClassVar[str] = "host.file"

    path: AbsolutePath
    source: str | None = None
    text: str | None = None
    sha256: Digest | None = None
    mode: Annotated[str, Field(pattern=r"^[0-7]{3,4}$")] | None = None
    owner: str = ""
    group: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.source is None) == (self.text is None):
            raise ValueError("give either source, a file here, or text")
        return self


@step("host.file", args=File, undo="host.file.undo", deadline=durations.limit(0), retry=())
def file(context: Context) -> dict[str, Any]:
    """Puts a file in place at `path` on `host`: the bytes of the file `source` here, or `text`. It is sent whole,
    checked by its digest, and renamed into its place.

    It has the owner, mode, SELinux context and extended attributes of the one that was there; a new one is root's,
    0644. `owner`, `group` and `mode` (octal, as text) say otherwise. The one that was there is kept on the host, and
    the undo puts it back as it was. `sha256` is the digest that `source` has to have.
    """
    args = context.args
    place = Place(context, args, context.id)
    source = _source(args)
    words = (args["path"], source.digest)
    now = _begin(place, words)
    if _is_there(now, source, args):
        return {"found": True, "sha256": source.digest, "before": now["before"]}
    if int(now["free"]) < 2 * source.size + ROOM:
        raise PlanError(f"{place.host}: there is no room for {args['path']}: {now['free']} bytes are free")
    context.log(f"{place.host}: put {args['path']}, {source.size} bytes, sha256 {source.digest}")
    given = (args.get("mode") or "", args.get("owner", ""), args.get("group", ""))
    ship(
        *(place, source, f"{place.path}/part", int(now["part"])),
        lambda: place.change("file", "put", *words, *given),
    )
    if not _is_there(_begin(place, words), source, args):
        raise PlanError(f"{place.host}: {args['path']} is another one than was put there", hint="Who writes it, too?")
    return {"sha256": source.digest, "before": now["before"]}


@step("host.file.undo", args=Undo, no_undo="it is an undo itself", deadline=durations.limit(0), retry=(), here=True)
def undo(context: Context) -> dict[str, Any] | None:
    """Puts back what was there before a `host.file`, as it was; what somebody has made of the file since is kept beside
    it on the host, under the name in the result."""
    args = context.undone.args
    place = Place(context, args, context.undone.step)
    context.log(f"{place.host}: put back {args['path']}")
    changed = place.change("file", "undo", args["path"]).strip()
    return {"changed": changed} if changed else None


def _source(args: Mapping[str, Any]) -> Source:
    return Source(path=args.get("source") or "", text=args.get("text") or "", wanted=args.get("sha256") or "")


def _begin(place: Place, words: tuple[str, str]) -> dict[str, str]:
    said = place.change("file", "begin", *words)
    return dict(line.split("=", 1) for line in said.splitlines())


def _is_there(now: Mapping[str, str], source: Source, args: Mapping[str, Any]) -> bool:
    """Whether the file is there as it is to be."""
    if now.get("digest") != source.digest:
        return False
    mode, owner, group = args.get("mode"), args.get("owner"), args.get("group")
    return (
        (not mode or int(mode, 8) == int(now["mode"], 8))
        and (not owner or owner in (now["owner"], now["uid"]))
        and (not group or group in (now["group"], now["gid"]))
    )
