"""What a Ceph cluster says of hosts that are to go down: whether it bears that, and `noout` for as long.

It is asked on one of its monitors' hosts, with the program `ceph` there. What it does not know of a host on which the
site has OSDs or a monitor is no answer: a host that CRUSH calls otherwise has OSDs all the same.
"""

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from naru.errors import NaruError
from naru.plan.errors import Transient
from naru.site.model import Ceph
from naru.site.site import Site
from naru.site.ssh import Fleet, Ran, Refused

SECONDS = 60.0
FLAG = "noout"
EINVAL = 22
"""With which `ceph` exits where a release, or a name, is not known."""


class Verdict(NamedTuple):
    """Whether hosts may go down together, and in words why not."""

    is_right: bool
    why: str


class Cluster:
    """A Ceph cluster, asked on the first of its monitors' hosts that answers; those of `last` are asked when no other
    one does."""

    def __init__(self, site: Site, fleet: Fleet, storage: Ceph, last: Collection[str] = ()) -> None:
        names = [host.name for host in site.named(storage.monitors)]
        self._hosts = [*(name for name in names if name not in last), *(name for name in names if name in last)]
        self._site = site
        self._fleet = fleet
        self._storage = storage

    def osds(self, host: str) -> dict[int, bool]:
        """The OSDs of a host by number, and whether each is up; of one that has none, none."""
        return self.osds_of([host])[host]

    def osds_of(self, hosts: Iterable[str]) -> dict[str, dict[int, bool]]:
        """The same of many hosts, asked at once."""
        tree = self.ask("osd", "tree")["nodes"]
        up = {one["id"]: one.get("status") == "up" for one in tree if one["type"] == "osd"}
        metadata: list[Mapping[str, Any]] | None = None
        found = {}
        for host in hosts:
            named = _named(tree, host)
            if not named and metadata is None:
                metadata = self.ask("osd", "metadata")
            buckets = named or self._holding(tree, metadata or [], host)
            children = {number for one in buckets for number in one["children"]}
            found[host] = {number: up[number] for number in up if number in children}
        return found

    def _buckets(self, tree: Sequence[Mapping[str, Any]], host: str) -> list[Mapping[str, Any]]:
        """What CRUSH has a host's OSDs in: by its name, else what has those that say that they are there."""
        return _named(tree, host) or self._holding(tree, self.ask("osd", "metadata"), host)

    def _holding(
        self, tree: Sequence[Mapping[str, Any]], metadata: Iterable[Mapping[str, Any]], host: str
    ) -> list[Mapping[str, Any]]:
        """What CRUSH has the OSDs in that say that they are on the host."""
        there = {one["id"] for one in metadata if self._is_on(one, host)}
        return [one for one in tree if one["type"] == "host" and there & set(one["children"])]

    def _is_on(self, said: Mapping[str, Any], host: str) -> bool:
        """Whether a daemon, by what it says of itself, is on a host of the site: by name or address."""
        if bucket(str(said.get("hostname", ""))) == bucket(host):
            return True
        known = self._site.hosts.get(host)
        return known is not None and is_at(said, known.address)

    def monitors(self, host: str, every: Sequence[Mapping[str, Any]]) -> set[str]:
        """The names of those monitors (of `every`, as the monitors' map has them) that are on a host."""
        named = {str(one["name"]) for one in every if one["name"] == bucket(host) or self._is_on(one, host)}
        if named:
            return named
        return {str(one["name"]) for one in self.ask("mon", "metadata") if self._is_on(one, host)}

    def verdict(self, hosts: Collection[str]) -> Verdict:
        """Whether all OSDs and monitors of these hosts may be down at the same time. Raises NaruError for a host on
        which the site has some and Ceph has none."""
        ids = sorted({number for host in hosts for number in self._known_osds(host)})
        if ids:
            found = self._ok_to_stop(ids)
            if not found.is_right:
                return found
        status = self.ask("quorum_status")
        every = status["monmap"]["mons"]
        return quorum(status, {name for host in hosts for name in self._known_monitors(host, every)})

    def _known_osds(self, host: str) -> Collection[int]:
        found = self.osds(host)
        if not found and host in self._names(self._storage.osds):
            raise self._unknown(host, "OSDs", "osd tree", "osds")
        return found

    def _known_monitors(self, host: str, every: Sequence[Mapping[str, Any]]) -> Collection[str]:
        found = self.monitors(host, every)
        if not found and host in self._names(self._storage.monitors):
            raise self._unknown(host, "a monitor", "mon dump", "monitors")
        return found

    def _names(self, named: Collection[str]) -> set[str]:
        return {one.name for one in self._site.named(list(named))}

    def _unknown(self, host: str, what: str, command: str, field: str) -> NaruError:
        return NaruError(
            f"the site has {what} of {self._storage.name} on {host}, and Ceph knows none there, by name or address",
            hint=f"Compare ceph {command} with {self._site.file}: storage[].{field}, hosts[].name and hosts[].address.",
        )

    def _ok_to_stop(self, ids: Sequence[int]) -> Verdict:
        """By what it says: its exit code is 0 in some releases where that is no."""
        ran = self.run("osd", "ok-to-stop", *map(str, ids))
        return ok_to_stop(ran.code, ran.out, ran.errors)

    def is_held(self, host: str) -> bool:
        """Whether nothing of the host is marked out: by a flag of its own, or of the whole cluster."""
        dump = self.ask("osd", "dump")
        if FLAG in dump["flags"].split(","):
            return True
        names = self._names_in_crush(host)
        flags = dump.get("crush_node_flags", {})
        return bool(names) and all(FLAG in flags.get(name, []) for name in names)

    def _names_in_crush(self, host: str) -> list[str]:
        return [str(one["name"]) for one in self._buckets(self.ask("osd", "tree")["nodes"], host)]

    def hold(self, host: str, *, on: bool) -> None:
        """Sets `noout` on the host, or takes it away. Raises NaruError where that is not known, else Transient."""
        names = self._names_in_crush(host) or [bucket(host)]
        ran = self.run("osd", "set-group" if on else "unset-group", FLAG, *names)
        if ran.code == 0:
            return
        what = f"ceph: {FLAG} cannot be {'set on' if on else 'taken from'} {', '.join(names)}"
        said = ran.errors.strip()[-1000:]
        if ran.code != EINVAL:  # as a monitor that is just being elected
            raise Transient(what, detail=said)
        hint = "Before Octopus there is no such flag of one host: set noout on the cluster by hand, before."
        raise NaruError(what, detail=said, hint=hint)

    def unclean(self) -> str:
        """What of the placement groups is not active and clean, in words; "" for nothing."""
        states = self.ask("status")["pgmap"].get("pgs_by_state", [])
        wrong = [one for one in states if not {"active", "clean"} <= set(one["state_name"].split("+"))]
        return ", ".join(f"{one['count']} {one['state_name']}" for one in wrong)

    def ask(self, *words: str) -> Any:
        """What `ceph` answers, in JSON. Raises Transient."""
        ran = self.run(*words)
        try:
            if ran.code == 0:
                return json.loads(ran.out)
        except ValueError:
            pass
        raise Transient(f"ceph {' '.join(words)} gives no answer", detail=(ran.errors or ran.out).strip()[-1000:])

    def run(self, *words: str, given: bytes = b"") -> Ran:
        """Runs `ceph`; `given` is its standard input. Raises Transient when no host of a monitor answers."""
        return self._send(self._line(words), given)

    def all_of(self, commands: Sequence[Sequence[str]]) -> Ran:
        """Runs `ceph` for each of these, one after the other until one fails, in one go on one host. Raises
        Transient."""
        return self._send(" && ".join(self._line(words) for words in commands), b"")

    def _line(self, words: Sequence[str]) -> str:
        return shlex.join(
            [
                *("ceph", "--cluster", self._storage.cluster, "--name", f"client.{self._storage.client}"),
                *("--connect-timeout", "10", "-f", "json", *words),
            ]
        )

    def _send(self, line: str, given: bytes) -> Ran:
        more: dict[str, Any] = {"given": given} if given else {}
        said = []
        for host in self._hosts:
            try:
                return self._fleet.call(self._fleet.remote(host).run(line, seconds=SECONDS, **more))
            except Refused:
                raise
            except NaruError as error:  # also one on which it does not end in time
                said.append(error.summary)
        raise Transient(f"no host of a monitor of {self._storage.name} answers", detail="\n".join(said))


