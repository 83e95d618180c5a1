"""What hosts say of themselves that are to have OSDs: one script over one connection to each, all at once."""

import ipaddress
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import Any

from naru.errors import NaruError
from naru.site.check.look import Clock
from naru.site.ssh import Fleet, Remote

SECONDS = 120.0
"""How long a host may take to answer."""
_SCRIPT = (files("naru.operate.scale.osd") / "scripts" / "look.sh").read_text()


@dataclass(frozen=True)
class Interface:
    """An address of a host, with its network and the MTU of where it is."""

    address: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    mtu: int


@dataclass(frozen=True)
class Disk:
    """A disk as the host has it: what it is, its bytes, what is written on it, what holds it."""

    path: str
    kind: str
    real: str = ""
    size: int = 0
    is_read_only: bool = False
    parts: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    busy: str = ""


@dataclass(frozen=True)
class Look:
    """All that a host said. `clock` is how far its clock is ahead of this machine's."""

    name: str = ""
    system: str = ""
    clock: Clock | None = None
    programs: frozenset[str] = frozenset()
    interfaces: tuple[Interface, ...] = ()
    disks: Mapping[str, Disk] = field(default_factory=dict)
    """By the path that was asked for."""


def look(fleet: Fleet, disks: Mapping[str, Sequence[str]]) -> dict[str, Look | NaruError]:
    """What each of the hosts says, and of which disks; an error where it does not answer."""

    async def one(remote: Remote) -> Look:
        argv = ["sh", "-s", "--", *disks.get(remote.name, ())]
        before = time.time()
        said = await remote.checked(argv, given=_SCRIPT.encode(), seconds=SECONDS)
        try:
            return parse(said, before, time.time())
        except (ValueError, KeyError) as error:
            raise NaruError(f"{remote.name}: what it says of itself cannot be read", detail=str(error)) from error

    return fleet.each(list(disks), one)


def parse(said: str, before: float, after: float) -> Look:
    """What the script said, asked at `before` and answered at `after` (seconds since 1970 by this machine)."""
    parts: dict[str, list[str]] = {}
    clocks: list[float] = []
    for text in re.split(r"^== ", said, flags=re.MULTILINE)[1:]:
        title, _, body = text.partition("\n")
        if title == "clock":
            clocks.append(float(body.strip()))
        else:
            parts[title] = [line for line in body.splitlines() if line.strip()]
    if "end" not in parts:
        raise NaruError("looking on the host ended early", hint="It needs sh, ip, lsblk and wipefs.")
    paths = [title.partition(" ")[2] for title in parts if title.startswith("kind ")]
    return Look(
        name=" ".join(parts.get("name", [])).strip(),
        system=" ".join(parts.get("system", [])).strip(),
        # the host read its clock after we had asked, and again before we had its answer
        clock=Clock(clocks[-1] - after, clocks[0] - before) if len(clocks) == 2 else None,
        programs=frozenset(parts.get("programs", [])),
        interfaces=tuple(_interfaces(parts.get("addresses", []))),
        disks={path: _disk(path, partial(_of, parts, path)) for path in paths},
    )


def _of(parts: Mapping[str, list[str]], path: str, title: str) -> list[str]:
    return parts.get(f"{title} {path}", [])


def _interfaces(lines: list[str]) -> Any:
    for one in json.loads("\n".join(lines) or "[]"):
        for address in one.get("addr_info", ()):
            if address.get("scope") == "link" or "local" not in address:
                continue
            network = ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)
            yield Interface(str(address["local"]), network, int(one.get("mtu", 0)))


def _disk(path: str, of: Any) -> Disk:
    (kind,) = of("kind") or ["missing"]
    if kind != "block":
        return Disk(path, kind)
    blocks = json.loads("\n".join(of("blocks")) or "{}").get("blockdevices", [])
    top = blocks[0] if blocks else {}
    every = list(_tree(top))
    return Disk(
        path=path,
        kind=kind,
        real="".join(of("real")).strip(),
        size=int(top.get("size") or 0),
        is_read_only=str(top.get("ro")).lower() in ("1", "true"),  # older ones say "1"
        parts=tuple(str(one["name"]) for one in every[1:]),
        mounts=tuple(str(one["mountpoint"]) for one in every if one.get("mountpoint")),
        # OFFSET,UUID,LABEL,TYPE
        signatures=tuple(line.strip().split(",")[-1] for line in of("signatures")),
        holders=tuple(of("holders")),
        busy="".join(of("exclusive")).strip(),
    )


def _tree(one: Mapping[str, Any]) -> Any:
    if one:
        yield one
        for child in one.get("children", ()):
            yield from _tree(child)


def on(look: Look, address: str) -> Interface | None:
    """The host's interface with this address."""
    return next((one for one in look.interfaces if one.address == address), None)


def within(look: Look, network: Any) -> Interface | None:
    """The first of the host's interfaces in that network."""
    return next((one for one in look.interfaces if one.network == network), None)
