"""Hypervisor hosts: each a set of namespaces with a libvirtd of its own, in which one nova-compute runs.

The host's first process, the holder (`holder.sh`), is the init of a PID namespace, and it dies with the process that
the lab has recorded for it. libvirtd, nova-compute and every qemu are in that namespace, so the kernel itself leaves
nothing of a host alive when its holder is gone, however that came about. Mounts go with the mount namespace. The one
thing outside is the pair of network interfaces on which the guests' own (macvtap) stand: it is named after the lab.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2

from naru.errors import NaruError
from naru.files import opened_directory
from naru.lab.cloud import SYSTEM_PATH, Cloud
from naru.lab.infra import ceph
from naru.lab.process import Command, Running
from naru.releases import bindings

HOLDER = Path(__file__).parent / "holder.sh"
TEMPLATES = Path(__file__).parent / "templates"
COMPUTE = "nova-compute-"
# seconds that qemu gets to close its disks in good order
QEMU_GRACE = 5.0
# seconds that the kernel may take to end a host that is killed
KILL_GRACE = 30.0


@dataclass(frozen=True)
class Host:
    """The hypervisor host `number` (from 1) of a cloud."""

    cloud: Cloud
    number: int

    @property
    def name(self) -> str:
        return self.cloud.guest_hosts[self.number - 1]

    @property
    def compute(self) -> str:
        """The process name of its nova-compute."""
        return COMPUTE + self.name

    @property
    def libvirtd(self) -> str:
        """The process name of its libvirtd."""
        return f"libvirtd-{self.name}"

    @property
    def directory(self) -> Path:
        """Everything that the host has on its disk."""
        return self.cloud.guest_state / self.name

    @property
    def address(self) -> str:
        """Its address on loopback, for live migrations."""
        return f"127.0.1.{self.number}"

    @property
    def migration_port(self) -> int:
        """The first of ten ports for incoming migrations."""
        return self.cloud.ports["guests"] + 10 * (self.number - 1)

    @property
    def link(self) -> str:
        """The network interface that its guests' interfaces stand on."""
        return f"{self.cloud.guest_links}{self.number}"

    @property
    def uuid(self) -> str:
        """The hardware's UUID as libvirt reports it."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.{self.cloud.name}.{self.cloud.lab_id}"))

    def holder(self) -> Running | None:
        """The live process that the host's namespaces hang on."""
        return self.cloud.processes.find(self.name)

    def enter(self, *argv: str) -> tuple[str, ...]:
        """`argv` as a process of the host, which must be up."""
        holder = self.holder()
        if holder is None:
            raise NaruError(f"{self.cloud.name}: the host {self.name} is down")
        namespaces = Path(f"/proc/{holder.pid}/ns")
        return (
            "nsenter",
            f"--mount={namespaces}/mnt",
            f"--uts={namespaces}/uts",
            f"--pid={namespaces}/pid_for_children",
            "--",
            *argv,
        )

    def machines(self) -> list[Running]:
        """The qemu processes of the host."""
        holder = self.holder()
        found = []
        if holder:
            with contextlib.suppress(OSError):  # the host may go down meanwhile
                mine = Path(f"/proc/{holder.pid}/ns/pid_for_children").stat().st_ino
                for pid in _pids():
                    if _comm(pid).startswith("qemu-system") and Path(f"/proc/{pid}/ns/pid").stat().st_ino == mine:
                        found.append(Running.of("qemu", pid))
        return [machine for machine in found if machine]


def hosts(cloud: Cloud) -> list[Host]:
    """The cloud's hypervisor hosts, up or not."""
    return [Host(cloud, number) for number in range(1, cloud.guests + 1)]


