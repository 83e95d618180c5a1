"""States of clouds that were prepared once (schema, catalogue, types, networks, Ceph pools) and are copied after.

A prepared state is the `state/` directory of a cleanly stopped cloud. Its name holds everything that shaped it: the
release's lock, the services, the ports, the templates, the password. So a changed template makes a new one.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from naru.errors import NaruError
from naru.files import FileLock
from naru.lab import render
from naru.lab.cloud import Cloud
from naru.lab.spec import cache_directory


def path(cloud: Cloud) -> Path:
    """Where this cloud's prepared state is or would be."""
    parts = (
        cloud.venv.name,
        ",".join(cloud.services),
        str(cloud.ports.base),
        cloud.secret,
        cloud.first_address,
        cloud.name,
        render.fingerprint(),
    )
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return cache_directory() / "prepared" / f"{cloud.release.name}-{key}"


def save(cloud: Cloud) -> None:
    """Keeps a copy of the stopped cloud's state, atomically."""
    target = path(cloud)
    with lock():
        if not target.exists():
            copy(cloud.state, target)


def restore(cloud: Cloud) -> bool:
    """Puts the prepared state in place when there is one for exactly this cloud."""
    source = path(cloud)
    if not source.exists():
        return False
    copy(source, cloud.state)
    return True


def copy(source: Path, target: Path) -> None:
    """Copies a directory, atomically."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    # cp keeps holes: Ceph's block file is 200 GiB of which some MiB are there
    done = subprocess.run(
        ["cp", "-a", "--sparse=always", "--reflink=auto", str(source), str(temporary)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        shutil.rmtree(temporary, ignore_errors=True)
        raise NaruError(f"the state {source} cannot be copied to {target}", detail=done.stderr.strip())
    temporary.rename(target)


@contextmanager
def lock() -> Iterator[None]:
    """One process at a time keeps a state."""
    directory = cache_directory() / "prepared"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(directory / ".lock") as lock:
        lock.take(wait=True)
        yield
