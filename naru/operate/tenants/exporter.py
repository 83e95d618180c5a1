"""The file of what a cloud has, in the making: which things belong into it, and what they are called there."""

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any

from naru.inventory.kinds import values
from naru.inventory.rows import Row
from naru.operate.tenants.facts import DEFAULT_DOMAIN, Facts
from naru.operate.tenants.kind import Kind
from naru.operate.tenants.names import Names

SECTIONS = ("domains", "roles", "users", "groups", "flavors", "volume_types", "projects")


class Exporter:
    """What is written of the cloud: of `projects` (rows), with whom and what these have to do with; of all with
    `whole`. `left` says what is not in the file, and why. `images` is the directory that the content of images is to be
    in, as the file names it ("" for nowhere), and `contents` the images whose content belongs there, by file name."""

    def __init__(self, facts: Facts, projects: Iterable[Row], *, whole: bool, images: str = "") -> None:
        self.images = images
        self.contents: dict[str, Row] = {}
        self.facts = facts
        self.whole = whole
        self.projects = sorted(projects, key=self._order)
        self.names = Names(facts)
        self.left: list[str] = []
        self.sections: dict[str, list[Any]] = {name: [] for name in SECTIONS}
        self._written: dict[tuple[str, str], dict[str, Any]] = {}

    def _order(self, row: Row) -> tuple[str, str, str]:
        return (self.facts.domain(row) if row.kind in ("project", "user", "group") else "", row.name, _told(row))

    # -- what belongs into it

    def rows(self, kind: str) -> list[Row]:
        """The things of a kind that do, in order."""
        return sorted((row for row in self.facts.all(kind).values() if self.has(kind, row.id)), key=self._order)

    def has(self, kind: str, identity: str) -> bool:
        """Whether the thing does."""
        if kind == "role" and self.facts.all("role")[identity].body.get("domain_id"):
            return False
        return self.whole or identity in self._chosen.get(kind, ())

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of the projects."""
        return frozenset(row.id for row in self.projects)

    @cached_property
    def _chosen(self) -> dict[str, set[str]]:
        facts, found = self.facts, {"project": set(self.ids), "user": set(), "group": set(), "role": set()}
        for row in facts.all("role assignment").values():
            if row.project in self.ids:
                self._take(found, row)
        for row in facts.all("group membership").values():
            if row.body["group_id"] in found["group"]:
                found["user"].add(str(row.body["id"]))
        people = found["user"] | found["group"]
        found["domain"] = {
            str(facts.all(kind)[identity].body["domain_id"])
            for kind in ("project", "user", "group")
            for identity in found[kind]
            if identity in facts.all(kind)
        }
        scopes = set()
        for row in facts.all("role assignment").values():
            domain = next(values(row.body, "scope.domain.id"), "")
            if domain in found["domain"] and _actor(row)[1] in people:
                found["role"].add(str(row.body["role"]["id"]))
                scopes.add(domain)
        if DEFAULT_DOMAIN not in scopes:  # every cloud has it
            found["domain"].discard(DEFAULT_DOMAIN)
        for kind, access, field, project in (
            *(("flavor", "flavor access", "flavor_id", "tenant_id"),),
            *(("volume type", "volume type access", "volume_type_id", "project_id"),),
        ):
            rows = facts.all(access).values()
            found[kind] = {str(row.body[field]) for row in rows if row.body[project] in self.ids}
        return found

    def _take(self, found: dict[str, set[str]], row: Row) -> None:
        kind, identity = _actor(row)
        if identity in self.facts.all(kind):
            found[kind].add(identity)
            found["role"].add(str(row.body["role"]["id"]))

    # -- what it is called

    def name(self, row: Row) -> dict[str, Any]:
        """The fields that name a user, group or project."""
        domain = self.facts.domain(row)
        return {"name": row.name} | ({"domain": domain} if domain else {})

    def ref(self, kind: str, identity: str) -> Any:
        """What stands for a user, group or project in another thing."""
        row = self.facts.all(kind)[identity]
        named = self.name(row)
        return named if "domain" in named else row.name

    def refs(self, kind: str, ids: Collection[str]) -> list[Any]:
        """The same of several, in order."""
        rows = sorted((self.facts.all(kind)[one] for one in ids), key=self._order)
        return [self.ref(kind, row.id) for row in rows]

    def of_project(self, kind: str, identity: str, project: str) -> Any:
        """What stands for a network, or a security group, in a thing of a project (id)."""
        row = self.facts.all(kind)[identity]
        thing = self.names.of_id(kind, identity)
        assert thing
        twins = {"description": thing.description} if len(self.names.all(kind, thing.owner, row.name)) > 1 else {}
        if row.project == project:
            own: dict[str, Any] = {"name": row.name, **twins}
            return own if twins else row.name
        if row.body.get("router:external") and self._alone(row):
            return row.name
        owner = {"project": self.ref("project", row.project)} if row.project in self.facts.all("project") else {}
        return {"name": row.name, **owner, **twins}

    def _alone(self, network: Row) -> bool:
        shared = [row for row in self.facts.all("network").values() if row.name == network.name]
        return len(shared) == 1

    # -- what is written

    def fields(self, kind: Kind, row: Row, without: Collection[str] = ()) -> dict[str, Any]:
        """The kind's fields that the thing has in another way than every new one."""
        return {
            name: sorted(row.body[name]) if name == "tags" else row.body[name]
            for name, field in kind.fields.items()
            if name not in without and name in row.body and not field.is_default(row.body[name])
        }

    def put(self, section: str, written: Any, row: Row | None = None) -> None:
        """Writes a thing; with its row, more of it can be written later."""
        self.sections[section].append(written)
        if row:
            self._written[row.kind, row.id] = written

    def more(self, row: Row, field: str, value: Any) -> None:
        """Writes a further field of a thing, if it has something."""
        if value:
            self._written[row.kind, row.id][field] = value

    def unique(self, kind: str, rows: Iterable[Row]) -> list[Row]:
        """Those of a project's, or network's, things of a kind that a file can name; the others are told."""
        rows = sorted(rows, key=self._order)
        keys = [(row.name, _told(row)) for row in rows]
        for row, key in zip(rows, keys, strict=True):
            if not row.name:
                self.leave(kind, row, "it has no name")
            elif keys.count(key) > 1:
                self.leave(kind, row, "another one has the same name and description")
        return [row for row, key in zip(rows, keys, strict=True) if row.name and keys.count(key) == 1]

    def leave(self, kind: str, row: Row, why: str) -> None:
        """Says that a thing, or something of it, is not in the file."""
        owner = self.facts.all("project").get(row.project)
        called = f"{owner.name}/{row.name or row.id}" if owner else row.name or row.id
        self.left.append(f"{kind} {called}: {why}")


def _told(row: Row) -> str:
    return str(row.body.get("description") or "")


def _actor(row: Row) -> tuple[str, str]:
    """(kind, id) of who has a role."""
    kind = "user" if "user" in row.body else "group"
    return kind, str(row.body[kind]["id"])
