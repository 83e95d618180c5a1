"""The command: a user's secrets and containers of the move's projects listed, moved, or taken back."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

from naru.cloud.client import CloudError
from naru.errors import InputError, NaruError
from naru.files import FileLock
from naru.inventory.elsewhere import last_part
from naru.inventory.rows import Row as Planned
from naru.move.facts import Side
from naru.move.secrets import people, record, used
from naru.move.secrets.barbican import Barbican, path_of
from naru.move.secrets.carry import Carrier
from naru.move.secrets.people import Given, Person, Session
from naru.move.secrets.record import Moved
from naru.move.work import Work
from naru.plan.journal import Journal
from naru.plan.run import Terminal

AT_ONCE = 4
"""Secrets that are moved at a time."""
LOCK = "secrets.lock"
SECRET, CONTAINER = "secret", "secret container"
SERVICES = ("service", "services")
"""The projects in which services have their users, such as Octavia's, whom an ACL may name."""
WRONG = ("failed", "waiting", "can be moved")


class Row(NamedTuple):
    """What became of a secret or container, or of something that names one. `state` is `moved`, `can be moved`,
    `another's` (whose `creator` is not the user), `waiting` (for secrets in it), `gone` (expired or deleted),
    `failed`, `removed`, or `set again` (of what names one)."""

    kind: str
    name: str
    project: str
    old: str
    new: str
    creator: str
    state: str
    why: str


@dataclass(frozen=True)
class Wish:
    """What is asked: of which projects (old ids), `others`: also what others have created and the user may read;
    `nothing`: only listed; `undo`: what was made is removed."""

    projects: Collection[str]
    others: bool = False
    nothing: bool = False
    undo: bool = False


def run(move: Work, name: str, given: Given, wish: Wish, terminal: Terminal) -> tuple[list[Row], int]:
    """Does it as the user; what became of each thing, and the exit code: 1 where something of the user's is not moved.
    Raises InputError for what cannot be asked."""
    who = people.person(move, name)
    with ExitStack() as stack:
        journal = stack.enter_context(move.journal())
        lock = stack.enter_context(FileLock(move.directory / LOCK))
        if not wish.nothing and not lock.take():
            raise InputError("secrets of this move are being moved by another command", hint="Wait until it ends.")
        if wish.undo:
            new = _session(stack, move, who, given, "new")
            rows = list(_taken_back(move, journal, who, new, wish))
        else:
            old = _session(stack, move, who, given, "old")
            new_one = None if wish.nothing else _session(stack, move, who, given, "new")
            rows, planned = [], _Planned.of(move, wish.projects)
            for project in sorted(wish.projects, key=move.called.__getitem__):
                rows += _Project(move, journal, who, project, wish, terminal, planned).rows(old, new_one)
            if not wish.nothing:
                try:
                    rows += used.set_again(move, record.references(journal), Row)
                except NaruError as error:  # what is moved is told all the same
                    terminal.warn(f"what names secrets could not be given the new references: {error}")
                    return rows, 1
    mine = [row for row in rows if row.state in WRONG]
    return rows, 1 if mine and not wish.nothing else 0


def _session(stack: ExitStack, move: Work, who: Person, given: Given, side: str) -> Session:
    found = people.session(move, who, given, side)
    stack.callback(found.close)
    return found


@dataclass(frozen=True)
class _Planned:
    """What was read for the plan: the names of users, their new ids, and what each project had, by old ids."""

    names: Mapping[str, str]
    users: Mapping[str, str]
    things: Mapping[str, list[Planned]]

    @classmethod
    def of(cls, move: Work, projects: Collection[str]) -> "_Planned":
        with move.archive() as archive:
            old = Side(archive, move.snapshots["old"], move.old)
            names = {row.id: row.name for row in old.all("user").values()}
            users = new_users(move, old, Side(archive, move.snapshots["new"], move.new))
            kinds = (SECRET, CONTAINER)
            return cls(names, users, {one: [row for kind in kinds for row in old.of(kind, one)] for one in projects})


