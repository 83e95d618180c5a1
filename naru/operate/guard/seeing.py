"""What the guard asks of the cloud, of power controllers and of the guests' storage in a round."""

import contextlib
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from naru.cloud.client import Cloud
from naru.cloud.transport import GaveUp
from naru.errors import NaruError
from naru.operate import compute
from naru.operate.drain.facts import Facts
from naru.operate.drain.reading import read
from naru.operate.drain.room import place
from naru.operate.evacuate.fencing import Said, identity, power_of
from naru.operate.evacuate.rules import TAKEN, decide
from naru.operate.evacuate.work import MARK
from naru.operate.guard.beat import unpack
from naru.operate.guard.evidence import Host, PowerState
from naru.operate.guard.gates import NEEDED
from naru.operate.guard.heartbeat import SILENT
from naru.operate.guard.memory import Reading
from naru.site.hostnames import host_of, short
from naru.site.site import Site

ROOM = 120.0
"""Seconds for which it is known what servers a host has, and whether others have room."""
POWER = 20.0
"""Seconds for which it is known what the power controller of a host that is down says."""
DAY = 86400.0
WORKERS = 16
MANY = 4
"""Hosts that are down at once, beyond which room for their servers is not looked for: a human is asked first."""


class Patience:
    """How long a round waits for the cloud in all: `seconds` from `begin` on. Then nothing is known of it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begin()

    def begin(self) -> None:
        self._until = time.monotonic() + self._seconds

    def __call__(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise GaveUp("no answer in time")
        return left


class CloudSeen(NamedTuple):
    """What Nova says: its compute services, whether that could be read, when each last reported, whether it can be told
    that a host is down, which cells it does not reach."""

    services: list[compute.Item]
    readable: bool
    reports: dict[str, str]
    force_down: bool
    unknown_cells: tuple[str, ...] = ()


class Seeing:
    """The cloud and the site, as far as the guard asks them. `shared` says that disks of servers lie on storage that
    hosts share; `directory` is the guard's, with the identities of hosts."""

    def __init__(self, cloud: Cloud, site: Site, directory: Path, *, shared: bool) -> None:
        self.cloud, self.site, self.directory, self.shared = cloud, site, directory, shared
        self._known: dict[str, tuple[float, tuple[str, ...] | None, bool | None]] = {}
        self._power: dict[str, tuple[float, Said | None]] = {}
        self._turn: list[str] = []
        self._off: set[str] = set()

    def services(self) -> CloudSeen:
        """One reading of Nova."""
        try:
            found, away = compute.services_reached(self.cloud)
            force_down = self.cloud.supports("compute", "2.11")
        except NaruError:
            return CloudSeen([], False, {}, True)
        reports = {str(one["host"]): str(one.get("updated_at")) for one in found if one["state"] == "up"}
        cells = {self._cell_of(name) or f"that of {name}" for name in away}
        return CloudSeen(found, True, reports, force_down, tuple(sorted(cells)))

    def hosts(self, services: Iterable[compute.Item], in_flight: Collection[str]) -> list[Host]:
        """The hosts by Nova's word, with rack, cell and roles by the site's. More is asked of those alone that are
        down."""
        rows = list(services)
        names = [str(one["host"]) for one in rows]
        shorts = [short(one) for one in names]
        found = []
        for one in rows:
            name = str(one["host"])
            ours = host_of(self.site, name)
            reason = str(one.get("disabled_reason") or "")
            host = Host(
                name,
                str(one["id"]),
                "up" if one["state"] == "up" else "down" if one["state"] == "down" else "unknown",
                rack=ours.rack if ours else "",
                zone=str(one.get("zone") or ""),
                cell=self._cell_of(name),
                enabled=one["status"] == "enabled",
                forced_down=bool(one.get("forced_down")),
                ours=reason.startswith(MARK),
                is_clear=shorts.count(short(name)) == 1 and names.count(name) == 1,
                roles=self._roles(ours.name if ours else ""),
                in_flight=name in in_flight,
            )
            found.append(host)
        down = [one for one in found if one.nova != "up" and one.enabled and not one.forced_down]
        with ThreadPoolExecutor(WORKERS) as pool:
            closer = pool.map(lambda one: self._closer(one, whole=len(down) <= MANY), down)
            known = {one.name: one for one in closer}
        return [known.get(one.name, one) for one in found]

    def _cell_of(self, name: str) -> str:
        """The cell of a host, as Nova calls it. Its API does not say so: a group of the site does, whose name begins
        with cell."""
        ours = host_of(self.site, name)
        return next((one for one in self.site.groups_of(ours.name) if one.startswith("cell")), "") if ours else ""

    def _roles(self, name: str) -> tuple[str, ...]:
        """What a host is besides: what the site has there that a power cut would stop."""
        if not name:
            return ()
        part, found = self.site.part, []
        for kind in ("databases", "queues", "load_balancers"):
            found += [one.kind for one in getattr(part, kind) if self._is_on(one.hosts, name)]
        for one in part.storage:
            for field in ("monitors", "osds", "hosts"):
                if self._is_on(getattr(one, field, ()), name):
                    found.append(f"{one.kind} {field}")
        return tuple(sorted(set(found)))

    def _is_on(self, names: Iterable[str], name: str) -> bool:
        return any(one.name == name for one in self.site.named(names))

    def _closer(self, host: Host, *, whole: bool) -> Host:
        """What is asked of a host that is down: its power controller, its servers, and, if it is to be the `whole`,
        room for them."""
        said = self.power(host.name)
        servers, room = self._servers(host.name) if whole else (self._listed(host.name), None)
        return replace(host, power=said[0], identified=said[1], servers=servers, room=room)

    def power(self, name: str) -> tuple[PowerState, bool | None]:
        """What the power controller of a host says, and whether it is its own."""
        ours = host_of(self.site, name)
        if ours is None or ours.power is None:
            return "none", None
        at, said = self._power.get(name, (-POWER, None))
        if said is None or time.monotonic() - at > POWER:
            said = power_of(self.site, ours, identity(str(self.directory), ours.name))
            self._power[name] = time.monotonic(), said
        return said.state, said.identified

    def powers(self, hosts: Iterable[Host], every: float) -> dict[str, PowerState]:
        """What power controllers say of hosts that are up: in turn, so that each is asked once a day, and again in each
        round as long as one says off. Whoever says off of a host that lives is found out so before it matters."""
        up = [one.name for one in hosts if one.nova == "up"]
        if not self._turn:
            self._turn = list(up)
        count = max(1, round(len(self._turn) * every / DAY))
        asked = [one for one in {*self._turn[:count], *self._off} if one in set(up)]
        del self._turn[:count]
        with ThreadPoolExecutor(WORKERS) as pool:
            found = dict(zip(asked, (said[0] for said in pool.map(self.power, asked)), strict=True))
        self._off = {name for name, said in found.items() if said == "off"}
        return found

    def _listed(self, name: str) -> tuple[str, ...] | None:
        """The servers in a status that Nova takes."""
        try:
            return tuple(str(one["id"]) for one in compute.servers_on(self.cloud, name) if one["status"] in TAKEN)
        except NaruError:
            return None

    def _servers(self, name: str) -> tuple[tuple[str, ...] | None, bool | None]:
        """The servers that can be evacuated, and whether others have room for all of them; None for what cannot be
        read."""
        at, servers, room = self._known.get(name, (-ROOM, None, None))
        if time.monotonic() - at <= ROOM and servers is not None:
            return servers, room
        try:
            facts = Facts(read(self.cloud, name, 0.0, lambda what: None))
            decisions = decide(facts, {}, self.shared)
        except NaruError:
            servers, room = None, None
        else:
            going = [one.server for one in decisions if one.action == "evacuate" and one.server.status in TAKEN]
            servers = tuple(one.id for one in going)
            # where all do not fit, those that come first do: that is no reason to have none come up
            room = any(one.host for one in place(going, facts.targets).values()) if going else True
        self._known[name] = time.monotonic(), servers, room
        return servers, room

    def health(self) -> dict[str, bool | None]:
        """Whether what an evacuation needs is known to be well. A cloud without Placement, or without Cinder, needs
        none."""
        found: dict[str, bool | None] = dict.fromkeys(NEEDED)
        with contextlib.suppress(NaruError):
            services = list(self.cloud.items("compute", "/os-services", "services"))
            for name in ("scheduler", "conductor"):
                found[name] = any(one["binary"] == f"nova-{name}" and one["state"] == "up" for one in services)
        with contextlib.suppress(NaruError):
            self.cloud("network", "GET", "/networks?limit=1")
            found["network"] = True
        with contextlib.suppress(NaruError):
            found["storage"] = not self.cloud.has("block-storage") or any(
                one["binary"] == "cinder-volume" and one["state"] == "up"
                for one in self.cloud("block-storage", "GET", "/os-services")["services"]
            )
        with contextlib.suppress(NaruError):
            found["placement"] = not self.cloud.has("placement") or bool(self.cloud("placement", "GET", "/"))
        return found


