"""A lab: some clouds in one directory, brought up and down together."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from naru.errors import InputError, NaruError
from naru.files import FileLock, write_whole
from naru.lab import bootstrap, deps, running, site
from naru.lab import spec as specification
from naru.lab.cloud import Cloud
from naru.lab.hosted import running as hosted
from naru.lab.hosted.cloud import HostedCloud, addresses
from naru.lab.hosts import layout
from naru.lab.hosts.hosts import Equipment, Hosts
from naru.lab.ports import Ports
from naru.lab.running import Progress
from naru.lab.spec import CloudSpec, LabSpec
from naru.releases import install, release

# What a lab needs to be created, beside what is in the caches: state, logs, Ceph's block files as they fill
FREE_BYTES = 3 << 30


class Lab:
    """The lab in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def spec(self) -> LabSpec:
        """What the lab consists of. Raises InputError when there is none."""
        found = specification.load(self.directory)
        if found is None:
            raise InputError(f"there is no lab in {self.directory}", hint="Make one with: naru lab up")
        return found

    def exists(self) -> bool:
        """Whether a lab was made here."""
        return (self.directory / "lab.json").exists()

    def clouds(self) -> list[Cloud]:
        """The clouds in their order."""
        spec = self.spec()
        return [self._cloud(spec, cloud) for cloud in spec.clouds]

    def cloud(self, name: str) -> Cloud:
        """One cloud by its name in the lab. Raises InputError naming the known ones."""
        clouds = {cloud.name: cloud for cloud in self.clouds()}
        if name not in clouds:
            raise InputError(f"this lab has no cloud {name!r}", hint=f"It has: {', '.join(clouds)}.")
        return clouds[name]

    def runs(self, cloud: Cloud) -> bool:
        """Whether the cloud was started and not stopped since."""
        return bool(self.hosts().holder() if isinstance(cloud, HostedCloud) else cloud.processes.names())

    def hosts(self) -> Hosts:
        """The lab's own hosts. Raises InputError when it has none."""
        hosts = self._hosts(self.spec())
        if hosts is None:
            raise InputError(
                "this lab has no hosts of its own", hint="Make one that has: naru lab up --name NAME --hosts"
            )
        return hosts

    def _hosts(self, spec: LabSpec) -> Hosts | None:
        if spec.hosts is None:
            return None
        clouds = [self._cloud(spec, cloud) for cloud in spec.clouds]
        equipment = next((cloud.equipment for cloud in clouds if isinstance(cloud, HostedCloud)), Equipment)
        return Hosts(self.directory / "hosts", spec.id, spec.secret, spec.hosts, equipment)

    def _cloud(self, spec: LabSpec, cloud: CloudSpec) -> Cloud:
        loaded = release.load(cloud.release)
        first, last = cloud.addresses
        common: dict[str, Any] = {
            "name": cloud.name,
            "release": loaded,
            "directory": self.directory / cloud.name,
            "ports": Ports(cloud.port_base),
            "services": cloud.services,
            "computes": cloud.computes,
            "guests": cloud.guests,
            "notifications": cloud.notifications,
            "log_lines": cloud.log_lines,
            "venv": install.venv_path(loaded),
            "secret": spec.secret,
            "lab_id": spec.id,
            "first_address": first,
            "last_address": last,
        }
        if spec.hosts is None:
            return Cloud(**common)
        return HostedCloud(
            **common,
            addresses=addresses(spec.hosts),
            roles=layout.by_role(spec.hosts),
            containers=spec.hosts.containers,
            agents=spec.hosts.agents,
            real_guests=spec.hosts.guests,
            goal=release.load(spec.hosts.next) if spec.hosts.next else None,
        )

    def up(self, wanted: LabSpec | None, progress: Progress, installing: install.Progress) -> None:
        """Installs, creates and starts what is missing. `wanted` is for a new lab; None brings up the existing one.

        An existing lab keeps its id and what it was made of; asking for something else is an error, not a change.
        """
        if os.geteuid() != 0:
            raise NaruError("a lab needs root", hint="It mounts its NFS shares in namespaces of its own. Use sudo.")
        asked = wanted or self.spec()
        clouds = asked.clouds
        guests = any(cloud.guests for cloud in clouds) or (asked.hosts is not None and asked.hosts.guests)
        further = {"guests"} if guests else set()
        further |= {"hosts"} if asked.hosts else set()
        deps.check({service for cloud in clouds for service in cloud.services} | further, core=bool(clouds))
        with self._locked():
            spec = self._settle(wanted)
            later = {spec.hosts.next} if spec.hosts and spec.hosts.next else set()
            install.install(sorted({cloud.release for cloud in spec.clouds} | later), installing)
            self._bring_up(progress)
            if spec.clouds:
                self._write_clouds_yaml()
                self._write_storage()

    def _settle(self, wanted: LabSpec | None) -> LabSpec:
        if wanted is not None and not self.exists():
            free = shutil.disk_usage(self.directory).free
            if free < FREE_BYTES:
                raise NaruError(
                    f"{self.directory} has {free >> 20} MiB free, a lab needs {FREE_BYTES >> 20} MiB",
                    hint="Free some space, or choose another place with NARU_LABS=DIRECTORY.",
                )
            specification.save(wanted, self.directory)
        spec = self.spec()
        if wanted is not None and (spec.clouds, spec.hosts) != (wanted.clouds, wanted.hosts):
            raise InputError(
                f"the lab in {self.directory} is made of something else: {describe(spec)}",
                hint="`naru lab start` starts it as it is, `naru lab down` removes it, --name makes another.",
            )
        return spec

    def start(self, progress: Progress) -> None:
        """Starts a stopped lab."""
        self.spec()
        with self._locked():
            self._bring_up(progress)

    def stop(self) -> None:
        """Ends all processes; the state stays."""
        self.spec()
        with self._locked():
            self._stop()

    def down(self, purge: bool = False) -> None:
        """Ends all processes and removes the lab; with `purge` the shared caches (environments, states) too."""
        if self.directory.exists():
            with self._locked():
                if self.exists():
                    with contextlib.suppress(InputError):  # an unreadable specification must not keep it alive
                        self._stop()
                shutil.rmtree(self.directory)
        if purge:
            shutil.rmtree(specification.cache_directory(), ignore_errors=True)

    def _bring_up(self, progress: Progress) -> None:
        """Brings all up, the hosts and then all clouds at once. An interrupt ends what was started: nothing is left
        half-running."""
        if hosts := self._hosts(self.spec()):
            self._bring_up_hosts(hosts, progress)
            return
        interrupted = threading.Event()

        def tell(cloud: str, what: str) -> None:
            if interrupted.is_set():
                raise NaruError(f"{cloud}: interrupted")
            progress(cloud, what)

        clouds = self.clouds()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(running.up, cloud, tell) for cloud in clouds]
            try:
                for job in jobs:
                    job.result()
            except KeyboardInterrupt:
                interrupted.set()
                while not all(job.done() for job in jobs):  # a thread may start one more process before it notices
                    for cloud in clouds:
                        running.stop(cloud)
                    time.sleep(0.2)
                for cloud in clouds:
                    running.stop(cloud)
                raise

    def _bring_up_hosts(self, hosts: Hosts, progress: Progress) -> None:
        """The hosts, and the cloud that runs on them, if any."""
        clouds = [cloud for cloud in self.clouds() if isinstance(cloud, HostedCloud)]
        content = site.of_hosts(self.directory.name, hosts)
        _write(self.site_yaml, content)
        try:
            for cloud in clouds:
                hosted.up(cloud, hosts, progress)
                _write(self.site_yaml, content | site.of_cloud(cloud, hosts))
            if not clouds:
                hosts.up(lambda what: progress("hosts", what))
        except KeyboardInterrupt:
            hosts.end()
            raise

    def _stop(self) -> None:
        if hosts := self._hosts(self.spec()):
            hosts.stop()
            return
        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(running.stop, cloud) for cloud in self.clouds()]:
                job.result()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time changes a lab."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.directory / ".lock") as lock:
            if not lock.take():
                raise NaruError(f"another command is changing the lab in {self.directory}")
            yield

    @property
    def clouds_yaml(self) -> Path:
        """The file that clients find the clouds by: `NAME` the administrator, `NAME-user` an ordinary member."""
        return self.directory / "clouds.yaml"

    def _write_clouds_yaml(self) -> None:
        entries = {}
        for cloud in self.clouds():
            for suffix, user, project in (("", "admin", "admin"), ("-user", bootstrap.USER, bootstrap.PROJECT)):
                entries[cloud.name + suffix] = {
                    "auth": {
                        "auth_url": cloud.url("keystone", "/v3"),
                        "username": user,
                        "password": cloud.secret,
                        "project_name": project,
                        "user_domain_name": "Default",
                        "project_domain_name": "Default",
                    },
                    "region_name": cloud.region,
                    "identity_api_version": "3",
                }
        _write(self.clouds_yaml, {"clouds": entries})

    def storage_yaml(self, name: str) -> Path:
        """The file that says where a cloud's Cinder backends keep their volumes, for `naru move plan --storage`."""
        return self.directory / f"storage-{name}.yaml"

    @property
    def site_yaml(self) -> Path:
        """The file that says what the lab's hosts are, for `naru site` and all that works on hosts."""
        return self.directory / "site.yaml"

    def _write_storage(self) -> None:
        for cloud in self.clouds():
            ceph = {"kind": "rbd", "pool": "volumes", "user": "cinder", "conf": str(cloud.ceph.conf("cinder"))}
            nfs = {"kind": "file", "root": str(cloud.nfs_export)}
            backends = {name: {"ceph": ceph, "nfs": nfs}[name] for name in cloud.backends}
            if isinstance(cloud, HostedCloud):
                backends.pop("ceph", None)  # its network is the hosts' own: nothing leads there from the machine
            _write(self.storage_yaml(cloud.name), {"naru_backends": 1, "backends": backends})


def _write(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, yaml.safe_dump(content, sort_keys=False))


def describe(spec: LabSpec) -> str:
    """The specification in the words of `naru lab up`'s options."""
    hosts = [f"--hosts with {len(layout.hosts(spec.hosts))} hosts"] if spec.hosts else []
    clouds = [
        f"--cloud {cloud.name}={cloud.release} --services {cloud.name}:{','.join(cloud.services)} "
        f"--computes {cloud.computes} --guests {cloud.guests}{' --notifications' if cloud.notifications else ''}"
        f"{' --log-lines' if cloud.log_lines else ''}"
        for cloud in spec.clouds
    ]
    return "; ".join([*hosts, *clouds])
