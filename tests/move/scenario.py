"""A move on the lab's clouds as an operator gives its commands, and what the tests of moves ask of the clouds after."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

import naru.move
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.seed import content
from naru.plan import schema
from naru.plan.journal import Journal

from ..lab.scenario import Rest
from .fault_proxy import Faults, proxied
from .oracle import Mismatch, project, snapshot
from .oracle.pairs import pair as pairs_of
from .oracle.read import Cloud as Read

# the company's snapshots that no other cloud can be given
ON_FILES = ("nightly-1", "nightly-2", "nightly-3", "nfs-1", "nfs-2")
PROJECTS = ("hanok", "hanok-lab", "carpenters", "hanok-closed")
SERVICES = ("keystone", "glance", "nova", "placement", "neutron", "cinder")
NARU = [sys.executable, "-m", "naru.cli.main"]
MAP = Path(naru.move.__file__).parent / "samples" / "demo-map.yaml"


class Move:
    """The commands of one move, as an operator gives them."""

    def __init__(self, lab: Lab, work: Path, projects: tuple[str, ...] = PROJECTS, map_file: Path | None = MAP) -> None:
        self.lab = lab
        self.work = work
        self.projects = projects
        self.map_file = map_file
        self.clouds_yaml = lab.clouds_yaml
        self.storages = {name: lab.storage_yaml(name) for name in ("old", "new")}
        self.key = work.parent / "key"
        self.random = random.Random(work.name)
        self.kills = 0
        self.errors = ""
        """What the last command said on standard error."""

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml)}
        argv = [*NARU, "-q", "move", *arguments]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        out, self.errors = ended(process)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{self.errors}"
        return out

    def plan(self, *more: str, code: int = 0) -> None:
        which = [word for name in self.projects for word in ("--project", name)]
        described = [word for name, file in self.storages.items() for word in ("--storage", f"{name}={file}")]
        decided = ("--map", str(self.map_file)) if self.map_file else ()
        self.run(
            *("plan", "--from", "old", "--to", "new", *which, *decided, *described),
            *("--work", str(self.work), "--key", str(self.key), *more),
            code=code,
        )

    def phase(self, name: str, *options: str, kills: int = 0, longest: float = 9.0) -> dict[str, Any]:
        """Runs a phase to its end, after runs of it that were killed."""
        self.killed(kills, longest, name, str(self.work), *options)
        return dict(json.loads(self.run(name, str(self.work), *options, "-f", "json")))

    def killed(self, times: int, longest: float, *arguments: str) -> None:
        """Runs a command so many times, and kills it each time within so many seconds."""
        for _ in range(times):
            process = self.start(*arguments)
            time.sleep(self.random.uniform(1.0, longest))
            process.kill()
            process.communicate()
            self.kills += 1

    def ahead(self, kills: int = 0) -> list[dict[str, Any]]:
        """A round of copying ahead, after runs of it that were killed."""
        self.killed(kills, 5.0, "sync", str(self.work))
        return list(json.loads(self.run("sync", str(self.work), "-f", "json")))

    def unexplained(self) -> list[dict[str, Any]]:
        process = self.start("verify", str(self.work), "-f", "json")
        out, error = ended(process)
        rows: list[dict[str, Any]] = json.loads(out or "[]")
        assert process.returncode == (1 if rows else 0), error
        return rows


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a command says until it ends; one that is not waited for to its end does not outlive its test."""
    with process:
        try:
            return process.communicate(timeout=1200)
        except BaseException:
            process.kill()
            raise


@contextmanager
def moving(move: Move) -> Iterator[Move]:
    """A test that failed leaves the clouds to the next one as they were."""
    try:
        yield move
    finally:
        if (move.work / "journal.db").exists():
            ended(move.start("rollback", str(move.work)))