class _Project:
    """The secrets and containers of one project (old id)."""

    def __init__(
        self,
        move: Work,
        journal: Journal,
        who: Person,
        project: str,
        wish: Wish,
        terminal: Terminal,
        planned: _Planned,
    ) -> None:
        self._move, self._journal, self._who, self._project, self._wish = move, journal, who, project, wish
        self._terminal = terminal
        self._called = move.called[project]
        self._names, self._users, self._planned = planned.names, planned.users, planned.things[project]

    def rows(self, old: Session, new: Session | None) -> list[Row]:
        """What there is, and with `new` what became of it."""
        theirs = Barbican(old.inside(self._project))
        try:
            secrets, containers = list(theirs.secrets()), list(theirs.containers())
        except CloudError as error:
            if error.status in (401, 403):
                return []  # the user is not in the project, or sees nothing of its secrets
            raise
        rows: list[Row] = []
        if new is None:
            moved = record.recorded(self._journal)
            rows += [self._listed(SECRET, one, moved) for one in secrets]
            rows += [self._listed(CONTAINER, one, moved) for one in containers]
        elif secrets or containers:
            rows += self._moved(theirs, new, secrets, containers)
        return rows + list(self._gone({*map(_id, secrets), *map(_id, containers)}))

    def _listed(self, kind: str, one: Mapping[str, Any], moved: Mapping[str, Moved]) -> Row:
        known = moved.get(_id(one))
        if known and known.done:
            return self._row(kind, one, "moved", known.new)
        return self._row(kind, one, "can be moved" if self._is_mine(one) else "another's")

    def _is_mine(self, one: Mapping[str, Any]) -> bool:
        return self._wish.others or one.get("creator_id") in (None, "", self._who.old)

    def _row(self, kind: str, one: Mapping[str, Any], state: str, new: str = "", why: str = "") -> Row:
        creator = str(one.get("creator_id") or "")
        name = str(one.get("name") or "")
        expires = f"expires on {one['expiration']}" if one.get("expiration") and state not in ("moved", "gone") else ""
        why = "; ".join(filter(None, (why, expires)))
        return Row(kind, name, self._called, _reference(one), new, self._names.get(creator, creator), state, why)

    def _gone(self, there: Collection[str]) -> Iterator[Row]:
        """What the plan has and nobody sees any more, unless it was moved before."""
        known = record.recorded(self._journal)
        for row in self._planned:
            if row.id not in there and not (row.id in known and known[row.id].done):
                expired = row.body.get("expiration")
                why = f"it expired on {expired}" if expired else "it was deleted"
                yield self._row(row.kind, row.body, "gone", why=f"{why}: nobody can read it")

    def _moved(
        self, theirs: Barbican, new: Session, secrets: list[dict[str, Any]], containers: list[dict[str, Any]]
    ) -> Iterator[Row]:
        target = self._move.made().get(f"project {self._project}", "")
        if not target:
            raise InputError(
                f"project {self._called} is not on {self._move.new} yet",
                hint=f"naru move prepare {self._move.directory} makes it.",
            )
        ours = Barbican(new.inside(target))
        there = {SECRET: list(ours.secrets()), CONTAINER: list(ours.containers())}
        known = record.recorded(self._journal)
        present = {_reference(one) for found in there.values() for one in found}
        taken = {one.new for one in known.values() if one.new in present}
        carrier = Carrier(theirs, ours, self._keep, self._users, there, taken)

        def begun(kind: str, one: Mapping[str, Any]) -> Moved:
            before = known.get(_id(one))
            if before and before.new in taken:
                return before
            # never begun, or its counterpart was deleted since
            return Moved(
                kind=kind,
                old=_reference(one),
                new="",
                project=self._project,
                name=str(one.get("name") or ""),
                by=self._who.name,
                made=bool(before and not before.new),
                done=False,
            )

        def secret(one: Mapping[str, Any]) -> Row:
            if not self._is_mine(one) and not begun(SECRET, one).done:
                return self._row(SECRET, one, "another's")
            return self._carried(SECRET, one, begun(SECRET, one), functools.partial(carrier.secret, one), carrier)

        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            for done, row in enumerate(pool.map(secret, secrets), 1):
                self._terminal.say(f"{self._called}: {done} of {len(secrets)} secrets")
                yield row
        finally:  # interrupted, those that are under way come to their end
            pool.shutdown(cancel_futures=True)
        refs = record.references(self._journal)
        for one in containers:
            now = begun(CONTAINER, one)
            missing = [ref["secret_ref"] for ref in one.get("secret_refs") or [] if ref["secret_ref"] not in refs]
            if not self._is_mine(one) and not now.done:
                yield self._row(CONTAINER, one, "another's")
            elif missing and not now.done:
                why = f"secrets in it are not moved: {', '.join(map(last_part, missing))}"
                yield self._row(CONTAINER, one, "waiting", why=why)
            else:
                carry = functools.partial(carrier.container, one, refs)
                yield self._carried(CONTAINER, one, now, carry, carrier)

    def _carried(
        self, kind: str, one: Mapping[str, Any], now: Moved, carry: Callable[[Moved], Moved], carrier: Carrier
    ) -> Row:
        """The row of something that is moved now, unless it was before."""
        if now.done:
            return self._row(kind, one, "moved", now.new)
        try:
            done = carry(now)
        except CloudError as error:
            if error.status == 403 and one.get("creator_id") != self._who.old:
                return self._row(kind, one, "another's", why=f"{self._who.name} may not read it")
            return self._row(kind, one, "failed", why=" ".join(str(error).split()))
        except NaruError as error:
            return self._row(kind, one, "failed", why=" ".join(str(error).split()))
        notes = [*([] if done.made else ["was there already"]), *carrier.lost.get(done.old, ())]
        creator = str(one.get("creator_id") or "")
        if done.made and creator not in ("", self._who.old):
            notes.append(f"its creator is {self._who.name} there")
        return self._row(kind, one, "moved", done.new, "; ".join(notes))

    def _keep(self, moved: Moved) -> None:
        record.keep(self._journal, moved)


