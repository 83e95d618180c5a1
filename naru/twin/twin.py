"""A twin: a cloud on this machine with a copy of a site's databases, and fake hosts in the place of the site's."""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from naru.errors import InputError, NaruError
from naru.files import FileLock, write_whole
from naru.lab import deps, running, services, status
from naru.lab.api import Api
from naru.lab.ports import Ports
from naru.lab.process import Processes, memory
from naru.lab.running import READY, Progress
from naru.lab.status import Row
from naru.releases import install, release
from naru.site import site as sites
from naru.twin import agents as fake
from naru.twin import dump, rows, spec
from naru.twin.agents import Agent, Agents
from naru.twin.cloud import TwinCloud
from naru.twin.prepare import DUMP, prepare
from naru.twin.remains import Remains
from naru.twin.spec import COPY, NAME, SPEC, Facts, TwinSpec

AT_ONCE = 20
"""Fake agents that begin at a time."""
SECONDS = 300.0
"""Within which those have synchronised."""


class Twin:
    """The twin in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()

    @property
    def clouds_yaml(self) -> Path:
        """The file by which clients find it, under the name `twin`, as its administrator."""
        return self.directory / "clouds.yaml"

    def spec(self) -> TwinSpec:
        """What was asked for. Raises InputError when there is none."""
        found = spec.load(TwinSpec, self.directory / SPEC)
        if found is None:
            raise InputError(f"there is no twin in {self.directory}", hint="Make one with: naru twin up --site FILE")
        return found

    def facts(self) -> Facts | None:
        """What the copy has; None before it is whole."""
        return spec.load(Facts, self.directory / COPY)

    def cloud(self) -> TwinCloud:
        """The twin as a cloud; without hosts before the copy is whole."""
        asked, found = self.spec(), self.facts()
        loaded = release.load(asked.release)
        return TwinCloud(
            name=NAME,
            release=loaded,
            directory=self.directory / "cloud",
            ports=Ports(asked.port_base),
            services=services.CORE,
            computes=len(found.hosts) if found else 0,
            venv=install.venv_path(loaded),
            secret=asked.secret,
            lab_id=asked.id,
            # of a new cloud's external network, which a copy has already
            first_address="",
            last_address="",
            region=found.region if found else "RegionOne",
            nodes=found.hosts if found else (),
            controller=found.controller if found else "controller",
        )

    def agents(self, cloud: TwinCloud, facts: Facts) -> Agents:
        """Its fake agents, those of Open vSwitch with the ports of their hosts."""
        with rows.connected(cloud) as connection:
            ports = rows.ports_of(connection, [one.host for one in facts.agents if one.kind == "ovs"])
        given = [Agent(one.kind, one.host, ports[one.host] if one.kind == "ovs" else ()) for one in facts.agents]
        return Agents(cloud, given)

    def up(self, wanted: TwinSpec | None, progress: Progress, installing: install.Progress) -> Facts:
        """Makes and starts what is missing, and waits until it is healthy. `wanted` is for a new one; an existing one
        stays what it was made of. Raises InputError and NaruError; killed, it is given again."""
        if os.geteuid() != 0:
            raise NaruError("a twin needs root", hint="It mounts its volumes in a namespace of its own. Use sudo.")
        deps.check(set(services.CORE), core=True)
        with self._locked():
            asked = self._settle(wanted, progress)
            install.install([asked.release], installing)
            try:
                return self._bring_up(asked, progress)
            except KeyboardInterrupt:
                running.stop(self.cloud())  # nothing is left half-running
                raise

    def _bring_up(self, asked: TwinSpec, progress: Progress) -> Facts:
        if not (self.cloud().state / READY).exists():
            prepare(self.directory, self.cloud, asked, progress)
        cloud, facts = self.cloud(), self.facts()
        if facts is None:
            raise NaruError(f"{self.directory}: copy.json is missing", hint="Remove the twin with: naru twin down")
        cloud.write_nodes()
        running.start(cloud, progress)
        Api(cloud).ensure("cinder", "/types", "volume_type", _volume_type(cloud))
        self._write_clouds_yaml(cloud)
        self._begin_agents(cloud, facts, progress)
        return facts

    def _settle(self, wanted: TwinSpec | None, progress: Progress) -> TwinSpec:
        """What the twin is made of: what is `wanted`, as long as it never was whole."""
        file = self.directory / SPEC
        if wanted is None:
            return self.spec()
        found = spec.load(TwinSpec, file)
        if found is None and (rest := [one.name for one in self.directory.iterdir() if one.name != ".lock"]):
            raise InputError(
                f"{self.directory} is no twin, and not empty: {', '.join(sorted(rest)[:5])}",
                hint="Name a directory of its own: all of it is removed with the twin.",
            )
        if found is None:
            self._take_over()
        if found is not None and spec.same(found, wanted):
            return found
        if found is not None and (self.cloud().state / READY).exists():
            raise InputError(
                f"the twin in {self.directory} is made of something else: {spec.describe(found)}",
                hint="Without options it is started as it is; `naru twin down` removes it.",
            )
        _check(wanted)
        if found is not None:
            running.stop(self.cloud())
            for told in Remains(self.directory).remove():
                progress(NAME, told)
            if (found.site, found.dump, found.release) != (wanted.site, wanted.dump, wanted.release):
                shutil.rmtree(self.directory / DUMP, ignore_errors=True)
        spec.save(wanted, file)
        return wanted

    def _begin_agents(self, cloud: TwinCloud, facts: Facts, progress: Progress) -> None:
        if not facts.agents:
            return
        agents = self.agents(cloud, facts)
        if agents.running():
            return
        agents.down()
        progress(NAME, f"starting {len(facts.agents)} fake agents")
        agents.up()
        names = list(agents.agents)
        for first in range(0, len(names), AT_ONCE):
            agents.start(names[first : first + AT_ONCE])
            _synchronised(agents, names[: first + AT_ONCE])
        progress(NAME, f"{len(names)} fake agents have synchronised")

    def _take_over(self) -> None:
        """Makes a directory that was there, and empty, one that its owner alone can read. Raises InputError where that
        is somebody else."""
        if (owner := self.directory.stat().st_uid) != os.geteuid():
            raise InputError(
                f"{self.directory} belongs to another user ({owner}), who could read what a twin has",
                hint="Name a directory that is not there yet, or give this one to root: chown root DIR",
            )
        self.directory.chmod(0o700)

    # -- what there is of it

    def rows(self) -> list[Row]:
        """Every process that should run, those of fake agents last; before the copy is whole each that does, none of
        them healthy."""
        cloud, facts = self.cloud(), self.facts()
        tree = cloud.processes.tree()
        if facts is None:  # nothing should run yet, or what was killed left it: with a copy that may not be clean
            return [
                Row(NAME, cloud.release.name, name, None, ours[0].pid, sum(memory(one.pid) for one in ours), False)
                for name, ours in sorted(tree.items())
            ]
        found = status.rows_of(cloud)
        names = [f"{fake.NAME}-{number + 1}" for number in range(-(-len(facts.agents) // fake.EACH))]
        if facts.agents and cloud.release.has("neutron-without-server"):
            names.insert(0, fake.SERVER)
        for name in names:
            live = cloud.processes.find(name)
            used = sum(memory(process.pid) for process in tree.get(name, []))
            found.append(Row(NAME, cloud.release.name, name, None, live.pid if live else None, used, live is not None))
        return found

    def down(self) -> list[str]:
        """Ends all its processes and removes the directory, and dumps that it has left on hosts of the site; says of
        each that may be there still, where. A twin that is not there is none; of one whose files cannot be read no more
        is asked than whose its processes are."""
        if not self.directory.exists():
            return []
        with self._locked():
            self._end()
            left = Remains(self.directory).remove()
            shutil.rmtree(self.directory)
            return left

    def _end(self) -> None:
        """Ends its processes. Raises InputError where there is no twin: nothing else is removed."""
        file = self.directory / SPEC
        if not file.exists():
            self.spec()
        marked = re.search(r'"id":\s*"(\w+)"', file.read_text(errors="replace"))
        processes = Processes(self.directory / "cloud", f"{marked[1] if marked else ''}:{NAME}")
        names = set(processes.names()) | set(processes.tree())
        processes.stop(name for name in names if not name.startswith(running.INFRASTRUCTURE))
        processes.stop()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time changes a twin."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.directory / ".lock") as lock:
            if not lock.take():
                raise NaruError(f"another command is changing the twin in {self.directory}")
            yield

    def _write_clouds_yaml(self, cloud: TwinCloud) -> None:
        entry = {
            "auth": {
                "auth_url": cloud.url("keystone", "/v3"),
                "username": "admin",
                "password": cloud.secret,
                "project_name": "admin",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": cloud.region,
            "identity_api_version": "3",
        }
        write_whole(self.clouds_yaml, yaml.safe_dump({"clouds": {NAME: entry}}, sort_keys=False))


def _check(wanted: TwinSpec) -> None:
    """Raises InputError where there is nothing to make a twin of."""
    if wanted.dump:
        dump.schemas(dump.given(Path(wanted.dump)))
    elif not sites.load(Path(wanted.site)).part.databases:
        raise InputError(f"{wanted.site}: databases: is missing", hint="Or give a dump of them: --dump DUMP")


def _synchronised(agents: Agents, names: Sequence[str]) -> None:
    """Waits until those have made their first calls. Raises NaruError."""
    deadline = time.monotonic() + SECONDS
    while True:
        events = list(agents.events())
        done = {one["agent"] for one in events if one["event"] == "synchronised"}
        if not (left := [name for name in names if name not in done]):
            return
        if time.monotonic() > deadline:
            failed = {one["agent"]: one["why"] for one in events if one["event"] == "failed"}
            raise NaruError(
                f"{len(left)} fake agents have not synchronised within {SECONDS:.0f} s: {', '.join(left[:5])}",
                detail=next((failed[name] for name in left if name in failed), ""),
                hint="The twin runs all the same: naru twin status. Given again, `naru twin up` goes on.",
            )
        time.sleep(0.5)


def _volume_type(cloud: TwinCloud) -> dict[str, object]:
    """The type of volumes that can be made on a twin."""
    [backend] = cloud.backends
    return {"name": backend, "extra_specs": {"volume_backend_name": backend}}