class StorageBeats:
    """The files that hosts write to the guests' storage, as this machine sees them (`beat.py --file`): NAME.beat in a
    directory. What counts is that a file changes into a newer packet, never its time."""

    def __init__(self, directory: Path, keys: list[bytes], seconds: float = 5.0) -> None:
        self.directory, self.keys, self.seconds = directory, keys, seconds
        self._newest: dict[str, tuple[tuple[int, int], float]] = {}
        self._reader: threading.Thread | None = None

    def readings(self, hosts: Iterable[str], now: float) -> Iterator[Reading]:
        """What the files say of the hosts. Where the directory cannot be read, or not within some seconds (NFS waits
        for its server for ever), nothing is known of any."""
        names = list(hosts)
        read = self._read(names)
        for host in names:
            file = self.directory / f"{host}.beat"
            try:
                _, name, boot, number, _ = unpack(self.keys, read[host])
            except (KeyError, ValueError):
                yield Reading(host, "storage", "storage", "storage", "unknown", f"{file} cannot be read")
                continue
            newest, at = self._newest.get(host, ((-1, -1), now))
            if name == host and (boot, number) > newest:
                # of the first look it is not known when it was written
                at = now if newest != (-1, -1) else now - SILENT - 1
                self._newest[host] = (boot, number), at
            yield Reading(host, "storage", "storage", "storage", "alive" if now - at <= SILENT else "silent")

    def _read(self, names: list[str]) -> dict[str, bytes]:
        """The files that could be read, in a thread of its own: one that is stuck is left, and no other is begun."""
        if self._reader and self._reader.is_alive():
            return {}
        found: dict[str, bytes] = {}

        def read() -> None:
            for name in names:
                with contextlib.suppress(OSError):
                    found[name] = (self.directory / f"{name}.beat").read_bytes()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        self._reader.join(self.seconds)
        return {} if self._reader.is_alive() else found
