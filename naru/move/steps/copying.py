"""What the steps that carry content from storage to storage have in common: a pass of a copy, the comparison after it,
and how long that may take."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from naru.actions import durations
from naru.actions.arguments import Id
from naru.actions.clouds import RETRY
from naru.actions.request import Action, From
from naru.errors import NaruError
from naru.move.draft import COPIES
from naru.move.steps.rate import controlled
from naru.plan.context import Context
from naru.plan.kinds import Retry
from naru.volumes.control import Control
from naru.volumes.engine.copy import PassResult, copy
from naru.volumes.engine.state import is_free, wait_until_free
from naru.volumes.engine.verify import Comparison, verify
from naru.volumes.volume import Location

FINAL = "final"
"""The file in a copy's directory that says that its cut-over has begun: a round of copying ahead gives way."""
LOOK = 0.5
"""Seconds between two looks of a round at that file."""
PATIENCE = 90.0
"""Seconds that a window waits for a round of copying ahead to give way."""
SETTLE = 5.0
"""Seconds from a point of a volume in use to its first reading: see `copy`. In a round it has passed before."""
# a storage may still hold what a killed client left; what is copied is compared afterwards, whatever happened
AGAIN = (*RETRY, Retry(on=(NaruError,), tries=4, pause=3.0))


def deadline(args: Mapping[str, Any]) -> float:
    """What a copy of `size` bytes may take."""
    return durations.limit(float(args.get("size") or 0))


def seconds(args: Mapping[str, Any]) -> float:
    """What a copy of `size` bytes is expected to take."""
    return durations.expected(float(args.get("size") or 0), durations.STORAGE, more=2.0)


def job_of(volume: str) -> str:
    """What the points on an old volume are named by."""
    return f"move{volume[:8]}"


class VolumeCopy(Action):
    """The content of the volume `source` (`from` in the arguments) on the cloud `old`, for the volume `to` on `cloud`.
    `size` is in bytes, `storage` the files that describe the storage of both, `directory` the copy's own."""

    limit_group: ClassVar[str] = COPIES

    old: str
    source: From
    to: Id
    size: int
    storage: list[str]
    directory: str


class GaveWay(NaruError):
    """A copy ahead was ended by the window; what it did is kept."""


def give_way(control: Control, directory: Path) -> Control:
    """The same for a copy ahead, which ends with GaveWay within a second of when its volume's cut-over begins."""
    looked = 0.0

    def check() -> None:
        nonlocal looked
        control.check()
        if (now := time.monotonic()) - looked >= LOOK:
            looked = now
            if (directory / FINAL).exists():
                raise GaveWay("the cut-over of the volume has begun")

    return replace(control, check=check)


def wait_for_round(context: Context, directory: Path) -> None:
    """Waits until a round of copying ahead has given way to the window. Raises NaruError when it does not."""
    if not is_free(directory):
        context.log(f"wait until copying ahead gives way: {directory}")
    wait_until_free(directory, PATIENCE, context.check)


def copy_volume(
    context: Context,
    args: Mapping[str, Any],
    source: Location,
    target: Location,
    at: str = "",
) -> dict[str, Any]:
    """A pass, up to the source's point `at` or a new one, and the comparison of both sides."""
    directory = Path(args["directory"])
    ahead = bool(args.get("ahead") or at)
    context.log(f"copy and compare {source} {target}")
    job, whole, control = job_of(args["from"]), bool(args.get("whole")), controlled(context, directory)
    if args.get("ahead"):
        control = give_way(control, directory)
    elif not at:
        wait_for_round(context, directory)
    settled = str(args.get("settled") or "")
    done, verdict = copy_and_compare(
        *(source, target, directory), job=job, ahead=ahead, whole=whole, at=at, settled=settled, control=control
    )
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


def copy_and_compare(
    source: Location,
    target: Location,
    directory: Path,
    *,
    job: str,
    ahead: bool,
    whole: bool,
    control: Control,
    at: str = "",
    settled: str = "",
) -> tuple[PassResult, Comparison]:
    """Copies what changed since the last pass, or all, up to the source's point `at` or a new one, and compares it, as
    the step kind `move.content` says. With `ahead` a pass that was begun is ended; without, one follows it: what was
    begun while the old server ran ends at a point of then. `settled` is the point that was made before a round's copies
    began, and is old enough."""
    settle = SETTLE if ahead and not at else 0.0
    done = copy(
        *(source, target, directory), job=job, at=at, settle=settle, settled=settled, idle=not ahead, control=control
    )
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
