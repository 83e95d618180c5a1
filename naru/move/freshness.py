"""Before a phase: what has changed on both clouds since the move was planned (see `naru.move.refresh`).

What is new is moved by no step, so the phase is refused, unless the operator goes on as planned. What is gone is told,
and steps about it that could only fail are skipped. What changed is told.
"""

import math
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from naru.errors import InputError, NaruError
from naru.messages import message, say
from naru.move import reading, refresh, waves
from naru.move.progress import ProgressReader
from naru.move.refresh import Change, Known
from naru.move.steps.volume_content import Flatten
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan import control
from naru.plan.arguments import references
from naru.plan.journal import Journal
from naru.plan.queries import StepRow
from naru.plan.queries import reading as journal_reading
from naru.plan.run import Terminal
from naru.plan.windows.needs import together
from naru.text import shortened

NAMED = 10
"""How many changes are named one by one."""
AGAIN = 600.0
"""Seconds after which both clouds are read again for projects that a schedule keeps back."""
OPEN = ("waiting", "held", "failed")
KEPT = (Flatten.step_kind,)
"""Kinds of steps that are never skipped by themselves: what they do concerns the new cloud alone."""
NEW = message(
    "move.refresh.new", en="{kind:kind} {name}: made since", ko="{kind:kind} {name}: 계획 이후에 만들어졌습니다"
)
MORE = message(
    "move.refresh.more",
    en="{kind:kind} {name}: {count:number} more in {field}",
    ko="{kind:kind} {name}: {field} 항목이 {count:number}개 늘었습니다",
)
GONE = message(
    "move.refresh.gone",
    en="{kind:kind} {name}: gone from {cloud}",
    ko="{kind:kind} {name}: {cloud} 클라우드에서 없어졌습니다",
)
CHANGED = message(
    "move.refresh.changed",
    en="{kind:kind} {name}: {field} was {old}, is {new}",
    ko="{kind:kind} {name}: {field} 항목이 {old}에서 {new}(으)로 바뀌었습니다",
)
RUNS = message(
    "move.refresh.runs",
    en="server {name}: was {old}, runs now: it is stopped in the window like the others, and runs afterwards",
    ko="서버 {name}: {old} 상태였으나 지금은 실행 중입니다. 다른 서버와 같이 중지하고 이전한 뒤 실행합니다",
)
OFF = message(
    "move.refresh.off",
    en="server {name}: ran, is {new} now: it arrives switched off, unless it runs when the window begins",
    ko="서버 {name}: 실행 중이었으나 지금은 {new} 상태입니다. 전환을 시작할 때 실행 중이 아니면 꺼진 상태로 이전합니다",
)


def look(move: Work, progress: reading.Progress) -> list[Change]:
    """What has changed on both clouds since the move was planned, of all projects that were not rolled back. Nothing is
    touched but the archive. Raises InputError for a cloud that cannot be read whole."""
    with move.journal() as journal:
        states = ProgressReader(journal, move.projects).read()
        with journal_reading(journal) as now:
            made = set(_ids(now.results().values()))
    with reading.again(move, progress) as found:
        known = Known(
            old=found.old_then,
            new=found.new_then,
            decisions=move.decisions,
            projects={project for project, state in states.items() if not state.rolled_back},
            begun={project for project, state in states.items() if state.begun},
            made=made,
            unread=found.unread,
        )
        return list(refresh.changes(known, found.old, found.new))


def _ids(results: Iterable[Any]) -> Iterator[str]:
    """All texts in the results of steps: ids of what they have made are among them."""
    for value in results:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _ids(value.values())
        elif isinstance(value, list):
            yield from _ids(value)


def check(phase: str, move: Work, projects: Collection[str], terminal: Terminal, *, as_planned: bool = False) -> None:
    """Before a phase of these projects (ids), or of all: tells what changed, skips what could only fail. Raises
    InputError for what is new, unless the phase is to go on `as_planned`.

    A window that has begun is gone on with at once, whatever has changed: servers are off."""
    with move.journal() as journal:
        states = ProgressReader(journal, move.projects).read()
    begun = {project for project, state in states.items() if state.begun}
    if phase == PHASES.window and not set(projects or move.projects) - begun:
        return
    concerned = [one for one in look(move, terminal.say) if not projects or one.project in {"", *projects}]
    new = [one for one in concerned if one.what == "new" and (phase == PHASES.end or one.project not in begun)]
    if new and not as_planned:
        raise _refused(phase, move, new)
    for line in _lines([one for one in concerned if one not in new], move):
        terminal.warn(line)
    with move.journal() as journal:
        if new:
            names = "; ".join(text(one) for one in new)
            control.remark(journal, f"{phase} as planned, without what is new since: {names}")
            terminal.warn(f"as planned, without what was made since: {len(new)}")
        gone = {(one.kind, one.id) for one in concerned if one.what == "gone" and one.cloud == move.old}
        if skipped := drop(journal, gone, f"it is gone from {move.old} since the move was planned"):
            terminal.warn(f"skipped, since what they are about is gone: {', '.join(skipped)}")


