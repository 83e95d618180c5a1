"""The hosts of a lab from outside: made, brought up, asked, ended."""

import contextlib
import datetime
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from naru.errors import InputError, NaruError
from naru.files import opened_directory, write_whole
from naru.lab.hosts import able, base, cgroups, disk, ipmi, layout, router
from naru.lab.hosts.layout import MANAGEMENT, Host, Layout
from naru.lab.hosts.machine import ip
from naru.lab.process import Command, Processes, Running

HOLDER = Path(__file__).parent / "holder.sh"
PROCESS = "hosts"
# seconds until the holder answers, and until hosts that were switched on do
HOLDER_SECONDS, BOOT_SECONDS = 60.0, 120.0
# seconds for a request; shutting all down is the longest
ANSWER_SECONDS = 90.0
STOPPED_SECONDS = 30.0
# systemd has three, networkd one; they count for the machine's root
INOTIFY_PER_HOST = 4


@dataclass(frozen=True)
class Row:
    """A host as `naru lab host list` shows it. `memory` in bytes, `seconds` since its last boot began."""

    name: str
    power: str
    address: str
    controller: str
    pid: int | None
    seconds: float | None
    memory: int | None
    links_down: list[str]
    faults: list[str]


@dataclass(frozen=True)
class Mount:
    """A directory of the machine that a host has at `target`: to be read, or `writable`, as a share."""

    source: Path
    target: Path
    writable: bool = False


@dataclass(frozen=True)
class Equipment:
    """What hosts have beside what bare ones have: packages of the distribution, and by the host's name directories of
    the machine."""

    packages: tuple[str, ...] = ()
    mounts: Mapping[str, tuple[Mount, ...]] = field(default_factory=dict)


