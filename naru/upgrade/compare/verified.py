"""What a comparison of a cloud before and after its upgrade has found, as the journal remembers it."""

from typing import Literal, NamedTuple

BEFORE, ASKED, VERIFIED = "before", "asked", "verified"
"""What the journal remembers: the number of the reading with which the cloud is compared; by name what users were asked
for and answered before (`naru.upgrade.compare.answers.Asked`, None for one who could not be asked); and the newest
comparison: when it began (`at`, seconds since 1970), the number of its reading (`after`), and what was `found`."""
WROTE, WRITING = "wrote", "writing"
"""By name what became of users' writes that were tried before (`naru.upgrade.compare.writes.Tried`); and the users of
whom something may be left that was made to try it."""
EXAMPLES = 5

Judged = Literal["wrong", "not known", "not compared", "passing", "new", "another release's"]
NOT_WELL: tuple[Judged, ...] = ("wrong", "not known")


class Verified(NamedTuple):
    """Something that differs: whether it is `wrong` (gone, or changed), `not known` (what could not be read before),
    `not compared` (there was nothing to compare), `passing` (otherwise at first, and then as before), `new` since, or
    `another release's` way to say it; of which kind of thing, in which field ("" for whole things; the service, of what
    a user is answered), of how many, some of them by name and id, and what it likely comes of."""

    judged: Judged
    kind: str
    change: str
    field: str
    number: int
    examples: tuple[str, ...]
