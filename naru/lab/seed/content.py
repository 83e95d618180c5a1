"""Bytes in volumes and images: what they are, how they get in behind Cinder's back, and what they add up to.

The bytes follow from a text alone, so a second run writes the same ones, and nobody has to keep them.
"""

import contextlib
import hashlib
import json
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from naru.errors import NaruError
from naru.lab.cloud import Cloud

BLOCK = 4096
OBJECT = 4 << 20  # RBD's object: a piece across its border is two writes there
LENGTHS = (512, BLOCK, 16 << 10, 64 << 10, 256 << 10)
_ZEROS = bytes(1 << 20)
_DIFF = b"rbd diff v1\n"


class Piece(NamedTuple):
    """Bytes at an offset."""

    offset: int
    data: bytes


class Digest(NamedTuple):
    """Size in bytes and the SHA-256 of the whole content, holes read as zeros."""

    size: int
    sha256: str


def generate(text: str, length: int) -> bytes:
    """`length` bytes that follow from `text`."""
    return hashlib.shake_256(text.encode()).digest(length)


def pieces(text: str, size: int, count: int, number: int) -> list[Piece]:
    """What round `number` of writes puts into a volume of `size` bytes: the first block (again in every round), the
    last one, one piece across the border of two RBD objects and `count` elsewhere, all aligned to 512 bytes."""
    if count == 0:
        return []
    places = [(0, BLOCK), (size - BLOCK, BLOCK), ((1 + number % 8) * OBJECT - BLOCK, 2 * BLOCK)]
    for index in range(count):
        random = int.from_bytes(generate(f"{text}/{number}/{index}/offset", 8))
        length = LENGTHS[index % len(LENGTHS)]
        places.append((random % ((size - length) // 512) * 512, length))
    return [Piece(offset, generate(f"{text}/{number}/{offset}", length)) for offset, length in places]


def run(*argv: str, stdin: bytes = b"") -> bytes:
    """The standard output of a program. Raises NaruError with what it complained about."""
    done = subprocess.run(argv, input=stdin, capture_output=True)
    if done.returncode:
        raise NaruError(f"{Path(argv[0]).name} {argv[1]} failed", detail=done.stderr.decode(errors="replace")[-2000:])
    return done.stdout


@contextlib.contextmanager
def scratch(cloud: Cloud, suffix: str = "") -> Iterator[Path]:
    """A temporary file of the cloud's own."""
    with tempfile.NamedTemporaryFile(dir=cloud.state / "tmp", suffix=suffix) as file:
        yield Path(file.name)


def image(cloud: Cloud, text: str, size_mib: int, disk_format: str) -> bytes:
    """The file of an image of that format, half of it data and half empty."""
    raw = generate(text, size_mib << 19) + bytes(size_mib << 19)
    if disk_format == "raw":
        return raw
    with scratch(cloud) as source, scratch(cloud) as target:
        source.write_bytes(raw)
        run("qemu-img", "convert", "-f", "raw", "-O", disk_format, str(source), str(target))
        return target.read_bytes()


def backend(volume: dict[str, Any]) -> str:
    """The backend that a volume lies on, from Cinder's own record of it: "ceph" or "nfs"."""
    host = volume.get("os-vol-host-attr:host") or ""
    name = str(host).partition("@")[2].partition("#")[0]
    if name not in ("ceph", "nfs"):
        raise NaruError(f"volume {volume['id']} lies on {host!r}, which the lab cannot read")
    return name


def _name(volume: dict[str, Any]) -> str:
    """What the backend calls a volume: another id than its own after a migration."""
    return f"volume-{volume.get('os-vol-mig-status-attr:name_id') or volume['id']}"


def write(cloud: Cloud, volume: dict[str, Any], written: Sequence[Piece]) -> None:
    """Puts the pieces into the volume, where a server that has it attached would."""
    if not written:
        return
    if backend(volume) == "ceph":
        size = struct.pack("<cQ", b"s", volume["size"] << 30)
        body = b"".join(struct.pack("<cQQ", b"w", piece.offset, len(piece.data)) + piece.data for piece in written)
        _rbd(cloud, "import-diff", "--no-progress", "-", f"volumes/{_name(volume)}", stdin=_DIFF + size + body + b"e")
        return
    path = cloud.nfs_export / _active(cloud, volume)
    with contextlib.ExitStack() as stack:
        commands: list[str] = []
        for piece in written:
            file = stack.enter_context(scratch(cloud))
            file.write_bytes(piece.data)
            commands += ["-c", f"write -q -s {file} {piece.offset} {len(piece.data)}"]
        run("qemu-io", "-f", _format(path), *commands, str(path))


def digest(cloud: Cloud, volume: dict[str, Any], snapshot: str = "") -> Digest:
    """Reads the whole volume, or its snapshot of that id."""
    if backend(volume) == "ceph":
        at = f"@snapshot-{snapshot}" if snapshot else ""
        return _digest_diff(cloud, f"volumes/{_name(volume)}{at}")
    file = _active(cloud, volume)
    if snapshot:
        overlay = _info(cloud, volume)[snapshot]
        file = Path(_inspect(cloud.nfs_export / overlay)["backing-filename"]).name
    path = cloud.nfs_export / file
    with scratch(cloud) as target:
        run("qemu-img", "convert", "-U", "-f", _format(path), "-O", "raw", str(path), str(target))
        return digest_file(target)


# -- RBD


def _rbd(cloud: Cloud, *argv: str, stdin: bytes = b"") -> bytes:
    return run("rbd", "-c", str(cloud.ceph.conf("cinder")), "--id", "cinder", *argv, stdin=stdin)


def _digest_diff(cloud: Cloud, spec: str) -> Digest:
    """From the image's difference to nothing, which leaves out the holes.

    The format: https://docs.ceph.com/en/latest/dev/rbd-diff/
    """
    argv = ("rbd", "-c", str(cloud.ceph.conf("cinder")), "--id", "cinder", "export-diff", "--no-progress", spec, "-")
    size = 0

    def data(stream: IO[bytes]) -> Iterator[Piece]:
        nonlocal size
        if stream.read(len(_DIFF)) != _DIFF:
            return
        while (tag := stream.read(1)) not in (b"e", b""):
            if tag == b"t":
                stream.read(*struct.unpack("<I", stream.read(4)))
            elif tag == b"s":
                (size,) = struct.unpack("<Q", stream.read(8))
            elif tag in (b"w", b"z"):
                offset, length = struct.unpack("<QQ", stream.read(16))
                if tag == b"w":
                    yield Piece(offset, stream.read(length))
            else:
                raise NaruError(f"rbd export-diff {spec} has a record {tag!r} that is not known")

    with tempfile.TemporaryFile() as errors, subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout
        total = hashlib.sha256()
        end = _add(total, data(process.stdout))
        _pad(total, size - end)
        if process.wait():
            errors.seek(0)
            raise NaruError(f"rbd export-diff {spec} failed", detail=errors.read().decode(errors="replace")[-2000:])
    return Digest(size, total.hexdigest())


def _add(total: "hashlib._Hash", data: Iterable[Piece]) -> int:
    """Adds pieces in the order of their offsets, with zeros between; returns the offset after the last."""
    end = 0
    for piece in data:
        if piece.offset < end:
            raise NaruError("the pieces of a volume's content overlap")
        _pad(total, piece.offset - end)
        total.update(piece.data)
        end = piece.offset + len(piece.data)
    return end


def _pad(total: "hashlib._Hash", count: int) -> None:
    for _ in range(count // len(_ZEROS)):
        total.update(_ZEROS)
    total.update(_ZEROS[: count % len(_ZEROS)])


# -- NFS


def _info(cloud: Cloud, volume: dict[str, Any]) -> dict[str, str]:
    """Cinder's record of a volume's snapshots: the file each began, and the active one. Empty without any."""
    file = cloud.nfs_export / f"{_name(volume)}.info"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _active(cloud: Cloud, volume: dict[str, Any]) -> str:
    """The file that the volume's writes go to."""
    return _info(cloud, volume).get("active") or _name(volume)


def _inspect(path: Path) -> dict[str, Any]:
    return dict(json.loads(run("qemu-img", "info", "-U", "--output", "json", str(path))))


def _format(path: Path) -> str:
    return str(_inspect(path)["format"])


def digest_file(path: Path) -> Digest:
    """Reads a raw file, its holes as zeros."""
    total = hashlib.sha256()

    def data(file: int) -> Iterator[Piece]:
        position = 0
        while True:
            try:
                position = os.lseek(file, position, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return
            until = os.lseek(file, position, os.SEEK_HOLE)
            while position < until:
                block = os.pread(file, min(OBJECT, until - position), position)
                yield Piece(position, block)
                position += len(block)

    size = path.stat().st_size
    file = os.open(path, os.O_RDONLY)
    try:
        end = _add(total, data(file))
    finally:
        os.close(file)
    _pad(total, size - end)
    return Digest(size, total.hexdigest())
