"""The cap on what the steps of a plan carry together: the file `rate` in its work directory, which may be changed at
any time."""

from collections.abc import Callable, Collection
from pathlib import Path

from naru.errors import InputError
from naru.files import write_whole
from naru.plan.context import Context
from naru.text import parse_rate

RATE = "rate"
"""The file in the work directory: bytes a second, in decimal."""


def rate(work: Path) -> float | None:
    """The cap on all of them together, in bytes a second; None for none. Raises InputError for a file that holds none:
    somebody wrote it by hand."""
    file = work / RATE
    try:
        text = file.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    try:
        return parse_rate(text)
    except ValueError as error:
        raise InputError(
            f"{file}: {error}", hint="It has bytes a second, like 80M; without the file there is no cap."
        ) from error


def set_rate(work: Path, value: float | None) -> None:
    """Changes the cap, for running steps too."""
    if value is None:
        (work / RATE).unlink(missing_ok=True)
        return
    write_whole(work / RATE, f"{max(1, round(value))}\n")


def share(context: Context, work: Path, kinds: Collection[str]) -> Callable[[], float | None]:
    """What a running step may carry, in bytes a second, as one of those of these kinds that run: to be asked again and
    again, about twice a second."""

    known: float | None = None
    told = False

    def now() -> float | None:
        nonlocal known, told
        try:
            known, told = rate(work), False
        except InputError as error:
            if not told:  # nothing fails for this: the cap of before goes on
                context.log(f"{error.summary}; the cap stays as it was")
            told = True
        return known / max(1, context.running(kinds)) if known is not None else None

    return now