@contextmanager
def through_proxies(move: Move, clouds: Sequence[str], faults: Faults, **more: Any) -> Iterator[None]:
    """The move's commands reach these clouds through proxies that give them faults; `more` is added to the clouds'
    entries in clouds.yaml. What a test that failed left is rolled back without."""
    ports = [move.lab.cloud(name).ports[service] for name in clouds for service in SERVICES]
    file = move.work.parent / "clouds.yaml"
    try:
        with proxied(ports, faults) as addresses:
            said = yaml.safe_load(move.lab.clouds_yaml.read_text())
            for name in clouds:
                entry = said["clouds"][name]
                base = entry["auth"]["auth_url"].removesuffix("/v3")
                entry["auth"]["auth_url"] = f"{addresses[base]}/v3"
                entry.update(more)
            file.touch(mode=0o600)
            file.write_text(yaml.safe_dump(said))
            move.clouds_yaml = file
            yield
    finally:
        move.clouds_yaml = move.lab.clouds_yaml


def worker(place: str, where: object, home: Path, *before: str) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a worker that knows no cloud; `where` is a work directory or its journal's URL."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    argv = [*before, *NARU, "worker", "--place", place, "--concurrency", "2", "--work", str(where)]
    return argv, {**env, "HOME": str(home)}


def at_workers(directory: Path) -> set[str]:
    """The steps that are done and that a worker had a lease for."""
    with Journal.open(directory) as journal, journal.read() as connection:
        steps, leases = schema.steps, schema.leases
        chosen = select(steps.c.id).join(leases, leases.c.step == steps.c.n).where(steps.c.state == "done")
        return set(connection.execute(chosen).scalars())


def same(one: Read, other: Read) -> dict[str, Any]:
    """What differs between two snapshots of one cloud. A router's gateway port is not looked at: Neutron makes another
    one with the same address when a gateway comes back; the router itself names network, subnet and address."""
    found = {}
    for kind in one.keys() | other.keys():
        for identity in one.get(kind, {}).keys() | other.get(kind, {}).keys():
            first, second = one.get(kind, {}).get(identity), other.get(kind, {}).get(identity)
            gateway = (first or second or {}).get("device_owner") == "network:router_gateway"
            if first != second and not gateway:
                fields = sorted({*(first or {}), *(second or {})})
                found[f"{kind} {identity}"] = {
                    field: ((first or {}).get(field), (second or {}).get(field))
                    for field in fields
                    if (first or {}).get(field) != (second or {}).get(field)
                }
    return found


def all_told(wrong: list[Mismatch]) -> None:
    """Fails with what differs, and how, unless nothing does."""
    lines = [f"{item.kind} {item.name!r} {item.field}: {item.old!s:.200} -> {item.new!s:.200}" for item in wrong]
    assert not wrong, "\n".join(lines)


def told(found: Mismatch) -> str:
    """Why a mismatch is as it should be: what the plan told about; "" for one that should not be."""
    where = (found.kind, found.field.partition(".")[0])
    if found.kind == "backup" and found.field in ("volume_id", "is_incremental", "has_dependent_backups"):
        return "a full one, of a temporary volume"
    if found.field == "" and found.kind == "snapshot" and found.new is None:
        return "of a volume on files" if found.name in ON_FILES else ""
    if (found.kind, found.field) == ("domain", "explicit_domain_id") and found.new == found.old_id:
        return "an older Keystone keeps what it was asked for"
    if found.kind.endswith("quota"):
        return "lifted until finalize"
    if (found.kind, found.name, found.field) == ("server", "rescued", ""):
        return "its disk cannot be read while it is rescued"
    if found.kind == "server" and found.name in ("paused", "suspended", "shelved"):
        states = ("status", "OS-EXT-STS:vm_state", "image", "OS-EXT-AZ:availability_zone")
        return "arrives switched off; a shelved one was in no zone" if where[1] in states else ""
    if found.kind == "image" and found.field in ("base_image_ref", "instance_uuid", "owner_id", "user_id"):
        return "kept as text"
    if found.kind == "image" and found.old is None and found.name.startswith("naru-"):
        return "servers' disks came by these"
    if where in (("port", "device_id"), ("port", "device_owner"), ("port", "dns_name"), ("server_port", "")):
        return "of the server that was left" if "rescued" in f"{found.name} {found.old}" or not found.new else ""
    if found.kind == "role_assignment" and "auditor sora" in found.name:
        return "on a domain that is there already: on its projects in its place"
    if found.kind in ("qos_spec", "volume_type") and found.name == "ceph-gold":
        return "mapped to another volume type"
    if where == ("flavor", "id"):
        return "matched by name"
    if where in (("server", "image"), ("image", "id"), ("volume", "volume_type")):
        return "the disk came by an image; ids that Glance had before; mapped"
    return ""


