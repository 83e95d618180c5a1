"""libvirt's Python binding, which nova-compute needs on the hosts with real guests and nothing else does.

It is not in the releases' locks: it is compiled against the system's libvirt, so that labs without guests need none.
It goes into a directory of its own beside the virtual environments, for `PYTHONPATH`.
"""

import subprocess
import tempfile
from pathlib import Path

import uv

from naru.errors import NaruError
from naru.lab import install
from naru.lab.release import Release


def ensure(release: Release) -> Path:
    """The directory that holds the binding for the release's Python; built when it is not there (10 s)."""
    version = release.settings["libvirt_python"]
    system = _run("pkg-config", "--modversion", "libvirt").strip()
    target = install.venvs_directory() / f"libvirt-{version}-{system}-python{release.python}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="libvirt-", dir=target.parent) as work:
            built = Path(work) / "built"
            interpreter = install.venv_path(release) / "bin" / "python"
            where = ("--python", str(interpreter), "--target", str(built))
            _run(uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", *where, f"libvirt-python=={version}")
            if not target.exists():  # another cloud's start may have been faster
                built.rename(target)
    return target


def _run(*argv: str) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NaruError(f"{argv[0]} is missing", hint="Install it with: naru lab deps --install") from error
    if done.returncode:
        raise NaruError("libvirt's Python binding cannot be built", detail=done.stderr[-2000:])
    return done.stdout
