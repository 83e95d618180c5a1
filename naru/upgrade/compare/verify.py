"""What users had before an upgrade, and what they have after it, by the API: everything is listed before the window and
after it, in the same microversions, and compared.

What an upgrade is to change is known: versions, what services say of themselves. What only a later release says (a
field that it has for all things of a kind, or no longer has for any) is told, and is no fault.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from naru.cloud.client import Cloud, CloudError
from naru.errors import InputError, NaruError
from naru.inventory.archive import Archive
from naru.inventory.cloud_reading import CloudReading
from naru.inventory.compare import VOLATILE, Difference, comparable, compare
from naru.inventory.read import OF_USERS, Sink
from naru.plan.journal import Journal
from naru.plan.queries import reading
from naru.plan.run import Terminal
from naru.releases import path
from naru.site import site as sites
from naru.upgrade import gates
from naru.upgrade.compare import answers, guests, tokens, writes
from naru.upgrade.compare.answers import Asked
from naru.upgrade.compare.connected import left_on_others
from naru.upgrade.compare.verified import ASKED, BEFORE, EXAMPLES, NOT_WELL, VERIFIED, WROTE, Judged, Verified
from naru.upgrade.compare.writes import Tried
from naru.upgrade.finding import Span
from naru.upgrade.window.apart import RECORDS
from naru.upgrade.window.window import CLOUD
from naru.upgrade.work import Work

ARCHIVE = "archive.db"
WITHOUT = OF_USERS | {"volume attachment", "image data"}
"""Kinds that are asked for thing by thing, and of which others tell as much: that would take hours on a large cloud."""
_OF_USERS = frozenset(
    ("metadata", "properties", "extra_specs", "os-extra_specs:extra_specs", "volume_image_metadata", "specs", "extra")
)
"""Fields that are maps with keys of users' own."""
OF_SERVICES = frozenset(
    {"cloud", "hypervisor", "compute service", "volume service", "network agent", "volume pool"}
    | {f"{name} availability zone" for name in ("compute", "volume", "network")}
)
"""Kinds by which services tell of themselves: each has to be there, and what it says may be another thing."""
_REPORTS = {("compute service", "state"): "up", ("volume service", "state"): "up", ("network agent", "alive"): True}
"""What each of these that has reported says, by kind and field: who does not any more is missed."""


def check_users(upgrade: Work, users: Sequence[str]) -> None:
    """Raises NaruError when one of these, by their names in clouds.yaml, cannot log in (without any, of those of last
    time), or when the site does not say which cloud it is. Once the window has begun none of them is asked."""
    with upgrade.journal() as journal:
        if gates.has_begun(journal):
            return
        users = users or list(journal.recall(ASKED) or ())
    if users:
        _name(upgrade)
    for name in users:
        try:
            with Cloud(name) as cloud:
                cloud.user_id  # noqa: B018 (logs in)
        except NaruError as error:
            error.hint = f"{error.hint} Or name other users: --as CLOUD.".strip()
            raise


def keep_before(upgrade: Work, terminal: Terminal, progress: Sink, users: Sequence[str] = ()) -> None:
    """Reads the cloud as it is before the window, where the site says which it is; see `read_before`. What cannot be
    read keeps nobody from beginning."""
    with upgrade.journal() as journal:
        if not _cloud(upgrade) or gates.has_begun(journal):
            return
    try:
        for problem in read_before(upgrade, progress, users):
            terminal.warn(problem)
    except NaruError as error:
        terminal.warn(f"naru upgrade verify will not know how the cloud was: {error.summary}")


def read_before(upgrade: Work, progress: Sink, users: Sequence[str] = ()) -> list[str]:
    """Reads the cloud as it is before the window, and what `users` are answered, by their names in clouds.yaml: without
    any those of last time. Gives what could not be read, for people: of a user who cannot be asked what was known last
    time is kept. Raises InputError when the site does not say which cloud it is, and when the window has begun."""
    name = _name(upgrade)
    with upgrade.journal() as journal:
        _check_before(upgrade, journal)
        known = journal.recall(ASKED) or {}
    asked = {user: known.get(user) for user in users or known}
    issued = {user: token for user, token in tokens.kept(upgrade.directory).items() if user in asked}
    problems = []
    with Archive(upgrade.directory / ARCHIVE) as archive, Cloud(name) as cloud:
        number, failed = _read(archive, cloud, progress)
        if failed:
            problems.append(f"{failed} lists of the cloud could not be read")
        with upgrade.journal() as journal:
            _check_before(upgrade, journal)
            earlier = journal.recall(BEFORE)
            if not failed or earlier is None or _failed(archive, earlier):
                journal.remember(BEFORE, number)
            else:  # the earlier one is whole
                problems.append(f"it is compared with how the cloud was at {_read_at(archive, earlier)}")
        for user in asked:
            try:
                with Cloud(user) as one:
                    asked[user], issued[user] = answers.ask_before(one, archive, number), tokens.issued(cloud, one)
            except NaruError as error:
                problems.append(f"{user} could not be asked what it may read: {error.summary}")
    with upgrade.journal() as journal:
        _check_before(upgrade, journal)
        tokens.keep(upgrade.directory, issued)
        journal.remember(ASKED, asked)
    return problems


