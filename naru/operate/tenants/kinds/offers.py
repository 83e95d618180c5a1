"""Flavors and volume types: what they are, and which projects may use those that are not public."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from naru.operate.tenants.draft import CHANGE, Difference, Draft
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.kind import TEXT, Field, Kind
from naru.operate.tenants.model import DomainsName
from naru.operate.tenants.names import Thing

PUBLIC = "os-flavor-access:is_public"
DESCRIBED = "2.55"
"""The microversion since which flavors have descriptions."""
FLAVOR = Kind(
    "flavor",
    "compute",
    "/flavors",
    "flavor",
    "flavors",
    {
        **{name: Field(fixed=True) for name in ("id", "ram", "vcpus", "disk")},
        **{name: Field(0, fixed=True) for name in ("OS-FLV-EXT-DATA:ephemeral", "swap")},
        "rxtx_factor": Field(1.0, fixed=True),
        PUBLIC: Field(True, fixed=True),
        "description": Field("", since=DESCRIBED),
    },
    listing="/flavors/detail?is_public=None",
)
VOLUME_TYPE = Kind(
    "volume type",
    "block-storage",
    "/types",
    "volume_type",
    "volume_types",
    {"description": TEXT, "is_public": Field(True)},
    listing="/types?is_public=None",
)
Verb = Literal["add", "remove"]


def declare(draft: Draft) -> None:
    """All of the file."""
    for kind, things in (("flavor", draft.tenants.flavors), ("volume type", draft.tenants.volume_types)):
        for written in things:
            draft.needs(kind, written.name, "compute" if kind == "flavor" else "block-storage")
            found = draft.names.all(kind, "", written.name)
            thing = draft.declare(kind, found, written.name, written.name, "", "")
            if thing.row is None:
                draft.names.add(thing)
            draft.things.setdefault(kind, []).append((thing, written, None))


# -- planned


def flavors(draft: Draft) -> None:
    """Flavors: Nova changes nothing of one but its description, its extra specs and who may use it."""
    for thing, flavor, _ in draft.things.get("flavor", ()):
        body = {name: value for name, value in flavor.written().items() if name in FLAVOR.fields}
        body = draft.known(FLAVOR, thing, body)
        version: dict[str, Any] = {"version": DESCRIBED} if draft.facts.supports("compute", DESCRIBED) else {}
        if thing.row:
            there = {**thing.row.body, "swap": thing.row.body.get("swap") or 0}
            draft.change(FLAVOR, thing, body, there=there, **version)
        else:
            draft.create(FLAVOR, thing, {"name": thing.name, **body}, {"name": thing.name}, **version)
        specs = draft.facts.specs(thing.row) if thing.row else {}
        _specs(draft, thing, "compute", ["/flavors/", thing.target, "/os-extra_specs"], specs, flavor)
        if "access" in flavor.model_fields_set:
            public = flavor.is_public if PUBLIC in body else _is_public(thing, PUBLIC)
            if _private(draft, thing, public):
                rows = draft.facts.of("flavor access", "flavor_id", thing.id) if thing.row else ()
                there_now = {str(row.body["tenant_id"]) for row in rows}
                _access(draft, thing, "flavor_access", there_now, flavor.access)


def volume_types(draft: Draft) -> None:
    """Volume types."""
    for thing, kind, _ in draft.things.get("volume type", ()):
        body = {name: value for name, value in kind.written().items() if name in VOLUME_TYPE.fields}
        if thing.row:
            draft.change(VOLUME_TYPE, thing, body)
        else:
            public = {"os-volume-type-access:is_public": body.pop("is_public")} if "is_public" in body else {}
            draft.create(VOLUME_TYPE, thing, {"name": thing.name, **body, **public}, {"name": thing.name})
        specs = dict(thing.row.body.get("extra_specs") or {}) if thing.row else {}
        _specs(draft, thing, "block-storage", ["/types/", thing.target, "/extra_specs"], specs, kind)
        if "access" in kind.model_fields_set:
            public_now = kind.is_public if "is_public" in kind.model_fields_set else _is_public(thing, "is_public")
            if _private(draft, thing, public_now):
                rows = draft.facts.of("volume type access", "volume_type_id", thing.id) if thing.row else ()
                there = {str(row.body["project_id"]) for row in rows}
                _access(draft, thing, "volume_type_access", there, kind.access)


def _is_public(thing: Thing, field: str) -> bool:
    return bool(thing.row.body.get(field, True)) if thing.row else True


def _private(draft: Draft, thing: Thing, public: bool) -> bool:
    if public:
        place = f"{thing.kind.replace(' ', '_')}s: {thing.name}: access"
        draft.names.problem(place, "it is public, so everybody may use it; write is_public: false, or no access")
    return not public


def _specs(draft: Draft, thing: Thing, service: str, path: list[Any], there: Mapping[str, str], written: Any) -> None:
    """Extra specs, key by key."""
    if "extra_specs" not in written.model_fields_set:
        return
    wanted: dict[str, str] = written.extra_specs
    changed = {key: value for key, value in wanted.items() if there.get(key) != value}
    more = {key: value for key, value in there.items() if key not in wanted}
    if changed:
        for key, value in changed.items():
            draft.differences.append(
                Difference("change", thing.kind, thing.label, f"extra_specs: {key}", there.get(key), value)
            )
        back = {key: there[key] for key in changed if key in there}
        undo: list[dict[str, Any]] = [
            {"method": "DELETE", "path": [*path, f"/{key}"], "ok": [404]} for key in changed if key not in there
        ]
        undo += [{"method": "POST", "path": path, "body": {"extra_specs": back}}] if back else []
        request = {"method": "POST", "path": path, "body": {"extra_specs": changed}}
        title = CHANGE(kind=thing.kind, name=thing.label, fields=["extra_specs"])
        draft.call(f"extra specs {thing.kind}/{thing.label}", service, [request], undo, title, thing)
    for key, value in more.items():
        if not draft.prunes("extra_specs"):
            draft.undeclared(thing, "extra_specs", key)
            continue
        delete = {"method": "DELETE", "path": [*path, f"/{key}"], "ok": [404]}
        post = {"method": "POST", "path": path, "body": {"extra_specs": {key: value}}}
        draft.link(thing, "extra_specs", key, service, [delete], [post], remove=True)


def _access(draft: Draft, thing: Thing, prune: str, there: set[str], written: Iterable[DomainsName]) -> None:
    flavor = thing.kind == "flavor"
    words = ("TenantAccess", "tenant") if flavor else ("ProjectAccess", "project")
    path = ["/flavors/" if flavor else "/types/", thing.target, "/action"]
    service = "compute" if flavor else "block-storage"

    def link(called: str, project: Any, remove: bool) -> None:
        def request(verb: Verb) -> dict[str, Any]:
            body = {f"{verb}{words[0]}": {words[1]: project}}
            return {"method": "POST", "path": path, "body": body, "ok": [409 if verb == "add" else 404]}

        requests = [request("remove"), request("add")] if remove else [request("add"), request("remove")]
        draft.link(thing, "access", called, service, requests[:1], requests[1:], remove=remove)

    draft.named(thing, "access", "project", written, {one: one for one in sorted(there)}, prune, link)


# -- written into a file


def export(out: Exporter) -> None:
    """Flavors and volume types that the projects alone may use; of a whole cloud, all."""
    for row in out.rows("flavor"):
        fields = out.fields(FLAVOR, row)
        fields |= {name: row.body[name] for name in ("ram", "vcpus", "disk")}
        if fields.get("swap") == "" or not fields.get("swap"):
            fields.pop("swap", None)
        if _is_uuid(row.id):
            fields.pop("id", None)
        renamed = {"OS-FLV-EXT-DATA:ephemeral": "ephemeral", PUBLIC: "is_public"}
        written = {"name": row.name} | {renamed.get(name, name): value for name, value in fields.items()}
        users = {str(one.body["tenant_id"]) for one in out.facts.of("flavor access", "flavor_id", row.id)}
        _more(out, "flavors", written, out.facts.specs(row), users)
    for row in out.rows("volume type"):
        written = {"name": row.name, **out.fields(VOLUME_TYPE, row)}
        found = out.facts.of("volume type access", "volume_type_id", row.id)
        specs = dict(row.body.get("extra_specs") or {})
        _more(out, "volume_types", written, specs, {str(one.body["project_id"]) for one in found})
        if row.body.get("qos_specs_id"):
            out.leave("volume type", row, "its QoS specification is not in the file")


def _more(out: Exporter, section: str, written: dict[str, Any], specs: Mapping[str, str], users: set[str]) -> None:
    if specs:
        written["extra_specs"] = dict(sorted(specs.items()))
    named = [identity for identity in users if out.has("project", identity)]
    if named:
        written["access"] = out.refs("project", named)
    out.put(section, written)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
