"""The step kinds that carry volumes' content from storage to storage, past Cinder and Glance: only what has data, and
after the first pass only what changed, compared by checksums.

Each volume has a directory of its own in the work directory, with what is known of its copy: `move.content.place` makes
it while preparing, rounds of copying ahead (see `sync`) and the cut-over go on from it. Where both clouds have one
storage nothing is copied: the cut-over makes a clone or a reflink (see `naru.volumes.engine.clone`), and
`move.content.flatten` makes that independent when the servers run again. The file `rate` in the work directory caps
what all copies of one run carry together; it may be changed at any time.

What needs a cloud is done in the executor: `before` a step's function it asks Cinder where the volumes lie, so that a
worker needs no credentials but the storages'. The function itself needs the storages and the work directory, and may
run wherever both are.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, cloud, get
from naru.actions.create import Create, is_made, make
from naru.actions.request import Action, Part
from naru.errors import NaruError
from naru.files import write_whole
from naru.inventory.archive import Archive
from naru.move.draft import COPIES, FLATTENS
from naru.move.reach import arguments, ask, asked, existing, locations, sides
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import Retry, step
from naru.volumes.control import Control
from naru.volumes.engine import proof
from naru.volumes.engine.clone import Method, clone, flatten, method, undo
from naru.volumes.engine.copy import PassResult, copy
from naru.volumes.engine.points import clean
from naru.volumes.engine.state import reached
from naru.volumes.engine.verify import Comparison, verify
from naru.volumes.open import backend_of, open_volume
from naru.volumes.volume import OTHER, Location

RATE = "rate"
"""The file in the work directory: bytes a second, in decimal."""
SETTLE = 5.0
"""Seconds from a point of a volume in use to its first reading: see `copy`."""


def _limit(args: Mapping[str, Any]) -> float:
    return 3600.0 + float(args.get("size") or 0) / (5 << 20)


def _seconds(args: Mapping[str, Any]) -> float:
    return 2.0 + float(args.get("size") or 0) / (400 << 20)


def job_of(volume: str) -> str:
    """What the points on an old volume are named by."""
    return f"move{volume[:8]}"


def rate(work: Path) -> float | None:
    """The cap on all copies together, in bytes a second; None for none."""
    try:
        return float((work / RATE).read_text())
    except FileNotFoundError:
        return None


def set_rate(work: Path, value: float | None) -> None:
    """Changes the cap, for running copies too."""
    if value is None:
        (work / RATE).unlink(missing_ok=True)
        return
    write_whole(work / RATE, f"{value:.0f}\n")


def controlled(context: Context, directory: Path) -> Control:
    """What a copy is stopped by, and its share of the cap: that is looked at about twice a second."""

    def share() -> float | None:
        whole = rate(directory.parent.parent)
        return whole / max(1, context.running(COPYING)) if whole is not None else None

    return Control(context.check, lambda done, total: context.progress(done, total), share)


class VolumeCopy(Action):
    """The content of the volume `source` (`from` in the arguments) on the cloud `old`, for the volume `to` on `cloud`.
    `size` is in bytes, `storage` the files that describe the storage of both, `directory` the copy's own."""

    limit_group: ClassVar[str] = COPIES

    old: str
    source: str = pydantic.Field(validation_alias=pydantic.AliasChoices("from", "source"), serialization_alias="from")
    to: Id
    size: int
    storage: list[str]
    directory: str


class Place(VolumeCopy):
    """Before any content is copied: whether it can be."""

    step_kind: ClassVar[str] = "move.content.place"


