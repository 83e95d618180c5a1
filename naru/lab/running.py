"""Bringing one cloud up and down: infrastructure, schema, services in their order, and the wait until it is healthy."""

import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from naru.errors import NaruError
from naru.lab import bootstrap, guests, health, ports, prepared, render, services
from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb, memcached, rabbitmq
from naru.lab.process import LAB_VARIABLE, NAME_VARIABLE, Command
from naru.lab.services import nova

# receives (cloud's name, what is being done)
Progress = Callable[[str, str], None]

INFRASTRUCTURE = ("mariadb", "rabbitmq", "memcached", "bind", "slapd", "ceph-")
DATABASE_ONLY = ("keystone", "glance", "placement")
READY = "ready"
DIRECTORIES = (
    "lock",
    "home",
    "tmp",
    "nfs",
    "mariadb-tmp",
    "keystone/fernet",
    "keystone/credential",
    "glance/images",
    "glance/staging",
    "glance/tasks",
    "nova",
    "neutron",
    "cinder/mnt",
    "cinder/conversion",
    "cinder/backup",
    "swift/rings",
    "swift/node/d1",
    "swift/cache",
    "bind",
    "ldap",
    "designate",
    "octavia",
)


def up(cloud: Cloud, progress: Progress) -> None:
    """Brings the cloud to healthy from whatever it is: nothing, a prepared state, stopped, half-started, running."""
    if not (cloud.state / READY).exists():
        stop(cloud)  # a killed attempt may have left processes on a half-made state
        check_ports(cloud)
        remove(cloud.state)
        progress(cloud.name, "looking for a prepared state")
        if not prepared.restore(cloud):
            _prepare(cloud, progress)
    start(cloud, progress)


def start(cloud: Cloud, progress: Progress) -> None:
    """Starts every process that is not running and waits until the cloud is healthy."""
    since = time.time()
    check_ports(cloud)
    render.render(cloud)
    directories(cloud)
    progress(cloud.name, f"starting MariaDB, RabbitMQ, memcached{', Ceph' if 'ceph' in cloud.backends else ''}")
    _infrastructure(cloud)
    progress(cloud.name, "starting the services")
    start_services(cloud, cloud.services)
    if cloud.guests:
        progress(cloud.name, "starting the hosts for real guests")
        guests.start(cloud)
    computes = [*nova.computes(cloud), *guests.computes(cloud)]
    fresh = [command.name for command in computes if not cloud.processes.find(command.name)]
    launch(cloud, computes)
    progress(cloud.name, "waiting for the services' heartbeats")
    try:
        health.wait(cloud, since if fresh else 0.0)
    except health.Silent as silent:
        _again(cloud, {cloud.process(worker) for worker in silent.workers}, progress)
    _discover(cloud)
    guests.register(cloud)
    progress(cloud.name, "healthy")


def _again(cloud: Cloud, names: set[str], progress: Progress) -> None:
    """Starts those processes anew, once: a killed attempt or a busy machine may have left one that waits for ever."""
    programs = [command for name in cloud.services for command in services.module(name).programs(cloud)]
    commands = [
        command for command in [*programs, *nova.computes(cloud), *guests.computes(cloud)] if command.name in names
    ]
    progress(cloud.name, f"starting {', '.join(command.name for command in commands)} again: no sign of life")
    cloud.processes.stop(names)
    since = time.time()
    launch(cloud, commands)
    health.wait(cloud, since)


def _discover(cloud: Cloud) -> None:
    """Maps the compute hosts to Nova's cell, unless that was done: a killed attempt may not have come so far."""
    done = cloud.state / "nova" / "discovered"
    hosts = "\n".join([*cloud.hosts, *cloud.guest_hosts])
    if not done.exists() or done.read_text() != hosts:
        try:
            run(cloud, nova.discover_hosts(cloud), "nova-manage")
        except NaruError:  # the scheduler's own task has mapped one in the same moment
            run(cloud, nova.discover_hosts(cloud), "nova-manage")
        done.write_text(hosts)


def stop(cloud: Cloud) -> None:
    """Ends every process of the cloud, the services before what they stand on."""
    guests.stop(cloud)
    names = set(cloud.processes.names()) | set(cloud.processes.tree())
    infrastructure = {name for name in names if name.startswith(INFRASTRUCTURE)}
    cloud.processes.stop(names - infrastructure)
    cloud.processes.stop(infrastructure)
    cloud.processes.stop()


def _prepare(cloud: Cloud, progress: Progress) -> None:
    """Makes the state from nothing, and keeps a copy for the next time."""
    progress(cloud.name, "creating MariaDB and Ceph")
    render.render(cloud)
    directories(cloud)
    mariadb.create(cloud.state / "mariadb", cloud.processes.log_file("mariadb-create"))
    _infrastructure(cloud, ready=False)
    modules = [services.module(name) for name in cloud.services]
    databases = [name for module in modules for name in module.DATABASES]
    mariadb.create_databases(cloud.at("mariadb"), cloud.secret, databases)
    progress(cloud.name, "making the schema")
    with ThreadPoolExecutor(2) as pool:  # two cores; Nova's and Neutron's are the long ones
        jobs = [pool.submit(migrate, cloud, name) for name in sorted(cloud.services, key=_longest_first)]
        for job in jobs:
            job.result()
    progress(cloud.name, "registering users and the catalogue")
    start_services(cloud, DATABASE_ONLY)  # of these Keystone; others end when they cannot log in to it
    bootstrap.identity(cloud)
    progress(cloud.name, "starting the services for the first time")
    start_services(cloud, cloud.services)
    health.wait_apis(cloud)
    progress(cloud.name, "making volume types, flavors, networks")
    bootstrap.resources(cloud)
    _register(cloud)
    progress(cloud.name, "keeping the prepared state")
    stop(cloud)
    (cloud.state / READY).touch()
    prepared.save(cloud)


