"""Message queues that are built beside the running ones (`queues` of the site's `next:`): what services need of the old
one is there before they start, and nobody is left on it after.

A new queue takes the place of the running one of its name, or of the only one there is; two may take the place of one,
as for RPC and notifications apart. Services say in their own configuration which one they have.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.releases.path import Service
from naru.releases.programs import ALL
from naru.site import rabbitmq
from naru.site.database import asked_anywhere
from naru.site.model import Queue
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.text import shortened
from naru.upgrade.check.configuration import files_of
from naru.upgrade.check.programs import RABBITMQ, removed, version_of
from naru.upgrade.check.rows import GRACE, Denied, Missing, tables
from naru.upgrade.compare.verified import Judged, Verified
from naru.upgrade.finding import Finding, Span

SECONDS = 60.0
PORT = 5672
BEFORE_3_6 = "rabbit_password_hashing_md5"
"""How passwords are kept of which it is not said."""
WHERE = "message queue"
CLIENTS = "client of a message queue"
"""What verify calls those that are left."""
EXAMPLES = 10
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


class Pair(NamedTuple):
    """A queue that is to come, and the running one whose place it takes; `left` are the names of the old one's servers
    that nobody is to have any more, `right` those of the new one."""

    new: Queue
    old: Queue
    left: frozenset[str]
    right: frozenset[str]


def pairs(site: Site) -> list[Pair]:
    """Each queue that is to come; [] where services stay on theirs. Raises InputError for one of which it is not clear
    whose place it takes."""
    running = {queue.name: queue for queue in site.content.queues}
    now, later = Site(site.content, site.file), coming(site)
    found = []
    for index, queue in enumerate(site.content.next.queues if site.content.next else ()):
        only = next(iter(running.values())) if len(running) == 1 else None
        old = running.get(queue.name, only)
        if old is None:
            known = ", ".join(running) or "none"
            raise site.wrong(f"next.queues.{index}.name", f"it takes the place of one of the same name: {known}")
        right = names(later, queue)
        found.append(Pair(queue, old, names(now, old) - right, right))
    return found


def coming(site: Site) -> Site:
    """The site with what is to come. A group may be another one there: a running queue is looked up in the site as it
    is."""
    return Site(site.content, site.file, next_part=True)


def servers(site: Site, queue: Queue) -> list[str]:
    """Where clients reach a queue, as HOST:PORT."""
    said = queue.addresses or [rabbitmq.bracketed(host.address) for host in site.named(queue.hosts)]
    return [_with_port(one, queue.port) for one in said]


def names(site: Site, queue: Queue) -> frozenset[str]:
    """Each way to name a server of a queue in a URL; the usual port may be left out."""
    hosts = [name for host in site.named(queue.hosts) for name in (host.name, rabbitmq.bracketed(host.address))]
    full = {_with_port(one, queue.port) for one in (*queue.addresses, *hosts)}
    usual = f":{PORT}"
    return frozenset(full | {one.removesuffix(usual) for one in full if one.endswith(usual)})


def _with_port(server: str, port: int) -> str:
    return server if re.search(r":\d+$", server) else f"{server}:{port}"


class Carried(NamedTuple):
    """What is made on a queue, as paths of its API with what is put there, in order; and, in words, what is not."""

    made: list[tuple[str, dict[str, Any]]]
    told: list[str]


def carried(old: Mapping[str, Any], new: Mapping[str, Any], vhosts: Collection[str]) -> Carried:
    """What the new queue has to be given so that all who use these virtual hosts of the old one are let in: by their
    definitions (GET /api/definitions). Passwords are carried as their hashes. What is there already is left as it
    is."""
    quote = rabbitmq.quoted
    made: list[tuple[str, dict[str, Any]]] = []
    told: list[str] = []
    of_vhosts = {one["name"]: one for one in old["vhosts"]}
    for vhost in vhosts:
        if vhost not in of_vhosts:
            told.append(f"there is no virtual host {vhost}")
        elif vhost not in {one["name"] for one in new["vhosts"]}:
            made.append((f"vhosts/{quote(vhost)}", _of_vhost(of_vhosts[vhost])))
    rights = [one for one in old["permissions"] if one["vhost"] in vhosts]
    wanted = {one["user"] for one in rights}
    there = {one["name"]: one for one in new["users"]}
    for user in old["users"]:
        if user["name"] not in wanted:
            told.append(f"the user {user['name']} has no right in these virtual hosts: it is not made")
        elif user["name"] in there:
            if there[user["name"]].get("password_hash") != user.get("password_hash"):
                told.append(f"the user {user['name']} is there, perhaps with another password, and is left as it is")
        else:
            if user.get("limits"):
                told.append(f"the limits of the user {user['name']} are not set")
            given = {"tags": _listed(user.get("tags", "")), "password_hash": user.get("password_hash", "")}
            given["hashing_algorithm"] = user.get("hashing_algorithm", BEFORE_3_6)
            made.append((f"users/{quote(user['name'])}", given))
    for kind in ("permissions", "topic_permissions"):
        name = kind.replace("_", "-")  # as the path has it
        fixed = ("vhost", "user", *(["exchange"] if kind == "topic_permissions" else []))
        have = {tuple(one[key] for key in fixed): one for one in new.get(kind, ())}
        for one in old.get(kind, ()):
            if one["vhost"] not in vhosts or one["user"] not in wanted:
                continue
            there_now = have.get(tuple(one[key] for key in fixed))
            if there_now is not None:
                if there_now != one:
                    told.append(f"the {name} of {one['user']} in {one['vhost']} are others there, and are left")
            else:
                given = {key: value for key, value in one.items() if key not in ("vhost", "user")}
                made.append((f"{name}/{quote(one['vhost'])}/{quote(one['user'])}", given))
    policies, refused = _policies(old, new, vhosts)
    others = [one for one in old.get("parameters", ()) if one.get("vhost") in vhosts]
    told += refused
    told += [f"the parameter {one['component']} {one['name']} of {one['vhost']} is not made" for one in others]
    return Carried([*made, *policies], told)


def _of_vhost(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a virtual host says of itself."""
    said = {**one.get("metadata", {}), **one}
    found = {"description": said.get("description"), "tags": _listed(said.get("tags") or "")}
    if said.get("default_queue_type") != "undefined":
        found["default_queue_type"] = said.get("default_queue_type")
    return {key: value for key, value in found.items() if value}


