"""Makes new lock files: `python -m naru.releases.lock DIRECTORY [RELEASE ...]`.

DIRECTORY holds the upper constraints that each release has published, as `<release>.txt`. They bound every package
but the ones that the release's data file asks for. A release without such a file is resolved freely, and keeps
what its present lock says as long as that fits. For Python 2.7, which uv cannot resolve for, the old pip installs
everything into an environment that is thrown away, and is asked what it chose.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uv

from naru.errors import InputError, NaruError
from naru.releases import python
from naru.releases.install import python2_environment
from naru.releases.release import Release, load, lock_path, names, normalize

# they are part of how things are installed, or are pinned by the data file
UNBOUND = {"pip", "setuptools", "wheel", "virtualenv", "distribute"}


def lock(release: Release, constraints: Path | None) -> None:
    """Writes the lock of `release`; `constraints` is a file of upper constraints. Raises NaruError on failure."""
    with tempfile.TemporaryDirectory(prefix="naru-lock-") as name:
        directory = Path(name)
        bounds = directory / "constraints.txt"
        bounds.write_text(_bounds(release, constraints.read_text() if constraints else ""))
        wanted = [f"{package}=={version}" for package, version in release.packages.items()]
        resolve = _python2 if release.python == "2.7" else _python3
        lines = resolve(release, directory, bounds, wanted)
    target = lock_path(release.name)
    target.write_text("".join(f"{line}\n" for line in sorted(lines, key=str.lower)))


def _bounds(release: Release, text: str) -> str:
    free = UNBOUND | {normalize(package) for package in release.packages}
    lines = text.splitlines()
    return "".join(f"{line}\n" for line in lines if normalize(re.split("[=<>]", line)[0].strip()) not in free)


def _python3(release: Release, directory: Path, bounds: Path, wanted: list[str]) -> list[str]:
    requirements, build, output = directory / "in.txt", directory / "build.txt", directory / "out.txt"
    requirements.write_text("\n".join(wanted))
    build.write_text("\n".join(release.build))
    if not bounds.read_text() and lock_path(release.name).exists():
        output.write_text(lock_path(release.name).read_text())
    interpreter = python.find(release.python, needed_by=release.name)
    quiet = ["--no-annotate", "--no-header", "--no-emit-index-url", "--quiet"]
    command = [uv.find_uv_bin(), "pip", "compile", *quiet, "--python", str(interpreter)]
    _output([*command, "-c", str(bounds), "-b", str(build), "-o", str(output), str(requirements)])
    return output.read_text().splitlines()


def _python2(release: Release, directory: Path, bounds: Path, wanted: list[str]) -> list[str]:
    interpreter = python.find(release.python, needed_by=release.name)
    venv = directory / "venv"
    _output([str(part) for part in python2_environment(interpreter, venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    _output([*pip, "install", *release.build])
    _output([*pip, "install", "-c", str(bounds), *wanted])
    frozen = _output([*pip, "freeze", "--all"]).splitlines()
    return [line for line in frozen if "==" in line and not line.startswith(("pip==", "wheel=="))]


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NaruError(f"{Path(command[0]).name} failed while locking", detail=done.stderr[-4000:])
    return done.stdout


def main(arguments: Sequence[str]) -> None:
    """Locks the releases named after the directory of constraints, or all of them."""
    if not arguments:
        raise InputError("the directory of upper constraints is missing", hint="python -m naru.releases.lock DIRECTORY")
    directory = Path(arguments[0])
    for name in arguments[1:] or names():
        constraints = directory / f"{name}.txt"
        lock(load(name), constraints if constraints.exists() else None)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except NaruError as error:
        sys.exit(str(error))