def _check_before(upgrade: Work, journal: Journal) -> None:
    if gates.has_begun(journal):
        raise InputError(f"{upgrade.directory}: its window has begun: this is no longer how it was before")


def try_before(upgrade: Work, try_writes: Callable[[], Mapping[str, Sequence[Tried]]]) -> Mapping[str, Sequence[Tried]]:
    """Tries users' writes before the window, and keeps what became of them, beside those of other users. It comes
    before the reading, which is not to have what a try that was killed has left. Raises InputError when the window has
    begun."""
    with upgrade.journal() as journal:
        _check_before(upgrade, journal)
    found = try_writes()
    with upgrade.journal() as journal:
        _check_before(upgrade, journal)
        journal.remember(WROTE, {**(journal.recall(WROTE) or {}), **found})
    return found


def verify(
    upgrade: Work, progress: Sink, try_writes: Callable[[], Mapping[str, Sequence[Tried]]] = dict
) -> list[Verified]:
    """Reads the cloud as it is now, and compares it with how it was before: what is wrong first; then tries users'
    writes. Raises InputError when it is not known how it was."""
    began = time.time()  # what ends meanwhile may be missing in what is read
    with upgrade.journal() as journal:
        before, asked = journal.recall(BEFORE), journal.recall(ASKED) or {}
        begun, renamed = gates.has_begun(journal), _renamed(journal)
    if before is None:
        raise InputError(
            f"{upgrade.directory}: it is not known how the cloud was before",
            hint="naru upgrade freeze reads it, and so does naru upgrade verify --before, ahead of the window.",
        )
    found = [*_of_users(asked, upgrade.settings.span), *guests.judge(guests.record(upgrade.directory))]
    with Archive(upgrade.directory / ARCHIVE) as archive:
        with Cloud(_name(upgrade), at_most=_versions(archive, before)) as cloud:
            if begun:  # the Keystone that issued them accepts them, and they would not be kept
                found += tokens.compare(upgrade.directory, cloud)
            after, _ = _read(archive, cloud, progress)
        found += judge(archive, before, after, _known(upgrade.settings.span), renamed)
    found += _left_on_queues(upgrade)
    found += writes.judge(upgrade, try_writes())
    found.sort(key=lambda one: one.judged not in NOT_WELL)
    with upgrade.journal() as journal:
        journal.remember(VERIFIED, {"at": began, "after": after, "found": found})
    return found


def _of_users(asked: Mapping[str, Sequence[Any] | None], span: Span) -> Iterator[Verified]:
    """What users are answered now, who are known by name, and what they were asked for before."""
    for name, remembered in asked.items():
        if remembered is None:
            yield Verified("not known", answers.kind(name), "could not be asked before", "identity", 1, ())
            continue
        before = Asked.load(remembered)
        try:
            with Cloud(name) as cloud:
                now, first = answers.ask_after(cloud, before)
            yield from answers.judge(name, before, now, span, first)
        except CloudError as error:
            yield Verified("wrong", answers.kind(name), "cannot log in", "identity", 1, (str(error),))
        except NaruError as error:  # it is no longer in clouds.yaml
            yield Verified("not known", answers.kind(name), "cannot be asked now", "identity", 1, (str(error),))


def _left_on_queues(upgrade: Work) -> list[Verified]:
    """Who is connected to message queues that are left behind, once the window has begun."""
    settings = upgrade.settings
    with upgrade.journal() as journal:
        begun, back = gates.has_begun(journal), gates.is_back(journal)
    services = settings.services or list(path.services())
    return left_on_others(sites.load(Path(settings.site)), services, back=back) if begun else []


def versions(upgrade: Work, archive: Archive) -> list[tuple[str, str, str]]:
    """The newest versions of each API, before and after, in the newest comparison; [] before there was one."""
    with upgrade.journal() as journal:
        before, verified = journal.recall(BEFORE), journal.recall(VERIFIED)
    if before is None or verified is None:
        return []
    old, new = (_versions(archive, number) for number in (before, verified["after"]))
    return [(name, old.get(name, "-"), new.get(name, "-")) for name in {**old, **new}]


def _versions(archive: Archive, snapshot: int) -> dict[str, str]:
    itself = next(archive.rows(snapshot, kind="cloud"), None)
    return itself.body["versions"] if itself else {}


def _known(span: Span) -> set[tuple[str, str]]:
    """Fields, by kind, that a release on the way is known to give otherwise."""
    changes = [one for service in path.services().values() for one in service.changes if span.passes(one.since)]
    return {(one.kind, field) for one in changes for field in one.fields}


def _renamed(journal: Journal) -> dict[str, str]:
    """The names of hosts that the window has given others, as long as it is not taken back."""
    with reading(journal) as now:
        done = now.steps(unit=CLOUD, purpose=RECORDS, states=["done"], args=True)
    return {old: new for step in done for _, old, new in step.args["moved"] if new}


