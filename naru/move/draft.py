"""A plan in the making: what becomes of every thing of the old cloud, and the steps that make it so.

Each thing gets one decision: `create` (a step makes it), `match` (the new cloud has it already) or `leave` (it is not
moved, and the reader is told why). Where a step's request needs the id of something that another step makes, a
reference stands (`naru.actions.arguments.ref`). The edges of the plan follow from those.

What rules tell later rules beside that is declared by the rule that writes it, as a small class of its own: see `note`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypedDict, TypeVar, Unpack

from naru.actions import power
from naru.actions.arguments import archived, ref
from naru.actions.call import Call
from naru.actions.create import Create
from naru.actions.request import Action
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.decisions import Decision, FieldChange
from naru.move.facts import Facts, names
from naru.move.kind import NOTHING, Kind
from naru.move.mapping import CREATE, LEAVE, Choice
from naru.move.purposes import MAKE
from naru.plan.arguments import references
from naru.plan.model import BARRIER, About, Finding, Plan, Step
from naru.volumes.where import HOST, Backends, described, load

CLOUD = "cloud"
"""The unit of what belongs to no project, and of what joins two."""

ARCHIVE = "archive.db"
"""The file in the work directory with both clouds as they were read."""
_OWN = re.compile(
    r"passw|passphrase|secret|token|credential|(private|api|access|auth)[ _.-]?key|(_|\b)(pass|pwd)$", re.I
)

# the key of what joins two projects among the steps by project; no project has this id
_JOINS = "joins"

# what of a cloud may be asked at a time; an operator changes them while the plan runs
COPIES = "copies"
"""The limit group of steps that carry content from storage to storage, of snapshots and of backups: they load what is
between the clouds. Content that goes by images loads Cinder or Glance, and counts against that service."""
FLATTENS = "flattens"
"""The limit group of steps that make clones independent after a window: hours that no other window may wait for."""
POINTS = "points"
"""The limit group of steps that make the points of a round of copying ahead: a request of a storage each."""
HOOKS = "hooks"
"""The limit group of steps that run the operator's hooks."""
LIMITS = {
    **{"identity": 4, "compute": 6, "block-storage": 4, "image": 2, "network": 4},
    **{"key-manager": 4, "load-balancer": 4},
    **{COPIES: 4, FLATTENS: 2, POINTS: 8, power.GROUP: 16, HOOKS: 8},
}


class _Milestone(Action):
    """Nothing is asked of anybody; such a step counts against the limit of the new cloud's Keystone."""

    step_kind: ClassVar[str] = "noop"

    @classmethod
    def at(cls, cloud: str) -> Self:
        return cls(cloud=cloud, service="identity")

    def arguments(self) -> dict[str, Any]:
        return {}


class _Barrier(_Milestone):
    step_kind: ClassVar[str] = BARRIER


Severity = Literal["error", "warning", "info"]
Note = TypeVar("Note")

THING = message("move.thing", en="{kind:kind} {name}", ko="{kind:kind} {name}")
NOT_MOVED = message("move.not_moved", en="{thing} is not moved: {why}", ko="{thing}: 이전하지 않습니다. 이유: {why}")
CREATED = message("move.title.create", en="create {thing}", ko="{thing} 생성")
NO_EXTENSION = message(
    "move.no_extension", en="{cloud} has no {extension}", ko="{cloud} 클라우드에 확장 기능이 없습니다({extension})"
)


@dataclass(frozen=True)
class Options:
    """How the operator wants the move: `key` is the file that the passwords of new users are derived from, `storage`
    the files that describe the storage of the old cloud and the new, if it can be reached; `directory` the work
    directory; `identity` the plan's, which the passwords are derived with, "" as for older plans."""

    key: str
    storage: tuple[str, str] | None = None
    directory: str = ""
    identity: str = ""


