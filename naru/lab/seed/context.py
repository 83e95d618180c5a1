"""What all kinds share while a cloud is filled: ids by key, what is there already, what the release has not."""

import threading
from collections.abc import Iterable
from typing import Any

from naru.lab.cloud import Cloud
from naru.lab.seed.client import Client, Features
from naru.lab.seed.load import Declaration, Key
from naru.lab.seed.manifest import Manifest
from naru.lab.seed.model import Ref
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import GONE

# the extra attribute of a project that a sample made
MARK = "naru_sample"

# kind: (service, path of the list of all projects' things, name of the collection)
LISTS = {
    "server": ("compute", "/servers/detail?all_tenants=1", "servers"),
    "server_group": ("compute", "/os-server-groups?all_projects=1", "server_groups"),
    "flavor": ("compute", "/flavors/detail?is_public=None", "flavors"),
    "volume": ("volumev3", "/volumes/detail?all_tenants=1", "volumes"),
    "snapshot": ("volumev3", "/snapshots/detail?all_tenants=1", "snapshots"),
    "backup": ("volumev3", "/backups/detail?all_tenants=1", "backups"),
    "volume_type": ("volumev3", "/types?is_public=None", "volume_types"),
    "qos_specs": ("volumev3", "/qos-specs", "qos_specs"),
    "image": ("image", "/images?limit=1000", "images"),
    "domain": ("identity", "/domains", "domains"),
    "project": ("identity", "/projects", "projects"),
    "user": ("identity", "/users", "users"),
    "group": ("identity", "/groups", "groups"),
    "role": ("identity", "/roles", "roles"),
    "role_assignment": ("identity", "/role_assignments", "role_assignments"),
}
NETWORK_LISTS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "trunk": "trunks",
    "floating_ip": "floatingips",
    "security_group": "security-groups",
    "address_scope": "address-scopes",
    "address_group": "address-groups",
    "subnet_pool": "subnetpools",
    "qos_policy": "qos/policies",
    "rbac": "rbac-policies",
}
# kinds whose status is asked while a task waits: how a list of those with one status is written
STATUSES = {
    "server": ("compute", "/servers?all_tenants=1", "servers"),
    "volume": ("volumev3", "/volumes?all_tenants=1", "volumes"),
    "snapshot": ("volumev3", "/snapshots?all_tenants=1", "snapshots"),
    "backup": ("volumev3", "/backups?all_tenants=1", "backups"),
    "load_balancer": ("load-balancer", "/lbaas/loadbalancers", "loadbalancers"),
    "zone": ("dns", "/zones", "zones"),
}
_ERRORS = {"server": ["ERROR"], "zone": ["ERROR"], "load_balancer": ["ERROR"]}


