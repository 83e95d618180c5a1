"""The step kind that makes OSDs by ceph-ansible, and removes them again."""

from pathlib import Path
from typing import Any

from naru.actions.durations import DAY
from naru.operate.scale import runner
from naru.operate.scale.osd import made, playbooks
from naru.operate.scale.osd.playbooks import Playbooks
from naru.operate.scale.osd.steps import RETRY
from naru.operate.scale.osd.work import OfCeph, Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step


class Played(OfCeph):
    """ceph-ansible in `directory`, its `playbook`, the grown `inventory`; what is kept of runs is in `runs`."""

    directory: str
    playbook: str
    inventory: str
    runs: str


@step("scale.osd.play", args=Played, undo="scale.osd.play.undo", retry=(), deadline=DAY)
def play(context: Context) -> dict[str, Any]:
    """Runs ceph-ansible's playbook on these hosts alone. Given again after anything that ended it, it runs from its
    beginning: its tasks find what they have done."""
    args = context.args
    place = Place(args)
    done = _play(context, args, args["playbook"], playbooks.options(args["hosts"]))
    return {**done, "osds": made.all_made(context, place)}


@step("scale.osd.play.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DAY)
def undo_play(context: Context) -> dict[str, Any]:
    """Removes the OSDs by ceph-ansible, which erases their disks, that were empty before. The packages, or images, and
    the configuration that it has put on hosts stay."""
    args = context.undone.args
    place = Place(args)
    removed = place.every()
    made.refuse_data(place.ceph, removed)
    if removed:
        _play(context, args, playbooks.SHRINK, playbooks.removing(removed))
        made.wait_gone(context, place)
    for name in args["hosts"]:
        made.remove_bucket(place.ceph, name)
    return {"removed": removed}


def _play(context: Context, args: Any, playbook: str, options: list[str]) -> dict[str, Any]:
    runs = Path(args["runs"])
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    ident = f"{Path(playbook).stem}-{context.run}-{context.attempt}"
    found = Playbooks(Path(args["directory"]), args["playbook"])
    argv = found.argv(playbook, Path(args["inventory"]), options, runs, ident)
    return runner.play(context, f"ceph-ansible's {playbook}", argv, found.environment(), runs, ident)
