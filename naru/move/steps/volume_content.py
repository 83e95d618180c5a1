"""The step kinds that carry volumes' content from storage to storage, past Cinder and Glance: only what has data, and
after the first pass only what changed, compared by checksums.

Each volume has a directory of its own in the work directory, with what is known of its copy: `move.content.access`
makes it while preparing, rounds of copying ahead (see `naru.move.sync`) and the cut-over go on from it. Where both
clouds have one storage nothing is copied: the cut-over makes a clone or a reflink (see `naru.volumes.engine.clone`),
and `move.content.flatten` makes that independent when the servers run again.

What needs a cloud is done in the executor: `before` a step's function it asks Cinder where the volumes lie, so that a
worker needs no credentials but the storages'. The function itself needs the storages and the work directory, and may
run wherever both are.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY
from naru.actions.request import Action, From, Part
from naru.errors import NaruError
from naru.inventory.archive import Archive
from naru.move.draft import FLATTENS
from naru.move.steps.copying import AGAIN, FINAL, GaveWay, VolumeCopy, copy_volume, deadline, job_of, seconds
from naru.move.steps.locate import arguments, found_locations, locate, located, locations, pair
from naru.move.steps.off import check_off, check_still
from naru.move.steps.rate import controlled
from naru.plan.arguments import Undo, Value
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.volumes.control import Control
from naru.volumes.engine import proof
from naru.volumes.engine.clone import Method, clone, flatten, method, undo
from naru.volumes.engine.points import clean
from naru.volumes.engine.verify import verify
from naru.volumes.open import open_volume
from naru.volumes.volume import Location


class CheckAccess(VolumeCopy):
    """Before any content is copied: whether it can be."""

    step_kind: ClassVar[str] = "move.content.access"


@step(
    "move.content.access",
    args=CheckAccess,
    undo="move.content.forget",
    retry=RETRY,
    deadline=600,
    before=locate,
    was=["move.content.place"],
)
def check_access(context: Context) -> dict[str, Any]:
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
CARRY = {"carry": True}
"""The argument by which an undo of a `move.content` carries what was written since back to the old volume."""
GAVE_WAY = "gave way"
"""The `way` in the result of a copy ahead that the cut-over has ended."""


def locate_content(context: Context) -> dict[str, Any]:
    """As `locate`. In the window: raises NaruError when a server that has the old volume is not still; and says that
    the cut-over has begun, so that a round of copying ahead gives way, also while all workers are busy."""
    found = locate(context)
    args = found["args"]
    if not args.get("ahead"):
        check_still(context, args["old"], args["from"])
        if (directory := Path(args["directory"])).exists():
            (directory / FINAL).touch(mode=0o600)
    return found


class VolumeContent(VolumeCopy):
    """The old server may run with `ahead`; with `whole` all of it is compared. `settled` is the point of the round."""

    step_kind: ClassVar[str] = "move.content"

    ahead: bool = False
    whole: bool = False
    settled: Value[str] = ""


@step(
    "move.content",
    args=VolumeContent,
    undo=UNDO_CONTENT,
    retry=AGAIN,
    deadline=deadline,
    estimate=seconds,
    before=locate_content,
)
def content(context: Context) -> dict[str, Any]:
    """Copies what changed of the volume `from` on the cloud `old` since the last pass, or all, into the volume `to` on
    `cloud`, and compares the checksums of what changed since both were last found equal, or of everything; what differs
    is copied again. `storage` are the files that describe the backends of both, `directory` is the copy's own. `size`
    is in bytes. `ahead` says that the old server may run, `whole` that everything is to be compared; `settled` is the
    point that `move.content.point` made and `move.content.age` has waited for.

    On one storage nothing is copied: the new volume becomes a clone or a reflink; ahead of the window, nothing is done.
    """
    args = arguments(context)
    source, target = locations(context)
    # a round ahead may be under way still, or be gone on with: what the new server has written is not to be lost by it
    final = Path(args["directory"]) / FINAL
    if not args.get("ahead"):
        final.touch(mode=0o600)
    elif final.exists():
        return _gave_way(args, "the cut-over of the volume has begun before its turn came")
    found = method(source, target)
    if found.name != "copy":
        return _clone(context, args, source, target, found)
    if found.why:
        context.log(f"copy, for {found.why}")
    try:
        return {"way": "copy", "why": found.why, **copy_volume(context, args, source, target)}
    except GaveWay as error:
        return _gave_way(args, error.summary)


def _gave_way(args: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The result of a copy ahead that has done nothing more. It is no failure: what was copied is kept, and the
    cut-over, which may wait for this, goes on from it."""
    nothing = dict.fromkeys(("pass", "read", "written", "compared", "repaired", "seconds"), 0)
    result = {"way": GAVE_WAY, "why": why, **nothing, "to": args["to"], "size": int(args["size"])}
    return {**result, "whole": False, "digest": ""}


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


