"""What a rollback after the cut-over loses, with `--carry-back` or without: said before it begins."""

from collections.abc import Collection, Iterator

from naru.errors import InputError
from naru.move.downtime import downtimes
from naru.move.steps.by_image import RootContent, VolumeImage
from naru.move.steps.volume_content import VolumeContent
from naru.move.work import Work
from naru.plan.journal import Journal
from naru.plan.queries import reading
from naru.text import shortened

NAMED = 20
"""How many servers are named."""
STORAGE, IMAGE, ROOT = VolumeContent.step_kind, VolumeImage.step_kind, RootContent.step_kind


def check(journal: Journal) -> None:
    """Raises InputError when nothing of the move can be carried back: its volumes go by images."""
    kinds = set(_kinds(journal, done=False))
    if STORAGE not in kinds:
        raise InputError(
            f"{journal.name}: there is nothing that could be carried back",
            detail="Its volumes go by images." if IMAGE in kinds else "No volume is moved.",
            hint="Save what was written on the new servers by other means, then roll back without --carry-back.",
        )


def told(work: Work, journal: Journal, projects: Collection[str], carry: bool) -> Iterator[str]:
    """Lines that tell the operator what is lost of these projects (ids), or without any of all: what was written on
    which server since when."""
    mine = {item.id for item in work.decisions if item.kind == "server" and item.project in (projects or work.projects)}
    running = [found for found in downtimes(work) if found.started_at and found.server_old_id in mine]
    if not running:
        return
    if carry:
        roots = list(_kinds(journal, done=True)).count(ROOT)
        yield f"what the volumes of {len(running)} servers hold is carried back to the old cloud; all of it is read"
        if roots:
            yield f"the own disks of {roots} servers came by images: what was written to them is lost"
        yield "volumes and servers that were made on the new cloud since, and all that is not on volumes, stay there"
        return
    yield f"what was written on the new cloud is lost with its {len(running)} servers; they run since:"
    ordered = sorted(running, key=lambda one: (one.started_at, one.server_name))
    for line in shortened((f"{one.server_name or one.server_old_id}: {one.started_at}" for one in ordered), NAMED):
        yield f"  {line}"
    if STORAGE in _kinds(journal, done=True):
        yield "--carry-back carries what their volumes hold back to the old ones"


def _kinds(journal: Journal, *, done: bool) -> Iterator[str]:
    """The kinds of the steps that carry content, each as often as there are some; with `done` of those that are
    done."""
    with reading(journal) as now:
        for step in now.steps(kind=(STORAGE, IMAGE, ROOT), states=["done"] if done else None):
            yield step.kind
