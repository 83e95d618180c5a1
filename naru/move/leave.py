"""Leaving a thing behind on the old cloud, in any phase, and taking that back.

What is left is in the journal, in one transaction with all that follows from it: the steps that are skipped in all
phases, the requests that are made without it, and steps that undo what of it was made already. So a command that was
killed has left a thing or has not, and given again it goes on.
"""

import getpass
import os
import shlex
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from naru.errors import InputError, NaruError
from naru.messages import say
from naru.move.decisions import Decision
from naru.move.downtime import downtimes
from naru.move.facts import Side
from naru.move.leaving import KEPT, Leaving, leaving
from naru.move.left import Asked, Key, Left
from naru.move.purposes import RELEASE
from naru.move.rollback import WAITS, finalized, rolled_back
from naru.move.work import Work
from naru.plan import control
from naru.plan import leaving as plan_leaving
from naru.plan.events import Event
from naru.plan.journal import Journal
from naru.plan.kinds import load
from naru.plan.model import UNDO_LEFT
from naru.plan.queries import StepRow, reading
from naru.plan.ready import Scope
from naru.plan.run import Terminal, run
from naru.plan.status import FailedStep, Status
from naru.text import shortened

ADDRESSES = ("floating IP", "port forwarding")
"""Kinds of what leads to a server as long as its router has a gateway."""
CANDIDATES = 20
"""How many things an error names."""
TRIES = 5
"""How often it is tried while others leave things at the same moment."""


class Row(NamedTuple):
    """What becomes of a thing: it is `left`, or made `without` something, or `moved` after all; `made` says what
    becomes of what the new cloud has of it."""

    kind: str
    name: str
    id: str
    project: str
    becomes: str
    made: str
    why: str


@dataclass(frozen=True)
class Change:
    """What a command is about to do: what is left `before` and `after`, and what follows from that; `kept` is what
    stays on the new cloud although it is left, since others use it."""

    before: plan_leaving.LeftOut
    after: Left
    found: Leaving
    kept: frozenset[Key]
    rows: list[Row]
    # steps of what is left that are not skipped yet
    open_steps: frozenset[str]

    @property
    def part(self) -> plan_leaving.Part:
        """Of the plan."""
        steps = {id: f"left: {self.after.reason(key)}" for id, key in self.found.steps.items()}
        kept = {id for id, key in self.found.steps.items() if key in self.kept}
        return plan_leaving.Part(steps, kept, self.found.args)


# -- which thing is meant


class Things:
    """What a move has decided about, by what people call it."""

    def __init__(self, work: Work, old: Side | None = None) -> None:
        """Of the `old` cloud, what has no name is called by what people know it by."""
        self._work = work
        self._decisions = {Key(one.kind, one.id): one for one in work.planned}
        self._old = old

    def name(self, key: Key) -> str:
        """What it is called."""
        row = self._old.all(key.kind).get(key.id) if self._old else None
        return (row.called if row else "") or self._decisions[key].name or key.id

    def decision(self, key: Key) -> Decision:
        return self._decisions[key]

    def called(self, key: Key) -> str:
        """How a command names it: by its name, or by its id where that is not enough."""
        same = [other for other in self._decisions if other.kind == key.kind and self.name(other) == self.name(key)]
        return f"{key.kind}/{self.name(key) if len(same) == 1 else key.id}"

    def find(self, text: str) -> Key:
        """The thing that is meant by KIND/NAME, KIND/ID, or either alone. Raises InputError for none or several, with
        those there are."""
        found = [key for key, one in self._decisions.items() if _means(text, key, self.name(key), one.name)]
        moved = [key for key in found if self._decisions[key].decision == "create"]
        if len(moved) == 1:
            return moved[0]
        if not found:
            raise InputError(
                f"{text}: {self._work.directory} has no such thing",
                detail=self._listed(self._like(text)),
                hint="Give KIND/NAME or KIND/ID, as in volume/db-data.",
            )
        if not moved:
            one = self._decisions[found[0]]
            why = "the new cloud has it already" if one.decision == "match" else f"it is not moved: {say(one.why)}"
            raise InputError(f"{text}: there is nothing to leave", detail=f"{one.kind} {self.name(found[0])}: {why}")
        raise InputError(f"{text} are {len(moved)} things", detail=self._listed(moved), hint="Give the id.")

    def _like(self, text: str) -> list[Key]:
        """Things that may be meant: those with the same kind and a part of the name, or of any kind."""
        kind, _, rest = text.rpartition("/")
        rest = rest.casefold()
        near = [key for key in self._decisions if rest and rest in self.name(key).casefold()]
        same = [key for key in near if _plain(key.kind) == _plain(kind)]
        return same or near or [key for key in self._decisions if _plain(key.kind) == _plain(kind)]

    def _listed(self, keys: Collection[Key]) -> str:
        lines = []
        for key in keys:
            project = self._work.called.get(self._decisions[key].project, "")
            name = "" if self.name(key) == key.id else f"  {self.name(key)}"
            lines.append(f"{key}{name}{f', project {project}' if project else ''}")
        return "\n".join(shortened(lines, CANDIDATES))


