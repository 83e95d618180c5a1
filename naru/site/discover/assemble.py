"""All that sources say, as the content of one site: entries of each section, with comments that say where they are
from."""

import ipaddress
import re
import socket
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from naru.site.discover import services
from naru.site.discover.found import HOST, Gap, Piece, ServiceSeen, Source, listed, said_once
from naru.site.discover.join import Hosts, Joined
from naru.site.discover.ranges import fold, fold_names, natural
from naru.site.names import is_address
from naru.site.site import ALL

SECTIONS = ("services", "databases", "queues", "load_balancers", "virtual_addresses", "storage")
_GROUP = re.compile(r"[^\[\],\s]+")


@dataclass
class Entry:
    """One entry of a section, and the comment beside it."""

    content: dict[str, Any]
    comment: str = ""


@dataclass
class Draft:
    """A site in the making. `gaps` are told in its comments, at their place, and to the user."""

    name: str
    cloud: str
    release: str = ""
    release_comment: str = ""
    login: dict[str, Any] = field(default_factory=dict)
    power: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    hosts: list[Entry] = field(default_factory=list)
    sections: dict[str, list[Entry]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    count: int = 0


def assemble(name: str, cloud: str, sources: Sequence[Source], hosts: Hosts, login: Mapping[str, Any]) -> Draft:
    """The site that the sources make; `login` is what the user said of all hosts, which counts before the sources."""
    made = _Assembly(name, cloud, sources, hosts, login)
    return made.draft


class _Assembly:
    def __init__(
        self, name: str, cloud: str, sources: Sequence[Source], hosts: Hosts, login: Mapping[str, Any]
    ) -> None:
        self.draft = Draft(name, cloud, count=len(hosts.hosts))
        self.sources = sources
        self.joined = hosts
        self.given = dict(login)
        self.draft.gaps = [gap for source in sources for gap in source.gaps] + hosts.gaps
        self.looked = {host for source in sources if source.whole for host in self._all_of(source)}
        self._release()
        self._hosts()
        self.direct = {name for source in sources for name in (source.direct or source.groups)}
        self.groups = self._groups()
        self.alike: dict[frozenset[str], list[str]] = defaultdict(list)
        """The groups by their hosts."""
        for group, members in self.groups.items():
            self.alike[frozenset(members)].append(group)
        self.used: set[str] = set()
        self._services()
        self._pieces()
        self._virtual_guess()
        self._missing()
        self._choose_groups()
        self.draft.gaps = said_once(self.draft.gaps)

    def tell(self, field_: str, why: str, what_to_do: str) -> None:
        self.draft.gaps.append(Gap(field_, why, what_to_do))

    def _all_of(self, source: Source) -> list[str]:
        found = (self.joined.of(source, one.name) for one in source.hosts)
        return [name for name in found if name]

    # -- the site, hosts, groups

    def _release(self) -> None:
        for source in self.sources:
            if source.release[0]:
                self.draft.release, self.draft.release_comment = source.release[0], source.release[1] or source.name
                return
        self.tell("release", "no source says it", "Add release: NAME, as `naru lab releases` lists them.")

    def _hosts(self) -> None:
        every = sorted(self.joined.hosts.values(), key=lambda one: natural(one.name))
        logins = [{**one.login, **self.given} for one in every]
        self.draft.login = {
            key: value
            for key, value in (logins[0] if logins else {}).items()
            if all(login.get(key) == value for login in logins)
        }
        together: dict[tuple[Any, ...], list[Joined]] = defaultdict(list)
        for one, login in zip(every, logins, strict=True):
            own = {key: value for key, value in login.items() if key not in self.draft.login}
            # an address that cannot be within a range, as a host name, has a line of its own
            together[one.rack, one.zone, bool(one.address), bool(one.power), tuple(sorted(own.items()))].append(one)
        lines: list[tuple[str, Entry]] = []
        for (rack, zone, _, _, own_items), members in together.items():
            for name, address, power in fold((one.name, one.address, one.power) for one in members):
                content: dict[str, Any] = {"name": name}
                if address and address != name:
                    content["address"] = address
                content |= {key: value for key, value in (("rack", rack), ("zone", zone)) if value}
                if own_items:
                    content["login"] = dict(own_items)
                if power:
                    content["power"] = {"address": power}
                lines.append((name, Entry(content)))
        self.draft.hosts = [entry for _, entry in sorted(lines, key=lambda line: natural(line[0]))]
        if any(one.power for one in every):
            self.draft.power = {"user": "admin", "password": {"file": "power.password"}}
            why = "addresses of power controllers were found, no source says how one logs in to them"
            self.tell("power", why, "Correct power.user, and put the password into the file power.password.")
        elif every:
            self.tell("hosts.power", "no source has an address of a power controller", "Add power: to the hosts.")
        if every and not any(one.rack for one in every):
            self.tell("hosts.rack", "no source says which host is in which rack", "Add rack: to the hosts.")
        unknown = [one.name for one in every if not one.address and not any("inventory" in s for s in one.sources)]
        if unknown:
            why = f"no source has the address of {listed(unknown)}: the name is looked up"
            self.tell("hosts.address", why, "Add address: unless the name leads to it.")

    def _groups(self) -> dict[str, list[str]]:
        """Groups by their hosts here."""
        found: dict[str, list[str]] = {}
        for source in self.sources:
            for name, members in source.groups.items():
                ours = list(dict.fromkeys(filter(None, (self.joined.of(source, one) for one in members))))
                if name in self.joined.hosts or name == ALL:
                    why = f"{source.name} has a group of this name, which is a host's" if name != ALL else "it is kept"
                    self.tell(f"groups.{name}", why, "Add its hosts as a group of another name, if it is needed.")
                elif ours and _GROUP.fullmatch(name):
                    found.setdefault(name, ours)
        return found

    def _choose_groups(self) -> None:
        """Groups that hold hosts themselves, and those that something names: an inventory has a hundred others."""
        seen: set[frozenset[str]] = set()
        for name, members in self.groups.items():
            if name in self.used or (name in self.direct and frozenset(members) not in seen):
                self.draft.groups[name] = fold_names(members)
                seen.add(frozenset(members))

    def _named(self, members: Iterable[str]) -> list[str]:
        """Hosts as a group where there is one of exactly these, else as names and ranges."""
        every = set(members)
        if every and every == self.joined.hosts.keys() and len(every) > 1:
            return [ALL]
        same = self.alike.get(frozenset(every), [])
        if same and len(every) > 1:
            name = next((name for name in same if name in self.direct), same[0])
            self.used.add(name)
            return [name]
        return fold_names(every)

    # -- services

    def _services(self) -> None:
        chosen: dict[tuple[str, str], list[ServiceSeen]] = {}
        claimed: dict[tuple[str, str], tuple[Source, ServiceSeen]] = {}
        for source in self.sources:
            for one in source.services:
                host = self.joined.of(source, one.host)
                if not host:
                    continue
                key = (host, one.name)
                if source.looked:
                    chosen.setdefault(key, []).append(one)
                elif key not in claimed:
                    claimed[key] = (source, one)
        usual = self._usual(chosen)
        for key, (source, one) in claimed.items():
            host, name = key
            if key in chosen:
                continue
            if host in self.looked:
                if one.managed is None:
                    why = f"{source.name} lists it on {HOST}, where it was not found"
                    gap = Gap(f"services.{name}", why, f"Is it gone? Else add it, with {HOST}.", host)
                    self.draft.gaps.append(gap)
                continue
            chosen[key] = [self._guessed(one, usual.get(name))]
        self.draft.sections["services"] = list(self._lines(chosen))

    def _usual(self, chosen: Mapping[tuple[str, str], list[ServiceSeen]]) -> dict[str, ServiceSeen]:
        """How most hosts that were looked at have a service."""
        counted: dict[str, Counter[ServiceSeen]] = defaultdict(Counter)
        for (_, name), several in chosen.items():
            for one in several:
                counted[name][_anywhere(one)] += 1
        return {name: counts.most_common(1)[0][0] for name, counts in counted.items()}

    def _guessed(self, one: ServiceSeen, usual: ServiceSeen | None) -> ServiceSeen:
        if usual is not None and usual.managed and "start" not in usual.managed:
            return replace(usual, guess="guessed: as on hosts that were looked at")
        if one.managed is not None:
            return one
        return replace(one, managed={"unit": f"{one.name}.service"})

    def _lines(self, chosen: Mapping[tuple[str, str], list[ServiceSeen]]) -> Iterable[Entry]:
        together: dict[ServiceSeen, list[str]] = defaultdict(list)
        for (host, _), several in chosen.items():
            for one in several:
                together[_anywhere(one)].append(host)
        guesses: dict[str, list[str]] = defaultdict(list)
        for one, members in sorted(together.items(), key=lambda item: _order(item[0])):
            content: dict[str, Any] = {
                "name": one.name,
                "hosts": _one(self._named(members)),
                "managed": dict(one.managed or {}),
            }
            if not services.of_openstack(one.name):
                content["release"] = ""
            if one.port:
                content["port"] = one.port
            if one.python:
                content["python"] = one.python
            for key in ("config", "logs"):
                if value := getattr(one, key):
                    content[key] = list(value)
            if one.guess:
                guesses[one.guess].append(one.name)
            yield Entry(content, one.guess)
        for guess, names in guesses.items():
            why = f"nobody looked at what manages {listed(list(dict.fromkeys(names)))}: {guess}"
            self.tell("services.managed", why, "Run it again where SSH reaches their hosts, or correct managed.")

    # -- databases, queues, load balancers, addresses, storage

    def _pieces(self) -> None:
        merged: dict[tuple[str, str], list[tuple[Source, Piece]]] = defaultdict(list)
        for source in sorted(self.sources, key=lambda one: not one.looked):
            for piece in source.pieces:
                merged[piece.section, piece.key].append((source, piece))
        for section in SECTIONS[1:]:
            self.draft.sections[section] = []
        for (section, key), pieces in merged.items():
            content, comments = self._merged(section, key, pieces)
            if content is not None:
                self.draft.sections[section].append(Entry(content, "; ".join(dict.fromkeys(comments))))

    def _merged(
        self, section: str, key: str, pieces: list[tuple[Source, Piece]]
    ) -> tuple[dict[str, Any] | None, list[str]]:
        first = {"virtual_addresses": "address"}.get(section, "name")
        content: dict[str, Any] = {first: key}
        members: dict[str, list[str]] = defaultdict(list)
        comments: list[str] = []
        looked = any(source.looked and piece.hosts for source, piece in pieces)
        for source, piece in pieces:
            found = [name for one in piece.hosts if (name := self.joined.of(source, one))]
            if looked and not source.looked:
                # those that were looked at do not run it, whatever others say
                found = [name for name in found if name not in self.looked]
            members[piece.to] += [name for name in found if name not in members[piece.to]]
            taken = False
            for field_, value in piece.content.items():
                if field_ in ("schemas", "vhosts", "shares"):
                    content[field_] = sorted({*content.get(field_, []), *value})
                elif field_ == "kind" and value == "galera":
                    content[field_] = value
                elif field_ not in content:
                    content[field_] = value
                    taken = True
                    if note := piece.notes.get(field_):
                        comments.append(note)
                elif content[field_] != value and field_ in ("address", "port", "socket"):
                    self.tell(
                        f"{section}.{key}.{field_}",
                        f"{source.name} has {value}, others {content[field_]}",
                        "Check which one is right; several of a kind are several entries.",
                    )
            if (note := piece.notes.get("")) and (taken or found):
                comments.append(note)
        return self._complete(section, key, content, members, comments), comments

    def _complete(
        self, section: str, key: str, content: dict[str, Any], members: Mapping[str, list[str]], comments: list[str]
    ) -> dict[str, Any] | None:
        """The entry with its hosts, in the order in which people read it; None, and told, when it cannot be one."""
        to = {"storage": "monitors"}.get(section, "hosts") if content.get("kind") != "nfs" else "hosts"
        named = {field_: _one(self._named(hosts)) for field_, hosts in members.items() if hosts}
        what = f"{section}.{key}"
        if to not in named and content.get("kind") != "nfs":
            known = "; ".join(dict.fromkeys(comments)) or "services connect to it"
            self.tell(what, f"no source says which its {to} are ({known})", f"Add it with its {to}.")
            return None
        first, *rest = content.items()
        done = dict([first])
        if "kind" in content:
            done["kind"] = content["kind"]
        elif section == "databases":
            done["kind"] = "galera" if len(members["hosts"]) > 1 else "mariadb"
            comments.append("kind guessed from the number of hosts")
        done |= named
        done |= dict(rest)
        if section == "databases" and "password" not in done:
            done |= {"user": done.get("user", "root"), "password": {"file": "database.password"}}
            comments.append("user guessed; put its password into the file database.password")
            self.tell(f"databases.{key}.password", "no source says who may do all in it", "Give user and password.")
        if section == "load_balancers" and "socket" not in done and "files" not in done:
            if "unit" not in done["managed"]:
                self.tell(
                    what, "how it is told what to do was not found", "Add it with its socket, or files and reload."
                )
                return None
            done["socket"] = "/run/haproxy/admin.sock"
            comments.append("socket guessed: Debian's own")
        return done

    def _virtual_guess(self) -> None:
        """An address of endpoints that no host is reached by, where no source says which ones are virtual."""
        if self.draft.sections["virtual_addresses"]:
            return
        own = {one.address for one in self.joined.hosts.values()} | {
            address for source in self.sources for one in source.hosts for address in (one.address, *one.addresses)
        }
        balancers = [one.content["hosts"] for one in self.draft.sections["load_balancers"]]
        for source in self.sources:
            for host in source.endpoints:
                address = _resolved(host)
                if not address:
                    why = f"the name {host} of the cloud's endpoints has no address here"
                    self.tell("virtual_addresses", why, "Add its address, if that is a virtual one.")
                elif address in own or ipaddress.ip_address(address).is_loopback:
                    continue
                elif not balancers:
                    why = f"the cloud's endpoints are at {host}, which no host has, and no load balancer was found"
                    self.tell("virtual_addresses", why, f"Add address: {address} with the hosts that may have it.")
                elif not any(one.content["address"] == address for one in self.draft.sections["virtual_addresses"]):
                    comment = f"guessed: the cloud's endpoints are at {host}, which no host has"
                    self.draft.sections["virtual_addresses"].append(
                        Entry({"address": address, "hosts": balancers[0]}, comment)
                    )

    def _missing(self) -> None:
        told = {gap.field.partition(".")[0] for gap in self.draft.gaps}
        for section, what in (
            ("services", "the services and what manages them"),
            ("databases", "the databases"),
            ("queues", "the message queues"),
            ("load_balancers", "what stands before the APIs"),
            ("virtual_addresses", "the addresses that move between hosts"),
            ("storage", "Ceph or NFS, if it is used"),
        ):
            if not self.draft.sections[section] and section not in told:
                self.tell(section, "no source says anything of it", f"Add {what}.")
        if self.draft.sections["queues"]:
            for entry in self.draft.sections["queues"]:
                if "management" not in entry.content:
                    why = "no source says who may use RabbitMQ's management"
                    self.tell(
                        f"queues.{entry.content['name']}.management", why, "Add management: {user: ..., password: ...}."
                    )


def _anywhere(one: ServiceSeen) -> ServiceSeen:
    """The same, without its host: hashable, to be counted."""
    managed = tuple(sorted((one.managed or {}).items()))
    return replace(one, host="", managed=_Managed(managed))


class _Managed(dict[str, str]):
    """A mapping that may be a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def _order(one: ServiceSeen) -> tuple[bool, str, str]:
    return (services.of_openstack(one.name), one.name, str(one.managed))


def _one(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _resolved(host: str) -> str:
    if is_address(host):
        return str(ipaddress.ip_address(host))
    try:
        return str(socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)[0][4][0])
    except OSError:
        return ""