def start(cloud: Cloud) -> None:
    """Brings up hosts and their libvirtd, without nova-compute. What is up stays as it is."""
    for host in hosts(cloud):
        if not host.holder():
            _files(host)
            _link(host)
            # SIGTERM does nothing to an init, and nothing of the host is left to wait for when it is stopped
            namespaces = ("--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
            script = ("sh", str(HOLDER), host.name, str(cloud.guest_state))
            holder = ("unshare", *namespaces, "--propagation", "slave", *script)
            cloud.processes.start(Command(host.name, holder, _environment(cloud), grace=0))
    for host in hosts(cloud):
        _wait(host, _mounted, host.name)
        if not cloud.processes.find(host.libvirtd):
            _socket(host).unlink(missing_ok=True)
            argv = host.enter("libvirtd", "--config", "/etc/libvirt/libvirtd.conf", "--pid-file", "/run/libvirt/pid")
            cloud.processes.start(Command(host.libvirtd, argv, _environment(cloud)))
    for host in hosts(cloud):
        _wait(host, _listens, host.libvirtd)


def computes(cloud: Cloud) -> list[Command]:
    """nova-compute of each host; the hosts must be up."""
    if not cloud.guests:
        return []
    env = cloud.environment()
    packages = {"libvirt-python": cloud.release.settings["libvirt_python"]}
    env["PYTHONPATH"] += f":{bindings.ensure(cloud.release, 'libvirt', packages)}"
    env["PATH"] = f"{cloud.inside}/guests-bin:{env['PATH']}"
    commands = []
    for host in hosts(cloud):
        config = (*cloud.config("nova", "nova-compute.conf"), "--config-file", str(_nova_conf(host)))
        argv = host.enter(cloud.program("python"), str(cloud.inside / "guest_compute.py"), *config)
        commands.append(Command(host.compute, argv, env, grace=2))
    return commands


def names(cloud: Cloud) -> list[str]:
    """Every process of the hosts by its name, in the order of starting."""
    return [name for host in hosts(cloud) for name in (host.name, host.libvirtd, host.compute)]


def machines(cloud: Cloud) -> dict[str, list[Running]]:
    """The guests' qemu processes by the name of their host."""
    return {host.name: host.machines() for host in hosts(cloud)}


def stop(cloud: Cloud) -> None:
    """Ends hosts and guests. nova-compute goes first: it must not tell the cloud that its guests have stopped, since
    those that ran shall run again after the next start."""
    all_hosts = hosts(cloud)
    if not all_hosts:
        return
    cloud.processes.stop([host.compute for host in all_hosts])
    running = [machine for host in all_hosts for machine in host.machines()]
    for machine in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(machine.pid, signal.SIGTERM)
    _until_ended(running, QEMU_GRACE)
    tree = cloud.processes.tree()
    first = [process for host in all_hosts for process in tree.get(host.name, [])]
    cloud.processes.stop([name for host in all_hosts for name in (host.libvirtd, host.name)])
    _until_ended(first, KILL_GRACE)  # an init ends after all others of its namespace
    for host in all_hosts:
        if Path(f"/sys/class/net/{host.link}").exists():
            _ip("link", "del", host.link)  # and with it the guests' interfaces on it, if any is left


def _until_ended(processes: list[Running], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.alive() for process in processes):
        time.sleep(0.02)


def _files(host: Host) -> None:
    """Everything that the host finds in its directories; rendered anew at every start."""
    cloud, directory = host.cloud, host.directory
    for name in ("etc/secrets", "lib", "run", "log", "cache", "nova/instances", "nova/mnt", "nova/lock"):
        (directory / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    (cloud.guest_state / "here").mkdir(exist_ok=True)
    loader = jinja2.FileSystemLoader(TEMPLATES)
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False)  # not HTML
    values = {"host": host, "here": cloud.guest_state / "here"}
    for name in ("libvirtd.conf", "qemu.conf"):
        (directory / "etc" / name).write_text(templates.get_template(f"{name}.j2").render(values))
    _nova_conf(host).write_text(templates.get_template("nova.conf.j2").render(values))
    # libvirt wants to know them, even where it is told to use root
    _accounts(directory / "passwd", "libvirt-qemu:x:64055:64055::/nonexistent:/bin/false")
    _accounts(directory / "group", "libvirt-qemu:x:64055:", "kvm:x:64056:")
    others = "".join(f"{other.address} {other.name}\n" for other in hosts(cloud))
    (directory / "hosts").write_text(f"127.0.0.1 localhost\n{others}")
    _secret(cloud, directory / "etc" / "secrets")


def _accounts(file: Path, *entries: str) -> None:
    """A copy of the file of that name in /etc with the entries that it lacks."""
    lines = Path("/etc", file.name).read_text().splitlines()
    known = {line.partition(":")[0] for line in lines}
    missing = [entry for entry in entries if entry.partition(":")[0] not in known]
    file.write_text("".join(f"{line}\n" for line in [*lines, *missing]))


def _secret(cloud: Cloud, directory: Path) -> None:
    """The key of Ceph's client.cinder in the form in which libvirtd keeps it."""
    number = cloud.ceph_secret_uuid
    for suffix, content in ceph.secret(number, cloud.ceph.key("cinder")).items():
        file = directory / f"{number}.{suffix}"
        file.touch(mode=0o600)
        file.write_text(content)


def _nova_conf(host: Host) -> Path:
    return host.directory / "etc" / "nova.conf"


def _environment(cloud: Cloud) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": str(cloud.state / "home")}


def _link(host: Host) -> None:
    """A pair of interfaces, since a macvtap needs one below it whose other end is up."""
    if not Path(f"/sys/class/net/{host.link}").exists():
        _ip("link", "add", host.link, "up", "type", "veth", "peer", "name", f"{host.link}p")
        _ip("link", "set", f"{host.link}p", "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NaruError(f"ip {' '.join(arguments)} failed", detail=done.stderr)


def _mounted(host: Host) -> bool:
    """Whether the holder has made its mounts, as seen from inside."""
    holder = host.holder()
    return holder is not None and Path(f"/proc/{holder.pid}/root{host.cloud.guest_state}/here/etc").exists()


def _socket(host: Host) -> Path:
    return host.directory / "run" / "libvirt-sock"


def _listens(host: Host) -> bool:
    """Whether libvirtd takes connections."""
    with socket.socket(socket.AF_UNIX) as probe, opened_directory(_socket(host).parent) as directory:
        # by the descriptor: the full path may exceed what a socket's address can hold
        return probe.connect_ex(f"/proc/self/fd/{directory}/{_socket(host).name}") == 0


def _wait(host: Host, ready: Callable[[Host], bool], process: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not ready(host):
        alive = host.cloud.processes.find(process)
        if not alive or time.monotonic() > deadline:
            log = host.cloud.processes.log_file(process)
            raise NaruError(
                f"{host.cloud.name}: {process} {'is not ready' if alive else 'ended while it was starting'}",
                hint=f"See {log}.",
            )
        time.sleep(0.02)


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