def _deadline_of_undo(args: Mapping[str, Any]) -> float:
    return 2 * deadline(args["args"])


def locate_undo(context: Context) -> dict[str, Any]:
    """As `locate`, of the step that is undone. Raises NaruError when content is to be carried back and a server is not
    off."""
    done, args = context.undone.result, context.undone.args
    to = done["to"] if done is not None else resolve(args["to"], context.undone.results, context)
    args = {**args, "to": to}
    # what has not wholly arrived was used by nobody
    carry = bool(context.args.get("carry")) and done is not None
    cloned = done is None or done["way"] != "copy"
    given = located(context, args, pair(args) if carry or cloned else ())
    if carry:
        for name, volume, _ in reversed(pair(args)):
            check_off(context, name, volume)
    return {**given, "carry": carry, "cloned": cloned}


class ContentUndo(Undo):
    """With `carry`, what was written on the new volume since is copied to the old one first."""

    carry: bool = False


@step(
    UNDO_CONTENT,
    args=ContentUndo,
    no_undo="it is an undo itself",
    retry=AGAIN,
    deadline=_deadline_of_undo,
    before=locate_undo,
    was=["move.content.back"],
)
def content_undo(context: Context) -> dict[str, Any] | None:
    """Undoes a clone, as far as it came: the new volume is the empty one again, no point is left on the old one. A copy
    is deleted with its volume. With CARRY, what was written since is copied to the old volume before."""
    args = arguments(context)
    (Path(args["directory"]) / FINAL).unlink(missing_ok=True)
    carried = _copy_back(context, args) if context.given["carry"] else None
    if context.given["cloned"]:
        source, target = found_locations(context)
        control = Control(context.check, lambda done, total: context.progress(done, total))
        undo(source, target, job_of(args["from"]), control)
    return carried


def _copy_back(context: Context, args: Mapping[str, Any]) -> dict[str, Any]:
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


class Compared(Part):
    """A volume whose content was compared: `source` (`from` in the arguments) on the old cloud, `to` on the new one,
    and the `directory` of its copy."""

    source: From
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
    deadline=deadline,
    estimate=seconds,
    before=locate,
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


def locate_old(context: Context) -> dict[str, Any]:
    """As `locate`, of the old volume alone: for a step that removes its points, or the undo of one that made some."""
    args = context.args.get("args") or {**context.args, "old": context.args["cloud"]}
    described = args["storage"] if isinstance(args["storage"], str) else args["storage"][0]
    kept = {name: args[name] for name in ("from", "directory") if name in args}
    return located(context, kept, [(args["old"], args["from"], described)])


@step("move.content.forget", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600, before=locate_old)
def content_forget(context: Context) -> None:
    """Removes the points that copies made on the old volume, and what they remember; the new volume goes."""
    content_end(context)
    directory = Path(arguments(context)["directory"])
    if directory.exists():
        shutil.rmtree(directory)


class End(Action):
    """The volume `source` (`from` in the arguments), and the file that describes the `storage` of its cloud."""

    step_kind: ClassVar[str] = "move.content.end"

    source: From
    storage: str


@step(
    "move.content.end",
    args=End,
    no_undo="the points are no use to anybody else",
    retry=RETRY,
    deadline=600,
    before=locate_old,
)
def content_end(context: Context) -> None:
    """Removes the points on the old volume: the new one has everything."""
    args = arguments(context)
    (old,) = found_locations(context)
    if old is not None:
        clean(old, job_of(args["from"]))
