"""Address groups of projects, which rules of security groups may name; from Wallaby on."""

from naru.operate.tenants.addresses import Addresses
from naru.operate.tenants.draft import ADD, REMOVE, Difference, Draft, OfProject
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.kind import TEXT, Field, Kind
from naru.operate.tenants.kinds.neutron import declare_all, made
from naru.operate.tenants.names import Thing

SERVICE = "network"
EXTENSION = "address-group"
KIND = Kind(
    "address group",
    SERVICE,
    "/address-groups",
    "address_group",
    "address_groups",
    {"description": TEXT, "addresses": Field([], unordered=True)},
)


def declare(draft: Draft) -> None:
    """All address groups of the file. A cloud without any cannot have them: rules that name one would let in others."""
    for project in draft.projects:
        written = project.written.address_groups
        declare_all(draft, KIND.name, project, written)
        if written and EXTENSION not in draft.facts.extensions(SERVICE):
            draft.names.problem(f"address_groups: {project.thing.label}", f"{draft.cloud} has no address groups")


def address_groups(draft: Draft) -> None:
    """Address groups, and which addresses are in them."""
    for thing, written, project in draft.things.get(KIND.name, ()):
        body = made(written, KIND)
        if thing.row is None:
            draft.make(KIND, thing, body, project)
            continue
        draft.change(
            KIND, thing, {name: value for name, value in body.items() if name != "addresses"}, unit=project.unit
        )
        if "addresses" in body:
            _addresses(draft, thing, body["addresses"], project)


def _addresses(draft: Draft, thing: Thing, wanted: list[str], project: OfProject) -> None:
    """Only those that differ are sent: the others stay in force meanwhile."""
    assert thing.row
    there = list(thing.row.body.get("addresses") or [])
    add = [one for one in wanted if one not in there]
    drop = [one for one in there if one not in wanted]
    if not draft.prunes("address_group_addresses"):
        for one in drop:
            draft.undeclared(thing, "addresses", one)
        drop = []
    for one in add:
        draft.differences.append(Difference("add", KIND.name, thing.label, "addresses", None, one))
    for one in drop:
        draft.differences.append(Difference("remove", KIND.name, thing.label, "addresses", one, None))
    if add or drop:
        title = (ADD if add else REMOVE)(kind=KIND.name, name=thing.label, what=f"addresses: {', '.join(add or drop)}")
        action = Addresses(cloud=draft.cloud, service=SERVICE, group=thing.id, add=add, drop=drop)
        draft.step(f"addresses {KIND.name}/{thing.label}", action, title, thing, unit=project.unit)


# -- written into a file


def export(out: Exporter) -> None:
    """All of the projects."""
    for project in out.projects:
        rows = out.unique(KIND.name, out.facts.owned(KIND.name, project.id))
        found = [{"name": row.name, **out.fields(KIND, row)} for row in rows]
        for one in found:
            if "addresses" in one:
                one["addresses"] = sorted(one["addresses"])
        out.more(project, "address_groups", found)
