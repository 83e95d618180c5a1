"""Heartbeats as they are heard: signed packets with numbers that only grow, of hosts and of other witnesses.

A packet that is not signed, or was heard before, is counted and proves nothing. A host of which only such arrive is
unknown, never silent: its clock may have been set back over a restart, or its key be the old one.
"""

import json
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naru.errors import InputError
from naru.operate.guard.beat import unpack
from naru.operate.guard.evidence import Said, Witness
from naru.operate.guard.memory import Reading

SILENT = 35.0
"""Seconds without a beat after which a host is silent: three that were missed."""
REJECTED = 60.0
"""Seconds for which packets that were rejected make a host unknown."""
REPORT = 45.0
"""Seconds after which a witness that reports nothing is not one any more."""
PART = 200
"""Hosts in one packet of a report."""


@dataclass
class _Host:
    newest: tuple[int, int] = (-1, -1)
    at: float | None = None
    rejected: float | None = None
    hears: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass
class _Report:
    domain: str
    at: float
    sees: bool
    hosts: dict[str, tuple[Said, float]] = field(default_factory=dict)


def bound(address: tuple[str, int], option: str = "--listen") -> socket.socket:
    """A socket that hears packets at an address, which was given by an option. Raises InputError where there can be
    none."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        found.bind(address)
    except OSError as error:
        found.close()
        host, port = address
        hint = "Give an address of this machine and a free port."
        raise InputError(f"{option} {host}:{port}: {error.strerror}", hint=hint) from error
    found.settimeout(0.5)
    return found


class Listener:
    """What one witness hears. `newest` are the last numbers of each sender, kept over restarts, so that nothing is
    heard twice. Times are of a clock that only goes forward."""

    def __init__(self, keys: Sequence[bytes], newest: Mapping[str, Sequence[int]] | None = None) -> None:
        self.keys = keys
        self.rejected = 0
        self._hosts: dict[str, _Host] = {}
        self._reports: dict[str, _Report] = {}
        for name, (boot, number) in (newest or {}).items():
            self._hosts[name] = _Host((boot, number))

    @property
    def newest(self) -> dict[str, tuple[int, int]]:
        """The last numbers of each sender."""
        return {name: one.newest for name, one in self._hosts.items() if one.newest != (-1, -1)}

    def take(self, packet: bytes, now: float) -> bool:
        """Takes down a packet; whether it was a good one."""
        try:
            kind, name, boot, number, said = unpack(self.keys, packet)
        except ValueError:
            self.rejected += 1
            self._blame(packet, now)
            return False
        host = self._hosts.setdefault(name, _Host())
        if (boot, number) <= host.newest:
            self.rejected += 1
            host.rejected = now
            return False
        host.newest, host.at = (boot, number), now
        if kind == "beat":
            host.hears, host.peers = _names(said.get("hears")), _names(said.get("peers"))
        elif kind == "report":
            self._report(name, said, now)
        return True

    def _blame(self, packet: bytes, now: float) -> None:
        """Of whom a packet says to be that is not signed: what it says is believed in that alone, which only ever
        keeps something from being done."""
        try:
            name = json.loads(packet[64:])[2]
        except (ValueError, IndexError, TypeError, KeyError, RecursionError):
            return
        if isinstance(name, str) and name in self._hosts:
            self._hosts[name].rejected = now

    def _report(self, name: str, said: Mapping[str, Any], now: float) -> None:
        domain, sees, hosts = said.get("domain"), said.get("sees"), said.get("hosts")
        if not isinstance(domain, str) or not isinstance(sees, bool) or not isinstance(hosts, dict):
            return
        found = self._reports.setdefault(name, _Report(domain, now, sees))
        found.domain, found.at, found.sees = domain, now, sees
        for host, one in hosts.items():
            if one in ("alive", "silent", "unknown"):
                found.hosts[host] = (one, now)

    def says(self, host: str, now: float) -> Said:
        """What this witness itself has heard of a host."""
        found = self._hosts.get(host)
        if found is None:
            return "unknown"
        if found.at is not None and now - found.at <= SILENT:
            return "alive"
        if found.rejected is not None and now - found.rejected <= REJECTED:
            return "unknown"
        return "silent"

    def readings(
        self, hosts: Iterable[str], own: str, domain: str, racks: Mapping[str, str], now: float
    ) -> Iterator[Reading]:
        """What is known of the hosts: by this witness, whose name is `own`, by those that report to it, and by the
        hosts' peers. A peer that is not heard itself says nothing; its domain is its rack."""
        wanted = list(hosts)
        for host in wanted:
            yield Reading(host, "heartbeat", own, domain, self.says(host, now))
            for name, report in self._reports.items():
                said, at = report.hosts.get(host, ("unknown", now))
                yield Reading(host, "heartbeat", name, report.domain, said if now - at <= REPORT else "unknown")
        for peer, found in self._hosts.items():
            if not found.peers:
                continue
            speaks = self.says(peer, now) == "alive"
            for host in found.peers:
                said = ("alive" if host in found.hears else "silent") if speaks else "unknown"
                yield Reading(host, "peers", peer, racks.get(peer) or peer, said)

    def witnesses(self, now: float) -> tuple[Witness, ...]:
        """Those that report, and whether they see the controllers."""
        return tuple(
            Witness(name, one.domain, one.sees if now - one.at <= REPORT else None)
            for name, one in sorted(self._reports.items())
        )

    def report(self, domain: str, sees: bool, now: float) -> Iterator[dict[str, Any]]:
        """What this witness tells another one, in packets of some hundred hosts each."""
        names = sorted(name for name in self._hosts if name not in self._reports)
        for at in range(0, max(1, len(names)), PART):
            part = {name: self.says(name, now) for name in names[at : at + PART]}
            yield {"domain": domain, "sees": sees, "hosts": part}


def _names(given: Any) -> tuple[str, ...]:
    return tuple(one for one in given if isinstance(one, str)) if isinstance(given, list) else ()
