"""The differences between the file and the cloud, and the plan in the making, which rules add to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from naru.actions.arguments import ref
from naru.actions.call import Call
from naru.actions.create import Find
from naru.actions.request import Action, Request
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.operate.tenants.facts import Facts
from naru.operate.tenants.kind import Kind
from naru.operate.tenants.model import DomainsName, Project, Tenants
from naru.operate.tenants.names import Names, Thing
from naru.operate.tenants.steps import Make
from naru.plan.arguments import REF, references
from naru.plan.model import About, Finding, Plan, Step

LIMITS = {"identity": 8, "compute": 6, "network": 8, "block-storage": 4, "image": 4}
CLOUD = "cloud"
"""The unit of what belongs to no project."""

CREATE = message("tenant.title.create", en="create {kind:kind} {name}", ko="{kind:kind} {name} 생성")
CHANGE = message(
    "tenant.title.change", en="{kind:kind} {name}: change {fields:list}", ko="{kind:kind} {name} 변경: {fields:list}"
)
ADD = message("tenant.title.add", en="{kind:kind} {name}: add {what}", ko="{kind:kind} {name}: {what} 추가")
REMOVE = message("tenant.title.remove", en="{kind:kind} {name}: remove {what}", ko="{kind:kind} {name}: {what} 제거")
PASSWORD = message(
    "tenant.title.password", en="{kind:kind} {name}: set the password", ko="{kind:kind} {name}: 비밀번호 설정"
)
WITHOUT = message(
    "tenant.without",
    en="{kind:kind} {name}: {cloud} does not have {field}; it is left out",
    ko="{kind:kind} {name}: {cloud} 클라우드에 {field} 항목이 없어 제외합니다",
)

NULLS = ("gateway_ip",)
"""Fields in which null says something when a thing is made."""
_NOWHERE: Mapping[str, Any] = {}

What = Literal["create", "change", "add", "remove", "refused", "undeclared"]


class Difference(NamedTuple):
    """What the file has in another way than the cloud. `refused` cannot be made as the file says; `undeclared` is on
    the cloud alone, where it stays: it counts as no difference."""

    what: What
    kind: str
    name: str
    field: str = ""
    cloud: Any = None
    file: Any = None


@dataclass(frozen=True)
class OfProject:
    """A project of the file: what is written of it, and what it is on the cloud."""

    thing: Thing
    written: Project

    @property
    def unit(self) -> str:
        return f"project {self.thing.label}"


@dataclass
class Draft:
    """The plan and the differences so far. `directory` is where the paths of secrets begin."""

    facts: Facts
    tenants: Tenants
    directory: Path
    names: Names
    plan: Plan
    differences: list[Difference] = field(default_factory=list)
    projects: list[OfProject] = field(default_factory=list)
    things: dict[str, list[Any]] = field(default_factory=dict)
    """By kind: (thing, what is written of it, project or what else it belongs to), in the order of the file."""
    before: dict[str, list[str]] = field(default_factory=dict)
    """By project's label: the steps that come before all that is made in it."""
    # ids of things of the cloud that the file declares; what each thing of it names; ids of steps that make, and of all
    _taken: set[str] = field(default_factory=set)
    _named: set[tuple[str, ...]] = field(default_factory=set)
    _made: set[str] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)

    @property
    def cloud(self) -> str:
        """The cloud's name."""
        return self.facts.cloud

    def prunes(self, kind: str) -> bool:
        """Whether what of a kind the file does not name is taken away."""
        return kind in self.tenants.prune

    # -- things

    def declare(self, kind: str, found: Sequence[Thing], name: str, label: str, owner: Any, description: str) -> Thing:
        """The thing that the file declares: the one that the cloud has, or one that is to be made."""
        existing = [thing for thing in found if thing.row]
        if len(existing) > 1:
            existing = [thing for thing in existing if thing.description == description]
        free = [thing for thing in existing if thing.id not in self._taken]
        if len(free) > 1:
            self.names.problem(label, f"{self.cloud} has {len(free)} of kind {kind} with this name and description")
        if free:
            self._taken.add(free[0].id)
            return free[0]
        step = f"{kind}/{label}"
        if step in self._made:  # of two with one name
            step = f"{step}/{description}"
        self._made.add(step)
        return Thing(kind, name, ref(step), label, owner, description)

    def needs(self, kind: str, label: str, service: str) -> None:
        """A cloud without the service cannot have the thing."""
        if not self.facts.has(service):
            self.names.problem(f"{kind} {label}", f"{self.cloud} has no {service} service")

    def once(self, thing: Thing, field: str, other: Thing) -> bool:
        """Whether the other thing is named for the first time in the thing's field."""
        key = thing.kind, str(thing.target), field, str(other.target)
        if key in self._named:
            self.names.problem(f"{thing.kind}s: {thing.label}: {field}", f"{other.label} is there twice")
            return False
        self._named.add(key)
        return True

    def known(self, kind: Kind, thing: Thing, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body without the fields that the cloud's service does not have, which are told."""
        extensions = self.facts.extensions(kind.service)
        found = {}
        for name, value in body.items():
            there = kind.fields[name]
            lacks = (there.extension and there.extension not in extensions) or (
                there.since and not self.facts.supports(kind.service, there.since)
            )
            if not lacks:
                found[name] = value
            elif not there.is_default(value):
                summary = WITHOUT(kind=thing.kind, name=thing.label, cloud=self.cloud, field=name)
                self.plan.findings.append(Finding("warning", summary, about=thing.id))
        return found

    def create(
        self,
        kind: Kind,
        thing: Thing,
        body: Mapping[str, Any],
        where: Mapping[str, Any],
        *,
        unit: str = CLOUD,
        listing: Any = "",
        after: Iterable[str] = (),
        **more: Any,
    ) -> None:
        """The step that makes a thing; it is found again by `where`."""
        action = Make(
            cloud=self.cloud,
            service=kind.service,
            path=kind.path,
            wrap=kind.wrap,
            body=dict(body),
            find=Find(path=listing or kind.listing or kind.path, collection=kind.collection, where=dict(where)),
            **more,
        )
        self.differences.append(Difference("create", kind.name, thing.label))
        title = CREATE(kind=kind.name, name=thing.label)
        self.step(thing.target[REF], action, title, thing, unit=unit, after=after)

    def make(
        self,
        kind: Kind,
        thing: Thing,
        body: Mapping[str, Any],
        project: OfProject,
        where: Mapping[str, Any] = _NOWHERE,
    ) -> None:
        """The step that makes a thing of a project in Neutron, found again by its name and description there."""
        own = {"name": thing.name, "project_id": project.thing.target}
        told = {"description": thing.description} if thing.description else {}
        # older Neutrons list by tenant_id alone
        listing = [f"{kind.path}?tenant_id=", project.thing.target]
        after = self.before.get(project.thing.label, ())
        sent = {name: value for name, value in body.items() if value is not None or name in NULLS}
        found = {"name": thing.name, **told, **where}
        self.create(kind, thing, {**own, **sent}, found, unit=project.unit, listing=listing, after=after)

    def change(
        self,
        kind: Kind,
        thing: Thing,
        wanted: Mapping[str, Any],
        *,
        there: Mapping[str, Any] | None = None,
        unit: str = CLOUD,
        shown: Mapping[str, tuple[Any, Any]] | None = None,
        after: Iterable[str] = (),
        path: Any = None,
        version: str = "",
        tag: str = "",
    ) -> None:
        """The step that gives an existing thing what of `wanted` it has in another way; `shown` has for fields with ids
        what is told of them: of the cloud, and of the file."""
        assert thing.row
        body = there if there is not None else thing.row.body
        differing = [name for name, value in wanted.items() if not kind.fields[name].same(body.get(name), value)]
        for name in differing:
            cloud, file = (shown or {}).get(name, (body.get(name), wanted[name]))
            what: What = "refused" if kind.fields[name].fixed else "change"
            self.differences.append(Difference(what, kind.name, thing.label, name, cloud, file))
        changed = [name for name in differing if not kind.fields[name].fixed]
        if not changed:
            return
        place = path or f"{kind.path}/{thing.id}"
        more: dict[str, Any] = {"version": version} if version else {}
        requests = [
            Request(
                method=kind.method,
                path=place,
                body={kind.wrap: {name: kind.fields[name].sent(values.get(name)) for name in changed}},
                **more,
            )
            for values in (wanted, body)
        ]
        title = CHANGE(kind=kind.name, name=thing.label, fields=changed)
        action = Call(cloud=self.cloud, service=kind.service, requests=requests[:1], undo=requests[1:])
        self.step(f"change {tag or kind.name}/{thing.label}", action, title, thing, unit=unit, after=after)

    def call(
        self,
        identity: str,
        service: str,
        requests: Sequence[Mapping[str, Any]],
        undo: Sequence[Mapping[str, Any]],
        title: Text,
        thing: Thing,
        *,
        unit: str = CLOUD,
        after: Iterable[str] = (),
    ) -> str:
        """A step of requests that may be repeated, and of those that undo them. Its id."""
        back: dict[str, Any] = {"undo": [Request(**one) for one in undo]} if undo else {}
        sent = [Request(**one) for one in requests]
        action = Call(cloud=self.cloud, service=service, requests=sent, **back)
        return self.step(identity, action, title, thing, unit=unit, after=after)

    def step(
        self, identity: str, action: Action, title: Text, thing: Thing, *, unit: str = CLOUD, after: Iterable[str] = ()
    ) -> str:
        """Adds a step, to run after those that it refers to, and `after` others. Its id."""
        arguments = action.arguments()
        limit = f"{action.service}@{action.cloud}"
        self.plan.limits.setdefault(limit, LIMITS[action.service])
        if identity in self._ids:  # of two with one name
            identity = f"{identity}/{thing.description or thing.id}"
        self._ids.add(identity)
        self.plan.add(
            Step(
                id=identity,
                kind=action.step_kind,
                args=arguments,
                unit=unit,
                limits=(limit,),
                title=title,
                about=About(thing.kind, thing.id or thing.label, thing.label),
            ),
            after=sorted({*references(arguments), *after} - {identity}),
        )
        return identity

    def password(self, user: Thing, action: Action) -> None:
        """The step that gives a new user its password."""
        title = PASSWORD(kind=user.kind, name=user.label)
        self.step(f"password {user.kind}/{user.label}", action, title, user)

    # -- links: who may, who is in, what is shared

    def link(
        self,
        thing: Thing,
        field: str,
        what: str,
        service: str,
        requests: Sequence[Mapping[str, Any]],
        undo: Sequence[Mapping[str, Any]],
        *,
        unit: str = CLOUD,
        remove: bool = False,
        after: Iterable[str] = (),
    ) -> str:
        """A step that adds something to a thing, or with `remove` takes it away. Its id."""
        if remove:
            self.differences.append(Difference("remove", thing.kind, thing.label, field, what, None))
        else:
            self.differences.append(Difference("add", thing.kind, thing.label, field, None, what))
        title = (REMOVE if remove else ADD)(kind=thing.kind, name=thing.label, what=f"{field}: {what}")
        verb = "remove" if remove else "add"
        return self.call(
            f"{verb} {field} {thing.kind}/{thing.label}/{what}",
            *(service, requests, undo, title, thing),
            unit=unit,
            after=after,
        )

    def named(
        self,
        thing: Thing,
        field: str,
        kind: str,
        written: Iterable[DomainsName],
        there: Mapping[str, str],
        prune: str,
        link: Callable[[str, Any, bool], None],
    ) -> None:
        """The things of a `kind` that a thing's field names as `written`; it has those `there`, by id with their names.
        What is missing is added, what is not named is taken away where the file says to `prune` it: by `link`, which is
        told what it is called, its id or the step that makes it, and whether it is taken away."""
        declared = set()
        for name in written:
            other = self.names.of_domain(kind, name, f"{thing.kind}s: {thing.label}: {field}")
            if other is None or not self.once(thing, field, other):
                continue
            declared.add(other.id)
            if not other.row or other.id not in there:
                link(other.label, other.target, False)
        for identity, its_name in there.items():
            if identity in declared:
                continue
            found = self.names.of_id(kind, identity)
            called = found.label if found else its_name
            if self.prunes(prune):
                link(called, identity, True)
            else:
                self.undeclared(thing, field, called)

    def undeclared(self, thing: Thing, field: str, what: str) -> None:
        """Something that the cloud alone has, and keeps."""
        self.differences.append(Difference("undeclared", thing.kind, thing.label, field, what, None))

    def unlisted(self, kind: str, rows: Iterable[Row], owner: Thing) -> None:
        """The things of a kind that an owner has and the file does not declare."""
        for row in rows:
            if row.id not in self._taken:
                self.differences.append(Difference("undeclared", kind, f"{owner.label}/{row.name or row.id}"))
