"""Virtual addresses: each on exactly one host before the window and after it, and moved where the site says under
`next:` that it is to be on other hosts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from naru.errors import NaruError
from naru.releases.programs import ALL
from naru.site.model import VirtualAddress
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.finding import Finding, Span

SECONDS = 15.0
HAVING = "ip -o addr show to {address}"
# of each host: its interface that has the address, or the neighbour that it takes for it
_LOOK = (
    "ip -o addr show to {address} | awk '{{ print \"has\", $2 }}' | head -n 1; "
    'for one in /sys/class/net/*/address; do echo mac "$(cat $one)"; done; '
    'ip neigh show {address} | awk \'{{ for (n = 1; n < NF; n++) if ($n == "lladdr") print "takes", $(n + 1) }}\''
)


class Going(NamedTuple):
    """A virtual address that goes from the hosts `before` to those `after`, and what manages it there; of these hosts
    some may be the same."""

    address: str
    old: VirtualAddress
    new: VirtualAddress
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def from_hosts(self) -> tuple[str, ...]:
        """Those that are not to have it any more."""
        return tuple(name for name in self.before if name not in self.after)

    @property
    def to_hosts(self) -> tuple[str, ...]:
        """Those that may have it newly."""
        return tuple(name for name in self.after if name not in self.before)


class Seen(NamedTuple):
    """What a host says of an address: whether it `has` it, its own hardware addresses, and the one that it `takes` for
    the address ("" for none)."""

    has: bool
    own: frozenset[str]
    takes: str


def going(site: Site) -> list[Going]:
    """Those that are to be on other hosts."""
    now, later = Site(site.content, site.file), Site(site.content, site.file, next_part=True)
    running = {one.address: one for one in site.content.virtual_addresses}
    found = []
    for one in site.content.next.virtual_addresses if site.content.next else ():
        if old := running.get(one.address):
            before = tuple(host.name for host in now.named(old.hosts))
            after = tuple(host.name for host in later.named(one.hosts))
            if set(before) != set(after):
                found.append(Going(str(one.address), old, one, before, after))
    return found


def check(site: Site, fleet: Fleet, span: Span) -> Iterator[Finding]:
    """Virtual addresses that are not on exactly one of their hosts, and those that nothing could move."""
    moving = {one.address: one for one in going(site)}
    for one in site.content.virtual_addresses:
        address = str(one.address)
        proof = HAVING.format(address=address)
        hosts = [host.name for host in Site(site.content, site.file).named(one.hosts)]
        seen = look(fleet, address, hosts)
        if why := wrong(seen, hosts):
            unknown = [name for name, said in seen.items() if isinstance(said, NaruError)]
            state = "unknown" if unknown and "none of" in why else "blocks"
            cure = "See keepalived on these hosts: they do not hear each other, or none runs."
            yield Finding(state, ALL, span.goal, address, why, 1, tuple(hosts), cure, proof)  # type: ignore[arg-type]
        if address in moving and not (moving[address].old.managed and moving[address].new.managed):
            what = "it goes to other hosts under next:, and the site does not say what manages it there"
            cure = "Add managed: to the virtual address, here and under next:, as {unit: keepalived.service}."
            yield Finding("blocks", ALL, span.goal, address, what, 1, tuple(moving[address].to_hosts), cure, proof)
        elif staying := _stays(site, address, moving):
            what = "what has it there is stopped in the window, for another address that leaves these hosts"
            cure = "Give the two of them programs of their own there, or the same hosts under next:."
            yield Finding("blocks", ALL, span.goal, address, what, len(staying), staying, cure, proof)


def _stays(site: Site, address: str, moving: Mapping[str, Going]) -> tuple[str, ...]:
    """The hosts on which an address may be afterwards, and whose program another one takes with it."""
    now = Site(site.content, site.file)
    mine = next(one for one in site.content.virtual_addresses if str(one.address) == address)
    if address in moving:
        hosts = [name for name in moving[address].after if name in moving[address].before]
    else:
        hosts = [host.name for host in now.named(mine.hosts)]
    left = {name for one in moving.values() if one.old.managed == mine.managed for name in one.from_hosts}
    return tuple(name for name in hosts if mine.managed and name in left)


def look(fleet: Fleet, address: str, hosts: Sequence[str]) -> Mapping[str, Seen | NaruError]:
    """What hosts say of an address."""

    async def ask(remote: Remote) -> Seen:
        return parsed(await remote.checked(_LOOK.format(address=address), seconds=SECONDS))

    return fleet.each(hosts, ask)


def parsed(said: str) -> Seen:
    """What a host's script says."""
    words: dict[str, list[str]] = {"has": [], "mac": [], "takes": []}
    for row in (line.split() for line in said.splitlines()):
        if len(row) > 1 and row[0] in words:
            words[row[0]].append(row[1])
    return Seen(bool(words["has"]), frozenset(words["mac"]), next(iter(words["takes"]), ""))


def wrong(seen: Mapping[str, Seen | NaruError], hosts: Sequence[str], asking: Collection[str] = ()) -> str:
    """Why an address is not on exactly one host, one of `hosts`; "" when it is. Of others in `seen` none is to have it,
    and of those `asking` none to take a host for it that has not got it. Who does not answer has it not, as far as that
    is known."""
    said = {name: one for name, one in seen.items() if isinstance(one, Seen)}
    holders = [name for name, one in said.items() if one.has]
    if len(holders) > 1:
        return f"{' and '.join(holders)} have it at the same time"
    if not holders:
        return f"none of {', '.join(hosts)} has it"
    if holders[0] not in hosts:
        return f"{holders[0]} has it"
    right = said[holders[0]].own
    lost = [name for name, one in said.items() if name in asking and one.takes and one.takes not in right]
    return f"{', '.join(lost)} {'take' if len(lost) > 1 else 'takes'} another host for it" if lost else ""
