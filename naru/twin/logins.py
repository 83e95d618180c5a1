"""Who logs in to the twin: its administrator, and its services, in the users, projects and roles of the copy."""

from typing import Any

from naru.lab import services
from naru.lab.api import Api
from naru.lab.cloud import Cloud

DOMAIN = "default"
PROJECT = "service"
ROLES = ("admin", "service")
INTERFACES = ("public", "internal", "admin")


def urls(cloud: Cloud) -> dict[str, tuple[str, str]]:
    """Of each service type that the twin serves, what its services look for it by: its name, and the URL."""
    found = {"identity": ("keystone", cloud.url("keystone", "/v3"))}
    for name in cloud.apis:
        module = services.module(name)
        for kind, service, path in module.catalog(cloud) if hasattr(module, "catalog") else module.CATALOG:
            found[kind] = service, cloud.url(name, path)
    return found


def settle(cloud: Cloud) -> None:
    """Gives the twin's services their users, with a password, and whatever the catalogue lacks for them. Needs Keystone
    up, with its administrator. May be done again."""
    api = Api(cloud)
    roles = {name: api.ensure("keystone", "/roles", "role", {"name": name})["id"] for name in ROLES}
    project = _one(api, "project", PROJECT)
    for name in cloud.apis:
        if name != "keystone":
            user = _one(api, "user", name)
            api("keystone", "PATCH", f"/users/{user}", {"user": {"password": cloud.secret, "enabled": True}})
            for role in roles.values():
                api("keystone", "PUT", f"/projects/{project}/users/{user}/roles/{role}")
    for kind, (name, url) in urls(cloud).items():
        service = api.ensure("keystone", "/services", "service", {"type": kind, "name": name}, type=kind)
        if service.get("name") != name:
            api("keystone", "PATCH", f"/services/{service['id']}", {"service": {"name": name}})
        for interface in INTERFACES:
            wanted = {"service_id": service["id"], "interface": interface, "region_id": cloud.region}
            api.ensure("keystone", "/endpoints", "endpoint", {**wanted, "url": url}, **wanted)


def _one(api: Api, kind: str, name: str) -> str:
    """The id of what has that name in the default domain; made where there is none."""
    found = api("keystone", "GET", f"/{kind}s?name={name}&domain_id={DOMAIN}")[f"{kind}s"]
    body: dict[str, Any] = {"name": name, "domain_id": DOMAIN, "enabled": True}
    return str((found or [api("keystone", "POST", f"/{kind}s", {kind: body})[kind]])[0]["id"])
