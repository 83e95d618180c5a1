"""Environments of releases as archives that run on other hosts.

A virtual environment names its own place and its interpreter by absolute paths: in the first lines of its console
scripts, in pyvenv.cfg, in links. In the archive these are of the place at which it will be unpacked, and the
interpreter's installation is in it (`base/`), unless that is the distribution's: then hosts have to have the same one.
Programs of it that find libpython by an absolute path find it there.
Tests of OpenStack's own services, half of an environment's files, are left out.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError
from naru.releases import install
from naru.releases.release import Release, load

ROOT = Path("/opt/naru")
"""Where hosts have them: short, since old kernels cut first lines of scripts at 127 bytes."""
FORMAT = 2
"""Part of the name: an archive made in another way is another one."""
TEXT = 1 << 20
"""Bytes that a script in bin/ has at most; what is larger is a program."""
_SERVICES = (
    "nova",
    "cinder",
    "neutron",
    "keystone",
    "glance",
    "placement",
    "octavia",
    "designate",
    "barbican",
    "swift",
)
_GLIBC = re.compile(rb"\bGLIBC_(\d+\.\d+)")
_ELF = b"\x7fELF"
_BASE_PARTS_LEFT_OUT = ("test", "idlelib", "tkinter", "lib-tk", "turtledemo", "__pycache__")


def place(release: Release) -> Path:
    """Where hosts have the environment."""
    digest = hashlib.sha256(f"{FORMAT} {install.venv_path(release).name}".encode()).hexdigest()[:12]
    return ROOT / f"{release.name}-{digest}"


def archive_path(release: Release) -> Path:
    """Where the archive is or will be: beside the environment."""
    return install.venvs_directory() / f"{place(release).name}.tar.gz"


def pack(name: str) -> Path:
    """The archive of a release's environment, which has to be installed; made unless it is there. Killed, it leaves
    none."""
    release = load(name)
    target = archive_path(release)
    if target.exists():
        return target
    venv = _installed(release)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with tarfile.open(part, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as archive:
            for member, content in _members(venv, place(release)):
                archive.addfile(member, content)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return target


class Requirements(NamedTuple):
    """What a host has to have for an environment: `glibc` of that version or a later one, and as `python` the path of
    the distribution's interpreter, "" where the environment brings its own."""

    glibc: str
    python: str


def requirements(name: str) -> Requirements:
    """What the environment of a release, as it was built here, needs on a host. Raises InputError when it is not
    installed."""
    release = load(name)
    venv = _installed(release)
    base = base_python(venv)
    found = {
        *_glibc_versions(venv, _left_out_of_environment),
        *(_glibc_versions(base, _left_out_of_base) if base else ()),
    }
    glibc = max(found, key=lambda version: [int(part) for part in version.split(".")], default="0")
    return Requirements(glibc, "" if base else f"/usr/bin/python{release.python}")


def _glibc_versions(root: Path, left_out: Callable[[Path], bool]) -> Iterator[str]:
    """Of which versions of glibc programs and libraries use symbols."""
    for directory, names, files in os.walk(root):
        below = Path(directory).relative_to(root)
        names[:] = [name for name in names if not left_out(below / name)]
        for path in (Path(directory, name) for name in files if below.name == "bin" or ".so" in name):
            # a link leads to one of these, or to the distribution's interpreter
            content = b"" if path.is_symlink() else path.read_bytes()
            if content.startswith(_ELF):
                yield from {version.decode() for version in _GLIBC.findall(content)}


def _installed(release: Release) -> Path:
    if not install.installed(release):
        hint = f"naru lab install {release.name}"
        raise InputError(f"the environment of {release.name} is not installed", hint=hint)
    return install.venv_path(release)


def base_python(venv: Path) -> Path | None:
    """The installation of Python that the environment stands on; None for the distribution's."""
    lines = (line.partition("=") for line in (venv / "pyvenv.cfg").read_text().splitlines())
    settings = {key.strip(): value.strip() for key, _, value in lines}
    base = Path(settings["base-prefix"]) if "base-prefix" in settings else Path(settings["home"]).parent
    return None if base.resolve() == Path("/usr") else base


