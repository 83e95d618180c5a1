"""What an installer leaves on a host's disk: its name, addresses, keys. The disk lies over the frozen base."""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from naru.lab.hosts import router
from naru.lab.hosts.layout import MANAGEMENT, Host

NETWORKS = Path("/etc/systemd/network")
"""Where systemd-networkd reads of a host's interfaces; it is not root."""
HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


def below(root: Path, path: Path) -> Path:
    """The absolute path below another root."""
    return root / path.relative_to("/")


def make_key(file: Path, comment: str) -> None:
    """A new pair of SSH keys, FILE and FILE.pub, as ssh-keygen makes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    file.touch(mode=0o600)
    file.write_bytes(private)
    file.with_name(f"{file.name}.pub").write_text(f"{public.decode()} {comment}\n")


def make(directory: Path, host: Host, hosts: list[Host], authorized: str) -> None:
    """The disk of a new host in DIRECTORY/disk; `authorized` is the public key that may log in as root."""
    disk = directory / "disk"
    for name in ("etc/systemd/network", "etc/ssh", "root/.ssh"):
        (disk / name).mkdir(parents=True, exist_ok=True)
    for name in ("root", "root/.ssh"):
        (disk / name).chmod(0o700)
    (directory / "work").mkdir(exist_ok=True)
    (directory / "root").mkdir(exist_ok=True)
    lines = [f"{other.address(MANAGEMENT).ip} {other.name}" for other in hosts]
    texts = {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": "\n".join(["127.0.0.1 localhost", *lines, ""]),
        "etc/machine-id": hashlib.md5(f"{directory}".encode(), usedforsecurity=False).hexdigest() + "\n",
        "root/.ssh/authorized_keys": authorized,
    }
    for name in host.networks:
        texts[f"{network_file(host.nic(name))}"[1:]] = network(host, name, host.nic(name))
    if host.is_router:
        texts |= router.files(host, [other for other in hosts if other.is_router])
        enable(disk, router.UNIT)
    for name, text in texts.items():
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_text(text)
    make_key(disk / HOST_KEY, host.name)


def network_file(interface: str) -> Path:
    """Where on the host's disk systemd-networkd reads of the interface."""
    return NETWORKS / f"10-{interface}.network"


def network(host: Host, name: str, interface: str) -> str:
    """What systemd-networkd reads of the interface at which the host is in the network: its address and routes."""
    routes = "".join(f"\n[Route]\nDestination={to}\nGateway={by}\n" for to, by in host.routes(name).items())
    return f"{without_address(interface)}Address={host.address(name)}\n{routes}"


def without_address(interface: str) -> str:
    """The same of an interface that is up and has no address, as one that is part of a bridge."""
    return f"[Match]\nName={interface}\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"


def enable(disk: Path, unit: str, name: str = "") -> None:
    """The unit in that file starts at each boot; a template's as the instance of that `name`."""
    link = disk / "etc/systemd/system/multi-user.target.wants" / (name or Path(unit).name)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)  # of an attempt that was killed
    link.symlink_to(unit)


def public_key(directory: Path) -> str:
    """The public half of the host's key, as ssh's known_hosts has it after the name."""
    kind, key, *_ = (directory / "disk" / f"{HOST_KEY}.pub").read_text().split()
    return f"{kind} {key}"
