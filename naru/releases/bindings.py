"""Python bindings of system libraries (libvirt, OpenLDAP), which a release needs for what is done on request alone.

They are not in the releases' locks: they are compiled against the system's library, so that clouds that do without
them need none of it. Each goes into a directory of its own beside the virtual environments, for `PYTHONPATH`.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import uv

from naru.errors import NaruError
from naru.releases import install
from naru.releases.release import Release


def ensure(release: Release, library: str, packages: Mapping[str, str]) -> Path:
    """The directory that holds the packages (name: version), for the release's Python and this system's `library` (as
    pkg-config names it); built when it is not there (10 s)."""
    system = _run(library, "pkg-config", "--modversion", library).strip()
    versions = "-".join(packages.values())
    target = install.venvs_directory() / f"{library}-{versions}-{system}-python{release.python}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{library}-", dir=target.parent) as work:
            built = Path(work) / "built"
            wanted = [f"{name}=={version}" for name, version in packages.items()]
            _run(library, *_installer(release), "--quiet", "--no-deps", "--target", str(built), *wanted)
            if not target.exists():  # another cloud's start may have been faster
                built.rename(target)
    return target


def _installer(release: Release) -> list[str]:
    interpreter = str(install.venv_path(release) / "bin" / "python")
    if release.python == "2.7":  # uv no longer supports it
        return [interpreter, "-m", "pip", "--disable-pip-version-check", "install"]
    return [uv.find_uv_bin(), "pip", "install", "--python", interpreter]


def _run(library: str, *argv: str) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NaruError(f"{argv[0]} is missing", hint="Install it with: naru lab deps --install") from error
    if done.returncode:
        raise NaruError(f"the Python binding of {library} cannot be built", detail=done.stderr[-2000:])
    return done.stdout
