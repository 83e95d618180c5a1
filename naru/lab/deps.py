"""The distribution's packages that a lab stands on, for Debian and Ubuntu."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from naru.errors import NaruError
from naru.lab.infra import rabbitmq

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Package:
    """A package, the program (or file, when it begins with /) that shows it is there, and what asks for it."""

    name: str
    shown_by: str
    needed_for: str = "core"


PACKAGES = (
    Package("mariadb-server", "mariadbd"),
    Package("rabbitmq-server", str(rabbitmq.ROOT)),
    Package("memcached", "memcached"),
    Package("qemu-utils", "qemu-img"),
    Package("ceph-mon", "ceph-mon"),
    Package("ceph-mgr", "ceph-mgr"),
    Package("ceph-osd", "ceph-osd"),
    Package("ceph-common", "rbd"),
    Package("openssl", "openssl"),
    # what wheels of nine years ago are built with
    Package("gcc", "gcc"),
    Package("g++", "g++"),
    Package("libffi-dev", "/usr/include/x86_64-linux-gnu/ffi.h"),
    Package("libssl-dev", "/usr/include/openssl/ssl.h"),
    Package("bind9", "named", "designate"),
    Package("bind9-utils", "rndc", "designate"),
)


def present(package: Package) -> bool:
    """Whether the package is there, by its program or file; nothing is asked of the package manager."""
    if package.shown_by.startswith("/"):
        return os.path.exists(package.shown_by)  # noqa: PTH110 - a plain look, no path object needed
    return shutil.which(package.shown_by, path=PATH) is not None


def missing(needs: set[str]) -> list[str]:
    """Names of the packages that are not there, for `core` and the given further needs."""
    return [item.name for item in PACKAGES if item.needed_for in needs | {"core"} and not present(item)]


def install_command(names: list[str]) -> list[str]:
    """The one command that installs the packages. No service of theirs is started by it (policy-rc.d)."""
    return ["apt-get", "install", "-y", "--no-install-recommends", *names]


def check(needs: set[str]) -> None:
    """Raises NaruError naming every missing package and the one command that installs them."""
    if names := missing(needs):
        raise NaruError(
            f"packages are missing: {' '.join(names)}",
            hint=f"Install them with: naru lab deps --install   (or: {' '.join(install_command(names))})",
        )


def install(names: list[str]) -> None:
    """Installs the packages and keeps the distribution from starting their daemons: the lab runs its own."""
    if os.geteuid() != 0:
        raise NaruError("installing packages needs root", hint=f"Run: sudo {' '.join(install_command(names))}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for argv in (["apt-get", "update"], install_command(names)):
        argv[1:1] = ["-q", "-o", "DPkg::Lock::Timeout=600"]
        if subprocess.run(argv, env=env, stdin=subprocess.DEVNULL).returncode:
            raise NaruError(f"{' '.join(argv)} failed", hint="Its messages are above.")
