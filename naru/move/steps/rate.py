"""The cap on what all copies of a move carry together: the file `rate` in its work directory, which may be changed at
any time."""

from pathlib import Path

from naru.errors import InputError
from naru.files import write_whole
from naru.move.copies import work_of
from naru.plan.context import Context
from naru.text import parse_rate
from naru.volumes.control import Control

RATE = "rate"
"""The file in the work directory: bytes a second, in decimal."""
COPYING = ("move.content", "move.snapshot", "move.backup", "move.content.undo", "move.content.flatten")
"""The kinds that share the cap."""


def rate(work: Path) -> float | None:
    """The cap on all copies together, in bytes a second; None for none. Raises InputError for a file that holds none:
    somebody wrote it by hand."""
    file = work / RATE
    try:
        text = file.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    try:
        return parse_rate(text)
    except ValueError as error:
        raise InputError(f"{file}: {error}", hint=f"Set it by: naru move rate {work} 80M") from error


def set_rate(work: Path, value: float | None) -> None:
    """Changes the cap, for running copies too."""
    if value is None:
        (work / RATE).unlink(missing_ok=True)
        return
    write_whole(work / RATE, f"{max(1, round(value))}\n")


def controlled(context: Context, directory: Path) -> Control:
    """What a copy is stopped by, and its share of the cap: that is looked at about twice a second."""

    known: float | None = None
    told = False

    def share() -> float | None:
        nonlocal known, told
        try:
            known, told = rate(work_of(directory)), False
        except InputError as error:
            if not told:  # no window fails for this: the cap of before goes on
                context.log(f"{error.summary}; the cap stays as it was")
            told = True
        return known / max(1, context.running(COPYING)) if known is not None else None

    return Control(context.check, lambda done, total: context.progress(done, total), share)
