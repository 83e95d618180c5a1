"""Looking on a host: `check.sh` is run there once, and what it said is read into a Look."""

import re
import socket
import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import asyncssh

from naru.errors import InputError, NaruError
from naru.site import script
from naru.site.names import is_address
from naru.site.ssh import Lost, Ran, Remote, Unreachable

SECONDS = 120.0
"""How long a host may take to answer."""

SCRIPT = script.text("check/check.sh")


class Container(NamedTuple):
    """A container that is there."""

    engine: str
    state: str
    pid: int
    id: str
    image: str


class Owner(NamedTuple):
    """Who listens at a port."""

    port: int
    pid: int
    name: str
    group: str


class Disk(NamedTuple):
    """A file system: where, and what it has in all and free; in KiB, or inodes."""

    kind: Literal["disk", "inodes"]
    mount: str
    size: int
    free: int


class Clock(NamedTuple):
    """How far a host's clock is ahead of this machine's: between these, in seconds."""

    least: float
    most: float


@dataclass
class Look:
    """All that was seen on a host. `root`: whether nothing was hidden."""

    root: bool = False
    whole: bool = False
    user: str = ""
    sudo: str = ""
    """Why sudo did not work, where it was asked for."""
    boot: str = ""
    name: str = ""
    uuid: str = ""
    serial: str = ""
    addresses: list[str] | None = field(default_factory=list)
    """None: not known."""
    clocks: list[float] = field(default_factory=list)
    clock: Clock | None = None
    disks: list[Disk] = field(default_factory=list)
    units: dict[str, dict[str, str]] = field(default_factory=dict)
    """Their properties by name; none where there is no systemd that answers."""
    engines: dict[str, str] = field(default_factory=dict)
    """Container engines: "" one that answers, else why not."""
    containers: dict[tuple[str, str], Container] = field(default_factory=dict)
    """By engine and name."""
    there: dict[str, list[str]] = field(default_factory=dict)
    """Names of units and containers that are there, where one that was asked for is not."""
    listening: list[tuple[str, int]] = field(default_factory=list)
    """Address, "" for all, and port."""
    inside: dict[str, set[int]] = field(default_factory=dict)
    """Ports in containers with a network of their own."""
    owners: list[Owner] = field(default_factory=list)
    status: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Of command lines, by key: exit code, what it said."""
    modules: dict[str, list[str]] = field(default_factory=dict)
    """Interpreters whose modules were seen, by key."""
    packages: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Distributions and versions, by key."""
    files: dict[str, str] = field(default_factory=dict)
    programs: dict[str, bool] = field(default_factory=dict)
    mounted: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """NFS shares: where, and whether it answers."""
    exports: list[str] | None = None
    """What the host exports by NFS; None when it is no NFS server that can be read."""
    ceph: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """Of a cluster and a question: exit code, answer."""
    no_ceph: set[str] = field(default_factory=set)


class Missed(NamedTuple):
    """A host that could not be looked at: which field of its line is at fault, why, what to do."""

    field: str
    what: str
    what_to_do: str
    certain: bool = True
    """Whether the field is wrong; else it is not known."""


async def look(remote: Remote, wanted: str) -> "Look | Missed":
    """What is to be seen on a host. `wanted` is what `naru.site.check.wanted` writes."""
    script = f"{SCRIPT}\n{wanted}\nlook </dev/null\n".encode()
    try:
        await remote.connection()
        found, ran = await _looked(remote, script, root=True)
        if remote.host.login.sudo and not found.whole and not _began(ran):
            why = " ".join(ran.errors.split())[-200:] or f"exit code {ran.code}"
            found, ran = await _looked(remote, script, root=False)
            found.sudo = why
    except NaruError as error:
        return missed(error)
    if not found.whole:
        why = " ".join(ran.errors.split())[-300:] or f"exit code {ran.code}"
        what = f"looking on it ended early: {why}"
        return Missed("", what, "Log in and run: sh -c 'echo works'. It needs sh, awk and sed.", certain=False)
    return found


async def _looked(remote: Remote, script: bytes, *, root: bool) -> "tuple[Look, Ran]":
    before = time.time()
    ran = await remote.run(["sh", "-s"], given=script, seconds=SECONDS, root=root)
    after = time.time()
    found = parse(ran.out)
    if len(found.clocks) == 2:
        # the host read its clock after we had asked, and again before we had its answer
        begin, end = found.clocks
        found.clock = Clock(end - after, begin - before)
    return found, ran


def _began(ran: "Ran") -> bool:
    return any(line.startswith("look\t") for line in ran.out.splitlines())


