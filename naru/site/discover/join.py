"""Which names and addresses are of one host: short and full names, addresses, hypervisors' names, as each source has
its own."""

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from naru.site.discover.found import Gap, HostSeen, Source, listed
from naru.site.names import is_address


@dataclass
class Joined:
    """One host, with all that sources say of it; what the first says counts."""

    name: str
    address: str
    login: dict[str, Any]
    rack: str
    zone: str
    power: str
    sources: list[str] = field(default_factory=list)


class Hosts:
    """The hosts of all sources. `gaps` has what could not be told apart, or is no host."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.gaps: list[Gap] = []
        self._seen: list[tuple[Source, HostSeen]] = [(source, one) for source in sources for one in source.hosts]
        self._parent = list(range(len(self._seen)))
        self._none: set[int] = set()
        self._by_name()
        self._by_address()
        self._by_short_name()
        self.hosts: dict[str, Joined] = {}
        self._names: dict[tuple[int, str], str] = {}
        self._gather()

    def of(self, source: Source, name: str) -> str:
        """The host that a source calls so, "" when it was not added."""
        return self._names.get((id(source), name), "")

    # -- joining

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def _join(self, indexes: Iterable[int]) -> None:
        first, *rest = sorted({self._root(index) for index in indexes})
        for other in rest:
            self._parent[other] = first

    def _machines(self, indexes: Iterable[int]) -> set[str]:
        """The machines that the entries are known to be."""
        return {machine for index in indexes if (machine := self._seen[index][1].machine)}

    def _by(self, keys: Callable[[HostSeen], Iterable[str]]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for index, (_, one) in enumerate(self._seen):
            for key in dict.fromkeys(keys(one)):
                found[key].append(index)
        return found

    def _by_name(self) -> None:
        for name, indexes in self._by(_names).items():
            if len(self._machines(indexes)) > 1:  # machines that were cloned all call themselves the same
                indexes = [index for index in indexes if self._seen[index][1].name.lower() == name]
            if indexes:
                self._join(indexes)

    def _by_address(self) -> None:
        """A name that is an address, and the address where it is reached, are of one host. Of all the addresses that a
        host has, those count that no other has: each has a bridge of its own for containers with the same one."""
        reached = self._by(_reached)
        had = self._by(lambda one: map(_normal, one.addresses))
        for address, indexes in reached.items():
            owners = {self._root(index) for index in had.get(address, ())}
            together = [*indexes, *(had.get(address, ()) if len(owners) == 1 else ())]
            ports = {self._seen[index][1].login.get("port") for index in indexes}
            roots = {self._root(index) for index in together}
            if len(roots) < 2:
                continue
            if len(ports) > 1 and all(self._seen[index][1].login.get("port") for index in indexes):
                continue  # hosts behind one address, each by a port of its own
            names = sorted({self._seen[index][1].name for index in together})
            if len({self._seen[index][0].name for index in indexes}) < len(indexes):
                self.gaps.append(
                    Gap(
                        f"hosts.{names[0]}",
                        f"{listed(names)} have the one address {address}: taken as one host",
                        "Give each an address of its own if they are several.",
                    )
                )
            self._join(together)

    def _by_short_name(self) -> None:
        bare = self._by(lambda one: (name for name in _names(one) if "." not in name))
        full: dict[str, list[int]] = defaultdict(list)
        for long, indexes in self._by(lambda one: (name for name in _names(one) if "." in name)).items():
            full[long.partition(".")[0]] += indexes
        for name, indexes in bare.items():
            ours, theirs = ({self._root(index) for index in some} for some in (indexes, full.get(name, ())))
            others = theirs - ours
            if not others or theirs & ours:
                continue
            if len(others) == 1 and len(self._machines([*indexes, *full[name]])) < 2:
                self._join(ours | others)
                continue
            hosts = sorted({self._seen[index][1].name for index in full[name]})
            self.gaps.append(
                Gap(
                    f"hosts.{name}",
                    f"{self._seen[indexes[0]][0].name} has {name}, which may be each of {listed(hosts)}",
                    "Add what runs on it to the right one.",
                )
            )
            if not any(_reached(self._seen[index][1]) or self._seen[index][1].machine for index in indexes):
                self._none |= ours

    # -- what comes of it

    def _gather(self) -> None:
        together: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self._seen)):
            if (root := self._root(index)) not in self._none:
                together[root].append(index)
        for indexes in together.values():
            entries = [self._seen[index] for index in indexes]
            if all(one.joins for _, one in entries):
                source, one = entries[0]
                self.gaps.append(
                    Gap(f"hosts.{one.name}", f"{source.name} has it, and no host is called so", "Add it if it is one.")
                )
                continue
            seen = [one for _, one in entries]
            name = next((one.name for one in seen if not is_address(one.name)), seen[0].name)
            if name in self.hosts:
                name = next((one.name for one in seen if one.name not in self.hosts), f"{name}-{len(self.hosts)}")
            said = next((one for one in seen if one.login), None)
            addresses = [one.address for one in seen] + [one.name for one in seen if is_address(one.name)]
            self.hosts[name] = Joined(
                name,
                address=next(filter(None, addresses), ""),
                login=dict(said.login) if said else {},
                rack=next(filter(None, (one.rack for one in seen)), ""),
                zone=next(filter(None, (one.zone for one in seen)), ""),
                power=next(filter(None, (one.power for one in seen)), ""),
                sources=list(dict.fromkeys(source.name for source, _ in entries)),
            )
            for source, one in entries:
                self._names[id(source), one.name] = name


def _names(one: HostSeen) -> list[str]:
    every = (name.lower().rstrip(".") for name in (one.name, one.address, *one.names) if name)
    return [name for name in every if not is_address(name) and name.partition(".")[0] != "localhost"]


def _reached(one: HostSeen) -> list[str]:
    every = [one.address, *(name for name in (one.name, *one.names) if is_address(name))]
    return [_normal(address) for address in every if address and not _loops(address)]


def _loops(text: str) -> bool:
    return is_address(text) and (ipaddress.ip_address(text).is_loopback or ipaddress.ip_address(text).is_unspecified)


def _normal(text: str) -> str:
    return str(ipaddress.ip_address(text)) if is_address(text) else text.lower()
