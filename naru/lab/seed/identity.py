"""Domains, projects, users, groups, roles, quotas, credentials, flavors and volume types."""

from typing import Any

from naru.errors import InputError
from naru.lab.seed import model
from naru.lab.seed.context import MARK, Context
from naru.lab.seed.load import Key
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import Body


def _make(context: Context, key: Key, found: dict[str, Any] | None, body: dict[str, Any]) -> dict[str, Any]:
    """What was found, or a new thing of the key's kind, marked as this sample's."""
    made = (
        found
        or context.api("identity", "POST", f"/{key.kind}s", {key.kind: body | {MARK: context.declaration.name}})[
            key.kind
        ]
    )
    context.note(key, made["id"], not found)
    return dict(made)


def _refuse_others(context: Context, kind: str, found: dict[str, Any] | None) -> None:
    """Raises InputError when what was found is not this sample's: its content or password is somebody's."""
    if found and found.get(MARK) != context.declaration.name:
        raise InputError(
            f"{context.cloud.name} has a {kind} {found['name']!r} that this sample did not make",
            hint="Remove or rename it, or give the sample's another name.",
        )


def domain(context: Context, key: Key, thing: model.Named) -> Body:
    _make(context, key, context.find("domain", thing), {"name": thing.name})
    yield from ()


def role(context: Context, key: Key, thing: model.Role) -> Body:
    _make(context, key, context.find("role", thing), {"name": thing.name})
    yield from ()


def _domain_id(context: Context, name: str) -> str:
    key = Key("domain", "", name)
    if key in context.ids:
        return context.ids[key]
    for item in context.existing("domain"):
        if item["name"] == name:
            return str(item["id"])
    raise InputError(f"the cloud has no domain {name!r}", hint="Declare it under `domains`.")


def project(context: Context, key: Key, thing: Project) -> Body:
    """Made enabled, whatever is declared: `close` switches it off when everything is in it."""
    domain_id = _domain_id(context, thing.domain)
    found = next(
        (item for item in context.existing("project") if (item["name"], item["domain_id"]) == (thing.name, domain_id)),
        None,
    )
    _refuse_others(context, "project", found)
    body: dict[str, Any] = {"name": thing.name, "domain_id": domain_id, "description": thing.description}
    if thing.parent:
        body["parent_id"] = context.project_id(thing.parent)
    if thing.tags and context.can(context.features.identity("project_tags"), "tags of projects"):
        body["tags"] = thing.tags
    if not _make(context, key, found, body)["enabled"]:
        context.closed.add(thing.ref)
    yield from ()


def user(context: Context, key: Key, thing: model.User) -> Body:
    """Made enabled; a user who is declared disabled is switched off by `close`."""
    body = {"name": thing.name, "domain_id": _domain_id(context, thing.domain), "password": context.cloud.secret}
    body |= thing.given("description", "email")
    if thing.default_project:
        body["default_project_id"] = context.project_id(thing.default_project)
    found = context.find("user", thing, domain_id=body["domain_id"])
    _refuse_others(context, "user", found)
    _make(context, key, found, body)
    yield from ()


def group(context: Context, key: Key, thing: model.Group) -> Body:
    body = {"name": thing.name, "domain_id": _domain_id(context, thing.domain), "description": thing.description}
    found = context.find("group", thing, domain_id=body["domain_id"])
    made = _make(context, key, found, body)
    members = {item["id"] for item in context.api.list("identity", f"/groups/{made['id']}/users", "users")}
    for member in thing.members:
        identity = context.ids[Key("user", "", member)]
        if identity not in members:
            context.api("identity", "PUT", f"/groups/{made['id']}/users/{identity}")
    yield from ()


def assignment(context: Context, thing: model.Assignment) -> Body:
    role_id = context.ids.get(Key("role", "", thing.role)) or next(
        (item["id"] for item in context.existing("role") if item["name"] == thing.role), None
    )
    if role_id is None:
        raise InputError(f"the cloud has no role {thing.role!r}", hint="Declare it under `roles`.")
    who = ("user", thing.user) if thing.user else ("group", str(thing.group))
    who_id = context.ids[Key(who[0], "", who[1])]
    where = "project" if thing.project else "domain"
    where_id = context.project_id(thing.project) if thing.project else _domain_id(context, str(thing.domain))
    scope: dict[str, Any] = {where: {"id": where_id}}
    if thing.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    for item in context.existing("role_assignment"):
        if item["role"]["id"] == role_id and item.get(who[0], {}).get("id") == who_id and item["scope"] == scope:
            return
    path = f"/{where}s/{where_id}/{who[0]}s/{who_id}/roles/{role_id}"
    path = f"/OS-INHERIT{path}/inherited_to_projects" if thing.inherited else path
    context.api("identity", "PUT", path)
    yield from ()


def quotas(context: Context, thing: Project) -> Body:
    """Sets the declared quotas that differ."""
    identity = context.project_id(thing.ref)
    for service, path, field in (
        ("compute", "/os-quota-sets/", "quota_set"),
        ("volumev3", "/os-quota-sets/", "quota_set"),
        ("network", "/quotas/", "quota"),
    ):
        wanted = getattr(thing.quotas, service.removesuffix("v3"))
        _quota(context, service, path + identity, field, wanted)
    for name, wanted in thing.quotas.users.items():
        path = f"/os-quota-sets/{identity}?user_id={context.ids[Key('user', '', name)]}"
        _quota(context, "compute", path, "quota_set", wanted)
    yield from ()