def missed(error: NaruError) -> Missed:
    """Which field of the host's line is at fault, by what the connection ended with."""
    cause = error.__cause__ if isinstance(error, Unreachable) else None
    reason = error.summary.partition(": ")[2] or error.summary
    detail = f" ({error.detail})" if error.detail else ""
    hint = error.hint
    match cause:
        case asyncssh.HostKeyNotVerifiable():
            return Missed("login.known_hosts", f"{reason}{detail}", hint)
        case asyncssh.PermissionDenied():
            return Missed("login.user", f"{reason}{detail}", hint)
        case socket.gaierror():
            return Missed("address", "its name is not found", "Correct address, or give one.")
        case TimeoutError():
            return Missed("address", reason, "See whether it is on, and whether the address is its own.")
        case ConnectionRefusedError():
            return Missed("address", "nothing listens there", "Correct address or login.port, or start its sshd.")
        case asyncssh.ChannelOpenError() | asyncssh.DisconnectError():
            return Missed("", f"{reason}{detail}", "Run it again; see the log of its sshd.", certain=False)
        case OSError() if cause.filename:
            return Missed("login", f"{cause.filename}: {cause.strerror}", "Correct login of it, or of the site.")
        case ValueError():
            return Missed("login.key", reason, "Correct login.key of it or of the site.")
    if isinstance(error, InputError):
        return Missed("login", error.summary, error.hint or "Correct the secret that login names.")
    if isinstance(error, Lost):
        return Missed("", f"{reason}{detail}", "Run it again; see whether the host is on.", certain=False)
    if isinstance(error, Unreachable):
        return Missed(
            "address", f"{reason}{detail}", hint or "See whether it is on, and whether the address is its own."
        )
    return Missed("", f"{reason}{detail}", hint or "Run it again.", certain=False)


_PACKAGE = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(-py[\d.]+)?\.(dist-info|egg-info|egg-link)")


def parse(text: str) -> Look:
    """What the lines of the script say. Lines of any other kind, as a shell's greeting, are passed over."""
    found = Look()
    for line in text.splitlines():
        kind, *values = line.split("\t")
        match kind, values:
            case "end", []:
                found.whole = True
            case "root", [said]:
                found.root = said == "yes"
            case (("user" | "boot" | "name" | "uuid" | "serial"), [value]):
                setattr(found, kind, value)
            case "clock", [value] if re.fullmatch(r"\d+(\.\d+)?", value):
                found.clocks.append(float(value))
            case "lacks", ["ip"]:
                found.addresses = None
            case "address", [_, address] if is_address(address) and found.addresses is not None:
                found.addresses.append(address)
            case (("disk" | "inodes"), [mount, size, free]) if size.isdigit() and free.isdigit():
                found.disks.append(Disk(kind, mount, int(size), int(free)))
            case "unit", [name, *properties]:
                pairs = (one.partition("=") for one in properties if "=" in one)
                found.units[name] = {key: value for key, _, value in pairs}
            case "engine", [engine, *said]:
                found.engines[engine] = "" if said == ["there"] else " ".join(said)
            case "container", [engine, name, state, pid, number, image]:
                found.containers[engine, name] = Container(engine, state, _number(pid), number, image)
            case "there", [what, name]:
                found.there.setdefault(what, []).append(name)
            case "listens", [_, where]:
                found.listening.append(_socket(where))
            case "inside", [name, where]:
                found.inside.setdefault(name, set()).add(_socket(where)[1])
            case "owner", [port, pid, name, group]:
                found.owners.append(Owner(_number(port), _number(pid), name, group))
            case "status", [key, code, said]:
                found.status[key] = (_number(code), said.strip())
            case "modules", [key, python]:
                found.modules.setdefault(key, []).append(python)
            case "package", [key, _, file]:
                if match_ := _PACKAGE.fullmatch(file):
                    name = re.sub(r"[-_.]+", "-", match_["name"]).lower()
                    found.packages.setdefault(key, []).append((name, match_["version"]))
            case "file", [path, what]:
                found.files[path] = what
            case "program", [name, said]:
                found.programs[name] = said == "yes"
            case "mounted", [source, target, said]:
                found.mounted[source] = (target, said == "answers")
            case "exports", ["yes"]:
                found.exports = []
            case "exported", [path] if found.exports is not None:
                found.exports.append(path)
            case "ceph", [key, "none"]:
                found.no_ceph.add(key)
            case "ceph", [key, what, code, said]:
                found.ceph[key, what] = (_number(code), said.strip())
    return found


def key(line: str) -> str:
    """A command line as the script gives it back: on one line, without tabs."""
    return " ".join(line.split())


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _socket(text: str) -> tuple[str, int]:
    """An address of /proc/net/tcp, "" for all, and its port: hexadecimal, each four bytes the other way round."""
    where, _, port = text.partition(":")
    raw = bytes.fromhex(where)
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if not any(turned):
        return "", int(port, 16)
    if len(turned) == 16 and turned[:12] == b"\0" * 10 + b"\xff\xff":
        turned = turned[12:]
    family = socket.AF_INET if len(turned) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, turned), int(port, 16)
