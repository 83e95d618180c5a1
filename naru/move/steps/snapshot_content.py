"""The step kind that makes a snapshot of a volume on the new cloud when the volume has the old snapshot's content.
Snapshots are made in their order, and before the volume is given any later content."""

from pathlib import Path
from typing import Any, ClassVar

from naru.actions.arguments import resolve
from naru.actions.create import Create, is_made, make
from naru.errors import NaruError
from naru.move.draft import COPIES
from naru.move.steps.copying import AGAIN, VolumeCopy, copy_volume, deadline, seconds
from naru.move.steps.locate import arguments, located, locations, pair
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.volumes.engine.state import reached
from naru.volumes.open import backend_of, open_volume
from naru.volumes.volume import OTHER, Location


class SnapshotCopy(VolumeCopy):
    """The content that the volume had when the `snapshot` (its id on the old cloud) was made."""

    snapshot: str


class Snapshot(Create):
    """A snapshot of a volume on the new cloud, which is given the content `carry` first."""

    step_kind: ClassVar[str] = "move.snapshot"
    limit_group: ClassVar[str] = COPIES

    carry: SnapshotCopy


def locate_snapshot(context: Context) -> dict[str, Any]:
    """As `locate`, of a snapshot's content, and whether an earlier attempt made the snapshot."""
    carried = resolve(context.args["carry"], context.results(), context)
    return {"there": is_made(context), **located(context, carried, pair(carried))}


@step(
    "move.snapshot",
    args=Snapshot,
    undo="cloud.delete",
    retry=AGAIN,
    deadline=lambda args: deadline(args["carry"]),
    estimate=lambda args: seconds(args["carry"]),
    before=locate_snapshot,
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
    result = copy_volume(context, args, source, target, _snapshot_of(source, args["snapshot"]))
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
