"""The step kinds that begin a round of copying ahead: the points of all volumes are made, many at a time, and grow old
together; no copy waits for its own.

A point of a volume in use must not be read at once (see `naru.volumes.engine.copy`). Who waits for that holds nothing:
`move.content.age` counts against no limit, and a thousand of them wait at once.
"""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from naru.actions.arguments import resolve
from naru.actions.clouds import RETRY
from naru.move.draft import POINTS
from naru.move.steps.copying import AGAIN, FINAL, SETTLE, VolumeCopy, job_of
from naru.move.steps.locate import arguments, locate, locations
from naru.plan.arguments import Arguments, Value
from naru.plan.context import Context
from naru.plan.kinds import step
from naru.volumes.engine.clone import method
from naru.volumes.engine.copy import take


class Point(VolumeCopy):
    """The point at which a pass of a round is to end."""

    step_kind: ClassVar[str] = "move.content.point"
    limit_group: ClassVar[str] = POINTS


@step("move.content.point", args=Point, no_undo="the copy's undo does it", retry=AGAIN, deadline=600, before=locate)
def point(context: Context) -> dict[str, str]:
    """Makes the point of the volume `from` on the cloud `old` up to which the next pass goes, or finds the one of a
    pass that was begun: its name, "" where its storage has none, or nothing is to be copied any more. The other
    arguments are as of `move.content`."""
    args = arguments(context)
    source, target = locations(context)
    directory = Path(args["directory"])
    if (directory / FINAL).exists() or method(source, target).name != "copy":
        return {"point": ""}  # the copy gives way, or is none
    return {"point": take(source, target, directory, job=job_of(args["from"]))}


class Age(Arguments):
    """The `point` that a step has made."""

    point: Value[str]


def _seconds(_: Any) -> float:
    return SETTLE


@step("move.content.age", args=Age, no_undo="time has passed", retry=RETRY, estimate=_seconds)
async def age(context: Context) -> dict[str, str]:
    """Waits until the `point` that was made before is old enough to be read, and hands it on. Without one there is
    nothing to wait for."""
    found = str(resolve(context.args["point"], context.results(), context))
    if found:
        await asyncio.sleep(SETTLE)
    return {"point": found}
