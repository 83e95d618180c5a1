"""Many names and addresses as few lines: compute001 to compute300 with their addresses are one."""

import re
from collections.abc import Iterable, Sequence

from naru.site.names import MOST

_PARTS = re.compile(r"(\d+)")

Texts = tuple[str, ...]


def natural(text: str) -> tuple[tuple[int, int | str, int], ...]:
    """A key to sort by, in which node9 comes before node10."""
    return tuple(
        (1, int(part), len(part)) if at % 2 else (0, part, 0) for at, part in enumerate(_PARTS.split(text)) if part
    )


def fold(rows: Iterable[Texts]) -> list[Texts]:
    """Rows of texts that count up together (a name, its address), in order, as rows in which a range stands for
    several: `naru.site.names.expand` gives each column back. Empty texts stay empty."""
    folded: list[Texts] = []
    run: list[Texts] = []
    ways: list[int | None] = []
    for row in rows:
        if run and (following := _following(run, row, ways)):
            ways = following
            run.append(row)
        else:
            folded += _closed(run, ways)
            run, ways = [row], [None] * len(row)
    return folded + _closed(run, ways)


def fold_names(names: Iterable[str]) -> list[str]:
    """Names, sorted, as names and ranges."""
    return [name for (name,) in fold((name,) for name in sorted(set(names), key=natural))]


def _following(run: Sequence[Texts], row: Texts, ways: Sequence[int | None]) -> list[int | None] | None:
    """Which number of each column counts up, when the row goes on where the run is; None when it does not."""
    if len(run) >= MOST or len(row) != len(run[0]):
        return None
    following: list[int | None] = []
    for first, text, way in zip(run[0], row, ways, strict=True):
        if not first and not text:
            following.append(None)
            continue
        place = _counts(first, text, len(run), way)
        if place is None:
            return None
        following.append(place)
    return following


def _counts(first: str, text: str, steps: int, way: int | None) -> int | None:
    """The place of the number that is `steps` above that in `first`, all else being equal; `way` when it has to be
    that one."""
    ours, theirs = _PARTS.split(first), _PARTS.split(text)
    if len(ours) != len(theirs):
        return None
    differing = [at for at, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    if len(differing) != 1:
        return None
    at = differing[0]
    if at % 2 == 0 or (way is not None and at != way):
        return None
    return at if theirs[at] == f"{int(ours[at]) + steps:0{len(ours[at])}}" else None


def _closed(run: Sequence[Texts], ways: Sequence[int | None]) -> list[Texts]:
    if len(run) < 2:
        return list(run)
    columns = []
    for first, last, way in zip(run[0], run[-1], ways, strict=True):
        parts, ends = _PARTS.split(first), _PARTS.split(last)
        if way is not None:
            parts[way] = f"[{parts[way]}:{ends[way]}]"
        columns.append("".join(parts))
    return [tuple(columns)]
