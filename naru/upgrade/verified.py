"""What a comparison of a cloud before and after its upgrade has found, as the journal remembers it."""

from typing import Literal, NamedTuple

BEFORE, VERIFIED = "before", "verified"
"""What the journal remembers: the number of the reading with which the cloud is compared; the newest comparison: the
moment (`at`, seconds since 1970), the number of its reading (`after`), and what was `found`."""

Judged = Literal["wrong", "not known", "new", "another release's"]
NOT_WELL: tuple[Judged, ...] = ("wrong", "not known")


class Verified(NamedTuple):
    """Something that differs: whether it is `wrong` (gone, or changed), `not known` (a list that could not be read
    before or now), `new` since, or `another release's` way to say it; of which kind of thing, in which field ("" for
    whole things), of how many, some of them by name and id."""

    judged: Judged
    kind: str
    change: str
    field: str
    number: int
    examples: tuple[str, ...]
