"""What a name in the file means: a thing that the cloud has, or one that the file declares and the plan makes."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from naru.inventory.rows import Row
from naru.operate.tenants.facts import DEFAULT_DOMAIN, Facts
from naru.operate.tenants.model import DomainsName, ProjectsName, SubnetsName

OF_DOMAINS = ("user", "group", "project")
OF_PROJECTS = ("address group", "security group", "network", "router")
OF_CLOUDS = ("flavor", "volume type")


@dataclass(frozen=True)
class Thing:
    """A thing by its name. `target` is its id, or what stands for the id that a step finds out; `row` it as the cloud
    has it. `label` is what people call it, `owner` whose it is: a domain, a project's label, a network's target."""

    kind: str
    name: str
    target: Any
    label: str
    owner: Hashable = ""
    description: str = ""
    row: Row | None = None

    @property
    def id(self) -> str:
        """The id, "" for what is to be made."""
        return self.row.id if self.row else ""


class Names:
    """The things of the cloud, and those to be made that are added. What a name does not mean is in `problems`."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._found: dict[tuple[str, Hashable, str], list[Thing]] = {}
        self._by_id: dict[tuple[str, str], Thing] = {}
        self.problems: list[str] = []
        self._read()

    def _read(self) -> None:
        facts = self._facts
        for row in facts.all("domain").values():
            self.add(Thing("domain", row.name, row.id, row.name, "", row=row))
        for row in facts.all("role").values():
            if not row.body.get("domain_id"):
                self.add(Thing("role", row.name, row.id, row.name, "", row=row))
        for kind in OF_DOMAINS:
            for row in facts.all(kind).values():
                domain = facts.domain(row)
                self.add(Thing(kind, row.name, row.id, label(domain, row.name), domain, row=row))
        for kind in OF_CLOUDS:
            for row in facts.all(kind).values():
                self.add(Thing(kind, row.name, row.id, row.name, "", row=row))
        for kind in OF_PROJECTS:
            for row in facts.all(kind).values():
                owner = self.of_id("project", row.project)
                called = owner.label if owner else row.project
                told = str(row.body.get("description") or "")
                self.add(Thing(kind, row.name, row.id, f"{called}/{row.name}", called, told, row))
        for row in facts.all("image").values():
            if owner := self.of_id("project", row.project):
                content = str(row.body.get("checksum") or "")  # what tells images of one name from each other
                self.add(Thing("image", row.name, row.id, f"{owner.label}/{row.name}", owner.label, content, row))
        for row in facts.all("subnet").values():
            network = self.of_id("network", str(row.body["network_id"]))
            if network:
                self.add_subnet(network, row.name, row.id, str(row.body.get("description") or ""), row)

    def add(self, thing: Thing) -> Thing:
        """Takes the thing up."""
        self._found.setdefault((thing.kind, thing.owner, thing.name), []).append(thing)
        if thing.row:
            self._by_id[thing.kind, thing.id] = thing
        return thing

    def add_subnet(self, network: Thing, name: str, target: Any, description: str, row: Row | None) -> Thing:
        """A subnet is found among those of its network, and among all of its network's project."""
        thing = Thing("subnet", name, target, f"{network.label}/{name}", str(network.target), description, row)
        self._found.setdefault(("subnet", ("project", network.owner), name), []).append(thing)
        return self.add(thing)

    def of_id(self, kind: str, identity: str) -> Thing | None:
        """The thing of the cloud with the id."""
        return self._by_id.get((kind, identity))

    def all(self, kind: str, owner: Hashable, name: str) -> list[Thing]:
        """All of one name that an owner has."""
        return self._found.get((kind, owner, name), [])

    def domain(self, name: str | None, place: str) -> Thing | None:
        """A domain by name, the default one without."""
        if name is None:
            return self.of_id("domain", DEFAULT_DOMAIN)
        return self._one("domain", self.all("domain", "", name), name, place)

    def domain_label(self, name: str | None) -> str:
        """How the domain is written before names in it: the default one not at all."""
        default = self.of_id("domain", DEFAULT_DOMAIN)
        return "" if name is None or (default and default.name == name) else name

    def plain(self, kind: str, name: str, place: str) -> Thing | None:
        """A role."""
        return self._one(kind, self.all(kind, "", name), name, place)

    def of_domain(self, kind: str, ref: DomainsName, place: str) -> Thing | None:
        """A user, group or project."""
        domain = self.domain_label(ref.domain)
        return self._one(kind, self.all(kind, domain, ref.name), label(domain, ref.name), place, domain)

    def of_project(self, kind: str, ref: ProjectsName, project: Thing, place: str) -> Thing | None:
        """A thing of the project, or of that which the name says; a network that nobody of the project has by this name
        may be one that others share."""
        owner: Thing | None = project
        if ref.project:
            owner = self.of_domain("project", ref.project, place)
        if owner is None:
            return None
        found = self.all(kind, owner.label, ref.name)
        if not found and kind == "network" and ref.project is None:
            found = [thing for thing in self._shared() if thing.name == ref.name]
        return self._one(kind, described(found, ref.description), ref.name, place, owner.label)

    def subnet(self, ref: SubnetsName, project: Thing, place: str) -> Thing | None:
        """A subnet of a network of the project, or of any network that the name says."""
        if ref.network is None:
            found = self.all("subnet", ("project", project.label), ref.name)
            return self._one("subnet", described(found, ref.description), ref.name, place, ("project", project.label))
        network = self.of_project("network", ref.network, project, place)
        if network is None:
            return None
        found = self.all("subnet", str(network.target), ref.name)
        return self._one("subnet", described(found, ref.description), ref.name, place, str(network.target))

    def _shared(self) -> Iterable[Thing]:
        for row in self._facts.all("network").values():
            if row.body.get("router:external") or row.body.get("shared"):
                thing = self.of_id("network", row.id)
                if thing:
                    yield thing

    def _one(self, kind: str, found: list[Thing], name: str, place: str, owner: Hashable = "") -> Thing | None:
        if len(found) == 1:
            return found[0]
        if found:
            differ = "name its project, or its description" if kind in OF_PROJECTS else "name what it belongs to"
            self.problem(place, f"several of kind {kind} are called {name}: {differ}, as in {{name: {name}, ...}}")
        else:
            known = sorted({key[2] for key in self._found if key[0] == kind and key[1] == owner and key[2]})
            near = get_close_matches(name, known, 3, 0.6)
            hint = f"; there is {', '.join(near)}" if near else ""
            self.problem(place, f"there is no {kind} {name}, neither in the file nor on {self._facts.cloud}{hint}")
        return None

    def problem(self, place: str, what: str) -> None:
        """Takes down a mistake at a place in the file."""
        line = f"{place}: {what}"
        if line not in self.problems:
            self.problems.append(line)


def label(domain: str, name: str) -> str:
    """What people call a user, group or project."""
    return f"{domain}/{name}" if domain else name


def described(found: list[Thing], description: str | None) -> list[Thing]:
    """Of several, those with the description; one alone whatever its own is, if none is asked for."""
    if description is None:
        return found
    return [thing for thing in found if thing.description == description]