@step("move.content.place", args=Place, undo="move.content.forget", retry=RETRY, deadline=600, before=ask)
def place(context: Context) -> dict[str, Any]:
    """Sees that the content of the volume `from` on the cloud `old`, and of `to` on `cloud`, can be reached from here,
    and makes the copy's `directory`; tells which way the content will go, and why not a shorter one. So that what is
    wrong with a storage is known long before the window."""
    args = arguments(context)
    source, target = locations(context)
    with open_volume(source) as old, open_volume(target, write=True) as new:
        if old.size() > new.size():
            raise NaruError(f"{target} has {new.size()} bytes, fewer than the {old.size()} of {source}")
    Path(args["directory"]).mkdir(parents=True, exist_ok=True, mode=0o700)
    found = method(source, target)
    return {"from": str(source), "to": str(target), "way": found.name, "why": found.why}


UNDO_CONTENT = "move.content.undo"
COPYING = ("move.content", "move.snapshot", "move.backup", UNDO_CONTENT, "move.content.flatten")
"""The kinds that share the cap."""
CARRY = {"carry": True}
"""The argument by which an undo of a `move.content` carries what was written since back to the old volume."""
FINAL = "final"
"""The file in a copy's directory that says that its cut-over has begun."""
OFF = ("SHUTOFF", "SHELVED", "SHELVED_OFFLOADED")
"""States of a server whose volumes nobody reads or writes, nor remembers in a memory that goes on."""
# a storage may still hold what a killed client left; what is copied is compared afterwards, whatever happened
AGAIN = (*RETRY, Retry(on=(NaruError,), tries=4, pause=3.0))


class VolumeContent(VolumeCopy):
    """The old server may run with `ahead`; with `whole` all of it is compared."""

    step_kind: ClassVar[str] = "move.content"

    ahead: bool = False
    whole: bool = False


@step(
    "move.content", args=VolumeContent, undo=UNDO_CONTENT, retry=AGAIN, deadline=_limit, estimate=_seconds, before=ask
)
def content(context: Context) -> dict[str, Any]:
    """Copies what changed of the volume `from` on the cloud `old` since the last pass, or all, into the volume `to` on
    `cloud`, and compares the checksums of what changed since both were last found equal, or of everything; what differs
    is copied again. `storage` are the files that describe the backends of both, `directory` is the copy's own. `size`
    is in bytes. `ahead` says that the old server may run, `whole` that everything is to be compared.

    On one storage nothing is copied: the new volume becomes a clone or a reflink; ahead of the window, nothing is done.
    """
    args = arguments(context)
    source, target = locations(context)
    # a round ahead may be under way still, or be gone on with: what the new server has written is not to be lost by it
    final = Path(args["directory"]) / FINAL
    if not args.get("ahead"):
        final.touch(mode=0o600)
    elif final.exists():
        raise NaruError(f"the cut-over of volume {args['from']} has begun", hint="There is nothing more to copy ahead.")
    found = method(source, target)
    if found.name != "copy":
        return _clone(context, args, source, target, found)
    if found.why:
        context.log(f"copy, for {found.why}")
    return {"way": "copy", "why": found.why, **_carry(context, args, source, target)}


def _clone(
    context: Context, args: Mapping[str, Any], source: Location, target: Location, found: Method
) -> dict[str, Any]:
    began = time.monotonic()
    nothing = dict.fromkeys(("pass", "read", "written", "compared", "repaired"), 0)
    result = {"way": found.name, "why": "", **nothing, "to": args["to"], "size": int(args["size"]), "whole": False}
    if not args.get("ahead"):
        control = Control(context.check, lambda done, total: context.progress(done, total))
        context.log(f"{found.name} {source} {target}")
        result |= clone(source, target, job_of(args["from"]), control, found=found)._asdict()
    return {**result, "digest": "", "seconds": round(time.monotonic() - began, 2)}


