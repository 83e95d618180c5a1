"""A plan in the making: what becomes of every thing of the old cloud, and the steps that make it so.

Each thing gets one decision: `create` (a step makes it), `match` (the new cloud has it already) or `leave` (it is not
moved, and the reader is told why). What a step's arguments hold is the literal request; where it needs the id of
something that another step makes, a reference stands: {"$ref": step, "field": ...}. The edges follow from those.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import Text
from naru.move.facts import Facts, disks, names
from naru.move.mapping import CREATE, Choice
from naru.move.purposes import MAKE
from naru.plan.model import About, Finding, Plan, Step
from naru.volumes.where import HOST, Backends, described, load

REF = "$ref"
MARK = "naru"
CLOUD = "cloud"
"""The unit of what belongs to no project, and of what joins two."""

# the key of `Draft.since` for what joins two projects; no project has this id
JOINS = "joins"

# what of a cloud may be asked at a time; an operator changes them while the plan runs
COPIES = "copies"
"""The limit group of steps that carry content: they load what is between the clouds, not one cloud's service."""
FLATTENS = "flattens"
"""The limit group of steps that make clones independent after a window: hours that no other window may wait for."""
LIMITS = {"identity": 4, "compute": 6, "block-storage": 4, "image": 2, "network": 4, COPIES: 4, FLATTENS: 2}


@dataclass(frozen=True)
class Rule:
    """Why one field of a thing is not on the new cloud what it was on the old."""

    field: str
    old: Any
    new: Any
    why: str


@dataclass(frozen=True)
class Decision:
    """What becomes of one thing. `new` is the id of what it was matched with, `step` the step that makes it."""

    kind: str
    id: str
    name: str
    project: str
    decision: Literal["create", "match", "leave"]
    why: str
    new: str = ""
    step: str = ""
    rules: tuple[Rule, ...] = ()

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> "Decision":
        """A decision from its JSON form, `asdict`'s."""
        return cls(**{**raw, "rules": tuple(Rule(**rule) for rule in raw["rules"])})


@dataclass(frozen=True)
class Marked:
    """A thing that bears a mark until all of its project is made: where things of its kind are listed, which field has
    the mark, and the request that takes it away."""

    mark: str
    step: str
    service: str
    listing: list[Any]
    collection: str
    item: str
    wrap: str
    field: str
    unmark: Mapping[str, Any]
    version: str = ""


def ref(step: str, field: str = "id") -> dict[str, str]:
    """The field of a step's result, in another step's arguments."""
    return {REF: step, "field": field}


