"""The firmware of a lab's host: makes its kernel's side anew, puts its root together and becomes its systemd.

    python -S -E firmware.py REQUEST        (JSON, as `machine.Machine` writes it)

Run by the lab's holder, in the holder's namespaces, once for each boot. Prints the pid of the host's process 1 when
that has its namespaces, and ends: process 1 is then the holder's child, and becomes systemd once the holder has
written a "w" to its standard input, which says that its wires are there; then standard output is closed. Standard
library alone, and no module of Naru: thirty of these start at once.
"""

import ctypes
import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any, NoReturn

# sched.h and mount.h
NEWNS, NEWTIME, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x80, 0x2000000, 0x4000000, 0x8000000
NEWPID, NEWNET = 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, PRIVATE, REC = 1, 2, 4, 8, 32, 4096, 1 << 18, 16384
DETACH = 2

# name, minor of major 1 or of the major that is given; never console and kmsg, which are the machine's own
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx"))

libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _done(libc.unshare(flags), f"unshare {flags:#x}")


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    """mount(2)."""
    values = [None if text is None else text.encode() for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _done(libc.mount(*values, ctypes.c_ulong(flags), data), f"mount {source} on {target}")


def read_only(path: str) -> None:
    """What is at the path can be read and not changed."""
    mount(path, path, None, BIND)
    mount(path, path, None, REMOUNT | BIND | RDONLY)


def join(cgroups: list[list[str]]) -> None:
    """Moves this process into the host's cgroup of every hierarchy: without one of its own, its systemd would end
    other hosts' units as if they were its own."""
    for _kind, _options, _inside, directory in cgroups:
        own = Path(directory)
        own.mkdir(parents=True, exist_ok=True)
        for level in (own.parent, own):
            for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new cgroup of version 1: nothing could be in it
                if (level / name).exists() and not (level / name).read_text().strip():
                    (level / name).write_text((level.parent / name).read_text())
        (own / "cgroup.procs").write_text(str(os.getpid()))


def clocks_from_zero() -> None:
    """The next child's clocks of boot and uptime begin at 0."""
    unshare(NEWTIME)
    uptime = int(float(Path("/proc/uptime").read_text().split()[0]))
    Path("/proc/self/timens_offsets").write_text(f"monotonic -{uptime} 0\nboottime -{uptime} 0\n")


def assemble(request: dict[str, Any]) -> None:
    """The root of the host at request["root"], with everything that a kernel gives beside the disk."""
    root = request["root"]
    mount("none", "/", None, REC | PRIVATE)
    disk = f"lowerdir={request['base']},upperdir={request['disk']},workdir={request['work']}"
    mount("overlay", root, "overlay", 0, disk)
    os.chdir(root)
    mount("proc", "proc", "proc", NOSUID | NODEV | NOEXEC)
    # the machine's settings can be read; those of the network are the host's own
    mount("proc/sys", "proc/sys", None, BIND)
    mount("proc/sys/net", "proc/sys/net", None, BIND)
    mount("proc/sys", "proc/sys", None, REMOUNT | BIND | RDONLY)
    if Path("proc/sysrq-trigger").exists():
        read_only("proc/sysrq-trigger")
    mount("sysfs", "sys", "sysfs", NOSUID | NODEV | NOEXEC)
    mount("sys/devices/virtual/net", "sys/devices/virtual/net", None, BIND)
    mount("sys", "sys", None, REMOUNT | BIND | RDONLY)
    mount("tmpfs", "run", "tmpfs", NOSUID | NODEV, "mode=755,size=64m")
    mount("tmpfs", "tmp", "tmpfs", NOSUID | NODEV, "mode=1777,size=256m")
    _devices()
    _cgroups(request["cgroups"])
    for source, target, writable in request["mounts"]:
        _lend(source, target.lstrip("/"), writable)
    # a reboot is told by it, also by journald
    Path("run/.boot_id").write_text(f"{uuid.uuid4()}\n")
    mount("run/.boot_id", "proc/sys/kernel/random/boot_id", None, BIND)


def _lend(source: str, target: str, writable: bool) -> None:
    """A directory of the machine is in the host's root too: to be read, or as a share that it may write to."""
    Path(target).mkdir(parents=True, exist_ok=True)
    mount(source, target, None, BIND)
    if not writable:
        mount(source, target, None, REMOUNT | BIND | RDONLY)


def _devices() -> None:
    mount("tmpfs", "dev", "tmpfs", NOSUID, "mode=755,size=1m")
    os.umask(0)
    for name, major, minor in DEVICES:
        os.mknod(f"dev/{name}", 0o20666, os.makedev(major, minor))
    for name in ("pts", "shm", "net", "mqueue"):
        Path("dev", name).mkdir(mode=0o755)
    os.mknod("dev/net/tun", 0o20666, os.makedev(10, 200))
    os.mknod("dev/fuse", 0o20666, os.makedev(10, 229))
    os.umask(0o022)
    mount("devpts", "dev/pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("tmpfs", "dev/shm", "tmpfs", NOSUID | NODEV, "mode=1777,size=64m")
    for name, target in LINKS:
        Path("dev", name).symlink_to(target)


def _cgroups(cgroups: list[list[str]]) -> None:
    """The hierarchies as the machine has them, each from the host's own cgroup on."""
    inside = [item[2] for item in cgroups]
    if "" not in inside:
        mount("tmpfs", "sys/fs/cgroup", "tmpfs", NOSUID | NODEV | NOEXEC, "mode=755")
    for kind, options, name, _ in cgroups:
        target = Path("sys/fs/cgroup", name)
        target.mkdir(exist_ok=True)
        mount("cgroup", str(target), kind, NOSUID | NODEV | NOEXEC, options or None)


def enter() -> None:
    """The directory one is in becomes the root, and nothing else is left mounted."""
    Path(".machine").mkdir(exist_ok=True)
    _done(libc.pivot_root(b".", b".machine"), "pivot_root")
    os.chdir("/")
    _done(libc.umount2(b"/.machine", DETACH), "umount of the machine's root")
    Path("/.machine").rmdir()


def first(request: dict[str, Any], to_parent: int) -> NoReturn:
    """Process 1 of the host."""
    unshare(NEWNS | NEWUTS | NEWIPC | NEWNET | NEWCGROUP)
    os.write(to_parent, b"n")  # it has a network to put wires into
    os.close(to_parent)
    os.dup(1)  # kept until it becomes systemd: so the holder hears that it has
    os.dup2(2, 1)
    assemble(request)
    name = request["name"].encode()
    _done(libc.sethostname(name, len(name)), "sethostname")
    enter()
    if os.read(0, 1) != b"w":
        raise OSError("the host got no wires")
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    os.setsid()
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):  # the last two are the C library's
            signal.signal(number, signal.SIG_DFL)
    environment = {"container": "naru", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    init = "/lib/systemd/systemd"
    os.execve(init, [init, "--log-target=console", "--log-level=notice"], environment)


def main(request: dict[str, Any]) -> int:
    """Starts process 1 and tells its pid."""
    join(request["cgroups"])
    if Path("/proc/self/timens_offsets").exists():
        clocks_from_zero()
    unshare(NEWPID)
    ready, to_parent = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        try:
            first(request, to_parent)
        except BaseException as error:  # noqa: BLE001 - whatever it is, this copy of the parent must not go on
            sys.stderr.write(f"firmware: {error}\n")
            sys.stderr.flush()
            os._exit(1)
    os.close(to_parent)
    if os.read(ready, 1) != b"n":
        return 1
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
