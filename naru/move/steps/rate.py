"""What copies are stopped by, and their share of the move's cap (`naru.work.rate`)."""

from pathlib import Path

from naru.move.copies import work_of
from naru.plan.context import Context
from naru.volumes.control import Control
from naru.work.rate import share

COPYING = ("move.content", "move.snapshot", "move.backup", "move.content.undo", "move.content.flatten")
"""The kinds that share the cap."""


def controlled(context: Context, directory: Path) -> Control:
    """What a copy is stopped by, and its share of the cap."""
    mine = share(context, work_of(directory), COPYING)
    return Control(context.check, lambda done, total: context.progress(done, total), mine)
