"""Containers, load balancers, zones and secrets: of clouds that have the services."""

import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

from naru.cloud.client import CloudError
from naru.lab.seed import content
from naru.lab.seed import model_extra as model
from naru.lab.seed.context import Context
from naru.lab.seed.load import Key
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import Body, Until

_IDENTITY = re.compile(r"\{(project|user):([^}]+)\}")


def _has(context: Context, service: str, what: str) -> bool:
    return context.can(context.api.has(service), f"{what}: this cloud has no {service} service")


def container(context: Context, project: Project, thing: model.Container) -> Body:
    """The container, then those of its objects that are not in it."""
    if not _has(context, "object-store", "containers"):
        return
    actor = context.actor(project, thing.user)
    path = f"/{quote(thing.name)}"
    key = Key("container", project.ref, thing.ref)
    try:
        context.api.request("object-store", "HEAD", path, actor=actor)
        context.note(key, thing.name, False)
    except CloudError as error:
        if error.status != 404:
            raise
        headers = {name: _identities(context, value) for name, value in thing.headers.items()}
        context.api.request("object-store", "PUT", path, headers=headers, actor=actor)
        context.note(key, thing.name, True)
    have = {item["name"] for item in context.api("object-store", "GET", f"{path}?format=json", actor=actor)}
    for item in thing.objects:
        if item.name not in have:
            _object(context, project, thing, item, actor)
    yield from ()


def _identities(context: Context, text: str) -> str:
    """`text` with `{project:NAME}` and `{user:NAME}` as ids."""
    return _IDENTITY.sub(lambda match: context.ids[Key(match[1], "", match[2])], text)


def _object(
    context: Context, project: Project, thing: model.Container, item: model.Object, actor: tuple[str, str]
) -> None:
    text = f"{context.declaration.name}/{project.ref}/container/{thing.ref}/{item.name}"
    data = content.generate(text, item.size)
    path = f"/{quote(thing.name)}/{quote(item.name)}"
    if item.segments is None:
        context.api.request("object-store", "PUT", path, data=data, headers=item.headers, actor=actor)
        return
    parts = f"/{quote(thing.name)}_segments"
    context.api.request("object-store", "PUT", parts, actor=actor)
    length = -(-item.size // item.segments)
    manifest = []
    for number in range(item.segments):
        part, name = data[number * length : (number + 1) * length], f"{parts}/{quote(item.name)}/{number:04}"
        context.api.request("object-store", "PUT", name, data=part, actor=actor)
        etag = hashlib.md5(part, usedforsecurity=False).hexdigest()
        manifest.append({"path": name, "etag": etag, "size_bytes": len(part)})
    body = json.dumps(manifest).encode()
    path += "?multipart-manifest=put"
    context.api.request("object-store", "PUT", path, data=body, headers=item.headers, actor=actor)


def load_balancer(context: Context, project: Project, thing: model.LoadBalancer) -> Body:
    """The load balancer with all that is below it, in one request."""
    if not _has(context, "load-balancer", "load balancers"):
        return
    actor = context.actor(project, thing.user)
    listed = context.api.list("load-balancer", "/lbaas/loadbalancers", "loadbalancers", actor=actor)
    found = next((item for item in listed if item["name"] == thing.name), None)
    made = found
    if not made:
        body = thing.given("name", "description", "vip_address", "admin_state_up")
        body["vip_subnet_id"] = context.id("subnet", project.ref, thing.vip_subnet)
        body["listeners"] = _subnets(context, project, thing.listeners)
        body["pools"] = _subnets(context, project, thing.pools)
        answer = context.api("load-balancer", "POST", "/lbaas/loadbalancers", {"loadbalancer": body}, actor=actor)
        made = answer["loadbalancer"]
    assert made
    context.note(Key("load_balancer", project.ref, thing.ref), made["id"], not found)
    if made["provisioning_status"] != "ACTIVE":
        yield Until("load_balancer", made["id"], "ACTIVE")


def _subnets(context: Context, project: Project, value: Any) -> Any:
    """`value` with every `subnet_id` in it as an id."""
    if isinstance(value, list):
        return [_subnets(context, project, item) for item in value]
    if isinstance(value, dict):
        return {
            name: context.id("subnet", project.ref, item) if name == "subnet_id" else _subnets(context, project, item)
            for name, item in value.items()
        }
    return value


def zone(context: Context, project: Project, thing: model.Zone) -> Body:
    """The zone, then its record sets."""
    if not _has(context, "dns", "zones"):
        return
    actor = context.actor(project, thing.user)
    listed = context.api.list("dns", "/zones", "zones", actor=actor)
    found = next((item for item in listed if item["name"] == thing.name), None)
    made = found or context.api(
        "dns", "POST", "/zones", thing.given("name", "description", "email", "ttl"), actor=actor
    )
    context.note(Key("zone", project.ref, thing.ref), made["id"], not found)
    if made["status"] != "ACTIVE":
        yield Until("zone", made["id"], "ACTIVE")
    path = f"/zones/{made['id']}/recordsets"
    have = {(item["name"], item["type"]) for item in context.api.list("dns", path, "recordsets", actor=actor)}
    for item in thing.recordsets:
        if (item.name, item.type) not in have:
            context.api("dns", "POST", path, item.given("name", "type", "records", "ttl", "description"), actor=actor)


def secret(context: Context, project: Project, thing: model.Secret) -> Body:
    if not _has(context, "key-manager", "secrets"):
        return
    actor = context.actor(project, thing.user)
    found = context.api("key-manager", "GET", f"/secrets?name={quote(thing.name)}", actor=actor)["secrets"]
    if found:
        reference = found[0]["secret_ref"]
    else:
        body = thing.given("name", "algorithm", "bit_length", "mode", "expiration", "payload")
        body |= {"secret_type": thing.secret_type, "payload_content_type": "text/plain"}
        reference = context.api("key-manager", "POST", "/secrets", body, actor=actor)["secret_ref"]
    identity = reference.rpartition("/")[2]
    context.note(Key("secret", project.ref, thing.ref), identity, not found)
    if thing.readers:
        path = f"/secrets/{identity}/acl"
        users = sorted(context.ids[Key("user", "", name)] for name in thing.readers)
        now = context.api("key-manager", "GET", path, actor=actor)["read"]
        if sorted(now.get("users") or []) != users:
            context.api("key-manager", "PUT", path, {"read": {"users": users}}, actor=actor)
    yield from ()