def references(value: Any) -> Iterator[str]:
    """The steps that a value refers to."""
    if isinstance(value, Mapping):
        if REF in value:
            yield value[REF]
        else:
            for inner in value.values():
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@dataclass
class Draft:
    """The plan and the decisions so far. `key` is the file that the passwords of new users are derived from."""

    facts: Facts
    choices: Mapping[tuple[str, str], Choice]
    plan: Plan
    key: str
    # the identity of clouds.yaml on the new cloud, and the role that lets somebody act in a project
    admin: str
    role: str
    # the files that describe the storage of both clouds, old and new, if it can be reached; the work directory
    storage: tuple[str, str] | None = None
    directory: str = ""
    decisions: dict[tuple[str, str], Decision] = field(default_factory=dict)
    # the steps so far, by id
    steps: dict[str, Step] = field(default_factory=dict)
    # by project ("" for what belongs to none, JOINS for what joins two): the steps since its last barrier, and that
    since: dict[str, list[str]] = field(default_factory=dict)
    marks: dict[str, list["Marked"]] = field(default_factory=dict)
    # old ids of ports that come up at the cut-over only
    dark_ports: set[str] = field(default_factory=set)
    # project: the step that finds its security group default. Neutron makes another one for whatever is still done in
    # a project, so in a rollback it goes after all of that
    default_groups: dict[str, str] = field(default_factory=dict)
    # (project, service): the step that lifts the quota
    lifted: dict[tuple[str, str], str] = field(default_factory=dict)
    # kind of quotas: their names on the new cloud
    quota_names: dict[str, set[str]] = field(default_factory=dict)
    # old id of a router: the steps that make its interfaces
    interfaces: dict[str, list[str]] = field(default_factory=dict)
    # old id of an image or flavor: the step after which servers can be booted from it
    bootable: dict[str, str] = field(default_factory=dict)
    # (project, user): the step after which things can be made as that user
    actors: dict[tuple[str, str], str] = field(default_factory=dict)
    _roots: set[str] | None = None
    # (old id of a network, project or "*" for all): the steps that share it with that one
    shared: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    # (project, old id of a flavor or image of others): the step that lets the project use it
    access: dict[tuple[str, str], str] = field(default_factory=dict)

    # -- where things are

    @property
    def old(self) -> str:
        """The old cloud's name."""
        return self.facts.old.cloud

    @property
    def new(self) -> str:
        """The new cloud's name."""
        return self.facts.new.cloud

    def ref(self, kind: str, identity: Any, field: str = "id") -> Any:
        """What stands for the thing's counterpart in a request: its id, a reference, or None when it has none."""
        decision = self.decisions.get((kind, str(identity)))
        if decision is None or decision.decision == "leave":
            return None
        return decision.new or ref(decision.step, field)

    def makers(self, kind: str, ids: Iterable[str]) -> list[str]:
        """The steps planned so far that make these things."""
        return [found.step for one in ids if (found := self.decisions.get((kind, one))) and found.step]

    def there(self, kind: str, project: str) -> Sequence[Row]:
        """What the new cloud has of the kind already in the counterpart of the project."""
        new = self.ref("project", project)
        return self.facts.new.of(kind, new) if isinstance(new, str) else ()

    def chosen(self, section: str, row: Row | None, key: str = "") -> Choice | None:
        """What the map says of the thing, or of what is nothing but a name."""
        return self.choices.get((section, row.id if row else key))

    def target(self, section: str, kind: str, row: Row) -> str | None:
        """The id of the mapped counterpart on the new cloud, None when it is to be made or is not decided."""
        choice = self.chosen(section, row)
        if choice is None or choice.target in (None, CREATE):
            return None
        found = self.facts.new.named(kind, str(choice.target))
        return found[0].id if found else None

    @cached_property
    def storages(self) -> list[Backends]:
        """The storage of the old cloud and of the new, if it can be reached."""
        return [load(Path(file)) for file in self.storage or ()]

    def place(self, row: Row) -> str:
        """Where the content of a volume is carried: at the place of the backend that has it, "" for the executor."""
        host = row.body.get(HOST)
        backend = described(str(host), self.storages[0]) if self.storage and host else None
        return backend.place if backend else ""

    @cached_property
    def called(self) -> dict[str, str]:
        """What each project is called."""
        return names({row.id: row.name for row in self.facts.projects.values()})

    def unit(self, project: str) -> str:
        """The unit of what belongs to a project, or to none."""
        return f"project {self.called[project]}" if project in self.facts.projects else CLOUD

    # -- deciding

    def match(self, row: Row, new: str, why: str, rules: Iterable[Rule] = ()) -> None:
        """The new cloud has it already."""
        self._decide(row, "match", why, rules, new=new)

    def leave(self, row: Row, why: str, *, hint: str = "", severity: str = "warning") -> None:
        """It is not moved."""
        self._decide(row, "leave", why, ())
        self.find(severity, f"{title(row)} is not moved: {why}", about=row.id, hint=hint)

    def create(
        self,
        row: Row,
        body: Mapping[str, Any],
        *,
        path: str | list[Any],
        wrap: str,
        where: Mapping[str, Any] = MappingProxyType({}),
        why: str = "",
        rules: Iterable[Rule] = (),
        after: Iterable[str] = (),
        listing: str | list[Any] = "",
        ignore: Iterable[Any] = (),
        ids: Iterable[str] = (),
        title_: str = "",
        project: str | None = None,
        unit: str = "",
        gate: str = "",
        joins: bool = False,
        by: str = "move.create",
        group: str = "",
        place: str = "",
        **more: Any,
    ) -> str:
        """A step makes it: `body` under the key `wrap` to `path`. What an attempt before it made is found in the list
        by `where` (path: value), unless its id is among `ignore`; or it has one of `ids`. `by` is the step's kind,
        which takes what `move.create` does; `more` goes to the step as it is; see `naru.move.steps.create`. Returns
        its id."""
        kind = BY_NAME[row.kind]
        after = [*after, self.lifted.get((row.project, kind.service), "")]
        find: dict[str, Any] = {"ids": list(ids)}
        if not find["ids"]:
            find = {
                "path": listing or path,
                "collection": kind.collection,
                "where": dict(where),
                "ignore": list(ignore),
            }
        step = self.step(
            f"{row.kind}/{row.id}",
            by,
            {
                "cloud": self.new,
                "service": kind.service,
                "path": path,
                "wrap": wrap,
                "body": body,
                "find": find,
                **more,
            },
            title=title_ or f"create {title(row)}",
            project=row.project if project is None else project,
            unit=unit,
            after=after,
            gate=gate,
            joins=joins,
            group=group,
            place=place,
            about=row,
            purpose=MAKE,
        )
        self.made(row, step, why, rules)
        return step

    def marked(
        self, row: Row, step: str, path: str, wrap: str, *, field: str, unmark: Mapping[str, Any], version: str = ""
    ) -> None:
        """The thing that the step makes bears `mark(row)` in `field`, until the request `unmark` (to its path) has
        taken it away."""
        kind = BY_NAME[row.kind]
        listing = [kind.path, "&" if "?" in kind.path else "?", "project_id=", self.ref("project", row.project)]
        mine = Marked(
            *(mark(row), step, kind.service, listing, kind.collection, f"{path}/", wrap, field, unmark, version)
        )
        self.marks.setdefault(row.project, []).append(mine)

    def marked_in_metadata(self, row: Row, step: str, path: str, wrap: str) -> None:
        """As `marked`, by the key `naru` of its metadata."""
        unmark = {"method": "DELETE", "path": "/metadata/naru", "ok": [404]}
        self.marked(row, step, path, wrap, field="metadata.naru", unmark=unmark)

    def made(self, row: Row, step: str, why: str = "", rules: Iterable[Rule] = ()) -> None:
        """The step makes it."""
        self._decide(row, "create", why, rules, step=step)

    def _decide(self, row: Row, what: Any, why: str, rules: Iterable[Rule], *, new: str = "", step: str = "") -> None:
        key = (row.kind, row.id)
        if key in self.decisions:
            raise ValueError(f"{row.kind} {row.id} was decided already")
        self.decisions[key] = Decision(row.kind, row.id, row.name, row.project, what, why, new, step, tuple(rules))

    def rule(self, row: Row, *rules: Rule) -> None:
        """Adds rules to a decision made before."""
        decision = self.decisions[row.kind, row.id]
        self.decisions[row.kind, row.id] = Decision(**{**vars(decision), "rules": (*decision.rules, *rules)})

    # -- steps and findings

    def step(
        self,
        identity: str,
        kind: str,
        args: Mapping[str, Any],
        *,
        title: str,
        project: str,
        unit: str = "",
        after: Iterable[str] = (),
        gate: str = "",
        group: str = "",
        estimate: float = 0.0,
        joins: bool = False,
        place: str = "",
        about: Row | None = None,
        purpose: str = "",
    ) -> str:
        """Adds a step of a project (or of none: "") to run after those that its arguments refer to, and `after`.
        It is limited with its service's, or with the limit group `group`. Returns its id. One that `joins` the project
        to another goes with whichever is taken back first: it is of neither's unit, and no point in the way of either
        waits for it."""
        project = project if project in self.facts.projects else ""
        service = str(args.get("service", "identity"))
        group = group or service
        limit = group if group in (COPIES, FLATTENS) else f"{group}@{args.get('cloud', self.new)}"
        self.plan.limits.setdefault(limit, LIMITS[group])
        first = self.default_groups.get(project, "") if service == "network" else ""
        befores = sorted({*references(args), *(name for name in (first, *after) if name)})
        unit = CLOUD if joins else unit or self.unit(project)
        concerns = About(about.kind, about.id, about.name) if about else None
        self.steps[identity] = Step(
            *(identity, kind, args, unit, (limit,), place, gate, title, estimate), about=concerns, purpose=purpose
        )
        self.plan.add(self.steps[identity], after=befores)
        self.since.setdefault(JOINS if joins else project, []).append(identity)
        return identity

    def roots(self) -> set[str]:
        """The old volumes that servers are booted from."""
        if self._roots is None:
            servers = [row for row in self.facts.owned("server") if not row.body.get("image")]
            self._roots = {found[0][0].id for row in servers if (found := disks(self.facts.old, row))}
        return self._roots

    def all_interfaces(self, project: str) -> list[str]:
        """The steps that make interfaces of the project's routers."""
        return [step for router in self.facts.owned("router", project) for step in self.interfaces.get(router.id, ())]

    def barrier(self, identity: str, project: str, title: str, gate: str = "", purpose: str = "") -> str:
        """A point that all steps so far of the project, and of none, come before; it may be behind a gate."""
        after = self.since.pop(project, [])
        if project:
            after = [*after, *self.since.get("", [])]
        about = self.facts.projects.get(project)
        return self.step(
            *(identity, "noop", {}), title=title, project=project, after=after, gate=gate, about=about, purpose=purpose
        )

    def find(self, severity: Any, summary: Text, *, about: str = "", detail: Text = "", hint: Text = "") -> None:
        """Something that the reader must know."""
        self.plan.findings.append(Finding(severity, summary, detail, hint, about))

    def dump(self) -> list[dict[str, Any]]:
        """The decisions as JSON."""
        return [asdict(decision) for decision in self.decisions.values()]


def title(row: Row) -> str:
    """How a thing is called in a title or finding."""
    return f"{row.kind} {row.name or row.id}"


def mark(row: Row) -> str:
    """The mark by which a thing that was made for `row` is found again."""
    return f"{MARK}:{row.id}"


def kept(row: Row, fields: Iterable[str]) -> dict[str, Any]:
    """Those of the fields that the old cloud has, with whatever value: False, 0, "" and null are values."""
    return {name: row.body[name] for name in fields if name in row.body}