def _plain(text: str) -> str:
    """A kind in one spelling."""
    return text.casefold().replace("-", " ").replace("_", " ")


def _means(text: str, key: Key, *names: str) -> bool:
    kind, slash, rest = text.partition("/")
    known = {key.id, *names} - {""}
    return text in known or (bool(slash) and _plain(kind) == _plain(key.kind) and rest in known)


# -- what a command would do


def planned(work: Work, journal: Journal, text: str, reason: str, *, undo: bool = False) -> Change:
    """What it means to leave the thing `text` for a reason, or with `undo` to move it after all. Nothing is changed.
    Raises InputError for what cannot be left, or is not."""
    before = plan_leaving.left_out(journal)
    left = Left.load(before.things)
    with work.archive() as archive:
        old = Side(archive, work.snapshots["old"], work.old)
        things = Things(work, old)
        key = things.find(text)
        asked = _take_back(work, left, key, things) if undo else _ask(left, key, things.name(key), reason)
        change = _change(work, journal, before, asked, old, things)
    _check_projects(work, journal, {things.decision(one).project for one in change.found.things.keys() ^ left.things})
    return change


def _change(
    work: Work, journal: Journal, before: plan_leaving.LeftOut, asked: Mapping[Key, Asked], old: Side, things: "Things"
) -> Change:
    """From what was left out `before` to what these things that are asked for mean now."""
    found = leaving(plan_leaving.whole(journal), work.planned, old, asked)
    after = Left(asked, found.along(), found.without)
    with reading(journal) as now:
        steps = {step.id: step for step in now.steps()}
    kept = frozenset(
        used
        for id, keys in found.users.items()
        if steps[id].attempt and steps[id].state != "undone" and steps[id].kind != KEPT
        for used in keys
    )
    rows = _rows(work, things, Left.load(before.things), after, found, kept, steps)
    open_steps = frozenset(
        id
        for id, key in found.steps.items()
        if steps[id].state in ("waiting", "held", "failed", "running")
        or (steps[id].state == "done" and key not in kept)
    )
    return Change(before, after, found, kept, rows, open_steps)


def _ask(left: Left, key: Key, name: str, reason: str) -> dict[Key, Asked]:
    if not reason.strip():
        raise InputError("--reason is missing", hint="It is kept in the journal and told in the report.")
    known = left.asked.get(key)
    if known and known.reason == reason.strip():
        return dict(left.asked)
    return {**left.asked, key: Asked(name, reason.strip(), _who(), round(time.time(), 3))}


def _take_back(work: Work, left: Left, key: Key, things: Things) -> dict[Key, Asked]:
    if key in left.along:
        root = things.called(left.root(key))
        raise InputError(
            f"{key.kind} {things.name(key)} is left with {root}",
            hint=f"naru move leave {shlex.quote(str(work.directory))} {shlex.quote(root)} --undo",
        )
    if key not in left.asked:
        known = ", ".join(things.called(one) for one in left.asked)
        raise InputError(f"{key.kind} {things.name(key)} is not left", hint=f"Left: {known}" if known else "")
    return {one: asked for one, asked in left.asked.items() if one != key}


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for the number
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _check_projects(work: Work, journal: Journal, projects: Collection[str]) -> None:
    """Raises NaruError for things of projects of which nothing can be changed any more."""
    if gone := finalized(journal, work.projects) & set(projects):
        raise NaruError(
            f"{work.listed(gone)} {'is' if len(gone) == 1 else 'are'} finalized: nothing of that can be left any more",
            hint="What is wrong has to be repaired on the new cloud.",
        )
    if back := rolled_back(journal, work.projects) & set(projects):
        raise NaruError(f"{work.listed(back)} {'was' if len(back) == 1 else 'were'} rolled back: all of it is left")