def _carry(
    context: Context, args: Mapping[str, Any], source: Location, target: Location, at: str = ""
) -> dict[str, Any]:
    """A pass, up to the source's point `at` or a new one, and the comparison of both sides."""
    directory = Path(args["directory"])
    ahead = bool(args.get("ahead") or at)
    context.log(f"copy and compare {source} {target}")
    job, whole, control = job_of(args["from"]), bool(args.get("whole")), controlled(context, directory)
    done, verdict = carry(*(source, target, directory), job=job, ahead=ahead, whole=whole, at=at, control=control)
    return {
        "to": args["to"],
        "pass": done.number,
        "size": done.size,
        "read": done.read,
        "written": done.written,
        "compared": verdict.read,
        "whole": not verdict.since,
        "repaired": len(verdict.different) + verdict.more,
        "digest": verdict.source_digest,
        "at": verdict.at,
        "chain": verdict.chain,
        "seconds": round(done.seconds + verdict.seconds, 2),
    }


def carry(
    source: Location,
    target: Location,
    directory: Path,
    *,
    job: str,
    ahead: bool,
    whole: bool,
    control: Control,
    at: str = "",
) -> tuple[PassResult, Comparison]:
    """Copies what changed since the last pass, or all, up to the source's point `at` or a new one, and compares it; see
    `content`. With `ahead` a pass that was begun is ended; without, one follows it: what was begun while the old server
    ran ends at a point of then."""
    settle = SETTLE if ahead and not at else 0.0
    done = copy(source, target, directory, job=job, at=at, settle=settle, idle=not ahead, control=control)
    if done.resumed and not ahead:
        done = copy(source, target, directory, job=job, idle=True, control=control)
    verdict = verify(
        *(source, target),
        point=done.point,
        changed=not whole,
        idle=not ahead,
        repair=True,
        directory=directory,
        control=control,
    )
    _check_equal(verdict, source, target)
    return done, verdict


def _check_equal(verdict: Comparison, source: Location, target: Location) -> None:
    if not (verdict.equal or verdict.repaired):
        raise NaruError(
            f"{target} is not what {source} is",
            detail=verdict.listed(),
            hint="Something else writes to one of them. Stop it, then: naru plan retry.",
        )


class SnapshotCopy(VolumeCopy):
    """The content that the volume had when the `snapshot` (its id on the old cloud) was made."""

    snapshot: str


class Snapshot(Create):
    """A snapshot of a volume on the new cloud, which is given the content `carry` first."""

    step_kind: ClassVar[str] = "move.snapshot"
    limit_group: ClassVar[str] = COPIES

    carry: SnapshotCopy


def ask_snapshot(context: Context) -> dict[str, Any]:
    """As `ask`, of a snapshot's content, and whether an earlier attempt made the snapshot."""
    carried = resolve(context.args["carry"], context.results(), context)
    return {"there": is_made(context), **asked(context, carried, sides(carried))}


@step(
    "move.snapshot",
    args=Snapshot,
    undo="cloud.delete",
    retry=AGAIN,
    deadline=lambda args: _limit(args["carry"]),
    estimate=lambda args: _seconds(args["carry"]),
    before=ask_snapshot,
    after=lambda context, _: make(context),
)
def snapshot(context: Context) -> None:
    """Makes a snapshot as `cloud.create` does, as soon as its volume has been given the content of the old cloud's
    `carry.snapshot` and compared with it. `carry` is otherwise as of `move.content`. When the snapshot is there
    already, nothing is carried: the volume may have later content since."""
    if not context.given["there"]:
        _history(context)


def _history(context: Context) -> None:
    """Carries the content of a snapshot of the volume `from` into the volume `to`."""
    args = arguments(context)
    source, target = locations(context)
    if not all(backend_of(location).keeps_history for location in (source, target)):
        raise NaruError(
            "a snapshot's content can be carried from Ceph to Ceph alone",
            detail=f"{source} -> {target}",
            hint="Leave the snapshot on the old cloud: naru plan skip.",
        )
    # it may have been cut over, and be in use
    if any(not point.startswith(OTHER) for point in reached(Path(args["directory"]))):
        raise NaruError(
            f"{target} has later content than that of snapshot {args['snapshot']}",
            hint="Leave the snapshot on the old cloud: naru plan skip.",
        )
    result = _carry(context, args, source, target, _snapshot_of(source, args["snapshot"]))
    context.log(f"carried {result['written']} bytes, compared {result['compared']}")


