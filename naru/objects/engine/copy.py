"""A pass: the first carries everything, each later one what changed; killed at any instant, the next call goes on.

Both accounts' listings and what was carried are gone through together, container by container; what differs is looked
at and carried. Then comes what names other objects, then quotas and versioning, then containers that the source has no
more.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from naru.cloud.client import CloudError, Unavailable
from naru.errors import InputError
from naru.objects.engine import PARALLEL, carry, compared, containers, manifests
from naru.objects.engine.carry import Carrier, Outcome
from naru.objects.engine.compared import Row
from naru.objects.engine.containers import Container, Containers
from naru.objects.engine.state import State, opened
from naru.objects.engine.workers import Workers
from naru.objects.headers import second
from naru.objects.listing import Entry, Listing, page_limit
from naru.objects.listing import containers as listed
from naru.objects.mapping import Mapping
from naru.objects.wire import Account
from naru.volumes.control import Control

AHEAD = 4
"""Containers whose first pages are asked for ahead."""
TOLD = 20
"""How many of what is told of one kind are kept."""
NESTED = 20
"""How often what names other objects is tried: so deep may large objects name large objects."""


class PassResult(NamedTuple):
    """A whole pass. Of the objects: `same` needed nothing, `copied` were carried (`bytes`), of `metadata` the headers
    were sent, `deleted` were carried once and the source has them no more, `missing` the source lists and does not give
    (expired, or deleted since), `others` the target has and nobody carried: they stay. `problems` and `told` are
    sentences; where there are problems the pass is not whole, and the next one tries again."""

    number: int
    containers: int
    same: int
    copied: int
    metadata: int
    deleted: int
    missing: int
    others: int
    bytes: int
    seconds: float
    problems: list[str]
    told: list[str]


@dataclass
class _Counts:
    containers: int = 0
    others: int = 0
    bytes: int = 0
    passed: int = 0
    refused: int = 0
    what: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    faulty: int = 0

    def problem(self, text: str) -> None:
        self.refused += 1
        if len(self.problems) < TOLD:
            self.problems.append(text)

    def tell(self, text: str) -> None:
        if len(self.told) < TOLD and text not in self.told:
            self.told.append(text)


def copy(
    source: Account,
    target: Account,
    directory: Path,
    *,
    mapping: Mapping | None = None,
    only: Collection[str] = (),
    parallel: int = PARALLEL,
    delete_others: bool = False,
    keep_modified: bool = False,
    control: Control | None = None,
) -> PassResult:
    """Makes one pass. `directory` keeps the state, for this pair alone. `only` are containers, all without; the
    account's own metadata is carried with all. `delete_others` deletes what the target's containers have besides;
    containers that the source never had stay. `keep_modified` notes when an object was last changed as metadata of it.

    Raises what `control.check` raises, InputError for a container that does not exist, Unavailable when a cloud does
    not answer; the next call goes on.
    """
    if source.url == target.url:
        raise InputError(f"{source.label} and {target.label} are one account", hint="Give two accounts.")
    control = control or Control()
    with opened(directory, source.url, target.url) as state:
        one = _Pass(source, target, state, mapping or Mapping(), control, parallel, delete_others, keep_modified)
        return one.run(only)


class _Pass:
    def __init__(
        self,
        source: Account,
        target: Account,
        state: State,
        mapping: Mapping,
        control: Control,
        parallel: int,
        delete_others: bool,
        keep_modified: bool,
    ) -> None:
        self._sides = (source, target)
        self._state = state
        self._mapping = mapping
        self._control = control
        self._parallel = parallel
        self._delete_others = delete_others
        self._counts = _Counts()
        self._attempt = 1
        self._keep_modified = keep_modified
        self._begun: dict[str, Container] = {}
        self._expected: int | None = None

    def run(self, only: Collection[str]) -> PassResult:
        began = time.monotonic()
        source, target = self._sides
        infos = (source.info(), target.info())
        self._limits = tuple(page_limit(info, "container") for info in infos)
        policies = infos[1].get("swift", {}).get("policies", []) if isinstance(infos[1].get("swift"), dict) else []
        names = [item["name"] for item in sorted(policies, key=lambda item: not item.get("default"))]
        links = "symlink" in infos[1] and "symlink" in infos[0]
        self._containers = Containers(source, target, self._mapping, names, self._counts.tell)
        with Workers[Outcome](self._parallel, self._control, self._done) as self._workers:
            source.tick = target.tick = self._workers.tick
            self._carrier = Carrier(
                source, target, self._workers, self._mapping, links=links, keep_modified=self._keep_modified
            )
            try:
                self._all(only, page_limit(infos[0], "account"))
            finally:
                source.tick = target.tick = lambda: None
        return self._result(began)

    def _all(self, only: Collection[str], limit: int) -> None:
        state = self._state
        state.clear_later()
        found = list(listed(self._sides[0], limit))
        there = {item.name for item in found}
        gone = [name for name in state.containers() if name not in there and (not only or name in only)]
        missing = sorted(set(only) - there - set(gone))
        if missing:
            raise InputError(f"{self._sides[0].label} has no container {missing[0]!r}")
        chosen = [item for item in found if not only or item.name in only]
        self._expected = sum(item.bytes for item in chosen)
        if not only:
            containers.account(*self._sides, state, self._counts.tell)
        names = [item.name for item in chosen] + gone
        listings: dict[str, tuple[Listing, Listing]] = {}
        for index, name in enumerate(names):
            for ahead in names[index : index + AHEAD]:
                if ahead not in listings:
                    listings[ahead] = (self._listing(0, ahead), self._listing(1, ahead))
            self._container(name, *listings.pop(name))
        self._workers.drain()
        self._waiting()
        for container in self._begun.values():
            self._refusable(container.name, partial(self._containers.finish, container))
        for name in gone:
            self._remove(name)
        state.save()

    def _listing(self, side: int, name: str) -> Listing:
        return Listing(self._sides[side], name, self._limits[side], self._workers.lists)

    def _container(self, name: str, here: Listing, there: Listing) -> None:
        """Has everything of a container carried that does not name other objects."""
        self._workers.look()
        if here.headers:
            self._counts.containers += 1
            try:
                self._begun[name] = container = self._containers.begin(name, here.headers, there.headers)
            except Unavailable:
                raise
            except CloudError as error:
                self._counts.problem(_said(name, error))
                return
            self._state.add_container(name)
        else:  # it is there no more: so are its objects
            container = Container(name, {})
        for row in compared.together(here, there, self._state.carried(name)):
            self._row(container, row)

    def _row(self, container: Container, row: Row) -> None:
        carrier, name = self._carrier, container.name
        _, here, there, known = row
        if compared.unchanged(row):
            assert here is not None
            self._count(carry.SAME, here.bytes)
            if not known.there_second and there:  # type: ignore[union-attr]
                self._seen(name, row)
        elif here is not None:
            self._lift(container)
            look = there is not None or known is not None
            self._workers.submit(lambda: carrier.carry(name, here, there, look))
        elif there is not None and not (self._delete_others or (known and compared.as_put(there, known))):
            self._counts.others += 1
            if known:  # somebody has put another one there since
                self._state.forget(name, row.name)
        else:
            self._lift(container)
            self._workers.submit(lambda: carrier.delete(name, row.name))

    def _seen(self, name: str, row: Row) -> None:
        """What the target did not tell of an object when it was put, its listing has."""
        assert row.known is not None and row.there is not None
        self._state.record(name, row.known._replace(there_second=second(row.there.modified)))

    def _lift(self, container: Container) -> None:
        if not container.lifted:
            self._containers.lift(container)

    def _waiting(self) -> None:
        """Carries what names other objects: as long as that brings any forward."""
        state, last = self._state, False
        for attempt in range(1, NESTED):
            count = state.count_waiting(attempt)
            if not count:
                return
            self._attempt = attempt + 1
            for name, entry in state.waiting(attempt):
                if name in self._begun:
                    self._lift(self._begun[name])
                self._workers.submit(self._settling(name, entry, last))
            self._workers.drain()
            last = state.count_waiting(attempt + 1) == count or attempt == NESTED - 2

    def _settling(self, name: str, entry: Entry, last: bool) -> Callable[[], Outcome]:
        return lambda: manifests.settle(self._carrier, name, entry, last)

    def _done(self, found: Outcome) -> None:
        state, counts = self._state, self._counts
        if found.what == carry.LATER:
            assert found.entry is not None
            state.wait(found.container, found.entry, self._attempt)
            return
        if found.what == carry.REFUSED:
            counts.problem(found.problem)
            counts.faulty = counts.faulty + 1 if found.faulty else 0
            if counts.faulty > self._parallel:
                raise Unavailable(
                    f"{counts.faulty} objects one after the other were not to be had",
                    detail=found.problem,
                    hint="Check that both clouds are up. The same command goes on.",
                )
            return
        counts.faulty = 0
        if found.what == carry.DELETED:
            state.forget(found.container, found.name)
        elif found.carried is not None:
            state.record(found.container, found.carried)
        counts.bytes += found.bytes
        self._count(found.what, found.entry.bytes if found.entry else 0)

    def _count(self, what: str, size: int) -> None:
        self._counts.what[what] = self._counts.what.get(what, 0) + 1
        self._counts.passed += size
        self._control.progress(self._counts.passed, self._expected)

    def _refusable(self, name: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Unavailable:
            raise
        except CloudError as error:
            self._counts.problem(_said(name, error))

    def _remove(self, name: str) -> None:
        if containers.remove(self._sides[1], name):
            self._state.forget_container(name)
        else:
            self._counts.tell(
                f"container {name}: the source has it no more; it stays, for others have put objects there"
            )

    def _result(self, began: float) -> PassResult:
        counts, state = self._counts, self._state
        number = int(state.about("passes") or 0)
        if not counts.refused:
            number += 1
            state.note("passes", str(number))
        if counts.refused > len(counts.problems):
            counts.problems.append(f"and {counts.refused - len(counts.problems)} more")
        words = (carry.SAME, carry.COPIED, carry.METADATA, carry.DELETED, carry.MISSING)
        same, copied, metadata, deleted, missing = (counts.what.get(word, 0) for word in words)
        amounts = (same, copied, metadata, deleted, missing)
        seconds = time.monotonic() - began
        rest = (counts.others, counts.bytes, seconds)
        return PassResult(number, counts.containers, *amounts, *rest, counts.problems, counts.told)


def _said(name: str, error: CloudError) -> str:
    return f"container {name}: " + " ".join(filter(None, (error.summary, error.detail)))