def _rows(
    work: Work,
    things: Things,
    before: Left,
    after: Left,
    found: Leaving,
    kept: Collection[Key],
    steps: Mapping[str, StepRow],
) -> list[Row]:
    made = {
        key for id, key in found.steps.items() if steps[id].attempt and steps[id].state not in ("undone", "skipped")
    }

    def row(key: Key, becomes: str, there: str, why: str) -> Row:
        project = work.called.get(things.decision(key).project, "")
        return Row(key.kind, things.name(key), key.id, project, becomes, there, why)

    rows = []
    for key in found.things:
        root = after.root(key)
        with_it = f"with {root.kind} {things.name(root)}: " if root != key else ""
        there = "" if key not in made else f"stays on {work.new}: others use it" if key in kept else "is undone"
        rows.append(row(key, "left", there, with_it + after.reason(key)))
    for key, fields in found.without.items():
        for name, other in fields.items():
            rows.append(row(key, "without", "", f"{name}: {other.kind} {things.name(other)} is left"))
    for key in before.things:
        if key not in found.things:
            rows.append(row(key, "moved", "", "it is not left any more"))
    return rows


# -- doing it


def leave(
    work: Work, journal: Journal, text: str, reason: str, terminal: Terminal, *, undo: bool = False
) -> tuple[list[Row], int]:
    """Leaves a thing, or with `undo` moves it after all, and says before what that means; what of it is on the new
    cloud is undone. Returns what became of what, and the exit code."""
    load(journal.modules())
    said = False
    for attempt in range(TRIES):
        change = planned(work, journal, text, reason, undo=undo)
        for line in () if said else told(work, journal, change):
            terminal.say(line)
        said = True
        try:
            _settle(journal, change, terminal, undo=undo)
            break
        except plan_leaving.Changed:
            if attempt == TRIES - 1:
                raise
    return change.rows, tidy(work, journal, terminal, again=True)


def _settle(journal: Journal, change: Change, terminal: Terminal, *, undo: bool) -> None:
    before = Left.load(change.before.things)
    if before == change.after and not change.open_steps:
        terminal.say("it is left already")
        return
    with_it = before if undo else change.after
    keys = [key for key in with_it.asked if before.asked.get(key) != change.after.asked.get(key)]
    detail = ", ".join(f"{key}: {with_it.reason(key)}" for key in keys or with_it.asked)
    what = Event.TAKEN_BACK if undo else Event.LEFT
    settled = plan_leaving.settle(
        *(journal, change.before, change.after.dump(), change.part, what, f"{detail} ({_who()})"), waits=WAITS
    )
    terminal.say(
        f"{settled.waiting} steps wait again" if undo else f"{settled.skipped} steps are skipped, in all phases"
    )
    for title in settled.running:
        terminal.warn(
            f"{title}: that is running; what it does is undone when it has ended, or when this is given again"
        )
    for id in settled.without:
        terminal.warn(f"{id} was done without it: naru plan retry {shlex.quote(id)} --work {journal.name}")


def _settle_again(work: Work, journal: Journal, terminal: Terminal) -> bool:
    """Leaves out steps of left things that were running when these were left; whether there were some."""
    before = plan_leaving.left_out(journal)
    if not before.things.get("asked"):
        return False
    with work.archive() as archive:
        old = Side(archive, work.snapshots["old"], work.old)
        change = _change(work, journal, before, Left.load(before.things).asked, old, Things(work))
    if not change.open_steps:
        return False
    load(journal.modules())
    _settle(journal, change, terminal, undo=False)
    return True


def told(work: Work, journal: Journal, change: Change) -> Iterator[str]:
    """Lines that tell the operator what a command is about to do."""
    before = Left.load(change.before.things)
    for row in change.rows:
        known = Key(row.kind, row.id) in before
        if row.becomes != "left" or not known:
            where = f", project {row.project}" if row.project else ""
            there = f"; {row.made}" if row.made else ""
            yield f"{row.becomes}: {row.kind} {row.name}{where} ({row.why}){there}"
    yield from warnings(work, journal, change)