def _longest_first(service: str) -> int:
    order = ("nova", "neutron", "octavia", "cinder", "keystone")
    return order.index(service) if service in order else len(order)


def migrate(cloud: Cloud, service: str) -> None:
    """Makes a service's schema, or brings it up to the release."""
    for command in services.module(service).migrate(cloud):
        run(cloud, command, f"{service}-schema")


def _register(cloud: Cloud) -> None:
    """What services must be told once they run, when their workers answer."""
    health.wait_silent(cloud, since=0.0)
    for name in cloud.services:
        module = services.module(name)
        for command in module.register(cloud) if hasattr(module, "register") else ():
            run(cloud, command, f"{name}-register")


def run(cloud: Cloud, argv: tuple[str, ...], name: str) -> None:
    """Runs one of the release's commands to its end; its output goes to the log of that name."""
    log = cloud.processes.log_file(name)
    marks = {LAB_VARIABLE: cloud.processes.mark, NAME_VARIABLE: name}  # so that `stop` ends it with the rest
    env = {**cloud.environment(), "OS_BOOTSTRAP_PASSWORD": cloud.secret, **marks}
    with log.open("ab") as output:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env)
    if done.returncode:
        raise NaruError(
            f"{cloud.name}: {Path(argv[0]).name} failed with exit code {done.returncode}",
            detail=cloud.processes.tail(name),
            hint=f"The whole output: {log}",
        )


def directories(cloud: Cloud) -> None:
    """Makes what has to be there of the state before anything is started."""
    for name in DIRECTORIES:
        (cloud.state / name).mkdir(parents=True, exist_ok=True, mode=0o700)


def _infrastructure(cloud: Cloud, ready: bool = True) -> None:
    """Starts what the services stand on, and those services that need nothing but the database, all at once:
    RabbitMQ alone takes six seconds of one core. `ready` says that the databases have their schema."""

    def database() -> None:
        launch(cloud, [mariadb.command(cloud.state / "mariadb", cloud.at("mariadb"))])
        mariadb.secure(cloud.at("mariadb"), cloud.secret)
        if ready:
            start_services(cloud, DATABASE_ONLY)

    def queue() -> None:
        launch(cloud, [rabbitmq.command(cloud.state / "rabbitmq", cloud.ports, cloud.secret)])
        launch(cloud, [memcached.command(cloud.at("memcached"))])

    def storage() -> None:
        cloud.ceph.create()
        cloud.ceph.start()
        cloud.ceph.ready()

    parts = [database, queue, *([storage] if "ceph" in cloud.backends else [])]
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(part) for part in parts]:
            job.result()


def start_services(cloud: Cloud, names: Iterable[str]) -> None:
    """Starts the programs of those services and waits until each has opened its port."""
    modules = [services.module(name) for name in names]
    for module in modules:
        if hasattr(module, "prepare"):
            module.prepare(cloud)
    launch(cloud, [command for module in modules for command in module.programs(cloud)])


def launch(cloud: Cloud, commands: Iterable[Command], timeout: float = 180) -> None:
    """Starts the commands and waits until each has opened its port."""
    commands = list(commands)
    for command in commands:
        cloud.processes.start(command)
    deadline = time.monotonic() + timeout
    for command in commands:
        while command.at and not ports.is_open(command.at):
            _alive(cloud, command)
            if time.monotonic() > deadline:
                raise NaruError(
                    f"{cloud.name}: {command.name} did not open {command.at} in {timeout:.0f} s",
                    detail=cloud.processes.tail(command.name),
                )
            time.sleep(0.1)
    for command in commands:
        _alive(cloud, command)


def _alive(cloud: Cloud, command: Command) -> None:
    if not cloud.processes.find(command.name):
        raise NaruError(
            f"{cloud.name}: {command.name} ended while it was starting",
            detail=cloud.processes.tail(command.name),
            hint=f"The whole output: {cloud.processes.log_file(command.name)}",
        )


def check_ports(cloud: Cloud) -> None:
    """Refuses before anything is started when a port is taken by somebody who is not ours."""
    ours = bool(cloud.processes.tree())
    if ours:
        return
    taken = [
        f"{name} {cloud.ports[name]}"
        for name in ports.OFFSETS
        if not name.startswith("ceph-") and not ports.is_free(cloud.ports[name])
    ]
    if taken:
        raise NaruError(
            f"{cloud.name}: ports in use on 127.0.0.1: {', '.join(taken)}",
            hint="End what holds them (ss -ltnp shows it) or choose others with --port-base.",
        )


def remove(directory: Path) -> None:
    """Removes a directory, and nothing that is mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=True, stdin=subprocess.DEVNULL)
