"""Finds a Python interpreter of a wanted minor version: on PATH, in the system, under pyenv, managed by uv."""

import functools
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import uv

from naru.errors import InputError

SYSTEM = ("/usr/local/bin", "/usr/bin")

# answered by every Python since 2.7: where the real interpreter is, its version, whether extensions can be compiled
_PROBE = """
import os, sys, sysconfig
base = getattr(sys, "base_prefix", sys.prefix)
real = not hasattr(sys, "real_prefix") and base == sys.prefix
headers = os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
sys.stdout.write("%d.%d|%s|%s|%s" % (sys.version_info[0], sys.version_info[1], real, headers, sys.executable))
"""


def find(version: str, *, needed_by: str = "") -> Path:
    """The path of an interpreter of the minor `version` ("3.8"), not one of a virtual environment.

    One that has its C headers is preferred, since some packages are compiled. Raises InputError when there is none,
    saying how to get it; `needed_by` names the release for that message.
    """
    found = _find(version)
    if found is None:
        raise InputError(
            f"{needed_by or 'the release'} needs Python {version}, which is not installed",
            detail="Looked on PATH, in the system, in pyenv's versions and in those managed by uv.",
            hint=f"Get it with: {' or '.join(ways_to_get(version))}",
        )
    return found


def available(version: str) -> bool:
    """Whether `find` would succeed."""
    return _find(version) is not None


def ways_to_get(version: str) -> list[str]:
    """The commands of which any brings Python `version`."""
    ways = [f"pyenv install {version}"]
    return [f"uv python install {version}", *ways] if _minor(version) >= (3, 8) else ways


@functools.cache
def _find(version: str) -> Path | None:
    fallback = None
    for candidate in _candidates(version):
        path, headers = _probe(candidate, version)
        if path and headers:
            return path
        fallback = fallback or path
    return fallback


def _candidates(version: str) -> Iterator[Path]:
    directories = [*os.environ.get("PATH", "").split(os.pathsep), *SYSTEM]
    for directory in dict.fromkeys(directories):
        # pyenv's shims answer for whichever version the current directory chose: its versions are looked at below
        if directory and Path(directory).name != "shims":
            yield Path(directory) / f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    patches = [path for path in pyenv.glob(f"{version}.*") if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    for path in sorted(patches, key=lambda path: int(path.name.rpartition(".")[2]), reverse=True):
        yield path / "bin" / f"python{version}"
    if _minor(version) >= (3, 8):
        command = [uv.find_uv_bin(), "python", "find", "--managed-python", "--no-project", version]
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())


def _probe(candidate: Path, version: str) -> tuple[Path | None, bool]:
    """The interpreter that `candidate` really is, or None, and whether its C headers are there."""
    if not os.access(candidate, os.X_OK):
        return None, False
    try:
        answer = subprocess.run(
            [str(candidate), "-I" if _minor(version) >= (3, 4) else "-E", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, False
    found, _, rest = answer.stdout.partition("|")
    real, _, rest = rest.partition("|")
    headers, _, executable = rest.partition("|")
    if answer.returncode or found != version or real != "True":
        return None, False
    return Path(executable), headers == "True"


def _minor(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)