def _named(tree: Sequence[Mapping[str, Any]], host: str) -> list[Mapping[str, Any]]:
    return [one for one in tree if one["type"] == "host" and one["name"] == bucket(host)]


def bucket(host: str) -> str:
    """What CRUSH calls a host: its name without a domain."""
    return host.partition(".")[0]


def is_at(said: Mapping[str, Any], address: str) -> bool:
    """Whether one of the addresses that a daemon has is this one."""
    addresses = (
        json.dumps([value for key, value in said.items() if "addr" in key]).replace("v1:", "").replace("v2:", "")
    )
    return bool(re.search(rf"(?<![\w.:]){re.escape(address)}\]?:\d", addresses))


def ok_to_stop(code: int, out: str, errors: str) -> Verdict:
    """The answer of `ceph osd ok-to-stop`: in JSON from Pacific on, before that in words."""
    try:
        found = json.loads(out)
    except ValueError:
        said = (errors.strip() or out.strip())[-300:]
        return Verdict(code == 0 and "are ok to stop" in said, said)
    if not isinstance(found, dict) or "ok_to_stop" not in found:
        return Verdict(False, out.strip()[-300:])
    groups = found.get("num_not_ok_pgs", "some")
    return Verdict(code == 0 and bool(found["ok_to_stop"]), f"{groups} placement groups would not be available")


def quorum(found: dict[str, Any], hosts: Collection[str]) -> Verdict:
    """Whether the monitors that are left when these hosts are down are more than half of all."""
    every = [one["name"] for one in found["monmap"]["mons"]]
    left = [name for name in found["quorum_names"] if name not in hosts]
    return Verdict(2 * len(left) > len(every), f"{len(left)} of {len(every)} monitors would be left")


def storages_of(site: Site, host: str) -> list[Ceph]:
    """The clusters of which the site has OSDs or a monitor on the host."""
    return [
        one
        for one in site.part.storage
        if isinstance(one, Ceph) and host in {other.name for other in site.named([*one.osds, *one.monitors])}
    ]


def bearable(site: Site, hosts: Sequence[str]) -> list[str]:
    """Those of the site's hosts that may be down together as far as Ceph bears it: all, or of each cluster's the first
    one, since one after the other it may. So it is also where a cluster does not answer: each host asks it again, and
    waits, before it goes down."""
    by_storage: dict[str, list[str]] = {}
    found: dict[str, Ceph] = {}
    for host in hosts:
        for storage in storages_of(site, host):
            found[storage.name] = storage
            by_storage.setdefault(storage.name, []).append(host)
    left = list(hosts)
    with Fleet(site) as fleet:
        for name, mine in by_storage.items():
            if len(mine) > 1 and not _bears(Cluster(site, fleet, found[name], mine), mine):
                left = [host for host in left if host not in mine[1:]]
    return left


def _bears(cluster: Cluster, hosts: Sequence[str]) -> bool:
    try:
        return cluster.verdict(hosts).is_right
    except NaruError:
        return False
