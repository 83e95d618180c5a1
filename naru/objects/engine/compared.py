"""Two listings and what was carried, gone through together in the order of the names: nothing of it is held."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from naru.objects.engine.state import LINK, STATIC, Carried
from naru.objects.headers import second
from naru.objects.listing import Entry


class Row(NamedTuple):
    """One name: as the source has it, as the target has it, and as it was carried; None where it is not there."""

    name: str
    here: Entry | None
    there: Entry | None
    known: Carried | None


def together(here: Iterable[Entry], there: Iterable[Entry], known: Iterable[Carried]) -> Iterator[Row]:
    """Every name that any of the three has. Each is in the order of the names."""
    sides = (iter(here), iter(there), iter(known))
    a, b, c = next(sides[0], None), next(sides[1], None), next(sides[2], None)
    while a is not None or b is not None or c is not None:
        name = min(item for item in (a and a.name, b and b.name, c and c.entry.name) if item is not None)
        row = Row(
            name,
            a if a is not None and a.name == name else None,
            b if b is not None and b.name == name else None,
            c if c is not None and c.entry.name == name else None,
        )
        yield row
        a = next(sides[0], None) if row.here else a
        b = next(sides[1], None) if row.there else b
        c = next(sides[2], None) if row.known else c


def unchanged(row: Row) -> bool:
    """Whether neither side has changed since the object was carried, as far as listings say."""
    _, here, there, known = row
    return known is not None and there is not None and here == known.entry and as_put(there, known)


def as_put(there: Entry, known: Carried) -> bool:
    """Whether the target's listing has the object as it was put."""
    if there.bytes != known.entry.bytes:
        return False
    if known.kind not in (STATIC, LINK) and known.there_etag and there.etag != known.there_etag:
        return False
    return not known.there_second or second(there.modified) == known.there_second