def _quota(context: Context, service: str, path: str, field: str, wanted: dict[str, int]) -> None:
    if not wanted:
        return
    current = context.api(service, "GET", path)[field]
    known = {
        name: value for name, value in wanted.items() if context.can(name in current, f"{service} quota of {name}")
    }
    if any(current[name] != value for name, value in known.items()):
        context.api(service, "PUT", path, {field: known})


def credentials(context: Context, thing: model.User) -> Body:
    """Key pairs, EC2 and application credentials of a user."""
    identity = context.ids[Key("user", "", thing.ref)]
    if thing.key_pairs:
        present = {
            item["keypair"]["name"]
            for item in context.api.list("compute", f"/os-keypairs?user_id={identity}", "keypairs")
        }
        for pair in thing.key_pairs:
            if pair.name not in present:
                body = {"name": pair.name, "type": pair.type, "user_id": identity}
                if pair.public_key:
                    body["public_key"] = pair.public_key
                context.api("compute", "POST", "/os-keypairs", {"keypair": body})
    if thing.ec2_credentials:
        path = f"/users/{identity}/credentials/OS-EC2"
        present = {item["tenant_id"] for item in context.api.list("identity", path, "credentials")}
        for name in thing.ec2_credentials:
            if context.project_id(name) not in present:
                context.api("identity", "POST", path, {"tenant_id": context.project_id(name)})
    possible = context.features.identity("application_credentials")
    if thing.application_credentials and context.can(possible, "application credentials"):
        _application_credentials(context, thing, identity)
    yield from ()


def _application_credentials(context: Context, thing: model.User, identity: str) -> None:
    path = f"/users/{identity}/application_credentials"
    present = {item["name"] for item in context.api.list("identity", path, "application_credentials")}
    for item in thing.application_credentials:
        if item.name not in present:
            body = item.given("name", "description", "unrestricted", "expires_at")
            if item.roles:
                body["roles"] = [{"name": name} for name in item.roles]
            actor = (identity, context.project_id(item.project))
            context.api("identity", "POST", path, {"application_credential": body}, actor=actor)


def close(context: Context) -> Body:
    """Switches off the users and projects that are declared disabled; the very last step, for nobody acts in them
    afterwards."""
    for thing in context.declaration.sample.users:
        _disable(context, "user", context.ids[Key("user", "", thing.ref)], thing.enabled)
    for thing_ in context.declaration.sample.projects:
        _disable(context, "project", context.project_id(thing_.ref), thing_.enabled)
    yield from ()


def _disable(context: Context, kind: str, identity: str, enabled: bool) -> None:
    if not enabled and context.api("identity", "GET", f"/{kind}s/{identity}")[kind]["enabled"]:
        context.api("identity", "PATCH", f"/{kind}s/{identity}", {kind: {"enabled": False}})


# -- types of servers and volumes


def flavor(context: Context, key: Key, thing: model.Flavor) -> Body:
    found = context.find("flavor", thing)
    if not found:
        body = {
            "OS-FLV-EXT-DATA:ephemeral": thing.ephemeral,
            "os-flavor-access:is_public": thing.is_public,
            **thing.given("name", "id", "ram", "vcpus", "disk", "swap", "rxtx_factor"),
        }
        version = ""
        if thing.description and context.can(context.features.version("compute", "2.55"), "descriptions of flavors"):
            body["description"] = thing.description
            version = "2.55"
        found = context.api("compute", "POST", "/flavors", {"flavor": body}, version=version)["flavor"]
        context.note(key, found["id"], True)
    else:
        context.note(key, found["id"], False)
    path = f"/flavors/{found['id']}"
    specs = context.api("compute", "GET", f"{path}/os-extra_specs")["extra_specs"]
    if thing.extra_specs.items() - specs.items():
        context.api("compute", "POST", f"{path}/os-extra_specs", {"extra_specs": thing.extra_specs})
    if thing.access:
        listed = context.api("compute", "GET", f"{path}/os-flavor-access")["flavor_access"]
        for name in thing.access:
            if context.project_id(name) not in {item["tenant_id"] for item in listed}:
                action = {"addTenantAccess": {"tenant": context.project_id(name)}}
                context.api("compute", "POST", f"{path}/action", action)
    yield from ()


def volume_type(context: Context, key: Key, thing: model.VolumeType) -> Body:
    found = context.find("volume_type", thing)
    if not found:
        body = {
            **thing.given("name", "description", "extra_specs"),
            "os-volume-type-access:is_public": thing.is_public,
        }
        found = context.api("volumev3", "POST", "/types", {"volume_type": body})["volume_type"]
        context.note(key, found["id"], True)
    else:
        context.note(key, found["id"], False)
    path = f"/types/{found['id']}"
    if thing.access:
        listed = context.api("volumev3", "GET", f"{path}/os-volume-type-access")["volume_type_access"]
        for name in thing.access:
            if context.project_id(name) not in {item["project_id"] for item in listed}:
                action = {"addProjectAccess": {"project": context.project_id(name)}}
                context.api("volumev3", "POST", f"{path}/action", action)
    if thing.qos:
        _volume_qos(context, thing, found)
    yield from ()


def _volume_qos(context: Context, thing: model.VolumeType, found: dict[str, Any]) -> None:
    specs = next((item for item in context.existing("qos_specs") if item["name"] == thing.name), None)
    if not specs:
        body = {"qos_specs": {"name": thing.name, **thing.qos}}
        specs = context.api("volumev3", "POST", "/qos-specs", body)["qos_specs"]
    if not found.get("qos_specs_id"):
        context.api("volumev3", "GET", f"/qos-specs/{specs['id']}/associate?vol_type_id={found['id']}")