def judge(
    archive: Archive,
    before: int,
    after: int,
    known: Collection[tuple[str, str]] = frozenset(),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> list[Verified]:
    """What differs between two readings of a cloud; fields that are `known` to be given otherwise are another
    release's, and hosts are as they were when they are `renamed` so."""
    numbers: dict[str, int] = defaultdict(int)
    for row in archive.rows(before):
        numbers[row.kind] += 1
    groups: dict[tuple[str, str, str], list[Difference]] = defaultdict(list)
    now = {(row.kind, row.id) for row in archive.rows(after) if row.kind in OF_SERVICES}
    for one in compare(archive, before, after):
        same = isinstance(one.before, str) and one.before != one.after == _now(one.before, renamed)
        there = one.change == "removed" and any((one.kind, id) in now for id in _ids(one.id, renamed))
        silent = one.change == "changed" and one.before == _REPORTS.get((one.kind, one.field), one)
        counts = one.kind not in OF_SERVICES or one.change == "removed" or silent
        if counts and not same and not there:
            groups[one.kind, one.change, one.field].append(one)
    gone = {kind: len(found) for (kind, change, _), found in groups.items() if change == "removed"}
    found = [
        Verified(
            "another release's"
            if change == "changed" and (kind, field) in known
            else _judged(found, numbers[kind] - gone.get(kind, 0)),
            *(kind, change, field, len(found)),
            tuple(_example(one) for one in found[:EXAMPLES]),
        )
        for (kind, change, field), found in groups.items()
    ]
    found += _unread(archive, before, after)
    return sorted(found, key=lambda one: (one.judged not in NOT_WELL, one.judged, one.kind, one.field))


def _now(name: str, renamed: Mapping[str, str]) -> str:
    """What a host is called now, with the pool behind it."""
    host, sign, pool = name.partition("#")
    return f"{renamed.get(host, host)}{sign}{pool}"


def _ids(id: str, renamed: Mapping[str, str]) -> Iterator[str]:
    """What a service is called, or a pool, whose host has another name."""
    before, sign, host = id.rpartition("/")
    if (new := _now(host, renamed)) != host:
        yield f"{before}{sign}{new}"


def _judged(found: list[Difference], both: int) -> Judged:
    """`both` are the things of the kind that are there before and after."""
    change = found[0].change
    if change != "changed":
        return "new" if change == "added" else "wrong"
    came = all(one.absent == "before" for one in found)
    went = all(one.absent == "after" for one in found) and len(found) == both
    more = all(not one.absent and _has_all(one.field, one.before, one.after) for one in found)
    return "another release's" if came or went or more else "wrong"


def _has_all(field: str, before: Any, after: Any) -> bool:
    """Whether all that was there is there as it was: a later release says more of things within things. Of a map whose
    keys are users' own nothing may come."""
    if isinstance(before, dict) and isinstance(after, dict) and field not in _OF_USERS:
        kept = before.keys() - VOLATILE
        return all(key in after and _has_all(key, before[key], after[key]) for key in kept)
    of_things = isinstance(before, list) and isinstance(after, list)
    if of_things and all(isinstance(one, dict) and "id" in one for one in (*before, *after)):
        now = {one["id"]: one for one in after}
        return len(before) == len(after) and all(
            one["id"] in now and _has_all("", one, now[one["id"]]) for one in before
        )
    return bool(comparable(field, before) == comparable(field, after))


def _example(one: Difference) -> str:
    what = f"{one.name} ({one.id})" if one.name and one.name != one.id else one.id
    return f"{what}: {_short(one.before)} -> {_short(one.after)}" if one.field else what


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unread(archive: Archive, before: int, after: int) -> Iterator[Verified]:
    """Lists that could be read before, and cannot be now; and those that could not be read before."""
    by_number = {one.number: one for one in archive.snapshots()}
    could = {one.kind for one in by_number[before].readings if not one.problem}
    for one in by_number[after].readings:
        if one.kind in could and one.problem:
            yield Verified("wrong", one.kind, "not read", "", 0, (one.problem,))
    for one in by_number[before].readings:
        if one.failed:
            yield Verified("not known", one.kind, "not read before", "", 0, (one.problem,))


def _failed(archive: Archive, snapshot: int) -> bool:
    return any(reading.failed for one in archive.snapshots() if one.number == snapshot for reading in one.readings)


def _read_at(archive: Archive, snapshot: int) -> str:
    return next(one.began for one in archive.snapshots() if one.number == snapshot)


def _cloud(upgrade: Work) -> str:
    return sites.load(Path(upgrade.settings.site)).content.cloud or ""


def _name(upgrade: Work) -> str:
    name = _cloud(upgrade)
    if not name:
        hint = "Add cloud: NAME, as it is called in clouds.yaml."
        raise InputError(f"{upgrade.settings.site}: cloud: is missing", hint=hint)
    return name


def _read(archive: Archive, cloud: Cloud, progress: Sink) -> tuple[int, int]:
    reading = CloudReading(archive, cloud, progress=progress, without=WITHOUT)
    reading.end()
    return reading.snapshot, sum(one.failed for one in reading.readings)
