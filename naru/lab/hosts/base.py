"""The frozen base of all hosts' disks: a small system of the machine's own distribution, made from its packages.

It is made once and kept in the cache, under a name that holds all that shaped it. Hosts only read it: what they write
goes to their own disks, over it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from naru.errors import NaruError
from naru.files import FileLock
from naru.lab.spec import cache_directory

# receives what is being done
Progress = Callable[[str], None]

PACKAGES = (
    "ca-certificates",
    "iproute2",
    "iputils-ping",
    "nftables",  # the holder's, for the wire to the machine
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
)
# manuals and languages, which nobody reads on a host of a lab
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")

ENABLED = {
    "multi-user.target.wants/ssh.service": "/lib/systemd/system/ssh.service",
    "multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    "default.target": "/lib/systemd/system/multi-user.target",
}
# what deals with hardware, a console, users' seats, or a kernel's settings, which are the machine's
MASKED = (
    "modprobe@.service",
    "systemd-sysusers.service",
    "systemd-remount-fs.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-settle.service",
    "systemd-logind.service",
    "dbus-org.freedesktop.login1.service",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "kmod-static-nodes.service",
    "dev-hugepages.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-fs-fuse-connections.mount",
    "systemd-firstboot.service",
    "systemd-repart.service",
    "systemd-random-seed.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-journald-audit.socket",
    "systemd-machine-id-commit.service",
    "getty.target",
    "console-getty.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-initctl.socket",
    "systemd-network-generator.service",
    "e2scrub_reap.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "motd-news.timer",
)
# each would be a process of every boot, to look for what no host has
GENERATORS = (
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-run-generator",
    "systemd-system-update-generator",
    "systemd-veritysetup-generator",
)

FILES = {
    "etc/systemd/journald.conf.d/naru.conf": """[Journal]
Storage=persistent
SystemMaxUse=32M
ForwardToConsole=no
ForwardToSyslog=no
RateLimitBurst=0
ReadKMsg=no
""",
    # routes of routing daemons are theirs
    "etc/systemd/networkd.conf.d/naru.conf": """[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
""",
    "etc/ssh/sshd_config": """HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 100:30:200
MaxSessions 50
Subsystem sftp internal-sftp
""",
    "etc/fstab": "",
    "etc/resolv.conf": "",
    "etc/machine-id": "",
    "etc/hostname": "unnamed\n",
}


def path(further: tuple[str, ...] = ()) -> Path:
    """Where the base of this machine's distribution, with further packages, is or would be."""
    packages = (*PACKAGES, *further)
    recipe = "\n".join(
        (*packages, *LEFT_OUT, *MASKED, *GENERATORS, *map(str, ENABLED.items()), *map(str, FILES.items()))
    )
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    return cache_directory() / "hosts" / f"{_codename()}-{key}"


def ensure(progress: Progress, further: tuple[str, ...] = ()) -> Path:
    """The base; made when there is none, which takes a minute or two and needs the distribution's packages.

    Daemons of `further` packages are there and not enabled. Raises NaruError when it cannot be made."""
    target = path(further)
    if target.exists():  # and no waiting for one that makes another
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / ".lock") as lock:
        lock.take(wait=True)
        if not target.exists():
            progress("making the base of the hosts' disks from the distribution's packages, once")
            _make(target, further)
    return target


def _make(target: Path, further: tuple[str, ...]) -> None:
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    log = target.with_name(f"{target.name}.log")
    argv = ["nice", "-n", "10", "mmdebstrap", "--variant=minbase", f"--include={','.join((*PACKAGES, *further))}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    argv += ["--aptopt=Acquire::Languages none", _codename(), str(new), *_sources()]
    try:
        with log.open("w") as output:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        if done.returncode:
            raise NaruError(
                "the base of the hosts' disks cannot be made from the distribution's packages",
                detail="\n".join(log.read_text().splitlines()[-5:]),
                hint=f"The whole output: {log}",
            )
        if further:
            _disable(new)
        _settle(new)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _disable(root: Path) -> None:
    """What packages enabled at their installation is enabled no more."""
    for unit in (root / "etc/systemd/system").glob("*.wants/*"):
        unit.unlink()


def _settle(root: Path) -> None:
    """What makes of an installed system the base of a host."""
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()  # each host has its own
    units = root / "etc/systemd/system"
    for name, unit in ENABLED.items():
        (units / name).parent.mkdir(parents=True, exist_ok=True)
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to(unit)
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for file in [*(units / name for name in MASKED), *(generators / name for name in GENERATORS)]:
        file.unlink(missing_ok=True)
        file.symlink_to("/dev/null")
    for name, content in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(content)
    (root / "var/log/journal").mkdir(exist_ok=True)


def _codename() -> str:
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = fields.get("VERSION_CODENAME", "").strip('"')
    if not codename:
        raise NaruError(
            "this machine's distribution has no code name in /etc/os-release", hint="Hosts need Debian or Ubuntu."
        )
    return codename


def _sources() -> list[str]:
    """Lines of the package sources that the machine has of its own distribution; other vendors' are not its base."""
    wanted = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    argv = ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    lines = []
    for target in done.stdout.splitlines():
        origin, uri, release, component = target.split("|")
        if origin in ("Debian", "Ubuntu") and release.startswith(_codename()):
            lines.append(f"deb {uri} {release} {component}")
    if not lines:
        raise NaruError(
            "the package manager knows no package of this machine's distribution",
            detail=done.stderr.strip(),
            hint="Run: apt-get update",
        )
    return list(dict.fromkeys(lines))