def of_others(found: Mismatch) -> bool:
    """Whether it is of the demo company, which may be in the same lab and whose people have roles in the domain."""
    if found.kind == "volume_quota" and found.field.startswith("of type."):
        return bool(found.old == -1)  # no bound, of a type that only they use
    return isinstance(found.old, dict) and found.old.get("naru_sample") == "demo"


def crossing_of(read: Read) -> tuple[str, list[dict[str, Any]]]:
    """The id of the small project, and its volumes."""
    (identity,) = [identity for identity, item in read["project"].items() if item["name"] == "crossing"]
    return identity, [item for item in read["volume"].values() if item["os-vol-tenant-attr:tenant_id"] == identity]


def crossing_arrived(pair: Lab, before: Read, after: Read) -> None:
    """Fails unless the small project is on the new cloud as it was: nothing is missing, differs or is there twice, and
    every volume and snapshot has its content."""
    identity, volumes = crossing_of(before)
    all_told([found for found in project(before, after, identity) if not told(found) and not of_others(found)])
    old, new = pair.cloud("old"), pair.cloud("new")
    pairs = pairs_of(before, after)["volume"]
    for item in volumes:
        assert content.digest(new, after["volume"][pairs[item["id"]]]) == content.digest(old, item), item["name"]
    assert snapshots_as_they_were(old, new, before, after, {identity}) == ["first-boot", "settled"]


def snapshots_as_they_were(old: Cloud, new: Cloud, before: Read, after: Read, projects: set[str]) -> list[str]:
    """The names of the projects' snapshots on Ceph, the content of each compared with that of its counterpart."""
    pairs, found = pairs_of(before, after), []
    for identity, item in before["snapshot"].items():
        volume = before["volume"][item["volume_id"]]
        if item["os-extended-snapshot-attributes:project_id"] in projects and content.backend(volume) == "ceph":
            arrived = after["volume"][pairs["volume"][volume["id"]]]
            there = content.digest(new, arrived, pairs["snapshot"][identity])
            assert there == content.digest(old, volume, identity), item["name"]
            found.append(item["name"])
    return sorted(found)


def backups_as_they_were(
    clouds: dict[str, Rest], labs: dict[str, Cloud], before: Read, projects: set[str]
) -> list[str]:
    """The names of the projects' backups, each restored on both clouds, as which volume, and with which content."""
    names = pairs_of(before, snapshot(clouds["new"]))["backup"]
    found = []
    for identity, item in before["backup"].items():
        if item["os-backup-project-attr:project_id"] in projects:
            old = restored(clouds["old"], labs["old"], identity)
            assert restored(clouds["new"], labs["new"], names[identity]) == old, item["name"]
            found.append(item["name"])
    return sorted(found)


def restored(rest: Rest, lab: Cloud, backup: str) -> dict[str, Any]:
    """What a backup brings back: as an administrator restores it without a word about the volume."""
    made = rest("volumev3", "POST", f"/backups/{backup}/restore", {"restore": {}})["restore"]["volume_id"]
    volume = rest.wait_volume(made, "available")
    metadata = {name: value for name, value in volume["metadata"].items() if name != "src_backup_id"}
    found = {**{name: volume[name] for name in ("name", "description", "size")}, "metadata": metadata}
    found["image"] = volume.get("volume_image_metadata")
    found["content"] = content.digest(lab, volume)
    rest("volumev3", "DELETE", f"/volumes/{made}")
    rest.gone("volumev3", f"/volumes/{made}")
    return found
