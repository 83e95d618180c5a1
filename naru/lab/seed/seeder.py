"""Filling a cloud: every declared thing becomes a task that needs the tasks of what it refers to."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.lab.bootstrap import VOLUME_TYPES
from naru.lab.cloud import Cloud
from naru.lab.seed import compute, extras, identity, network, storage
from naru.lab.seed.client import Client
from naru.lab.seed.context import Context
from naru.lab.seed.load import KINDS, Declaration, Key, references
from naru.lab.seed.manifest import Entry, Manifest
from naru.lab.seed.model import Server, Volume
from naru.lab.seed.model_extra import Project
from naru.lab.seed.work import Body, Progress, Task, run

# calls at once: one API process serves each service, and more only queue there
THREADS = 8
READY = Key("identity", "", "ready")
CLOSE = Key("identity", "", "switched off")

Maker = Callable[[Context, Project, Any], Body]
MAKERS: dict[str, Maker] = {
    "address_scope": network.address_scope,
    "subnet_pool": network.subnet_pool,
    "address_group": network.address_group,
    "security_group": network.security_group,
    "qos_policy": network.qos_policy,
    "network": network.network,
    "router": network.router,
    "port": network.port,
    "trunk": network.trunk,
    "floating_ip": network.floating_ip,
    "image": storage.image,
    "volume": storage.volume,
    "server_group": compute.server_group,
    "server": compute.server,
    "container": extras.container,
    "load_balancer": extras.load_balancer,
    "zone": extras.zone,
    "secret": extras.secret,
}
CLOUD_MAKERS: dict[str, Callable[[Context, Key, Any], Body]] = {
    "domain": identity.domain,
    "role": identity.role,
    "project": identity.project,
    "user": identity.user,
    "group": identity.group,
    "flavor": identity.flavor,
    "volume_type": identity.volume_type,
}


@dataclass(frozen=True)
class Result:
    """What a run did: things made and found by kind, what the release has not, the manifest, seconds."""

    created: dict[str, int]
    found: dict[str, int]
    missing: list[str]
    manifest: Path
    seconds: float


def manifest_path(cloud: Cloud, sample: str) -> Path:
    """Where the checksum manifest of a sample in a cloud is."""
    return cloud.directory / f"manifest-{sample}.json"


def seed(declaration: Declaration, cloud: Cloud, progress: Progress) -> Result:
    """Makes everything declared that is not there, writes the volumes' data and completes the manifest.

    May be repeated, also after it was killed: what is there is left as it is. Raises InputError, before anything is
    made, for volumes on a backend that the cloud has not; NaruError for the first thing that a service refuses or fails
    to make.
    """
    check_backends(declaration, cloud.name, cloud.backends)
    began = time.monotonic()
    client = Client(cloud, THREADS)
    try:
        context = Context(declaration, cloud, client, Manifest(manifest_path(cloud, declaration.name)))
        run(Tasks(context).all(), context.with_status, progress, THREADS)
        _complete(context, progress)
    finally:
        client.close()
    seconds = time.monotonic() - began
    return Result(context.created, context.found, sorted(context.missing), context.manifest.path, seconds)


def check_backends(declaration: Declaration, cloud: str, backends: Sequence[str]) -> None:
    """Refuses volumes on a backend that the cloud has not."""
    for key, thing in declaration.things.items():
        wanted = None
        if key.kind == "volume" and thing.type in VOLUME_TYPES:
            wanted = thing.type
        elif key.kind == "volume_type":
            wanted = thing.extra_specs.get("volume_backend_name")
        if wanted is not None and wanted not in backends:
            there = ", ".join(backends)
            raise InputError(
                f"{declaration.name}: {key} is on the backend {wanted}, and the cloud {cloud} has {there}",
                hint="Clouds of a lab without --hosts have ceph and nfs; or give a sample of your own.",
            )


def _complete(context: Context, progress: Progress) -> None:
    """Adds to the manifest what it has not, drops what is gone."""
    found = storage.contents(context)
    context.manifest.forget(context.manifest.entries.keys() - {item["id"] for _, item in found})

    def body(kind: str, item: dict[str, Any]) -> Body:
        context.manifest.add(storage.entry(context, kind, item))
        yield from ()

    tasks = [
        Task(Key("checksum", "", item["id"]), frozenset(), partial(body, kind, item))
        for kind, item in found
        if item["id"] not in context.manifest.entries
    ]
    run(tasks, context.with_status, progress, THREADS)


@dataclass(frozen=True)
class Difference:
    """What is not as the manifest says."""

    entry: Entry
    problem: str


def check(declaration: Declaration, cloud: Cloud, progress: Progress) -> tuple[int, list[Difference]]:
    """Reads everything in the manifest again; returns how many things, and those that differ or are gone.

    Raises NaruError when there is no manifest.
    """
    manifest = Manifest(manifest_path(cloud, declaration.name))
    if not manifest.entries:
        raise NaruError(
            f"{cloud.name} has no checksums of {declaration.name}",
            hint=f"They are made by: naru lab seed {declaration.name} --cloud {cloud.name}",
        )
    client = Client(cloud, THREADS)
    differences: list[Difference] = []
    try:
        context = Context(declaration, cloud, client, manifest)
        present = {item["id"]: item for kind in ("volume", "snapshot", "image") for item in context.fresh(kind)}

        def body(entry: Entry) -> Body:
            if entry.id not in present:
                differences.append(Difference(entry, "is gone"))
                return
            now = storage.entry(context, entry.kind, present[entry.id])
            if (now.size, now.sha256) != (entry.size, entry.sha256):
                differences.append(Difference(entry, f"has {now.size} bytes with SHA-256 {now.sha256}"))
            yield from ()

        tasks = [
            Task(Key("checksum", "", entry.id), frozenset(), partial(body, entry))
            for entry in manifest.entries.values()
        ]
        run(tasks, context.with_status, progress, THREADS)
    finally:
        client.close()
    return len(manifest.entries), differences


@dataclass
class Tasks:
    """The tasks of a declaration. What a thing refers to is needed before it; the identities before all projects'
    contents; switching off after everything."""

    context: Context
    tasks: list[Task] = field(default_factory=list)

    def all(self) -> list[Task]:
        """Every task."""
        sample = self.context.declaration.sample
        self._cloud_wide()
        for project in sample.projects:
            for field_name, kind in KINDS.items():
                for thing in getattr(project, field_name):
                    self._thing(project, kind, thing)
        everything = frozenset(task.key for task in self.tasks)
        self.tasks.append(Task(CLOSE, everything, partial(identity.close, self.context)))
        return self.tasks

    def _add(self, key: Key, needs: set[Key], body: Callable[[], Body]) -> None:
        self.tasks.append(Task(key, frozenset(needs), body))

    def _cloud_wide(self) -> None:
        context, sample = self.context, self.context.declaration.sample
        basics: set[Key] = set()
        for key, thing in context.declaration.things.items():
            if maker := CLOUD_MAKERS.get(key.kind):
                basics.add(key)
                needs = self._needs("", thing)
                if key.kind == "project":  # not its user: users may have a default project
                    needs = {Key("project", "", thing.parent)} if thing.parent else set()
                needs |= {other for other in context.declaration.things if other.kind == "domain"} - {key}
                self._add(key, needs, partial(maker, context, key, thing))
        steps: set[Key] = set()
        for number, assignment in enumerate(sample.role_assignments):
            key = Key("role_assignment", "", f"{number + 1} of {assignment.role}")
            steps.add(key)
            self._add(key, basics, partial(identity.assignment, context, assignment))
        for project in sample.projects:
            key = Key("quotas", "", project.ref)
            steps.add(key)
            self._add(key, basics, partial(identity.quotas, context, project))
        self._add(READY, steps, _nothing)
        for user in sample.users:
            key = Key("credentials", "", user.ref)
            self._add(key, {READY}, partial(identity.credentials, context, user))

    def _thing(self, project: Project, kind: str, thing: Any) -> None:
        context = self.context
        key = Key(kind, project.ref, thing.ref)
        needs = {READY} | self._needs(project.ref, thing)
        if kind == "security_group":
            rules = Key("security_group_rules", project.ref, thing.ref)
            self._step(project, rules, needs | {key}, partial(network.security_group_rules, context, project, thing))
            needs = {READY}
        if kind == "floating_ip":  # its port's network must have a way out
            needs |= {other for other in context.declaration.things if other.kind == "router"}
        if kind == "server":
            needs |= {Key("credentials", "", thing.user or project.user)}
            needs |= self._backed_up(project, _volumes(thing)) | _before(project, thing)
        self._step(project, key, needs - {key}, partial(MAKERS[kind], context, project, thing))
        if kind == "volume":
            self._volume_steps(project, key, thing)

    def _backed_up(self, project: Project, volumes: set[str | None]) -> set[Key]:
        """The backups of these volumes that are made before a server has them: meanwhile nothing can be attached."""
        return {
            Key("backup", project.ref, item.ref)
            for volume in project.volumes
            if volume.ref in volumes and not _snapped_attached(volume)
            for item in volume.backups
        }

    def _volume_steps(self, project: Project, key: Key, thing: Volume) -> None:
        context = self.context
        last = key
        if _snapped_attached(thing):
            last = Key("attached_snapshots", project.ref, thing.ref)
            users = {
                Key("server", project.ref, server.ref) for server in project.servers if thing.ref in _volumes(server)
            }
            self._step(project, last, {key} | users, partial(storage.attached_snapshots, context, project, thing))
        for item in thing.backups:  # one after the other: an incremental one builds on the last
            backup = Key("backup", project.ref, item.ref)
            self._step(project, backup, {last}, partial(storage.backup, context, project, thing, item))
            last = backup

    def _step(self, project: Project, key: Key, needs: set[Key], body: Callable[[], Body]) -> None:
        """Adds a task that does nothing in a project that was switched off when everything was in it."""

        def unless_closed() -> Iterator[Any]:
            if project.ref not in self.context.closed:
                yield from body()

        self._add(key, needs, unless_closed)

    def _needs(self, project: str, thing: Any) -> set[Key]:
        """The tasks that make what `thing` refers to."""
        declaration = self.context.declaration
        found = set()
        for _, mark, text in references(thing):
            key = declaration.resolve(mark, project, text)
            if key and key in declaration.things:
                found.add(self._maker(key))
        return found

    def _maker(self, key: Key) -> Key:
        """The task that makes the thing: a subnet is made with its network, a snapshot with its volume."""
        return self.makers.get(key, key)

    @cached_property
    def makers(self) -> dict[Key, Key]:
        """The tasks of those things that have none of their own."""
        found: dict[Key, Key] = {}
        for key, thing in self.context.declaration.things.items():
            if key.kind == "network":
                found |= {Key("subnet", key.project, subnet.ref): key for subnet in thing.subnets}
            if key.kind == "volume":
                maker = key
                for item in thing.snapshots:
                    if item.attached:
                        maker = Key("attached_snapshots", key.project, key.ref)
                    found[Key("snapshot", key.project, item.ref)] = maker
        return found


def _volumes(server: Server) -> set[str | None]:
    return {part.volume for part in server.attachments} | {part.volume for part in server.disks}


def _before(project: Project, server: Server) -> set[Key]:
    """The servers that a volume is attached to before it is to this one: Cinder attaches it to one at a time."""
    shared = {part.volume for part in server.attachments}
    earlier = itertools.takewhile(lambda other: other.ref != server.ref, project.servers)
    return {Key("server", project.ref, other.ref) for other in earlier if shared & _volumes(other)}


def _snapped_attached(volume: Volume) -> bool:
    """Whether snapshots of it are taken once a server has it: its backups come after those."""
    return any(item.attached for item in volume.snapshots)


def _nothing() -> Body:
    return iter(())