def _members(venv: Path, new: Path) -> Iterator[tuple[tarfile.TarInfo, io.BytesIO | io.BufferedReader | None]]:
    base = base_python(venv)
    moved = {str(venv).encode(): str(new).encode()}
    if base:
        for path in (base, base.resolve()):
            moved[str(path).encode()] = str(new / "base").encode()
    yield from _tree(venv, "", moved, _left_out_of_environment)
    if base:
        yield from _tree(base, "base/", moved, _left_out_of_base)


def _tree(
    root: Path, prefix: str, moved: dict[bytes, bytes], left_out: Callable[[Path], bool]
) -> Iterator[tuple[tarfile.TarInfo, io.BytesIO | io.BufferedReader | None]]:
    for directory, names, files in os.walk(root):
        below = Path(directory).relative_to(root)
        names[:] = sorted(name for name in names if not left_out(below / name))
        for name in [*names, *sorted(files)]:
            path = Path(directory) / name
            if left_out(below / name):
                continue
            info = tarfile.TarInfo(f"{prefix}{below / name}")
            stat = path.lstat()
            info.mode, info.mtime = stat.st_mode & 0o7777, int(stat.st_mtime)
            if path.is_symlink():
                info.type, info.linkname = tarfile.SYMTYPE, _moved(os.fsencode(path.readlink()), moved).decode()
                yield info, None
            elif path.is_dir():
                info.type = tarfile.DIRTYPE
                yield info, None
            elif path.is_file():
                text = path.read_bytes() if _may_name_places(below, name, stat.st_size) else b"\0"
                if b"\0" not in text:
                    changed = _moved(text, moved)
                    info.size = len(changed)
                    yield info, io.BytesIO(changed)
                elif changed_program := _program(path, moved):
                    info.size = len(changed_program)
                    yield info, io.BytesIO(changed_program)
                else:
                    info.size = stat.st_size
                    with path.open("rb") as content:
                        yield info, content


def _may_name_places(below: Path, name: str, size: int) -> bool:
    return size < TEXT and (below.name == "bin" or name == "pyvenv.cfg" or name.endswith(".pth"))


def _program(path: Path, moved: dict[bytes, bytes]) -> bytes | None:
    """A program or a shared library that looks for others at a place that is moved, so that it looks at the new one;
    None for any other file."""
    if path.parent.name != "bin" and ".so" not in path.name:
        return None
    content = path.read_bytes()
    if not content.startswith(_ELF) or not any(old in content for old in moved):
        return None
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(shutil.copy2(path, directory))
        before = _patchelf("--print-rpath", copy).strip()
        after = _moved(before.encode(), moved).decode()
        if before == after:
            return None
        copy.chmod(0o700)
        _patchelf("--set-rpath", after, copy)
        return copy.read_bytes()


def _patchelf(*words: str | Path) -> str:
    program = Path(sysconfig.get_path("scripts"), "patchelf")
    return subprocess.run([program, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def _moved(text: bytes, moved: dict[bytes, bytes]) -> bytes:
    for old, new in moved.items():
        text = text.replace(old, new)
    return text


def _left_out_of_environment(path: Path) -> bool:
    parts = path.parts
    if "site-packages" in parts:
        at = parts.index("site-packages")
        return len(parts) > at + 2 and parts[at + 1] in _SERVICES and parts[at + 2] == "tests"
    return False


def _left_out_of_base(path: Path) -> bool:
    if path.parts[0] in ("include", "share", "man") or path.suffix == ".a":
        return True
    if "site-packages" in path.parts:
        return path.parts[-1] != "site-packages"
    return len(path.parts) > 2 and path.parts[0] == "lib" and path.parts[2] in _BASE_PARTS_LEFT_OUT
