"""What one source says of a site, and what was not found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from naru.site.discover.ranges import fold_names

HOST = "{host}"
"""Where a gap names its host: what is the same on many is said once."""


class Gap(NamedTuple):
    """What a site could say and no source said: the field, why, what to do. `host` is what HOST stands for in them."""

    field: str
    why: str
    what_to_do: str
    host: str = ""


def said_once(gaps: Iterable[Gap]) -> list[Gap]:
    """The gaps in their order, those that are the same on several hosts as one."""
    together: dict[Gap, list[str]] = {}
    for gap in gaps:
        together.setdefault(gap._replace(host=""), []).append(gap.host)
    return [_filled(gap, fold_names(filter(None, hosts))) for gap, hosts in together.items()]


def _filled(gap: Gap, hosts: list[str]) -> Gap:
    if not hosts:
        return gap
    one = hosts[0] if len(hosts) == 1 and "[" not in hosts[0] else ""
    field = gap.field.replace(HOST, one) if one else gap.field.replace(f"{HOST}.", "").replace(f".{HOST}", "")
    return Gap(field, gap.why.replace(HOST, listed(hosts)), gap.what_to_do.replace(HOST, listed(hosts)))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, not more than a few."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


@dataclass(frozen=True)
class HostSeen:
    """A host as a source names it. `address` is where it is reached, "" when the source does not say; `addresses` are
    all that it has. `machine` tells machines apart. One that `joins` is told of, not added, when no other source has
    it."""

    name: str
    names: tuple[str, ...] = ()
    address: str = ""
    addresses: tuple[str, ...] = ()
    login: Mapping[str, Any] = field(default_factory=dict)
    rack: str = ""
    zone: str = ""
    power: str = ""
    machine: str = ""
    joins: bool = False


@dataclass(frozen=True)
class ServiceSeen:
    """A service on a host. `managed` is None when the source does not say; `guess` says from what the rest was guessed,
    "" when it was not."""

    name: str
    host: str
    managed: Mapping[str, str] | None = None
    port: int | None = None
    python: str = ""
    config: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    guess: str = ""


@dataclass(frozen=True)
class Piece:
    """An entry of another section (databases, queues, ...). Pieces of one section and key are one entry: what comes
    first counts, field by field; `hosts` go to the field `to`. `notes` say of a field, "" for all, where it is from."""

    section: str
    key: str
    content: Mapping[str, Any]
    hosts: tuple[str, ...] = ()
    to: str = "hosts"
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Source:
    """What one source says. `name` is for comments, as in "the inventory multinode"; `looked` when it is the host
    itself, `whole` when it showed all that it has."""

    name: str
    hosts: list[HostSeen] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    direct: set[str] = field(default_factory=set)
    """The groups that hold hosts themselves, not only groups."""
    services: list[ServiceSeen] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    release: tuple[str, str] = ("", "")
    """The release, and what it was guessed from; "" when it was not."""
    endpoints: tuple[str, ...] = ()
    """The hosts in the URLs of the cloud's endpoints."""
    looked: bool = False
    whole: bool = False