def warnings(work: Work, journal: Journal, change: Change) -> Iterator[str]:
    """Of these lines, what nobody would expect who has the rows."""
    before = Left.load(change.before.things)
    servers = {key.id for key in change.found.things if key.kind == "server" and key not in before}
    for found in downtimes(work) if servers else ():
        if found.server_old_id in servers and found.started_at:
            yield (
                f"what was written on the new cloud is lost with server {found.server_name}, which runs there since"
                f" {found.started_at}; the old one is started again"
            )

    addresses = {row.id: row.name for row in change.rows if row.kind in ADDRESSES and row.becomes == "left"}
    for address in _without_gateway(journal, addresses) if servers else ():
        yield (
            f"{addresses[address]} cannot lead to the old server before the project is rolled back: the gateway of its"
            f" router is on {work.new}"
        )


def _without_gateway(journal: Journal, addresses: Collection[str]) -> list[str]:
    """Those of the addresses (old ids) that were taken from the old cloud, and so was the gateway after them."""
    with reading(journal) as now:
        released = now.steps(purpose=RELEASE, states=["done"])
        gateways = {step.n for step in released if step.about and step.about.kind == "router"}
        mine = [step for step in released if step.about_id in addresses]
        return [step.about_id for step in mine if gateways & now.everything_after([step])]


def to_its_end(work: Work, journal: Journal, terminal: Terminal, scope: Scope) -> Status:
    """Runs a phase; afterwards, what could not be undone of left things while it ran is undone."""
    state = run(journal, terminal, scope=scope)
    if state.state in ("interrupted", "cancelled", "paused"):
        return state
    if _settle_again(work, journal, terminal) and state.exit_code:
        state = run(journal, terminal, scope=scope)  # what failed may have been of what is left
    tidy(work, journal, terminal)
    return state


def afterwards(work: Work, journal: Journal, terminal: Terminal) -> None:
    """Undoes what could not be undone of left things while others ran the plan."""
    _settle_again(work, journal, terminal)
    tidy(work, journal, terminal)


def tidy(work: Work, journal: Journal, terminal: Terminal, *, again: bool = False) -> int:
    """Undoes what of left things is on the new cloud still, with `again` also what could not be undone before; the
    exit code."""
    with reading(journal) as now:
        undo = now.steps(purpose=UNDO_LEFT, rollbacks=True)
    failed = [step.id for step in undo if step.state == "failed"]
    waiting = [step for step in undo if step.state in ("waiting", "held", "running")]
    if not waiting and not (failed and again):
        return 0
    if journal.is_running():
        terminal.warn(
            "another command is running this plan: what the new cloud has of it is undone after that, or when this is"
            " given again"
        )
        return 0
    if failed and again:
        control.retry(journal, steps=failed)
    terminal.say(f"undoing what was done of it already: {len(waiting) + len(failed)} steps")
    state = run(journal, terminal, undoing=True, purpose=UNDO_LEFT)
    if state.exit_code:
        _warn(work, state, terminal)
    return state.exit_code


def _warn(work: Work, state: Status, terminal: Terminal) -> None:
    """What could not be undone."""
    if state.state in ("paused", "cancelled"):
        terminal.warn(f"the plan is {state.state}: naru plan resume {work.directory}; then give this again")
    for step in state.failed:
        if step.id.startswith("undo/"):
            terminal.warn(f"{step.title or step.id}: {NaruError(step.summary, detail=step.detail, hint=step.hint)}")


# -- the offer where something has failed


def offers(work: Work, journal: Journal, failed: Collection[FailedStep]) -> dict[str, str]:
    """By failed step: the command that leaves behind what it is about."""
    if not any(step.about for step in failed):
        return {}
    things, left = Things(work), Left.of(journal)
    makers: dict[str, Key] = {}
    for one in work.planned:
        if one.decision == "create" and one.step:  # a step that makes several is that of the first
            makers.setdefault(one.step, Key(one.kind, one.id))
    movable = set(makers.values())
    found = {}
    for step in failed:
        key = makers.get(step.id) or (Key(step.about.kind, step.about.id) if step.about else None)
        if key in movable and key not in left and key.kind != "project" and not step.id.startswith("undo/"):
            words = [str(work.directory), things.called(key)]
            found[step.id] = f"naru move leave {shlex.join(words)} --reason REASON"
    return found


def with_offers(work: Work, journal: Journal, state: Status) -> Status:
    """The state, with these commands among the hints of its failed steps."""
    commands = offers(work, journal, state.failed)

    def hint(step: FailedStep) -> str:
        offer = f"To leave it behind: {commands[step.id]}" if step.id in commands else ""
        return "\n".join(part for part in (step.hint, offer) if part)

    return state._replace(failed=[step._replace(hint=hint(step)) for step in state.failed])
