"""What the cloud has of what a file can declare: rows, with indexes. Planning is a function of these and the file."""

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

from naru.cloud.client import Cloud
from naru.errors import NaruError
from naru.inventory.kinds import BY_NAME, values
from naru.inventory.read import Reader, Reading, Sink, read, read_of_users
from naru.inventory.rows import Row

READ = (
    *("cloud", "domain", "project", "user", "group", "group membership", "role", "role assignment"),
    *("flavor", "flavor extra specs", "flavor access", "volume type", "volume type access"),
    *("address group", "security group", "network", "subnet", "router", "port", "RBAC policy"),
    *("image", "image member"),
)
"""What is read of the whole cloud."""
UNDECLARED = ("address scope", "subnet pool", "QoS policy", "trunk")
"""What is read of it as well, since projects have it and a file does not declare it."""
QUOTAS = ("compute quota", "volume quota", "network quota")
KEY_PAIR = "key pair"
DEFAULT_DOMAIN = "default"
"""The id of Keystone's default domain, whatever its name."""
INTERFACES = (
    *("network:router_interface", "network:router_interface_distributed"),
    "network:ha_router_replicated_interface",
)
"""Owners of ports that are a router's interfaces."""


class Facts:
    """The rows of the cloud called `cloud`."""

    def __init__(self, cloud: str, rows: Iterable[Row]) -> None:
        self.cloud = cloud
        self._by_kind: dict[str, dict[str, Row]] = {}
        self._indexes: dict[tuple[str, str], dict[str, list[Row]]] = {}
        for row in rows:
            self._by_kind.setdefault(row.kind, {})[row.id] = row

    def all(self, kind: str) -> dict[str, Row]:
        """All things of a kind, by id."""
        return self._by_kind.get(kind, {})

    def of(self, kind: str, field: str, value: str) -> Iterator[Row]:
        """The things of a kind that have the value in a field."""
        if (kind, field) not in self._indexes:
            index = self._indexes[kind, field] = {}
            for row in self.all(kind).values():
                index.setdefault(str(row.body.get(field)), []).append(row)
        yield from self._indexes[kind, field].get(value, ())

    def owned(self, kind: str, project: str) -> list[Row]:
        """What a project (id) has of a kind."""
        return list(self._of_project.get((kind, project), ()))

    @cached_property
    def _of_project(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = {}
        for kind, rows in self._by_kind.items():
            for row in rows.values():
                found.setdefault((kind, row.project), []).append(row)
        return found

    @cached_property
    def assignments(self) -> dict[tuple[str, str], list[Row]]:
        """(`project` or `domain`, its id): the role assignments there."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.all("role assignment").values():
            for kind in ("project", "domain"):
                if scope := next(values(row.body, f"scope.{kind}.id"), ""):
                    found.setdefault((kind, str(scope)), []).append(row)
        return found

    @cached_property
    def itself(self) -> Row:
        """What the cloud is and can do."""
        return next(iter(self.all("cloud").values()))

    def has(self, service: str) -> bool:
        """Whether the cloud has the service."""
        return service in self.itself.body["versions"]

    def extensions(self, service: str) -> frozenset[str]:
        """What the service can beyond its core."""
        return frozenset(self.itself.body["extensions"].get(service, ()))

    def supports(self, service: str, version: str) -> bool:
        """Whether the service has the microversion."""
        known = self.itself.body["versions"].get(service, "")
        return bool(known) and _parse(known) >= _parse(version)

    def domain(self, row: Row) -> str:
        """The name of a user's, group's or project's domain, "" for the default one."""
        identity = str(row.body.get("domain_id") or "")
        found = self.all("domain").get(identity)
        return "" if identity == DEFAULT_DOMAIN or found is None else found.name

    def specs(self, flavor: Row) -> dict[str, str]:
        """The extra specs of a flavor."""
        if "extra_specs" in flavor.body:
            return dict(flavor.body["extra_specs"])
        row = self.all("flavor extra specs").get(flavor.id)
        return {name: value for name, value in row.body.items() if name != "flavor_id"} if row else {}

    def interfaces(self, router: str) -> list[Row]:
        """The ports that are the interfaces of a router (id)."""
        return [row for row in self.of("port", "device_id", router) if row.body.get("device_owner") in INTERFACES]


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def look(cloud: Cloud, progress: Sink) -> tuple[Facts, list[Row]]:
    """What the cloud has in lists of all; and the rows, for more to come to. Raises NaruError for a list that cannot be
    had: what is not seen would be made once more."""
    rows: list[Row] = []

    def keep(found: list[Row]) -> None:
        rows.extend(found)
        progress(found)

    _check(cloud, read(cloud, keep, [BY_NAME[name] for name in (*READ, *UNDECLARED)]))
    return Facts(cloud.name, rows), rows


def more(cloud: Cloud, rows: list[Row], *, projects: Collection[str], users: Collection[str], progress: Sink) -> Facts:
    """The same with the quotas of these projects and the key pairs of these users (ids) alone."""

    def keep(found: list[Row]) -> None:
        rows.extend(found)
        progress(found)

    quotas = [BY_NAME[name] for name in QUOTAS if cloud.has(BY_NAME[name].service)]
    _check(cloud, Reader(cloud, keep, quotas).run_of(projects))
    _check(cloud, read_of_users(cloud, keep, users, [KEY_PAIR]))
    return Facts(cloud.name, rows)


def _check(cloud: Cloud, readings: Iterable[Reading]) -> None:
    failed = [f"{reading.kind}: {reading.problem}" for reading in readings if reading.failed]
    if failed:
        raise NaruError(
            f"{cloud.name} could not be read whole",
            detail="\n".join(failed),
            hint="Give the command again as an administrator of the cloud, when it answers.",
        )
