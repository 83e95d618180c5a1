"""The state of a cloud over hosts, made from nothing by the hosts themselves, and kept for the next time.

A prepared state is a directory with a part for each role that has one (`disks.STATES`): what the first host of it had
when the cloud was cleanly stopped. It does not depend on how many hosts there are, but on their addresses.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from naru.errors import NaruError
from naru.lab import bootstrap, health, prepared, render, services
from naru.lab.hosted import database, disks, programs, units
from naru.lab.hosted.cloud import HostedCloud, address
from naru.lab.hosted.remote import run
from naru.lab.hosts.disk import below
from naru.lab.hosts.hosts import Hosts
from naru.lab.hosts.layout import Host
from naru.lab.infra import mariadb
from naru.lab.ports import At, is_open
from naru.lab.spec import cache_directory

Tell = Callable[[str], None]
OPEN_SECONDS = 300.0
SHAPING = ("cloud.py", "database.py", "disks.py", "prepare.py")
"""The modules that a prepared state is as it is by."""
LONGEST = ("nova", "neutron", "cinder", "keystone")


def path(cloud: HostedCloud) -> Path:
    """Where this cloud's prepared state is or would be."""
    placed = {role: [(host.name, address(host)) for host in found] for role, found in cloud.roles.items()}
    code = hashlib.sha256()
    for name in SHAPING:
        code.update((Path(__file__).parent / name).read_bytes())
    parts = (
        cloud.venv.name,
        ",".join(cloud.services),
        cloud.secret,
        cloud.first_address,
        cloud.name,
        json.dumps(placed),
        json.dumps(cloud.addresses),
        code.hexdigest(),
        render.fingerprint(),
    )
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return cache_directory() / "prepared" / f"{cloud.release.name}-hosts-{key}"


def ensure(cloud: HostedCloud, hosts: Hosts, tell: Tell) -> Path:
    """The prepared state; made when there is none, on disks that are thrown away after."""
    target = path(cloud)
    if not target.exists():
        _wipe(hosts)
        hosts.up(tell, furnish=lambda: disks.furnish(cloud, hosts, None))
        _Making(cloud, hosts, tell).make()
        hosts.stop()
        tell("keeping the prepared state")
        with prepared.lock():
            if not target.exists():
                _keep(cloud, hosts, target)
        _wipe(hosts)
    return target


def _wipe(hosts: Hosts) -> None:
    hosts.end()
    shutil.rmtree(hosts.directory / "hosts", ignore_errors=True)


def _keep(cloud: HostedCloud, hosts: Hosts, target: Path) -> None:
    new = target.with_name(f"{target.name}.whole")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for role, subpath in disks.STATES.items():
        first = cloud.roles[role][0]
        prepared.copy(below(hosts.disk(first.name), cloud.on(first).directory / subpath), new / role)
    for other in ("mariadb", "rabbitmq"):  # a controller that has them too: one is kept by itself, one made anew
        shutil.rmtree(new / "controller" / other, ignore_errors=True)
    new.rename(target)


class _Making:
    """The steps, on the first host of each role."""

    def __init__(self, cloud: HostedCloud, hosts: Hosts, tell: Tell) -> None:
        self.cloud = cloud
        self.hosts = hosts
        self.tell = tell
        self.controller = cloud.first_controller
        self.seen = cloud.on(self.controller)

    def make(self) -> None:
        """From empty disks to a cloud that has all that every cloud of a lab has, and is cleanly stopped."""
        cloud = self.cloud
        self.tell("creating the database")
        self._database()
        self.tell("making the schema")
        with ThreadPoolExecutor(2) as pool:  # two cores; Nova's and Neutron's are the long ones
            for job in [pool.submit(self._migrate, name) for name in sorted(cloud.services, key=_longest_first)]:
                job.result()
        self.tell("registering users and the catalogue")
        self._start(self.controller, ["keystone-api"])
        self._until(lambda: health.answers(cloud.url("keystone", "/v3")), "Keystone", cloud.url("keystone"))
        bootstrap.identity(cloud)
        self.tell("starting the services for the first time")
        names = [unit.command.name for unit in programs.units(self.seen, self.controller, self.hosts.base_of_disks())]
        self._start(self.controller, names)
        health.wait_apis(cloud, OPEN_SECONDS)
        self.tell("making volume types, flavors, networks")
        bootstrap.resources(cloud)
        for name in cloud.services:
            register = getattr(services.module(name), "register", None)
            for argv in register(cloud) if register else ():
                self._run(argv, name)
        self._stop(self.controller, names)
        for role in ("queue", "database"):
            host = cloud.roles[role][0]
            self._stop(
                host, [unit.command.name for unit in programs.units(cloud.on(host), host, self.hosts.base_of_disks())]
            )

    def _database(self) -> None:
        cloud = self.cloud
        for host in cloud.roles.get("balancer", ()):
            self._start(host, ["haproxy", "keepalived"])
        self._start(self.controller, ["memcached"])
        first = cloud.roles["database"][0]
        seen = cloud.on(first)
        for what, script in (
            ("mariadb-install-db", database.creation(seen)),
            ("starting MariaDB", f"{database.first(seen)}; systemctl start mariadb galera-check.socket"),
            ("MariaDB's user", database.grant(seen)),
        ):
            if len(cloud.roles["database"]) == 1:
                script = script.removesuffix(" galera-check.socket")
            run(self.hosts, first.name, script, what, self._log(first))
        self._start(cloud.roles["queue"][0], ["rabbitmq"])
        # a load balancer accepts connections before it knows a server that it could give them to
        mariadb.secure(cloud.at("mariadb"), cloud.secret, OPEN_SECONDS)
        names = [name for service in cloud.services for name in services.module(service).DATABASES]
        mariadb.create_databases(cloud.at("mariadb"), cloud.secret, names)
        queue = cloud.roles["queue"][0]
        at = At(address(queue), cloud.ports["rabbitmq"])
        self._until(lambda: is_open(at), "RabbitMQ", str(at))

    def _migrate(self, service: str) -> None:
        for argv in services.module(service).migrate(self.seen):
            self._run(argv, service)

    def _run(self, argv: tuple[str, ...], service: str) -> None:
        environment = {**self.seen.environment(), "OS_BOOTSTRAP_PASSWORD": self.cloud.secret}
        script = units.script(environment, argv, self.seen.directory)
        run(self.hosts, self.controller.name, f"{script} >&2", f"{Path(argv[0]).name} of {service}", self._log(service))

    def _start(self, host: Host, names: list[str]) -> None:
        run(self.hosts, host.name, f"systemctl start --no-block {' '.join(names)}", "systemctl", self._log(host))

    def _stop(self, host: Host, names: list[str]) -> None:
        run(self.hosts, host.name, f"systemctl stop {' '.join(names)}", "systemctl", self._log(host))

    def _until(self, ready: Callable[[], bool], what: str, where: str) -> None:
        deadline = time.monotonic() + OPEN_SECONDS
        while not ready():
            if time.monotonic() > deadline:
                raise NaruError(f"{self.cloud.name}: {what} does not answer at {where} in {OPEN_SECONDS:.0f} s")
            time.sleep(0.2)

    def _log(self, of: Host | str) -> Path:
        return self.cloud.directory / "log" / f"prepare-{of if isinstance(of, str) else of.name}.log"


def _longest_first(service: str) -> int:
    return LONGEST.index(service) if service in LONGEST else len(LONGEST)