def _snapshot_of(source: Location, identity: str) -> str:
    """The point that Cinder's snapshot of that id is: whatever snapshot_name_template is, the id is in its name."""
    with open_volume(source) as volume:
        for point in volume.points(every=True):
            if point.name.startswith(OTHER) and identity in point.name:
                return point.name
    raise NaruError(
        f"{source} has no snapshot {identity}",
        detail="Cinder says that there is one; Ceph does not have it.",
        hint="Leave it on the old cloud: naru plan skip.",
    )


def _limit_undo(args: Mapping[str, Any]) -> float:
    return 2 * _limit(args["args"])


def ask_undo(context: Context) -> dict[str, Any]:
    """As `ask`, of the step that is undone. Raises NaruError when content is to be carried back and a server is not
    off."""
    done, args = context.args["result"], context.args["args"]
    to = done["to"] if done is not None else resolve(args["to"], context.args.get("results") or {}, context)
    args = {**args, "to": to}
    # what has not wholly arrived was used by nobody
    carry = bool(context.args.get("carry")) and done is not None
    cloned = done is None or done["way"] != "copy"
    given = asked(context, args, sides(args) if carry or cloned else ())
    if carry:
        for name, volume, _ in reversed(sides(args)):
            _check_off(context, name, volume)
    return {**given, "carry": carry, "cloned": cloned}


class ContentUndo(Undo):
    """With `carry`, what was written on the new volume since is copied to the old one first."""

    carry: bool = False


@step(
    UNDO_CONTENT,
    args=ContentUndo,
    no_undo="it is an undo itself",
    retry=AGAIN,
    deadline=_limit_undo,
    before=ask_undo,
    was=["move.content.back"],
)
def content_undo(context: Context) -> dict[str, Any] | None:
    """Undoes a clone, as far as it came: the new volume is the empty one again, no point is left on the old one. A copy
    is deleted with its volume. With CARRY, what was written since is copied to the old volume before."""
    args = arguments(context)
    (Path(args["directory"]) / FINAL).unlink(missing_ok=True)
    carried = _carry_back(context, args) if context.given["carry"] else None
    if context.given["cloned"]:
        source, target = existing(context)
        control = Control(context.check, lambda done, total: context.progress(done, total))
        undo(source, target, job_of(args["from"]), control)
    return carried


def _carry_back(context: Context, args: Mapping[str, Any]) -> dict[str, Any]:
    """Compares the volume on the new cloud with the old one wholly and copies what differs from the new one to the old
    one."""
    source, target = reversed(locations(context))
    with open_volume(source) as new, open_volume(target) as old:
        if new.size() > old.size():
            raise NaruError(
                f"{target} has {old.size()} bytes, fewer than the {new.size()} of {source}",
                hint="It was extended on the new cloud: extend the old volume as well, then: naru plan retry.",
            )
    context.log(f"compare and copy {source} {target}")
    verdict = verify(source, target, repair=True, control=controlled(context, Path(args["directory"])))
    return {
        "size": verdict.size,
        "compared": verdict.read,
        "carried": len(verdict.different) + verdict.more,
        "digest": verdict.source_digest,
        "seconds": round(verdict.seconds, 2),
    }


def _check_off(context: Context, name: str, volume: str) -> None:
    """Raises NaruError unless every server that has the volume is off, and is to stay so for now."""
    client = cloud(context, name)
    described = get(client, "block-storage", f"/volumes/{volume}", "volume") or {}
    for attachment in described.get("attachments") or []:
        identity = attachment.get("server_id")
        if not identity:
            raise NaruError(
                f"volume {volume} on {name} is attached to something that is no server",
                detail=str(attachment.get("host_name") or ""),
                hint="Detach it, then: naru plan retry.",
            )
        server = get(client, "compute", f"/servers/{identity}", "server")
        if server is None:
            continue
        task = server.get("OS-EXT-STS:task_state")
        if server["status"] not in OFF or task:
            raise NaruError(
                f"server {identity} on {name} has volume {volume} and is not off",
                detail=f"{server['status']} {task or ''}".strip(),
                hint="Stop it (openstack server stop), then: naru plan retry. To keep the old content: naru plan skip.",
            )


