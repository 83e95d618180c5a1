"""What a move starts from: both clouds as they were read, and the projects that are to be moved."""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from naru.cloud.client import parse
from naru.errors import InputError
from naru.inventory.archive import Archive
from naru.inventory.compare import ordered
from naru.inventory.kinds import values
from naru.inventory.rows import Row
from naru.move.called import called

# indexes by what every row has, beside those by paths in the answers
OWNER, NAME, FOLDED = "row: project", "row: name", "row: name in any case"


class Side:
    """One cloud, by a snapshot in the archive. Its rows are read once, when they are first asked for."""

    def __init__(self, archive: Archive, snapshot: int, cloud: str) -> None:
        self.cloud = cloud
        self._archive = archive
        self.snapshot = snapshot
        self._kinds: dict[str, dict[str, Row]] = {}
        self._indexes: dict[tuple[str, str], dict[Any, list[Row]]] = {}

    def all(self, kind: str) -> dict[str, Row]:
        """Every thing of the kind, by id; lists without order in one order, so that two readings make one plan."""
        if kind not in self._kinds:
            rows = self._archive.rows(self.snapshot, kind=kind)
            self._kinds[kind] = {row.id: replace(row, body=ordered(row.body), called=called(self, row)) for row in rows}
        return self._kinds[kind]

    def forget(self, kinds: Collection[str]) -> None:
        """Has the rows of these kinds read again, for more of them were added to the reading."""
        self._kinds = {kind: rows for kind, rows in self._kinds.items() if kind not in kinds}
        self._indexes = {key: index for key, index in self._indexes.items() if key[0] not in kinds}

    def by(self, kind: str, path: str, value: str) -> Sequence[Row]:
        """The things of the kind that have `value` at `path` (see `naru.inventory.kinds.values`), by an index: a cloud
        has 100,000 of them, and each is asked for by others."""
        return self._index(kind, path, lambda row: values(row.body, path)).get(value, [])

    def attached(self, device: str) -> Sequence[Row]:
        """The ports of a server or router."""
        return self.by("port", "device_id", device)

    def of(self, kind: str, project: str) -> Sequence[Row]:
        """The things of the kind that belong to the project."""
        return self._index(kind, OWNER, lambda row: (row.project,)).get(project, [])

    def _index(self, kind: str, path: str, keys: Callable[[Row], Iterable[Any]]) -> dict[Any, list[Row]]:
        if (kind, path) not in self._indexes:
            found: dict[Any, list[Row]] = {}
            for row in self.all(kind).values():
                for key in dict.fromkeys(keys(row)):
                    found.setdefault(key, []).append(row)
            self._indexes[kind, path] = found
        return self._indexes[kind, path]

    @property
    def itself(self) -> Mapping[str, Any]:
        """What the cloud is and can do: see the kind "cloud" of `naru.inventory.kinds`. Raises InputError for a reading
        without it, which an older Naru made."""
        rows = list(self.all("cloud").values())
        if not rows:
            raise InputError(
                f"the reading of {self.cloud} was made by an older Naru", hint="Read it anew: naru move plan."
            )
        return rows[0].body

    @property
    def user_id(self) -> str:
        """The user that read the cloud: who is meant by the identity of clouds.yaml."""
        return str(self.itself["user_id"])

    def supports(self, service: str, version: str) -> bool:
        """Whether the service goes up to the (micro)version, as in "2.73"."""
        newest = self.itself["versions"].get(service)
        return newest is not None and parse(newest) >= parse(version)

    def version(self, service: str, newest: str) -> str:
        """The microversion to ask the service in: `newest`, or its own newest where it does not go up to that."""
        return newest if self.supports(service, newest) else str(self.itself["versions"].get(service) or "")

    def extensions(self, service: str) -> frozenset[str]:
        """What the service can beyond its core: see `naru.cloud.client.Cloud.extensions`."""
        return frozenset(self.itself["extensions"].get(service, ()))

    def extra_specs(self, flavor: str) -> dict[str, Any]:
        """A flavor's extra specs."""
        row = self.all("flavor extra specs").get(flavor)
        return {name: value for name, value in row.body.items() if name != "flavor_id"} if row else {}

    @cached_property
    def unread(self) -> Mapping[str, str]:
        """What could not be read, by kind, and why: what is not known is another thing than what is not there."""
        (whole,) = [found for found in self._archive.snapshots() if found.number == self.snapshot]
        return {reading.kind: reading.problem for reading in whole.readings if reading.failed}

    def named(self, kind: str, text: str) -> Sequence[Row]:
        """The thing with the id `text`, else those with that name."""
        rows = self.all(kind)
        return [rows[text]] if text in rows else self._index(kind, NAME, lambda row: (row.name,)).get(text, [])

    def alike(self, kind: str, name: str, where: Callable[[Row], bool] = lambda row: True) -> Sequence[Row]:
        """The things `where` names must differ (such as one domain) with that name; if there is none, those whose name
        differs from it in upper and lower case alone: most clouds' databases take that for the same, and refuse to have
        both."""
        folded = self._index(kind, FOLDED, lambda row: (row.name.casefold(),)).get(name.casefold(), [])
        found = [row for row in folded if where(row)]
        return [row for row in found if row.name == name] or found


