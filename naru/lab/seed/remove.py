"""Taking a sample out of a cloud again: its projects with everything in them, and what it declared beside them."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from naru.cloud.client import CloudError
from naru.errors import NaruError
from naru.lab.cloud import Cloud
from naru.lab.seed.client import Client
from naru.lab.seed.context import MARK, NETWORK_LISTS, Context, owners
from naru.lab.seed.load import BUILT_IN, Declaration, Key
from naru.lab.seed.manifest import Manifest
from naru.lab.seed.seeder import THREADS, manifest_path
from naru.lab.seed.work import GONE, Body, Progress, Task, Until, run

# what stands on others before what it stands on
NETWORK_ORDER = (
    *("floating_ip", "trunk", "router", "port", "network", "security_group", "address_group", "subnet_pool"),
    *("address_scope", "qos_policy"),
)


def remove(declaration: Declaration, cloud: Cloud, progress: Progress) -> dict[str, int]:
    """Deletes the sample's projects, whatever is in them, and its users, groups, roles, types and flavors; what has
    its name but was there before it is left alone. Returns how many things of each kind were deleted. May be repeated.
    """
    client = Client(cloud, THREADS)
    try:
        path = manifest_path(cloud, declaration.name)
        return _Removal(Context(declaration, cloud, client, Manifest(path)), progress).all()
    finally:
        client.close()


class _Removal:
    def __init__(self, context: Context, progress: Progress) -> None:
        self.context = context
        self.api = context.api
        self.progress = progress
        self.counts: dict[str, int] = {}
        self.projects = {item["id"]: item for item in context.fresh("project") if self._ours(item)}

    def _ours(self, item: dict[str, Any]) -> bool:
        return item.get(MARK) == self.context.declaration.name

    def all(self) -> dict[str, int]:
        self._each("server", self._in_projects("server"), "compute", "/servers/{id}", waited=True)
        self._each("server_group", self._in_projects("server_group"), "compute", "/os-server-groups/{id}")
        for kind in NETWORK_ORDER:
            self._network(kind)
        self._volumes()
        for image in self._in_projects("image"):
            if image["protected"]:
                change = b'[{"op": "replace", "path": "/protected", "value": false}]'
                headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
                self.api.request("image", "PATCH", f"/images/{image['id']}", data=change, headers=headers)
        self._each("image", self._in_projects("image"), "image", "/images/{id}")
        self._quotas()
        self._types()
        self._identity()
        self.context.manifest.path.unlink(missing_ok=True)
        return self.counts

    def _in_projects(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self.context.fresh(kind) if owners(item) & self.projects.keys()]

    def _each(
        self,
        kind: str,
        items: Iterable[dict[str, Any]],
        service: str,
        path: str,
        *,
        before: Callable[[dict[str, Any]], None] | None = None,
        waited: bool = False,
    ) -> None:
        """Deletes all items at once; `waited`: the API answers before the thing is gone."""

        def body(item: dict[str, Any]) -> Body:
            if before:
                before(item)
            self._delete(service, path.format(id=quote(item["id"])))
            if waited:
                yield Until(kind, item["id"], GONE)

        tasks = [Task(Key(f"delete_{kind}", "", item["id"]), frozenset(), partial(body, item)) for item in items]
        run(tasks, self.context.with_status, self.progress, THREADS)
        if tasks:
            self.counts[kind] = self.counts.get(kind, 0) + len(tasks)

    def _delete(self, service: str, path: str) -> None:
        try:
            self.api(service, "DELETE", path)
        except CloudError as error:
            if error.status != 404:  # somebody, or the thing it stood on, was faster
                raise

    def _network(self, kind: str) -> None:
        if kind == "address_group" and not self.context.features.extension("address-group"):
            return
        items = self._in_projects(kind)
        if kind == "port":  # those of routers went with them; a server's may still be going
            items = [item for item in items if not item["device_owner"].startswith("network:")]
        before = self._empty_router if kind == "router" else None
        self._each(kind, items, "network", f"/{NETWORK_LISTS[kind]}/{{id}}", before=before)

    def _empty_router(self, router: dict[str, Any]) -> None:
        path = f"/routers/{router['id']}"
        if router.get("routes"):
            self.api("network", "PUT", path, {"router": {"routes": []}})
        for port in self.api.list("network", f"/ports?device_id={router['id']}", "ports"):
            if port["device_owner"] != "network:router_gateway":
                self.api("network", "PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})

    def _volumes(self) -> None:
        """In waves: what nothing stands on. A snapshot stands on its volume, a clone on the snapshot or volume it came
        from: Cinder renames a volume that has clones when it is deleted, and a clone's deletion may miss it then."""
        while backups := self._in_projects("backup"):
            leaves = [item for item in backups if not item["has_dependent_backups"]]
            self._each("backup", leaves, "volumev3", "/backups/{id}", waited=True)
        while True:
            volumes, snapshots = self._in_projects("volume"), self._in_projects("snapshot")
            if not volumes and not snapshots:
                return
            origins = {item["snapshot_id"] for item in volumes}
            parents = {item["volume_id"] for item in snapshots} | {item["source_volid"] for item in volumes}
            leaves = [item for item in snapshots if item["id"] not in origins]
            self._each("snapshot", leaves, "volumev3", "/snapshots/{id}", waited=True)
            leaves = [item for item in volumes if item["id"] not in parents]
            self._each("volume", leaves, "volumev3", "/volumes/{id}", waited=True)

    def _quotas(self) -> None:
        for project in self.projects:
            for service, path in (("compute", "os-quota-sets"), ("volumev3", "os-quota-sets"), ("network", "quotas")):
                self._delete(service, f"/{path}/{project}")

    def _types(self) -> None:
        sample = self.context.declaration.sample
        flavors = {thing.name for thing in sample.flavors if Key("flavor", "", thing.name) not in BUILT_IN}
        types = {thing.name for thing in sample.volume_types if Key("volume_type", "", thing.name) not in BUILT_IN}
        specs = {thing.name for thing in sample.volume_types if thing.qos}
        for kind, service, path, names in (
            ("flavor", "compute", "/flavors/{id}", flavors),
            ("volume_type", "volumev3", "/types/{id}", types),
            ("qos_specs", "volumev3", "/qos-specs/{id}", specs),
        ):
            self._each(kind, [item for item in self.context.fresh(kind) if item["name"] in names], service, path)

    def _identity(self) -> None:
        users = [item for item in self.context.fresh("user") if self._ours(item)]
        for user in users:
            for pair in self.api.list("compute", f"/os-keypairs?user_id={user['id']}", "keypairs"):
                self._delete("compute", f"/os-keypairs/{quote(pair['keypair']['name'])}?user_id={user['id']}")
        self._each("user", users, "identity", "/users/{id}")
        while self.projects:  # those below first
            parents = {item["parent_id"] for item in self.projects.values()}
            leaves = [item for item in self.projects.values() if item["id"] not in parents]
            if not leaves:
                raise NaruError(f"the projects {', '.join(self.projects)} lie below each other")
            self._each("project", leaves, "identity", "/projects/{id}")
            for item in leaves:
                del self.projects[item["id"]]
        for kind in ("group", "role"):
            ours = [item for item in self.context.fresh(kind) if self._ours(item)]
            self._each(kind, ours, "identity", f"/{kind}s/{{id}}")
        domains = [item for item in self.context.fresh("domain") if self._ours(item)]
        self._each("domain", domains, "identity", "/domains/{id}", before=self._disable_domain)

    def _disable_domain(self, domain: dict[str, Any]) -> None:
        self.api("identity", "PATCH", f"/domains/{domain['id']}", {"domain": {"enabled": False}})
