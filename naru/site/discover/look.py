"""Looking on a host: `look.sh` is run there once, and what it said is read into a Look."""

import ipaddress
from dataclasses import dataclass, field

from naru.errors import NaruError
from naru.site import script
from naru.site.names import is_address
from naru.site.ssh import Remote

SECONDS = 120.0
"""How long a host may take to answer."""

SCRIPT = script.text("discover/look.sh")


@dataclass(frozen=True)
class Container:
    """A container. `mounts` are what it has of the host's files: inside, outside."""

    engine: str
    id: str
    name: str
    state: str
    image: str
    mounts: dict[str, str]


@dataclass
class Process:
    """The first process of a service. `words` are those that say what it is and where its files are."""

    pid: str
    name: str
    group: str
    args: list[str]
    words: list[tuple[str, str]]
    logs: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    config: list[str] = field(default_factory=list)
    settings: dict[tuple[str, str], str] = field(default_factory=dict)
    """By section and key; of what is there twice the last, as services read their files."""
    titles: list[str] = field(default_factory=list)
    """Of the processes in it that Apache runs for others."""
    sockets: list[tuple[str, str]] = field(default_factory=list)
    """HAProxy's: path, level."""
    virtual: list[str] = field(default_factory=list)


@dataclass
class Look:
    """All that was seen on a host. `root`: whether nothing was hidden; `whole`: whether the script came to its end."""

    root: bool = False
    whole: bool = False
    machine: str = ""
    names: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    bmc: str = ""
    units: dict[str, str] = field(default_factory=dict)
    """The state of each."""
    containers: list[Container] = field(default_factory=list)
    lxc: list[str] = field(default_factory=list)
    processes: dict[str, Process] = field(default_factory=dict)
    listening: set[int] = field(default_factory=set)
    connected: set[tuple[str, int]] = field(default_factory=set)
    settings: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    """Of services that Apache runs, by project."""
    config: dict[str, list[str]] = field(default_factory=dict)
    aliases: list[tuple[str, str]] = field(default_factory=list)
    """Of Apache: its file, the program that it serves."""
    balances: dict[str, list[str]] = field(default_factory=dict)
    """The files of nginx and Apache in which they balance."""
    backends: dict[str, list[str]] = field(default_factory=dict)
    """HAProxy's, with the addresses of their servers."""
    shares: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def look(remote: Remote) -> Look:
    """What is to be seen on a host. Raises NaruError."""
    done = await remote.run(["sh", "-s"], given=SCRIPT.encode(), seconds=SECONDS)
    found = parse(done.out)
    if not found.whole:
        raise NaruError(
            f"{remote.name}: looking on it ended early (exit code {done.code})", detail=done.errors.strip()[-500:]
        )
    return found


def parse(text: str) -> Look:
    """What the lines of the script say. Lines of any other kind, as a shell's greeting, are passed over."""
    found = Look()
    inodes: dict[str, int] = {}
    sockets: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        kind, *values = line.split("\t")
        match kind, values:
            case "root", [said]:
                found.root = said == "yes"
            case "end", []:
                found.whole = True
            case "machine", [number]:
                found.machine = number
            case "name", [name] if name and name not in found.names:
                found.names.append(name)
            case "address", [_, address] if is_address(address):
                found.addresses.append(address)
            case "bmc", [address] if is_address(address) and address != "0.0.0.0":
                found.bmc = address
            case "unit", [name, active, _]:
                found.units[name] = active
            case "container", [engine, number, name, state, image, *mounts]:
                pairs = (mount.partition("=") for mount in mounts)
                found.containers.append(
                    Container(engine, number, name.lstrip("/"), state, image, {inside: out for inside, _, out in pairs})
                )
            case "lxc", [name]:
                found.lxc.append(name)
            case "process", [pid, name, group, *words]:
                split = [(key, value) for key, _, value in (word.partition("=") for word in words)]
                args = [value for key, value in split if key == "arg"]
                found.processes[pid] = Process(pid, name, group, args, [one for one in split if one[0] != "arg"])
            case "wsgi", [pid, title] if pid in found.processes:
                found.processes[pid].titles.append(title)
            case "log", [pid, path] if pid in found.processes:
                found.processes[pid].logs.append(path)
            case "sockets", [pid, several]:
                sockets[pid] = several.split()
            case "listens", [address, inode]:
                inodes[inode] = _port(address)
                found.listening.add(_port(address))
            case "connected", [address]:
                found.connected.add((_address(address), _port(address)))
            case "config", [pid, path]:
                files = found.processes[pid].config if pid in found.processes else found.config.setdefault(pid, [])
                files.append(path)
            case "setting", [pid, _, within, key, value]:
                settings = (
                    found.processes[pid].settings if pid in found.processes else found.settings.setdefault(pid, {})
                )
                settings[within, key] = value
            case "alias", [file, program]:
                found.aliases.append((file, program))
            case "balances", [program, file]:
                found.balances.setdefault(program, []).append(file)
            case "socket", [pid, path, level] if pid in found.processes:
                found.processes[pid].sockets.append((path, level))
            case "balancer", [_, _, "listen" | "backend" | "frontend", section]:
                pass
            case "balancer", [_, _, "server", _, address]:
                found.backends.setdefault(section, []).append(address)
            case "virtual", [pid, address] if pid in found.processes and is_address(address):
                found.processes[pid].virtual.append(address)
            case "share", [source, _]:
                found.shares.append(source)
            case "refused", [engine]:
                found.refused.append(engine)
    for pid, process in found.processes.items():
        process.ports = sorted({inodes[inode] for inode in sockets.get(pid, ()) if inode in inodes})
    return found


def _port(text: str) -> int:
    return int(text.rpartition(":")[2], 16)


def _address(text: str) -> str:
    """An address of /proc/net/tcp: hexadecimal, each four bytes the other way round."""
    raw = bytes.fromhex(text.partition(":")[0])
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address = ipaddress.ip_address(turned)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