class Context:
    """The state of one run. `ids` has the id of everything found or made so far."""

    def __init__(self, declaration: Declaration, cloud: Cloud, client: Client, manifest: Manifest) -> None:
        self.declaration = declaration
        self.cloud = cloud
        self.api = client
        self.manifest = manifest
        self.features = Features(client)
        self.ids: dict[Key, str] = {}
        self.created: dict[str, int] = {}
        self.found: dict[str, int] = {}
        self.missing: set[str] = set()
        self.closed: set[str] = set()  # projects that were found switched off
        self.skipped: set[Key] = set()  # things that others refer to and this release cannot have
        self._lists: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._list_locks: dict[str, threading.Lock] = {}

    # -- references

    def id(self, kind: str, project: str, text: str) -> str:
        """The id of what the reference means; `project` is the one it is written in."""
        key = self.declaration.resolve(Ref(kind, everywhere=kind in _EVERYWHERE), project, text)
        assert key is not None  # the loader checked it
        if key not in self.ids:  # one of the lab's own
            self.ids[key] = next(item["id"] for item in self.existing(kind) if item["name"] == key.ref)
        return self.ids[key]

    def project_id(self, project: str) -> str:
        """The id of a declared project."""
        return self.ids[Key("project", "", project)]

    def actor(self, project: Project, user: str | None = None) -> tuple[str, str]:
        """Who acts in the project: the named user, or the one the project names."""
        return self.ids[Key("user", "", user or project.user)], self.project_id(project.ref)

    # -- what is there

    def existing(self, kind: str) -> list[dict[str, Any]]:
        """Everything of the kind that was in the cloud when it was first asked for, of all projects."""
        with self._lock:
            lock = self._list_locks.setdefault(kind, threading.Lock())
        with lock:
            if kind not in self._lists:
                self._lists[kind] = self.fresh(kind)
            return self._lists[kind]

    def fresh(self, kind: str) -> list[dict[str, Any]]:
        """Everything of the kind that is in the cloud now."""
        if kind in NETWORK_LISTS:
            path = NETWORK_LISTS[kind]
            return self.api.list("network", f"/{path}", path.rpartition("/")[2].replace("-", "_"))
        service, path, collection = LISTS[kind]
        items = self.api.list(service, path, collection)
        if kind == "image" and self.features.version("image", "2.7"):
            items += self.api.list(service, f"{path}&os_hidden=true", collection)
        if kind == "image":  # an administrator's list has others' images, but of community only on request
            items += self.api.list(service, f"{path}&visibility=community", collection)
            items = list({item["id"]: item for item in items}.values())
        return items

    def find(self, kind: str, thing: Any, project: str = "", **also: Any) -> dict[str, Any] | None:
        """The existing thing that is `thing`: of its project, name, and description (images, without any: tags)."""
        wanted = {"name": thing.name, **also}
        if "description" in type(thing).model_fields and kind not in ("flavor", "volume_type"):
            wanted["description"] = thing.description
        owner = self.project_id(project) if project else ""
        for item in self.existing(kind):
            if owner and owner not in owners(item):
                continue
            if kind == "image" and set(item["tags"]) != set(thing.tags):
                continue
            if all((item.get(field) or "") == (value or "") for field, value in wanted.items()):
                return item
        return None

    # -- results

    def note(self, key: Key, identity: str, made: bool) -> None:
        """Remembers a thing's id, and whether it was made now."""
        with self._lock:
            self.ids[key] = identity
            counts = self.created if made else self.found
            counts[key.kind] = counts.get(key.kind, 0) + 1

    def can(self, possible: bool, what: str) -> bool:
        """`possible`; when not, `what` is told in the result as not in this release."""
        if not possible:
            with self._lock:
                self.missing.add(what)
        return possible

    def with_status(self, kind: str, status: str) -> set[str]:
        """The ids of all things of the kind with the status now; for `work.run`."""
        service, path, collection = STATUSES[kind]
        if status == GONE:
            return {item["id"] for item in self.api.list(service, path, collection)}
        if service in ("load-balancer", "dns"):
            headers = {"X-Auth-All-Projects": "true"} if service == "dns" else {}
            field = "provisioning_status" if kind == "load_balancer" else "status"
            items = self.api.list(service, path, collection, headers=headers)
            wanted = _ERRORS[kind] if status == "error" else [status]
            return {item["id"] for item in items if item[field] in wanted}
        asked = _ERRORS.get(kind, ["error"]) if status == "error" else [status]
        return {item["id"] for one in asked for item in self.api.list(service, f"{path}&status={one}", collection)}


_EVERYWHERE = {"user", "group", "project", "flavor", "volume_type", "role", "domain"}


def owners(item: dict[str, Any]) -> set[str]:
    """The ids of the projects that an item says it belongs to: the services spell the field in five ways."""
    names = (
        "project_id",
        "tenant_id",
        "owner",
        "os-vol-tenant-attr:tenant_id",
        "os-extended-snapshot-attributes:project_id",
        "os-backup-project-attr:project_id",
    )
    return {item[name] for name in names if item.get(name)}


def changed(wanted: Iterable[str], current: Iterable[str] | None) -> bool:
    """Whether two sets of words differ."""
    return set(wanted) != set(current or ())
