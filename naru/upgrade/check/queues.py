"""Who names, or has, another message queue than those that are to run, where new ones are built beside running ones;
and what is not carried over to these."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases.path import Service
from naru.releases.programs import ALL
from naru.site import rabbitmq
from naru.site.database import asked_anywhere
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check.configuration import files_of
from naru.upgrade.check.rows import GRACE, tables
from naru.upgrade.finding import Finding, Span
from naru.upgrade.window.carried import Carried, carried
from naru.upgrade.window.queues import Pair, coming, names, pairs

SECONDS = 60.0
WHERE = "message queue"
# FILE, one server of a transport_url in it, as HOST:PORT, and the virtual host. What stands before the last @ of a
# server is its user and may be anything: nothing of it is said, also where it was not encoded
_AWK = r"""
/^[ \t]*transport_url[ \t]*[=:]/ {
  sub(/^[ \t]*transport_url[ \t]*[=:][ \t]*/, ""); sub(/^[^:]*:\/\//, "")
  users = /@/
  count = split($0, pieces, ",")
  vhost = pieces[count]; sub(/^.*@/, "", vhost); sub(/\?.*$/, "", vhost)
  if (!sub(/^[^\/]*\//, "", vhost)) vhost = ""
  for (n = 1; n <= count; n++) {
    if (users && pieces[n] !~ /@/) continue
    sub(/^.*@/, "", pieces[n]); sub(/[\/?].*$/, "", pieces[n])
    print FILENAME "\t" pieces[n] "\t" vhost
  }
}
"""
_CELLS = (
    "SELECT name, SUBSTRING_INDEX(transport_url, '@', -1) FROM nova_api.cell_mappings "
    "WHERE transport_url NOT LIKE '%{%' AND transport_url NOT LIKE 'none:%' AND transport_url NOT LIKE 'fake:%'"
)
"""Nova's cells, but those that follow its configuration or have no queue, with the last of the servers of their queue,
and the virtual host."""
_SERVER = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
"""What may be shown: nothing that could be of a password."""
VHOST_CURE = "Add it to vhosts of the queue that runs, under queues in the site; or make it on the new one."
CARRY_CURE = "See it on the new one: what it needs and does not get is made there by hand."
CARRY_PROOF = "rabbitmqctl list_users, list_policies, list_parameters"
_USING = ("nova", "neutron", "cinder")
"""Who works by the message queue."""
_WITHOUT = ("neutron-ovn-metadata-agent", "neutron-ovn-agent")
"""Programs of these that do not."""


class Named(NamedTuple):
    """A server that a transport_url in a file names, and the virtual host there."""

    file: str
    server: str
    vhost: str


class Known(NamedTuple):
    """Names of servers that are `right`, and of those that are to be `left`; by server the virtual hosts that will be
    there, where that is known; and what the new `queues` are called."""

    right: Collection[str]
    left: Collection[str]
    vhosts: Mapping[str, Collection[str]]
    queues: str

    def lost_vhosts(self, rows: Iterable[Named]) -> tuple[str, ...]:
        """The virtual hosts of which it is known that they will not be there."""
        return tuple(sorted({one.vhost for one in rows if one.vhost not in self.vhosts.get(one.server, (one.vhost,))}))


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """Services that are to come and whose configuration names another queue than those that are to run; Nova's cells
    whose queue is none of the site's; and what is not carried over. Of files and cells nothing but the servers'
    addresses is read."""
    found = pairs(site)
    if not found:
        return []
    seen, now = coming(site), Site(site.content, site.file)
    taken = {name for one in found for name in (one.old.name, one.new.name)}
    stay = {name for one in site.content.queues if one.name not in taken for name in names(now, one)}
    right = stay.union(*(one.right for one in found))
    left = {name for one in found for name in one.left} - right
    wanted = {service.name for service in services}
    files = files_of(seen, site.coming(span.goal), wanted)

    async def look(remote: Remote) -> list[Named]:
        line = f"awk {shlex.quote(_AWK)} {shlex.join(files[remote.name])}"
        rows = (row.split("\t") for row in (await remote.checked(line, seconds=SECONDS)).splitlines())
        return [Named(file, server, unquote(vhost) or "/") for file, server, vhost in rows]

    told: list[Finding] = []
    vhosts: dict[str, set[str]] = {}
    read = fleet.later.each(files, look)
    for one in found:
        try:
            had = rabbitmq.anywhere(now, fleet.later, one.old, _definitions)
            have = rabbitmq.anywhere(seen, fleet.later, one.new, _definitions)
            told += _not_carried(carried(had, have, one.old.vhosts), one, span)
        except NaruError as error:
            what = f"what is carried over: {error.summary}"
            told.append(Finding("unknown", ALL, span.goal, one.new.name, what, 0, (), CARRY_CURE, CARRY_PROOF))
            continue
        there = {vhost["name"] for vhost in had["vhosts"]} & set(one.old.vhosts)
        there |= {vhost["name"] for vhost in have["vhosts"]}
        vhosts |= {server: there | vhosts.get(server, set()) for server in one.right | one.left}
    known = Known(right, left, vhosts, ", ".join(one.new.name for one in found))
    cells = _cells(site, fleet, known, span) if "nova" in wanted else []
    return [*_judged(read, files, _using(site, seen, span), known, span), *cells, *told]


def _using(site: Site, seen: Site, span: Span) -> dict[str, set[str]]:
    """By host the projects of which a program works by the message queue."""
    found: dict[str, set[str]] = {}
    for line in site.coming(span.goal):
        if line.project in _USING and line.name not in _WITHOUT:
            for host in seen.named(line.hosts):
                found.setdefault(host.name, set()).add(line.project)
    return found


def _judged(
    read: "Mapping[str, list[Named] | NaruError]",
    files: Mapping[str, Mapping[str, str]],
    using: Mapping[str, Collection[str]],
    known: Known,
    span: Span,
) -> Iterator[Finding]:
    for host, rows in read.items():
        if isinstance(rows, NaruError):
            of = next(iter(files[host].values()))
            yield Finding("unknown", of, span.goal, host, f"{WHERE}: {rows}", 0, (), "See: naru site check", "")
            continue
        said = {files[host][row.file] for row in rows}
        for project in dict.fromkeys(files[host].values()):
            if project in using.get(host, ()) and project not in said:
                silent = tuple(file for file, of in files[host].items() if of == project)
                cure = f"Name the servers of {known.queues} in transport_url."
                proof = f"grep -n transport_url {' '.join(silent)}"
                what = "no file has a transport_url"
                yield Finding("unknown", project, span.goal, host, what, len(silent), silent, cure, proof)
        for file in dict.fromkeys(row.file for row in rows):
            mine = [row for row in rows if row.file == file]
            project = files[host][file]
            proof = f"grep -n transport_url {file}"
            cure = f"Name the servers of {known.queues} in transport_url of {file}."
            if lost := known.lost_vhosts(mine):
                what = f"{file}: transport_url has a virtual host that is neither on the new queue nor carried over"
                yield Finding("blocks", project, span.goal, host, what, len(lost), lost, VHOST_CURE, proof)
            if old := sorted({row.server for row in mine} & set(known.left)):
                what = f"{file}: transport_url names a queue that is left behind"
                yield Finding("blocks", project, span.goal, host, what, len(old), tuple(old), cure, proof)
            elif other := sorted({row.server for row in mine} - set(known.right)):
                what = f"{file}: transport_url names no queue of the site"
                cure = f"{cure} Or add what it names to addresses of its queue in the site."
                shown = tuple(map(_shown, other))
                yield Finding("unknown", project, span.goal, host, what, len(other), shown, cure, proof)


def _shown(server: str) -> str:
    """What may be said of a server: what is no HOST:PORT may be of a password."""
    return server if _SERVER.fullmatch(server) else "something that is no HOST:PORT"


def _cells(site: Site, fleet: Fleet, known: Known, span: Span) -> Iterator[Finding]:
    """Cells with a queue that is none of the site's, which the window could not bring to the new one; or with a virtual
    host that will not be there."""

    def work(connection: "Connection[Cursor]") -> list[tuple[str, str]] | None:
        table = tables(connection, SECONDS)
        if "nova_api" not in {str(name) for (name,) in table("SHOW DATABASES")}:
            return None
        return [(str(name), str(url)) for name, url in table(_CELLS)]

    cure = "Add what it names to addresses of its queue, under queues in the site."
    proof = "nova-manage cell_v2 list_cells"
    rows: list[tuple[str, str]] | None = None
    why = "no database of the site shows nova_api"
    for database in site.part.databases:
        if rows is not None:
            break
        try:
            rows = asked_anywhere(site, fleet, database, work, seconds=SECONDS + GRACE)
        except NaruError as error:
            why = f"{database.name}: {error}"
    if rows is None:
        yield Finding("unknown", "nova", span.goal, "nova_api", f"its cells' queues: {why}", 0, (), cure, proof)
        return
    for name, url in rows:
        server, _, vhost = re.sub(r"^[^:/]*://|\?.*$", "", url).partition("/")
        one = Named("", server, unquote(vhost) or "/")
        if server not in known.right and server not in known.left:
            what = f"the cell {name} has a message queue that is none of the site's"
            yield Finding("blocks", "nova", span.goal, "nova_api", what, 1, (_shown(server),), cure, proof)
        elif lost := known.lost_vhosts([one]):
            what = f"the cell {name} has a virtual host that is neither on the new queue nor carried over"
            yield Finding("blocks", "nova", span.goal, "nova_api", what, 1, lost, VHOST_CURE, proof)


def _not_carried(found: Carried, pair: Pair, span: Span) -> Iterator[Finding]:
    """What of the old queue the new one will not have."""
    for line in found.told:
        yield Finding("warns", ALL, span.goal, pair.new.name, line, 1, (pair.old.name,), CARRY_CURE, CARRY_PROOF)


def _definitions(get: rabbitmq.Get) -> dict[str, Any]:
    found: dict[str, Any] = get("definitions")
    return found
