"""Whether this machine can run hosts, tried before anything of them is made."""

import os
import subprocess
import uuid

from naru.errors import NaruError
from naru.lab.hosts import cgroups

UNSHARE = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child"]
TRY = """
set -e
mount -t tmpfs none /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay /mnt/root -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work
ip link add bridge0 type bridge
ip link add wire0 type veth peer name wire1
"""
SECONDS = 30.0


def check() -> None:
    """Raises NaruError, in the kernel's own words, where it does not allow what hosts need: root, namespaces, mounts of
    their own, bridges and wires, cgroups. All that is tried is gone afterwards."""
    if why := _refused():
        raise NaruError(
            "this machine cannot run hosts of a lab",
            detail=why,
            hint="They need root, in a container with CAP_SYS_ADMIN, CAP_NET_ADMIN and cgroups that it may write to.",
        )


def _refused() -> str:
    if os.geteuid() != 0:
        return "not root"
    try:
        for root in cgroups.roots(f"naru-try-{uuid.uuid4().hex}"):
            root.mkdir()
            root.rmdir()
    except (OSError, NaruError) as error:
        return str(error)
    try:
        done = subprocess.run(
            [*UNSHARE, "sh", "-c", TRY], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")
