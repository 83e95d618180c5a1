"""The distribution's packages that a lab stands on, for Debian and Ubuntu."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from naru.errors import NaruError
from naru.lab.infra import rabbitmq

POLICY = Path("/usr/sbin/policy-rc.d")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Package:
    """A package, the program (or file, when it begins with /) that shows it is there, and what asks for it."""

    name: str
    shown_by: str
    needed_for: str = "core"


MULTIARCH = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"  # as Debian names directories
LIBRARIES = f"/usr/lib/{MULTIARCH}"

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
    Package("libffi-dev", f"/usr/include/{MULTIARCH}/ffi.h"),
    Package("libssl-dev", "/usr/include/openssl/ssl.h"),
    Package("bind9", "named", "designate"),
    Package("bind9-utils", "rndc", "designate"),
    Package("libvirt-daemon", "libvirtd", "guests"),
    Package(
        "libvirt-daemon-driver-qemu",
        f"{LIBRARIES}/libvirt/connection-driver/libvirt_driver_qemu.so",
        "guests",
    ),
    Package("libvirt-clients", "virsh", "guests"),  # not used by the lab: to look into it
    Package("libvirt-dev", "/usr/include/libvirt/libvirt.h", "guests"),
    Package("pkg-config", "pkg-config", "guests"),
    Package("qemu-system-x86", "qemu-system-x86_64", "guests"),
    Package("qemu-block-extra", f"{LIBRARIES}/qemu/block-rbd.so", "guests"),
    Package("syslinux", "syslinux", "guests"),
    Package("syslinux-common", "/usr/lib/syslinux/mbr/mbr.bin", "guests"),
    Package("mtools", "mcopy", "guests"),
    Package("e2fsprogs", "debugfs", "guests"),
    Package("iproute2", "ip", "guests"),
    Package("mmdebstrap", "mmdebstrap", "hosts"),
    Package("iproute2", "ip", "hosts"),
    Package("openssh-client", "ssh", "hosts"),
    Package("haproxy", "haproxy", "hosts' tests"),
    Package("nginx", "nginx", "hosts' tests"),
    Package("apache2-bin", "apache2", "hosts' tests"),
    Package("ipmitool", "ipmitool", "hosts' tests"),
    Package("openipmi", "ipmi_sim", "hosts with IPMI"),
    Package("slapd", "slapd", "ldap"),
    Package("ldap-utils", "ldapadd", "ldap"),
    Package("libldap-dev", "/usr/include/ldap.h", "ldap"),
    Package("libsasl2-dev", "/usr/include/sasl/sasl.h", "ldap"),
    Package("pkg-config", "pkg-config", "ldap"),
    Package("postgresql", "/usr/share/postgresql", "workers' tests"),
    Package("prometheus", "promtool", "metrics' tests"),
    Package("systemd-journal-remote", "/lib/systemd/systemd-journal-remote", "watch's tests"),
    Package("rsyslog", "rsyslogd", "watch's tests"),
    Package("prometheus-alertmanager", "prometheus-alertmanager", "alerts' tests"),
    Package("rclone", "rclone", "objects' benchmark"),
)


def present(package: Package) -> bool:
    """Whether the package is there, by its program or file; nothing is asked of the package manager."""
    if package.shown_by.startswith("/"):
        return os.path.exists(package.shown_by)  # noqa: PTH110 - a plain look, no path object needed
    return shutil.which(package.shown_by, path=PATH) is not None


def missing(needs: set[str], core: bool = True) -> list[str]:
    """Names of the packages that are not there, for `core` and the given further needs; without `core` for these."""
    wanted = [item for item in PACKAGES if item.needed_for in needs | ({"core"} if core else set())]
    return list(dict.fromkeys(item.name for item in wanted if not present(item)))


def install_command(names: list[str]) -> list[str]:
    """The one command that installs the packages. No service of theirs is started by it (policy-rc.d)."""
    return ["apt-get", "install", "-y", "--no-install-recommends", *names]


def check(needs: set[str], core: bool = True) -> None:
    """Raises NaruError naming every missing package and the one command that installs them."""
    if names := missing(needs, core):
        raise NaruError(
            f"packages are missing: {' '.join(names)}",
            hint=f"Install them with: naru lab deps --install   (or: {' '.join(install_command(names))})",
        )


def install(names: list[str]) -> None:
    """Installs the packages, and none of their daemons starts: the lab runs its own. Shows the manager's output."""
    if os.geteuid() != 0:
        raise NaruError("installing packages needs root", hint=f"Run: sudo {' '.join(install_command(names))}")
    with _no_daemons():
        for argv in (["apt-get", "update"], install_command(names)):
            argv[1:1] = ["-q", "-o", "DPkg::Lock::Timeout=600"]
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            if subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode:
                raise NaruError(f"{' '.join(argv)} failed", hint="Its messages are above.")


@contextmanager
def _no_daemons() -> Iterator[None]:
    """Debian's way to say that an installation may start nothing: a policy-rc.d that answers 101."""
    try:
        descriptor = os.open(POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:  # the machine has a policy of its own, which stays
        yield
        return
    try:
        with os.fdopen(descriptor, "w") as output:
            output.write("#!/bin/sh\nexit 101\n")
        yield
    finally:
        POLICY.unlink()