class Position(TypedDict, total=False):
    """Where a step stands in the plan: the `project` (old id) that it belongs to, "" for none; its `unit` where that is
    not the project's; the steps that it comes `after`, beside those that it refers to; the `gate` before it; the worker
    queue that it runs at. What `joins` the project to another goes with whichever is rolled back first: it is of
    neither's unit, and no barrier of either waits for it. `estimate` is seconds; `purpose` what the step is for, where
    somebody looks for that."""

    project: str
    unit: str
    after: Iterable[str]
    gate: str
    queue: str
    joins: bool
    estimate: float
    purpose: str


@dataclass
class Draft:
    """The plan and the decisions so far."""

    facts: Facts
    choices: Mapping[tuple[str, str], Choice]
    plan: Plan
    options: Options
    kinds: Mapping[str, Kind]
    decisions: dict[tuple[str, str], Decision] = field(default_factory=dict)
    # the steps so far, by id
    steps: dict[str, Step] = field(default_factory=dict)
    _notes: dict[type, Any] = field(default_factory=dict)
    # by project ("" for what belongs to none, _JOINS for what joins two): the steps since its last barrier, and that
    _since: dict[str, list[str]] = field(default_factory=dict)
    # (project, service): the step that all later steps, or all later creations, of the project there come after
    _first: dict[tuple[str, str], str] = field(default_factory=dict)
    _first_creation: dict[tuple[str, str], str] = field(default_factory=dict)

    # -- what there is

    @property
    def old(self) -> str:
        """The old cloud's name."""
        return self.facts.old.cloud

    @property
    def new(self) -> str:
        """The new cloud's name."""
        return self.facts.new.cloud

    def note(self, kind: type[Note]) -> Note:
        """What the rules have noted in this class so far, for later rules: the one instance of it. The class is
        declared in the module of the rule that writes it, and says what it holds."""
        found: Note = self._notes.setdefault(kind, kind())
        return found

    def ref(self, kind: str, identity: Any, field: str = "") -> Any:
        """What stands for the thing's counterpart in a request: its id, a reference, or None when it has none."""
        decision = self.decisions.get((kind, str(identity)))
        if decision is None or decision.decision == "leave":
            return None
        return decision.new or ref(decision.step, field or decision.result)

    def makers(self, kind: str, ids: Iterable[str]) -> list[str]:
        """The steps planned so far that make these things."""
        return [found.step for one in ids if (found := self.decisions.get((kind, one))) and found.step]

    def existing(self, kind: str, project: str) -> Sequence[Row]:
        """What the new cloud has of the kind already in the counterpart of the project."""
        new = self.ref("project", project)
        return self.facts.new.of(kind, new) if isinstance(new, str) else ()

    def choice(self, section: str, row: Row | None, key: str = "") -> Choice | None:
        """What the map says of the thing, or of what is nothing but a name."""
        return self.choices.get((section, row.id if row else key))

    def target(self, section: str, kind: str, row: Row) -> str | None:
        """The id of the mapped counterpart on the new cloud, None when it is to be made or is not decided."""
        choice = self.choice(section, row)
        if choice is None or choice.target in (None, CREATE, LEAVE):
            return None
        found = self.facts.new.named(kind, str(choice.target))
        return found[0].id if found else None

    @cached_property
    def storages(self) -> list[Backends]:
        """The storage of the old cloud and of the new, if it can be reached."""
        return [load(Path(file)) for file in self.options.storage or ()]

    def queue(self, row: Row) -> str:
        """The worker queue that carries a volume's content: that of the backend that has it, "" for the executor."""
        host = row.body.get(HOST)
        backend = described(str(host), self.storages[0]) if self.options.storage and host else None
        return backend.place if backend else ""

    @cached_property
    def called(self) -> dict[str, str]:
        """What each project is called."""
        return names({row.id: row.name for row in self.facts.projects.values()})

    def unit(self, project: str) -> str:
        """The unit of what belongs to a project, or to none."""
        return f"project {self.called[project]}" if project in self.facts.projects else CLOUD

    # -- fields

    def sent(self, kind: Kind, row: Row) -> tuple[dict[str, Any], list[FieldChange]]:
        """Those of the kind's `sent` fields that the old cloud has and the new one takes; the changes of the others."""
        body, changes = kept(row, kind.sent), []
        known = self.facts.new.extensions(kind.service) if kind.extensions else frozenset()
        for name in list(body):
            extension = kind.extensions.get(name)
            if extension is None or extension in known:
                continue
            value = body.pop(name)
            if value not in NOTHING and value not in kind.harmless.get(name, ()):
                changes.append(FieldChange(name, value, None, NO_EXTENSION(cloud=self.new, extension=extension)))
        return body, changes

    def private(self, row: Row, *path: str) -> Any:
        """What stands in a request for the value at the path of an old thing that is its users' own, and so in no plan:
        the step that sends it reads it from the archive."""
        file = str(Path(self.options.directory) / ARCHIVE)
        return archived(file, self.facts.old.snapshot, row.kind, row.id, path)

    # -- deciding

    def match(self, row: Row, new: str, why: Text, changes: Iterable[FieldChange] = ()) -> None:
        """The new cloud has it already."""
        self._decide(row, "match", why, changes, new=new)

    def leave(self, row: Row, why: Text, *, hint: Text = "", severity: Severity = "warning") -> None:
        """It is not moved."""
        self._decide(row, "leave", why, ())
        self.report(severity, NOT_MOVED(thing=thing(row), why=why), about=row.id, hint=hint)

    def create(
        self,
        row: Row,
        action: Create,
        *,
        title: Text = "",
        why: Text = "",
        changes: Iterable[FieldChange] = (),
        **position: Unpack[Position],
    ) -> str:
        """A step makes it by the action. It belongs to the thing's project unless another one is given. Returns the
        step's id."""
        first = self._first_creation.get((row.project, action.service), "")
        position["after"] = [*position.get("after", ()), first]
        position.setdefault("project", row.project)
        position.setdefault("purpose", MAKE)
        step = self.step(f"{row.kind}/{row.id}", action, title or CREATED(thing=thing(row)), about=row, **position)
        self.made(row, step, why, changes, kept=action.body)
        return step

    def made(
        self,
        row: Row,
        step: str,
        why: Text = "",
        changes: Iterable[FieldChange] = (),
        *,
        kept: Iterable[str] = (),
        result: str = "id",
    ) -> None:
        """The step makes it; its id is at `result` of what the step gives. A field that is neither `kept`, nor named by
        the changes or by the declaration of its kind, is told as one that is not kept: here, so that no rule can forget
        it."""
        changes = list(changes)
        changes += self.kinds[row.kind].unknown(row, {*kept, *(change.field for change in changes)})
        self._decide(row, "create", why, changes, step=step, result=result)

    def _decide(
        self,
        row: Row,
        what: Any,
        why: Text,
        changes: Iterable[FieldChange],
        *,
        new: str = "",
        step: str = "",
        result: str = "id",
    ) -> None:
        key = (row.kind, row.id)
        if key in self.decisions:
            raise ValueError(f"{row.kind} {row.id} was decided already")
        made = (new, step, tuple(changes), result)
        self.decisions[key] = Decision(row.kind, row.id, row.name, row.project, what, why, *made)

    def change(self, row: Row, *changes: FieldChange) -> None:
        """Adds changed fields to a decision made before."""
        decision = self.decisions[row.kind, row.id]
        self.decisions[row.kind, row.id] = replace(decision, changes=(*decision.changes, *changes))

    # -- steps and findings

    def step(
        self, identity: str, action: Action, title: Text, *, about: Row | None = None, **position: Unpack[Position]
    ) -> str:
        """Adds a step, to run after those that its request refers to and those that its position names. It counts
        against the limit of its service on its cloud, or of the action's own group. Returns its id."""
        project = position.get("project", "")
        project = project if project in self.facts.projects else ""
        arguments = action.arguments()
        group = action.limit_group or action.service
        limit = action.limit_group or f"{group}@{action.cloud}"
        self.plan.limits.setdefault(limit, LIMITS[group])
        first = self._first.get((project, action.service), "")
        befores = sorted({*references(arguments), *(name for name in (first, *position.get("after", ())) if name)})
        joins = position.get("joins", False)
        step = Step(
            id=identity,
            kind=action.step_kind,
            args=arguments,
            unit=CLOUD if joins else position.get("unit") or self.unit(project),
            limits=(limit,),
            queue=position.get("queue", ""),
            gate=position.get("gate", ""),
            title=title,
            estimate=position.get("estimate", 0.0),
            about=About(about.kind, about.id, about.called or about.name) if about else None,
            purpose=position.get("purpose", ""),
        )
        self.steps[identity] = step
        self.plan.add(step, after=befores)
        self._since.setdefault(_JOINS if joins else project, []).append(identity)
        return identity

    def call(
        self,
        identity: str,
        service: str,
        requests: Sequence[Mapping[str, Any]],
        title: Text,
        *,
        undo: Sequence[Mapping[str, Any]] = (),
        cloud: str = "",
        about: Row | None = None,
        **position: Unpack[Position],
    ) -> str:
        """Adds a step of requests that may be repeated (see `naru.actions.call.Call`), on the new cloud unless another
        one is named. Returns its id."""
        fields: dict[str, Any] = {"cloud": cloud or self.new, "service": service, "requests": list(requests)}
        if undo:
            fields["undo"] = list(undo)
        return self.step(identity, Call(**fields), title, about=about, **position)

    def milestone(self, identity: str, project: str, title: Text, gate: str = "", purpose: str = "") -> str:
        """A step that does nothing: all steps so far of the project, and of none, come before it, and it may be behind
        a gate. Returns its id."""
        after = self._since.pop(project, [])
        if project:
            after = [*after, *self._since.get("", [])]
        about = self.facts.projects.get(project)
        position = Position(project=project, after=after, gate=gate, purpose=purpose)
        return self.step(identity, _Milestone.at(self.new), title, about=about, **position)

    def barrier(self, identity: str, title: Text, project: str, after: Iterable[str]) -> str:
        """A step that does nothing and waits for others until they are done, skipped or rolled back; what comes after
        it does not depend on them. Returns its id."""
        return self.step(identity, _Barrier.at(self.new), title, project=project, after=after)

    def first(self, project: str, service: str, step: str) -> None:
        """All later steps of the project at the service come after this one; so in a rollback it goes after them."""
        self._first[project, service] = step

    def first_creation(self, project: str, service: str, step: str) -> None:
        """All later creations of things of the project at the service come after this step."""
        self._first_creation[project, service] = step

    def before_creations(self, project: str, service: str) -> str:
        """The step that they come after, "" for none."""
        return self._first_creation.get((project, service), "")

    def so_far(self, project: str) -> list[str]:
        """The steps of a project, or of none (""), since its last barrier, with that."""
        return list(self._since.get(project, ()))

    def everything_so_far(self) -> Iterator[str]:
        """Those of all projects, of none, and of what joins two."""
        return (step for steps in self._since.values() for step in steps)

    def forget_since(self, project: str, steps: Iterable[str]) -> None:
        """Later barriers of the project wait for these steps in place of those so far."""
        self._since[project] = list(steps)

    def report(self, severity: Severity, summary: Text, *, about: str = "", detail: Text = "", hint: Text = "") -> None:
        """Something that the reader must know."""
        self.plan.findings.append(Finding(severity, summary, detail, hint, about))


def own_text(name: str) -> bool:
    """Whether users keep a secret of theirs in metadata of this name, as far as the name says: then no plan has it."""
    return _OWN.search(name) is not None


def thing(row: Row) -> Text:
    """How a thing is called in titles and findings: see `naru.move.called`."""
    return THING(kind=row.kind, name=row.called or row.name or row.id)


def kept(row: Row, fields: Iterable[str]) -> dict[str, Any]:
    """Those of the fields that the old cloud has, with whatever value: False, 0, "" and null are values."""
    return {name: row.body[name] for name in fields if name in row.body}
