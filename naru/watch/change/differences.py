"""What a change did to the errors of a cloud, group by group."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from naru.watch.change.changes import DAY, Change, counts, listed
from naru.watch.change.code_sets import AFTER, BEFORE, CodeSet, load
from naru.watch.group import HOLE
from naru.watch.match import UNMATCHED
from naru.watch.statements import ANY
from naru.watch.store import Store

NEW_CODE, NEW_BEHAVIOUR, NEW, DURING, CARRIED, GONE, MORE, LESS = (
    "new code",
    "new behaviour",
    "new",
    "while it went on",
    "carried over",
    "gone",
    "more",
    "less",
)
"""What became of a group. It is new, and its statement was not in the code of before, or was, or is not known; it is
new, and came while the change went on and not since; it is one of before, with another text or function; of one of
before nothing came since, although it was to be expected, or its statement is not in the code any more; it comes three
times as often as before, or as seldom."""
KINDS = (NEW_CODE, NEW_BEHAVIOUR, NEW, DURING, CARRIED, GONE, MORE, LESS)
TIMES = 3.0
"""From so many times as often, or as seldom, the rate has changed."""
ENOUGH = 10
"""So many records have to be there, or to be expected, for a rate to say anything."""
SURELY = 5.0
"""So many records are expected where none is proof that a group is gone (by chance one time in 150)."""


class Difference(NamedTuple):
    """A group that a change concerns: `kind` as above, `group` its row, and its records per hour before and after
    (None where nothing was watched then). `mapped_from` is the key that it had before; `since` its records since."""

    kind: str
    group: dict[str, Any]
    before: float | None
    after: float | None
    since: int
    mapped_from: str = ""


Sides = tuple[CodeSet, CodeSet]
"""The code before a change, and after it."""


class Code(NamedTuple):
    """How many packages have other content, and how many texts of warnings and errors are new and are gone."""

    packages: int
    new: int
    gone: int


class Spans(NamedTuple):
    """What is compared with what, in seconds since 1970: a day before the change, and a day after it, as far as either
    was watched."""

    before: tuple[float, float]
    after: tuple[float, float]

    @property
    def hours(self) -> tuple[float, float]:
        """How long each is."""
        return (self.before[1] - self.before[0]) / 3600, (self.after[1] - self.after[0]) / 3600


def code(sets: Sides) -> Code | None:
    """How the code differs; None where it is not known on both sides."""
    before, after = sets
    if not before.packages or not after.packages:
        return None
    names = before.packages.keys() | after.packages.keys()
    other = sum(before.packages.get(one) != after.packages.get(one) for one in names)
    old, new = set(before.texts), set(after.texts)
    return Code(other, len(new - old), len(old - new))


def sides(store: Store, change: Change, only: Sequence[str] = ()) -> Sides:
    """The code before a change and after it; of the packages `only`, where some are named."""
    before, after = (load(store.connection, change.id, side, only) for side in (BEFORE, AFTER))
    return before, after


def spans(store: Store, change: Change, now: float) -> Spans:
    """What is compared of a change."""
    (first,) = store.connection.execute("SELECT min(minute) * 60 FROM rate").fetchone()
    began = min(max(change.begun - DAY, first or 0), change.begun)
    since = change.begun if change.ended is None else change.ended
    read = store.setting("read") or now
    return Spans((began, change.begun), (since, max(since, min(since + DAY, max(read, since), now))))


def differences(store: Store, change: Change, sets: Sides, now: float) -> list[Difference]:
    """The groups that a change concerns, those of a kind together, the most frequent first."""
    return sorted(_all(store, change, sets, now), key=lambda one: (KINDS.index(one.kind), -one.since, one.group["key"]))


def _all(store: Store, change: Change, sets: Sides, now: float) -> Iterator[Difference]:
    span = spans(store, change, now)
    kept = dict(store.connection.execute("SELECT grp, n FROM change_rate WHERE change = ?", (change.id,)).fetchall())
    # lines of before that were read after the change had ended count as well
    live = counts(store, *span.before)
    before = {key: max(live.get(key, 0), kept.get(key, 0)) for key in live.keys() | kept.keys()}
    after = counts(store, *span.after)
    query = "SELECT grp, old, change FROM mapped"
    mapped = {grp: (old, number) for grp, old, number in store.connection.execute(query)}
    went_on = {old: grp for grp, (old, number) in mapped.items()}
    hours = span.hours
    for group in store.groups():
        key = group["key"]
        old, number = mapped.get(key, ("", 0))
        past, since = before.get(key, 0) + (before.get(old, 0) if number == change.id else 0), after.get(key, 0)
        rate, now_rate = (n / length if length else None for n, length in zip((past, since), hours, strict=True))
        if number == change.id:
            yield Difference(CARRIED, group, rate, now_rate, since, old)
        elif group["first"] >= change.begun:
            if group["first"] < span.after[1] or change.ended is None:
                yield Difference(_new(group, change, sets), group, None, now_rate, since)
        elif key not in went_on and (kind := _became(group, past, since, hours, sets)):
            yield Difference(kind, group, rate, now_rate, since)


def _new(group: Mapping[str, Any], change: Change, sets: Sides) -> str:
    """What a group is that was not there before."""
    if change.ended is not None and group["last"] < change.ended:
        return DURING
    before, after = sets
    if not before.packages or group["how"] in ("text", "warning") or (group["how"] in UNMATCHED and group["text"]):
        return NEW
    text = group["text"].replace(ANY, HOLE) or HOLE
    if before.has(group["module"], text):
        return NEW_BEHAVIOUR
    return NEW_CODE if after.has(group["module"], text) or not after.packages else NEW


def _became(group: Mapping[str, Any], past: int, since: int, hours: tuple[float, float], sets: Sides) -> str | None:
    """What a group of before has become; None where it goes on as it was, or it is too early to say."""
    before, after = sets
    expected = past * hours[1] / hours[0] if hours[0] else 0.0
    text = group["text"].replace(ANY, HOLE)
    if not since and past:
        away = after.packages and before.has(group["module"], text) and not after.has(group["module"], text)
        return GONE if away or expected >= SURELY else None
    if not hours[1] or not hours[0]:
        return None
    if since >= ENOUGH and since >= TIMES * expected:
        return MORE
    return LESS if expected >= ENOUGH and since * TIMES <= expected else None


def came_with(store: Store, group: Mapping[str, Any]) -> tuple[str, Change] | None:
    """Of a group that came for the first time within a day after a change began: whether its code is new, and the
    change."""
    close = [one for one in listed(store) if 0 <= group["first"] - one.begun <= DAY]
    if not close:
        return None
    return _new(group, close[-1], sides(store, close[-1], [group["module"].partition(".")[0]])), close[-1]


def since_change(store: Store, group: Mapping[str, Any]) -> str:
    """The same in words; "" for other groups."""
    found = came_with(store, group)
    return f"{found[0]}, since {found[1].what}" if found else ""
