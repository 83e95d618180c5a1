"""The guest image: a disk that boots the distribution's kernel with busybox and writes a line a second to itself.

Two partitions: FAT with syslinux, the kernel and an initial file system that is all of the system; ext4 with the
guest's data, `/marker.log` above all (see `heartbeats`). Built without mounting anything and without loop devices,
from packages that are downloaded and unpacked, not installed.
"""

import gzip
import hashlib
import re
import shutil
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from naru.errors import NaruError
from naru.lab.spec import cache_directory

HERE = Path(__file__).parent
MIB = 1 << 20
SECTOR = 512
FAT_START, FAT_SIZE = 1 * MIB, 23 * MIB
DATA_START, DATA_SIZE = FAT_START + FAT_SIZE, 40 * MIB
# Packages that stand for the newest kernel for virtual machines: Debian's, Ubuntu's
KERNELS = ("linux-image-cloud-amd64", "linux-image-virtual")
# a kernel has some of them built in
MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_net", "button", "evdev")
DIRECTORIES = "bin dev proc sys mnt lib etc etc/acpi etc/acpi/PWRF var var/run var/log"
APPLETS = "sh mount sleep insmod cat echo sync poweroff cut ip acpid kill"
SYSLINUX_CFG = """SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
 KERNEL vmlinuz
 INITRD initrd.img
 APPEND console=ttyS0 quiet panic=5
"""
MBR = ("/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/SYSLINUX/mbr.bin")


def path() -> Path:
    """Where the image is or will be; its name changes with how it is made."""
    digest = hashlib.sha256()
    for file in (Path(__file__), HERE / "init.sh", HERE / "power.sh"):
        digest.update(file.read_bytes())
    return cache_directory() / f"guest-image-{digest.hexdigest()[:12]}.qcow2"


def ensure() -> Path:
    """The image, built when it is not there yet (needs a package mirror). Some 15 MB of qcow2, 64 MiB of disk."""
    target = path()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="guest-image-", dir=target.parent) as name:
            work = Path(name)
            _build(work, work / "image.qcow2")
            (work / "image.qcow2").replace(target)
    return target


def _build(work: Path, target: Path) -> None:
    packages = _packages(work)
    modules = {file.stem.replace("-", "_"): file for file in packages.rglob("*.ko")}
    kernel = next((packages / "boot").glob("vmlinuz-*"))
    (work / "initrd.img").write_bytes(_initrd(_busybox(packages), modules))
    (work / "syslinux.cfg").write_text(SYSLINUX_CFG)
    shutil.copy(kernel, work / "vmlinuz")
    fat, data, raw = work / "fat", work / "data", work / "raw"
    _sparse(fat, FAT_SIZE)
    _run("mformat", "-i", fat, "-T", FAT_SIZE // SECTOR, "-h", 16, "-s", 32, "-H", FAT_START // SECTOR, "::")
    _run("syslinux", "--install", fat)
    _run("mcopy", "-i", fat, work / "vmlinuz", work / "initrd.img", work / "syslinux.cfg", "::/")
    _sparse(data, DATA_SIZE)
    _run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^64bit,^metadata_csum", "-m", 0, "-L", "data", data)
    with raw.open("wb") as disk:
        disk.write(_boot_record())
        for part, start in ((fat, FAT_START), (data, DATA_START)):
            disk.seek(start)
            with part.open("rb") as source:
                shutil.copyfileobj(source, disk)
    _run("qemu-img", "convert", "-c", "-O", "qcow2", raw, target)


def _packages(work: Path) -> Path:
    """The content of the kernel's and busybox's packages, unpacked."""
    for meta in KERNELS:
        lines = _output("apt-cache", "depends", meta).splitlines()
        names = [line.split()[-1] for line in lines if "Depends: linux-image-" in line]
        if names:
            break
    else:
        raise NaruError(
            f"the package manager knows none of {', '.join(KERNELS)}, from which the guests' kernel is taken",
            hint="Run: apt-get update",
        )
    wanted = [names[0], "busybox-static"]
    modules = names[0].replace("linux-image-", "linux-modules-")  # Ubuntu keeps them apart
    if _output("apt-cache", "show", modules):
        wanted.append(modules)
    _run("apt-get", "-q", "download", *wanted, cwd=work)
    unpacked = work / "packages"
    for package in work.glob("*.deb"):
        _run("dpkg-deb", "-x", package, unpacked)
    return unpacked


def _busybox(packages: Path) -> Path:
    return next(file for file in (packages / "bin" / "busybox", packages / "usr/bin/busybox") if file.exists())


def _initrd(busybox: Path, modules: dict[str, Path]) -> bytes:
    """The guest's system as a compressed cpio archive."""
    order = _with_dependencies(MODULES, modules)
    archive = _Archive()
    for directory in DIRECTORIES.split():
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    for applet in APPLETS.split():
        archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    for name in order:
        archive.add(f"lib/{name}.ko", stat.S_IFREG | 0o644, modules[name].read_bytes())
    archive.add("lib/order", stat.S_IFREG | 0o644, "".join(f"{name}.ko\n" for name in order).encode())
    archive.add("init", stat.S_IFREG | 0o755, (HERE / "init.sh").read_bytes())
    archive.add("etc/acpi/PWRF/00000080", stat.S_IFREG | 0o755, (HERE / "power.sh").read_bytes())
    return gzip.compress(archive.end(), mtime=0)


def _with_dependencies(names: Iterable[str], modules: dict[str, Path]) -> list[str]:
    """The modules among `names` that the kernel does not have built in, each after those it needs."""
    order: list[str] = []
    for name in names:
        if name in modules and name not in order:
            found = re.search(rb"\0depends=([^\0]*)\0", modules[name].read_bytes())
            needed = found[1].decode().replace("-", "_").split(",") if found else []
            order += [other for other in _with_dependencies(needed, modules) if other not in order]
            order.append(name)
    return order


class _Archive:
    """A cpio archive in the format "newc", which the kernel unpacks."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.entries = 0

    def add(self, name: str, mode: int, data: bytes = b"") -> None:
        self.entries += 1
        numbers = (self.entries, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        self.content += b"070701" + b"".join(b"%08X" % number for number in numbers)
        for part in (name.encode() + b"\0", data):
            self.content += part
            self.content += bytes(-len(self.content) % 4)

    def end(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return bytes(self.content)


def _boot_record() -> bytes:
    """The first sector: syslinux's loader, and the table of the two partitions."""
    loader = next((Path(file).read_bytes() for file in MBR if Path(file).exists()), None)
    if loader is None:
        raise NaruError(f"{MBR[0]} is missing", hint="Install it with: naru lab deps --install")
    any_chs = b"\xfe\xff\xff"  # beyond what cylinders can say: everybody reads the sector numbers
    table = b""
    for active, kind, start, size in ((0x80, 0x0E, FAT_START, FAT_SIZE), (0, 0x83, DATA_START, DATA_SIZE)):
        where = struct.pack("<II", start // SECTOR, size // SECTOR)
        table += bytes([active]) + any_chs + bytes([kind]) + any_chs + where
    return loader[:440].ljust(446, b"\0") + table.ljust(64, b"\0") + b"\x55\xaa"


def _sparse(file: Path, size: int) -> None:
    with file.open("wb") as stream:
        stream.truncate(size)


def _run(*argv: object, cwd: Path | None = None) -> None:
    command = [str(word) for word in argv]
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NaruError(f"the guest image cannot be made: {' '.join(command)} failed", detail=done.stderr[-2000:])


def _output(*argv: str) -> str:
    """What a query of the package manager answers; nothing for a package it does not know."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