def new_users(move: Work, old: Side, new: Side) -> dict[str, str]:
    """The new ids of users by their old ones: of those that are moved, and of services' own users, such as Octavia's,
    whom both clouds have by one name in one domain."""
    found = {}
    made = move.made()
    by_name: dict[tuple[str, str], str] = {}
    for identity, name in _of_services(new):
        by_name[name] = identity
    for identity, name in _of_services(old):
        if name in by_name:
            found[identity] = by_name[name]
    return found | {key.removeprefix("user "): to for key, to in made.items() if key.startswith("user ")}


def _of_services(side: Side) -> Iterator[tuple[str, tuple[str, str]]]:
    """(id, (domain, name)) of the users with a role in a project of services."""
    projects = {row.id for row in side.all("project").values() if row.name in SERVICES}
    users, domains = side.all("user"), side.all("domain")
    for row in side.all("role assignment").values():
        user = users.get(str((row.body.get("user") or {}).get("id")))
        if row.project in projects and user is not None:
            domain = domains.get(str(user.body.get("domain_id")))
            yield user.id, (domain.name if domain else "", user.name)


def _taken_back(move: Work, journal: Journal, who: Person, new: Session, wish: Wish) -> Iterator[Row]:
    """Removes what the user's command made on the new cloud: containers before the secrets in them. What was found
    there stays."""
    known = [one for one in record.recorded(journal).values() if one.by == who.name and one.project in wish.projects]
    made = move.made()
    # by old project: each has a token of its own, which is asked for once
    inside = {
        project: Barbican(new.inside(target))
        for project in {one.project for one in known}
        if (target := made.get(f"project {project}", ""))
    }
    for moved in sorted(known, key=lambda one: one.kind != CONTAINER):
        if moved.made and moved.new and moved.project in inside:
            inside[moved.project].remove(path_of(moved.kind, moved.new))
        record.forget(journal, moved)
        why = "" if moved.made else "it was there before, and stays"
        yield Row(moved.kind, moved.name, move.called[moved.project], moved.old, moved.new, who.name, "removed", why)


def _reference(one: Mapping[str, Any]) -> str:
    return str(one.get("secret_ref") or one.get("container_ref") or "")


def _id(one: Mapping[str, Any]) -> str:
    return last_part(_reference(one))