class Hosts:
    """The hosts of the lab with `lab_id`, in `directory`, by `layout`. The password is the power controllers'."""

    def __init__(
        self, directory: Path, lab_id: str, secret: str, layout_: Layout, equipment: Callable[[], Equipment] = Equipment
    ) -> None:
        self.equipment = equipment
        self.directory = directory
        self.layout = layout_
        self.hosts = layout.hosts(layout_)
        self.secret = secret[: ipmi.PASSWORD_LENGTH]
        self.cgroup = f"naru-{lab_id}"
        self.wire = f"naru-{lab_id[:8]}"
        self.processes = Processes(directory, f"{lab_id}-hosts")

    def names(self) -> list[str]:
        """The hosts' names in the layout's order."""
        return [host.name for host in self.hosts]

    def host(self, name: str) -> Host:
        """One host. Raises InputError naming the known ones."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise InputError(f"this lab has no host {name!r}", hint=f"It has: {', '.join(self.names())}.")

    def place(self, host: Host) -> Path:
        """The directory with the host's disk and console."""
        return self.directory / "hosts" / host.name

    def base_of_disks(self) -> Path:
        """The base of the hosts' disks, once they were made."""
        return Path((self.directory / "base").read_text())

    def disk(self, name: str) -> Path:
        """What a host has written to its disk, from outside."""
        return self.place(self.host(name)) / "disk"

    def holder(self) -> Running | None:
        """The live process on which all hosts hang."""
        return self.processes.find(PROCESS)

    def up(self, progress: base.Progress, furnish: Callable[[], None] | None = None) -> None:
        """Makes what is missing, switches on what is off, waits until each host lets one log in by ssh. `furnish` may
        write to the disks before any host boots."""
        if self.holder() is None:
            self.end()  # what one that was killed in the wrong moment may have left
            able.check()
            self._check_addresses()
            _check_inotify(len(self.hosts))
            if self.layout.ipmi and not shutil.which(ipmi.PROGRAM):
                raise NaruError(
                    f"the layout wants IPMI, and {ipmi.PROGRAM} is not installed",
                    hint=f"Install the package {ipmi.PACKAGE}: naru lab deps --install",
                )
            routing = (router.PACKAGE,) * bool(layout.routers(self.layout))
            self._make(base.ensure(progress, (*self.equipment().packages, *routing)))
            if furnish:
                furnish()
            progress("starting the holder of the hosts")
            self._hold()
        self._wire()
        off = [row.name for row in self.rows() if row.power == "off"]
        progress(f"switching on {len(off)} of {len(self.hosts)} hosts")
        self.all("on", off)
        self.wait(self.names())

    def stop(self) -> None:
        """Shuts the hosts down in order and ends the holder: nothing of them is left on the machine but their disks."""
        if self.holder():
            with contextlib.suppress(NaruError):  # a holder that is out of order is ended all the same
                self.ask("stop")
        self.end()

    def end(self) -> None:
        """Ends the holder, and with it all hosts at once."""
        tree = [process for processes in self.processes.tree().values() for process in processes]
        self.processes.stop()
        deadline = time.monotonic() + STOPPED_SECONDS
        while any(process.alive() for process in tree) and time.monotonic() < deadline:
            time.sleep(0.02)
        for root in cgroups.roots(self.cgroup):
            cgroups.remove(root)
        # the kernel takes network namespaces away a little later
        while Path("/sys/class/net", self.wire).exists():
            if time.monotonic() > deadline:
                ip([f"link del {self.wire}"], force=True)
            time.sleep(0.02)

    def rows(self) -> list[Row]:
        """Each host as it is now. Without a holder all are off."""
        found = {one["name"]: one for one in self.ask("list")} if self.holder() else {}
        rows = []
        for host in self.hosts:
            one = found.get(host.name, {"power": "off", "seconds": None, "pid": None, "links_down": [], "faults": []})
            memory = cgroups.memory(self.cgroup, host.name) if one["pid"] else None
            rows.append(
                Row(
                    name=host.name,
                    power=one["power"],
                    address=str(host.address(MANAGEMENT).ip),
                    controller=str(host.controller.ip),
                    pid=self._pid(host) if one["pid"] else None,
                    seconds=one["seconds"],
                    memory=memory,
                    links_down=one["links_down"],
                    faults=one["faults"],
                )
            )
        return rows

    def power(self, name: str, what: str, wait: bool = False) -> None:
        """`what` is on, off (the power button), cut, reset, reboot. Returns when it is done, but the power button and
        reboot only ask the host's system; with `wait` when the host lets one log in, after off when it is off.
        Raises NaruError."""
        before = self.ask(what, host=self.host(name).name)["boots"]
        if wait and what == "off":
            self._wait_off(name)
        elif wait:
            if what == "reboot":
                self._wait_boot(name, before)
            self.wait([name])

    def _wait_off(self, name: str) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while self.ask("status", host=name)["power"] == "on":
            if time.monotonic() > deadline:
                raise NaruError(f"{name} is still on after {BOOT_SECONDS:g} s")
            time.sleep(0.05)

    def _wait_boot(self, name: str, before: int) -> None:
        """Until it boots again: before that, it is the former boot's sshd that answers."""
        deadline = time.monotonic() + BOOT_SECONDS
        while self.ask("status", host=name)["boots"] == before:
            if time.monotonic() > deadline:
                raise NaruError(f"{name} has not rebooted after {BOOT_SECONDS:g} s")
            time.sleep(0.05)

    def link(self, name: str, network: str, up: bool) -> None:
        """Plugs a host's cable in or out."""
        self.ask("link", host=self.host(name).name, network=network, up=up)

    def fault(self, name: str, kind: str, value: float | None) -> None:
        """Switches a fault of a host's power controller on, or off with None; the value of `slow` is in seconds."""
        self.ask("fault", host=self.host(name).name, kind=kind, value=value)

    def all(self, what: str, names: Iterable[str]) -> None:
        """The same for several hosts at once."""
        with ThreadPoolExecutor(32) as pool:
            for job in [pool.submit(self.power, name, what) for name in names]:
                job.result()

    def wait(self, names: Iterable[str], seconds: float = BOOT_SECONDS) -> None:
        """Waits until each host's sshd answers. Raises NaruError naming those that do not."""
        left = {name: str(self.host(name).address(MANAGEMENT).ip) for name in names}
        deadline = time.monotonic() + seconds
        while left:
            for name in [name for name, address in left.items() if answers(address)]:
                del left[name]
            if left and time.monotonic() > deadline:
                raise NaruError(
                    f"no ssh after {seconds:g} s: {', '.join(left)}",
                    hint=f"See what they say: {self.place(self.host(next(iter(left))))}/console.log",
                )
            time.sleep(0.03)

    def ssh(self, name: str, *command: str) -> list[str]:
        """The command line that logs in to a host as root, or runs a command there. Its key is checked."""
        return ["ssh", "-F", str(self.ssh_config), self.host(name).name, *(["--", *command] if command else [])]

    @property
    def ssh_config(self) -> Path:
        """For ssh -F, and for all that speaks ssh: the hosts by their names."""
        return self.directory / "ssh_config"

    @property
    def certificate(self) -> Path:
        """The certificate of all power controllers, for clients to check them by."""
        return self.directory / "controllers.crt"

    @property
    def password(self) -> Path:
        """The file with the power controllers' password; the user is admin."""
        return self.directory / "controllers.password"

    def ask(self, what: str, **arguments: Any) -> Any:
        """Asks the holder. Raises NaruError when there is none, or with its own words what it could not do."""
        if self.holder() is None:
            raise NaruError("the lab's hosts are not up", hint="Start them with: naru lab start")
        request = json.dumps({"do": what, **arguments}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as control, opened_directory(self.directory) as directory:
                control.settimeout(ANSWER_SECONDS)
                # by the descriptor: the full path may exceed what a socket's address can hold
                control.connect(f"/proc/self/fd/{directory}/control")
                control.sendall(request)
                with control.makefile() as answers_:
                    reply = json.loads(answers_.readline())
        except (OSError, ValueError) as error:
            raise NaruError("the holder of the lab's hosts does not answer", detail=str(error)) from error
        if "error" in reply:
            summary, detail, hint = reply["error"]
            raise (InputError if reply["input"] else NaruError)(summary, detail=detail, hint=hint)
        return reply["answer"]

    def _pid(self, host: Host) -> int | None:
        """The host's process 1 as the machine numbers it."""
        return min(self.pids(host, "init.scope"), default=None)

    def pids(self, host: Host, group: str) -> list[int]:
        """The processes in a cgroup of the host, as the machine numbers them."""
        for root in cgroups.roots(self.cgroup):
            if (place := root / host.name / group).is_dir():
                return cgroups.members(place)
        return []

    def _check_addresses(self) -> None:
        """Refuses a management network that the machine has a way to already: it would be cut off from it."""
        cidr = self.layout.networks[MANAGEMENT].cidr
        done = subprocess.run(["ip", "-json", "-4", "route"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for route in json.loads(done.stdout or "[]"):
            if route["dst"] == "default" or route.get("dev") == self.wire:
                continue
            if ipaddress.IPv4Network(route["dst"]).overlaps(cidr):
                raise NaruError(
                    f"{cidr} cannot be the lab's: the machine has a network {route['dst']} ({route.get('dev')})",
                    hint=f"End the lab that has it, or give networks.{MANAGEMENT}.cidr of the layout other addresses.",
                )

    def _make(self, frozen: Path) -> None:
        """Everything in the lab's directory that the holder needs; what is there stays."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = self.directory / "ssh_key"
        if not key.exists():
            disk.make_key(key, "naru-lab")
        authorized = key.with_name("ssh_key.pub").read_text()
        base_file = self.directory / "base"
        if base_file.exists():
            frozen = self.base_of_disks()  # a disk is worth nothing over another base
            if not frozen.is_dir():
                raise NaruError(
                    f"the base of this lab's disks is gone: {frozen}",
                    hint="Make the lab anew: naru lab down",
                )
        else:
            write_whole(base_file, str(frozen))
        for host in self.hosts:
            place = self.place(host)
            if not (place / "made").exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(parents=True)
                disk.make(place, host, self.hosts, authorized)
                (place / "made").touch()
        self._write_ssh()
        if not self.certificate.exists():
            _make_certificate(self.certificate, [host.controller.ip for host in self.hosts])
        write_whole(self.password, self.secret)
        write_whole(self.directory / "holder.json", json.dumps(self._config(frozen)))

    def _config(self, frozen: Path) -> dict[str, Any]:
        networks = list(self.layout.networks)
        bridges = self._bridges()
        hosts = []
        lent = self.equipment().mounts
        for host in self.hosts:
            nics = [
                {
                    "network": network,
                    "nic": host.nic(network),
                    "mac": host.mac(network),
                    "port": f"h{host.number}n{networks.index(network)}",
                    "bridge": bridges[host.segment(network)],
                }
                for network in host.networks
            ]
            number = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host.name}.{self.cgroup}"))
            mounts = [[str(mount.source), str(mount.target), mount.writable] for mount in lent.get(host.name, ())]
            hosts.append(
                {
                    "name": host.name,
                    "uuid": number,
                    "controller": str(host.controller),
                    "nics": nics,
                    "mounts": mounts,
                }
            )
        return {
            "directory": str(self.directory),
            "base": str(frozen),
            "cgroup": self.cgroup,
            "hierarchies": [list(asdict(hierarchy).values()) for hierarchy in cgroups.hierarchies()],
            "bridges": list(bridges.values()),
            "management": bridges[MANAGEMENT],
            "ipmi": self.layout.ipmi,
            "hosts": hosts,
        }

    def _bridges(self) -> dict[str, str]:
        """The bridge of each segment that hosts share."""
        segments = [MANAGEMENT, *(host.segment(network) for host in self.hosts for network in host.networks)]
        return {segment: f"br{index}" for index, segment in enumerate(dict.fromkeys(segments))}

    def _write_ssh(self) -> None:
        known = self.directory / "ssh_known_hosts"
        lines = [f"{host.address(MANAGEMENT).ip} {disk.public_key(self.place(host))}\n" for host in self.hosts]
        write_whole(known, "".join(lines))
        common = f"""Host *
  User root
  IdentityFile "{self.directory / "ssh_key"}"
  IdentitiesOnly yes
  UserKnownHostsFile "{known}"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  ConnectTimeout 10
  ServerAliveInterval 5
"""
        names = [f"Host {host.name}\n  HostName {host.address(MANAGEMENT).ip}\n" for host in self.hosts]
        write_whole(self.ssh_config, "".join([*names, common]))

    def _hold(self) -> None:
        """Starts the holder and waits until it answers."""
        (self.directory / "control").unlink(missing_ok=True)
        roots = [str(root) for root in cgroups.roots(self.cgroup)]
        argv = ("/bin/sh", str(HOLDER), str(self.directory), sys.executable, *roots)
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        self.processes.start(Command(PROCESS, argv, environment, grace=0))
        deadline = time.monotonic() + HOLDER_SECONDS
        while not (self.directory / "control").exists():
            alive = self.holder() is not None
            if not alive or time.monotonic() > deadline:
                detail = self.processes.tail(PROCESS)
                self.end()
                raise NaruError(
                    f"the holder of the lab's hosts {'is not ready' if alive else 'ended while it was starting'}",
                    detail=detail,
                    hint=f"See {self.processes.log_file(PROCESS)}.",
                )
            time.sleep(0.02)

    def _wire(self) -> None:
        """The one way from the machine to the hosts: a pair of interfaces to the bridge of the management network."""
        if Path("/sys/class/net", self.wire).exists():
            return
        holder = self.holder()
        if holder is None:
            raise NaruError("the holder of the lab's hosts has ended", hint=f"See {self.processes.log_file(PROCESS)}.")
        bridge = self._bridges()[MANAGEMENT]
        ip(
            [
                f"link add {self.wire} type veth peer name machine netns {holder.pid}",
                f"addr add {layout.machine_address(self.layout)} dev {self.wire}",
                f"link set {self.wire} up",
            ]
        )
        inside = ["nsenter", "-t", str(holder.pid), "--net", "ip", "link", "set", "machine", "master", bridge, "up"]
        done = subprocess.run(inside, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            ip([f"link del {self.wire}"], force=True)
            raise NaruError("the machine cannot be wired to the lab's hosts", detail=done.stderr.strip())


def _check_inotify(hosts: int) -> None:
    """Refuses more hosts than the kernel has inotify instances for: the last ones' systemds would stop half way."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    used = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if entry.stat().st_uid == os.geteuid():
                used += sum(str(fd.readlink()) == "anon_inode:inotify" for fd in (entry / "fd").iterdir())
    needed = hosts * INOTIFY_PER_HOST
    if used + needed > limit:
        raise NaruError(
            f"{hosts} hosts need {needed} inotify instances, of {limit} on this machine {used} are in use",
            hint=f"Allow more: sysctl fs.inotify.max_user_instances={max(1024, 2 * (used + needed))}",
        )


def answers(address: str, timeout: float = 0.3) -> bool:
    """Whether an SSH server greets at the address: an open port alone may be one that is still starting."""
    try:
        with socket.create_connection((address, 22), timeout) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _make_certificate(file: Path, addresses: list[ipaddress.IPv4Address]) -> None:
    """A key and a certificate for all power controllers, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "power controllers of a Naru lab")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address) for address in addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(file.with_suffix(".key"), private.decode())
    write_whole(file, certificate.public_bytes(serialization.Encoding.PEM).decode())