def names(projects: Mapping[str, str]) -> dict[str, str]:
    """What each project is called: its name, or its id where two have one name. `projects` are names by id."""
    every = Counter(projects.values())
    return {identity: name if every[name] == 1 else identity for identity, name in projects.items()}


class Facts:
    """The old cloud, the new one, and the ids of the projects to move.

    `projects` are names or ids. Raises InputError for one that the old cloud does not have, or has twice.
    """

    def __init__(self, old: Side, new: Side, projects: "list[str] | None") -> None:
        self.old = old
        self.new = new
        rows = old.all("project").values()
        chosen = [self._project(text) for text in projects] if projects else [row for row in rows if _movable(row)]
        self.projects = {row.id: row for row in chosen}
        self.whole = not projects
        """Whether all of the cloud is moved."""

    def _project(self, text: str) -> Row:
        found = self.old.named("project", text)
        if not found:
            near = difflib.get_close_matches(text, sorted({row.name for row in self.old.all("project").values()}))
            raise InputError(
                f"--project {text!r}: {self.old.cloud} has no such project",
                detail=f"Those with a name like it: {', '.join(near)}" if near else "",
                hint="Give a project's name or id: openstack project list has them.",
            )
        if len(found) > 1:
            ids = ", ".join(row.id for row in found)
            raise InputError(f"--project {text!r} is the name of several", hint=f"Give an id: {ids}.")
        return found[0]

    def owned(self, kind: str, project: str | None = None) -> Iterator[Row]:
        """The things of the kind that the projects own, or one of them."""
        if project is not None:
            return iter(self.old.of(kind, project) if project in self.projects else ())
        return (row for row in self.old.all(kind).values() if row.project in self.projects)

    @cached_property
    def assignments(self) -> list[Row]:
        """Who has which role on one of the projects."""
        return list(self.owned("role assignment"))

    @cached_property
    def groups(self) -> dict[str, Row]:
        """The groups that have a role on one of the projects."""
        return self._targets(self.assignments, "group")

    @cached_property
    def users(self) -> dict[str, Row]:
        """The users with a role on one of the projects, by themselves or by a group, and the creators of what is in
        them. Those that Keystone no longer has are not among them."""
        members = [row for row in self.old.all("group membership").values() if row.body["group_id"] in self.groups]
        things = [
            row for kind in ("server", "volume", "snapshot", "backup", "server group") for row in self.owned(kind)
        ]
        return self._targets([*self.assignments, *members, *things], "user")

    def _targets(self, rows: list[Row], kind: str) -> dict[str, Row]:
        known = self.old.all(kind)
        ids = {identity for row in rows for _, target, identity in row.references() if target == kind}
        return {identity: known[identity] for identity in sorted(ids) if identity in known}


def _movable(row: Row) -> bool:
    """Whether `--all` means the project: not a domain acting as one, nor the services' own."""
    return not row.body.get("is_domain") and row.name not in ("admin", "service", "services")


def disks(side: Side, row: Row) -> list[tuple[Row, dict[str, Any]]]:
    """The server's volumes in device order, each with what Nova says of it."""
    attached = row.body.get("os-extended-volumes:volumes_attached") or []
    known, devices, root = side.all("volume"), _devices(side, row), root_device(row)

    def device(entry: dict[str, Any]) -> tuple[bool, int, str]:
        name = devices.get(entry["id"], "")
        return name != root, len(name), name  # vdz comes before vdaa

    return [(known[entry["id"]], entry) for entry in sorted(attached, key=device) if entry["id"] in known]


def root_device(row: Row) -> str:
    """What the server's root disk is called, "" where the cloud does not say."""
    return str(row.body.get("OS-EXT-SRV-ATTR:root_device_name") or "")


def boots_from_volume(side: Side, row: Row) -> bool:
    """Whether the server's root disk is a volume. One that was asked for with an image and a volume to boot from still
    says that it has the image: what is attached as its root disk counts."""
    if not row.body.get("image"):
        return True
    root = root_device(row)
    return bool(root) and root in _devices(side, row).values()


def _devices(side: Side, row: Row) -> dict[str, str]:
    """By volume: the device as which the server has it, as Cinder says. Cinder forgets that of a shelved server, whose
    volumes it only reserves; Nova is asked for those."""
    found = {one.body["volumeId"]: one.body for one in side.by("volume attachment", "server_id", row.id)}
    for entry in row.body.get("os-extended-volumes:volumes_attached") or []:
        volume = side.all("volume").get(entry["id"])
        for item in (volume.body.get("attachments") or []) if volume else []:
            if item["server_id"] == row.id:
                found[entry["id"]] = item
    return {volume: str(one.get("device") or "") for volume, one in found.items()}