def text(change: Change) -> str:
    """The change in a line."""
    about = {"kind": change.kind, "name": change.name or change.id}
    if change.what == "gone":
        return say(GONE(**about, cloud=change.cloud))
    if change.what == "new":
        return say(MORE(**about, field=change.field, count=len(change.new)) if change.field else NEW(**about))
    if change.kind == "server" and change.field == "status" and "ACTIVE" in (change.old, change.new):
        known = {"name": about["name"], "old": change.old, "new": change.new}
        return say(RUNS(**{name: known[name] for name in ("name", "old")}) if change.new == "ACTIVE" else _off(known))
    return say(CHANGED(**about, field=change.field, old=f"{change.old!s:.80}", new=f"{change.new!s:.80}"))


def _off(known: dict[str, Any]) -> Any:
    return OFF(name=known["name"], new=known["new"])


def _lines(changes: Collection[Change], move: Work) -> list[str]:
    return shortened((text(one) for one in changes), NAMED, f": naru move refresh {move.directory}")


class NewThings(InputError):
    """Things were made since the move was planned, in `projects` (ids; "" for what is of none)."""

    projects: frozenset[str] = frozenset()


def _refused(phase: str, move: Work, new: Collection[Change]) -> NewThings:
    with move.journal() as journal, journal_reading(journal) as now:
        begun = now.has_begun()
    if begun:
        hint = (
            "A plan that has begun cannot be added to. Go on without them, they stay on the old cloud: --as-planned."
            f"\nOr roll back (naru move rollback {move.directory}), and plan again into another directory."
        )
    else:
        hint = "Plan again into the same directory: naru move plan. Or go on without them: --as-planned."
    error = NewThings(
        f"{phase}: {len(new)} things were made on {move.old} since the move was planned, and would stay behind",
        detail="\n".join(_lines(new, move)),
        hint=f"{hint}\nAll changes: naru move refresh {move.directory}",
    )
    error.projects = frozenset(one.project for one in new)
    return error


def drop(journal: Journal, gone: Collection[tuple[str, str]], reason: str) -> list[str]:
    """Skips the steps about what is gone (kinds and ids) that have not begun and that no other step refers to; their
    ids. Whoever needs what they make has it made as it was planned."""
    if not gone:
        return []
    with journal_reading(journal) as now:
        left = now.steps(states=OPEN, args=True)
    chosen = {
        step.id
        for step in left
        if step.about
        and (step.about.kind, step.about.id) in gone
        and step.about.kind != "project"
        and step.kind not in KEPT
        and not step.gate
    }
    while True:
        wanted = {name for step in left if step.id not in chosen for name in _needs(step)}
        if not chosen & wanted:
            break
        chosen -= wanted
    if chosen:
        control.skip(journal, reason, steps=sorted(chosen))
    return sorted(chosen)


def _needs(step: StepRow) -> Iterator[str]:
    """The steps without whose results this one fails."""
    if step.kind == "move.sweep":
        return  # passes over what was skipped
    requests = step.args.get("requests")
    args = {name: value for name, value in step.args.items() if name != "requests"}
    needed = [one for one in requests or () if not (isinstance(one, dict) and one.get("optional"))]
    yield from references([args, needed])


class Watch:
    """Of a schedule that runs: which projects may be cut over now. Both clouds are read again for those that are kept
    back, but not all the time."""

    def __init__(self, move: Work, terminal: Terminal, *, as_planned: bool = False) -> None:
        self._move = move
        self._terminal = terminal
        self._as_planned = as_planned
        self._looked: dict[str, float] = {}

    def may_begin(self, phase: str, projects: Collection[str]) -> set[str]:
        """Those of the projects (ids) of which nothing is new, nor of one that goes together with them."""
        asked = frozenset(projects)
        back = {one for one in asked if time.monotonic() - self._looked.get(one, -math.inf) < AGAIN}
        for group in together(self._move.projects, waves.projects(self._move).needs):
            if back & set(group):
                back |= asked & set(group)
        if not asked - back:
            return set()
        try:
            check(phase, self._move, asked - back, self._terminal, as_planned=self._as_planned)
        except NewThings as error:
            self._keep_back(error.projects & asked or asked, error)
            return self.may_begin(phase, asked)
        except NaruError as error:
            self._keep_back(asked - back, error)
            return set()
        return set(asked - back)

    def _keep_back(self, projects: Collection[str], error: NaruError) -> None:
        self._looked |= dict.fromkeys(projects, time.monotonic())
        lines = "\n".join(part for part in (str(error), error.hint) if part)
        self._terminal.warn(f"not begun, looked at again in {AGAIN / 60:.0f} minutes: {lines}")