class Compared(Part):
    """A volume whose content was compared: `source` (`from` in the arguments) on the old cloud, `to` on the new one,
    and the `directory` of its copy."""

    source: str = pydantic.Field(validation_alias=pydantic.AliasChoices("from", "source"), serialization_alias="from")
    to: Id
    directory: str


class Kept(Action):
    """The proofs of the content of `volumes`, for the `archive`, a file."""

    step_kind: ClassVar[str] = "move.content.kept"

    archive: str
    volumes: list[Compared]


@step("move.content.kept", args=Kept, no_undo="what was found stays true", retry=AGAIN, deadline=600)
def content_kept(context: Context) -> dict[str, int]:
    """Keeps in the `archive` the proofs of the content of `volumes`, each with `from`, `to` and its copy's `directory`.
    What was carried from storage to storage has some."""
    args = resolve(context.args, context.results(), context)
    count = 0
    with Archive(Path(args["archive"]), create=False) as archive:
        for volume in args["volumes"]:
            if found := proof.read(Path(volume["directory"])):
                archive.add_proofs(volume["from"], volume["to"], [one._asdict() for one in found])
                count += 1
    return {"volumes": count}


class Flatten(VolumeCopy):
    """The new volume, if it is a clone of the old one."""

    step_kind: ClassVar[str] = "move.content.flatten"
    limit_group: ClassVar[str] = FLATTENS


@step(
    "move.content.flatten",
    args=Flatten,
    no_undo="the undo of move.content does it",
    retry=RETRY,
    deadline=_limit,
    estimate=_seconds,
    before=ask,
    was=["move.content.settle"],
)
def content_flatten(context: Context) -> dict[str, Any]:
    """Makes the new volume `to` independent of the old one, if it became a clone of that, while its server runs, and
    compares what both were at the cut-over."""
    args = arguments(context)
    source, target = locations(context)
    context.log(f"flatten {target}")
    control = controlled(context, Path(args["directory"]))
    return flatten(source, target, job_of(args["from"]), control)._asdict()


def ask_old(context: Context) -> dict[str, Any]:
    """As `ask`, of the old volume alone, for a step that removes its points or for the undo of one that made some."""
    args = context.args.get("args") or {**context.args, "old": context.args["cloud"]}
    described = args["storage"] if isinstance(args["storage"], str) else args["storage"][0]
    kept = {name: args[name] for name in ("from", "directory") if name in args}
    return asked(context, kept, [(args["old"], args["from"], described)])


@step("move.content.forget", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600, before=ask_old)
def content_forget(context: Context) -> None:
    """Removes the points that copies made on the old volume, and what they remember; the new volume goes."""
    content_end(context)
    directory = Path(arguments(context)["directory"])
    if directory.exists():
        shutil.rmtree(directory)


class End(Action):
    """The volume `source` (`from` in the arguments), and the file that describes the `storage` of its cloud."""

    step_kind: ClassVar[str] = "move.content.end"

    source: str = pydantic.Field(validation_alias=pydantic.AliasChoices("from", "source"), serialization_alias="from")
    storage: str


@step(
    "move.content.end",
    args=End,
    no_undo="the points are no use to anybody else",
    retry=RETRY,
    deadline=600,
    before=ask_old,
)
def content_end(context: Context) -> None:
    """Removes the points on the old volume: the new one has everything."""
    args = arguments(context)
    (old,) = existing(context)
    if old is not None:
        clean(old, job_of(args["from"]))