def _listed(tags: Any) -> str:
    """Tags as all versions take them."""
    return tags if isinstance(tags, str) else ",".join(tags)


def _policies(
    old: Mapping[str, Any], new: Mapping[str, Any], vhosts: Collection[str]
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """The policies by what the new version takes."""
    said = str(new.get("rabbit_version") or new.get("rabbitmq_version") or "")
    if not (version := version_of(said)):
        raise NaruError(f"RabbitMQ does not say its version: {said!r}")  # what it refuses is not known
    gone = {key for one in removed(RABBITMQ, version) for key in one.keys}
    there = {(one["vhost"], one["name"]): one for one in new.get("policies", ())}
    made, told = [], []
    for one in old.get("policies", ()):
        if one["vhost"] not in vhosts:
            continue
        name = f"the policy {one['name']} of {one['vhost']}"
        kept = {key: value for key, value in one["definition"].items() if key not in gone}
        given = {**{key: one[key] for key in ("pattern", "priority", "apply-to") if key in one}, "definition": kept}
        if left := [key for key in one["definition"] if key in gone]:
            told.append(f"{name}: RabbitMQ {version} has no {', '.join(left)}")
        if now := there.get((one["vhost"], one["name"])):
            if any(now.get(key) != value for key, value in given.items()):
                told.append(f"{name} is another one there, and is left as it is")
        elif kept:
            made.append((f"policies/{rabbitmq.quoted(one['vhost'])}/{rabbitmq.quoted(one['name'])}", given))
    return made, told


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
    with Fleet(seen) as other:
        read = other.each(files, look)
        for one in found:
            try:
                had = rabbitmq.anywhere(now, other, one.old, _definitions)
                have = rabbitmq.anywhere(seen, other, one.new, _definitions)
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
        except (NaruError, Denied, Missing) as error:
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


def left_on_others(site: Site, services: Collection[str], *, back: bool) -> list[Verified]:
    """Who is connected to the queues that are left behind: the old ones, or the new ones after the way `back`. Of the
    site's services those that are not of the upgraded ones (projects, by name) may be."""
    now, seen = Site(site.content, site.file), coming(site)
    stay = {one.project for one in site.content.services} - set(services)
    found = []
    with Fleet(seen) as fleet:
        asked = {(pair.new if back else pair.old).name: pair for pair in pairs(seen) if pair.left}
        for name, pair in asked.items():
            left, of = (pair.new, seen) if back else (pair.old, now)
            try:
                every = rabbitmq.anywhere(of, fleet, left, partial(_clients, vhosts=pair.old.vhosts))
            except NaruError as error:
                why = f"the queue {name} does not say who is connected: {error.summary}"
                found.append(Verified("not known", CLIENTS, "not read", "", 0, (why,)))
                continue
            others = [one for one in every if one.partition(" ")[0].partition("-")[0] in stay]
            of_upgraded = [one for one in every if one not in others]
            judged: tuple[tuple[Judged, list[str]], ...] = (("wrong", of_upgraded), ("not compared", others))
            for how, clients in judged:
                if clients:
                    told = tuple(shortened(clients, EXAMPLES))
                    found.append(Verified(how, CLIENTS, f"left on {name}", "", len(clients), told))
    return found


def _clients(get: rabbitmq.Get, vhosts: Collection[str]) -> list[str]:
    """Who is connected to virtual hosts, once each: the program, by oslo.messaging NAME:PID:ID, else the user, and from
    where."""
    wanted = "user,vhost,peer_host,client_properties"
    found = set()
    for one in get(f"connections?columns={wanted}"):
        if one.get("vhost") in vhosts:
            name = str((one.get("client_properties") or {}).get("connection_name") or one.get("user"))
            found.add(f"{name.partition(':')[0]} from {one.get('peer_host')}")
    return sorted(found)
