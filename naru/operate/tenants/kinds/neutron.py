"""What all things of projects in Neutron have in common: their names, owners and tags."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from naru.operate.tenants.draft import CHANGE, Difference, Draft, OfProject
from naru.operate.tenants.kind import Kind
from naru.operate.tenants.model import Model
from naru.operate.tenants.names import Thing


def declare_all(draft: Draft, kind: str, project: OfProject, written: Iterable[Any]) -> None:
    """The project's things of a kind, so that others may name them."""
    written = list(written)
    for one in written:
        label = f"{project.thing.label}/{one.name}"
        draft.needs(kind, label, "network")
        found = may_be(draft.names.all(kind, project.thing.label, one.name), one, written)
        thing = draft.declare(kind, found, one.name, label, project.thing.label, one.description or "")
        if thing.row is None:
            draft.names.add(thing)
        draft.things.setdefault(kind, []).append((thing, one, project))


def may_be(found: Iterable[Thing], one: Any, written: Iterable[Any]) -> list[Thing]:
    """Those of one name without what another one of this name in the file describes: it would be taken from that."""
    others = {other.description or "" for other in written if other.name == one.name} - {one.description or ""}
    return [thing for thing in found if thing.description not in others]


def made(written: Model, kind: Kind, without: Collection[str] = ()) -> dict[str, Any]:
    """What is written of the kind's own fields, as JSON."""
    dumped = written.model_dump(mode="json", by_alias=True, exclude_unset=True)
    names = [name for name in kind.fields if name in dumped and name not in without]
    return {name: kind.fields[name].sent(dumped[name]) for name in names}


def undeclared(draft: Draft) -> None:
    """What the projects and networks of the file have beside it."""
    for project in draft.projects:
        if project.thing.row:
            for kind in ("address group", "security group", "network", "router"):
                rows = [row for row in draft.facts.owned(kind, project.thing.id) if row.name != "default"]
                draft.unlisted(kind, rows, project.thing)
    for network, *_ in draft.things.get("network", ()):
        if network.row:
            draft.unlisted("subnet", draft.facts.of("subnet", "network_id", network.id), network)


def routes(there: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Routes in one order, whatever the service's own is."""
    found = [{name: route[name] for name in ("destination", "nexthop")} for route in there]
    return sorted(found, key=lambda route: (route["destination"], route["nexthop"]))


def tags(draft: Draft, kind: Kind, thing: Thing, written: Any, project: OfProject) -> None:
    """The step that gives a thing its tags: those of the file and no others."""
    if "tags" not in written.model_fields_set:
        return
    there = sorted(thing.row.body.get("tags") or []) if thing.row else []
    wanted = sorted(written.tags)
    if there == wanted:
        return
    if thing.row:
        draft.differences.append(Difference("change", kind.name, thing.label, "tags", there, wanted))
    path = [f"{kind.path}/", thing.target, "/tags"]
    requests = [{"method": "PUT", "path": path, "body": {"tags": one}} for one in (wanted, there)]
    undo = [{**requests[1], "ok": [404]}]
    title = CHANGE(kind=kind.name, name=thing.label, fields=["tags"])
    draft.call(f"tags {kind.name}/{thing.label}", kind.service, requests[:1], undo, title, thing, unit=project.unit)
