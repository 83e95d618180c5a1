"""Message queues that are built beside the running ones (`queues` of the site's `next:`): what services need of the old
one is there before they start, and nobody is left on it after.

A new queue takes the place of the running one of its name, or of the only one there is; two may take the place of one,
as for RPC and notifications apart. Services say in their own configuration which one they have.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from naru.upgrade.configuration import files_of
from naru.upgrade.finding import Finding, Span
from naru.upgrade.programs import RABBITMQ, removed, version_of
from naru.upgrade.rows import tables
from naru.upgrade.verified import Judged, Verified

SECONDS = 60.0
PORT = 5672
BEFORE_3_6 = "rabbit_password_hashing_md5"
"""How passwords are kept of which it is not said."""
WHERE = "message queue"
CLIENTS = "client of a message queue"
"""What verify calls those that are left."""
EXAMPLES = 10
# FILE, one server of a transport_url in it, as HOST:PORT, and the virtual host: what stands before the @ of a server is
# its user
_AWK = r"""
/^[ \t]*transport_url[ \t]*[=:]/ {
  sub(/^[ \t]*transport_url[ \t]*[=:][ \t]*/, ""); sub(/^[^:]*:\/\//, ""); sub(/\?.*$/, "")
  vhost = $0
  if (!sub(/^[^\/]*\//, "", vhost)) vhost = ""
  sub(/\/.*$/, "")
  users = /@/
  count = split($0, pieces, ",")
  for (n = 1; n <= count; n++) {
    if (users && pieces[n] !~ /@/) continue
    sub(/^.*@/, "", pieces[n])
    print FILENAME "\t" pieces[n] "\t" vhost
  }
}
"""
_CELLS = (
    "SELECT name, REGEXP_REPLACE(transport_url, '[^/@,]*@', '') FROM nova_api.cell_mappings "
    "WHERE transport_url NOT LIKE '%{%' AND transport_url NOT LIKE 'none:%' AND transport_url NOT LIKE 'fake:%'"
)
"""Nova's cells, but those that follow its configuration or have no queue, with the servers of their queue."""
CARRY_CURE = "See it on the new one: what it needs and does not get is made there by hand."
CARRY_PROOF = "rabbitmqctl list_users, list_policies, list_parameters"
_USING = ("nova", "neutron", "cinder")
"""Who works by the message queue."""


class Named(NamedTuple):
    """A server that a transport_url in a file names, and the virtual host there."""

    file: str
    server: str
    vhost: str


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
    for kind, name in (("permissions", "permissions"), ("topic_permissions", "topic-permissions")):
        fixed = ("vhost", "user", *(["exchange"] if kind == "topic_permissions" else []))
        have = {tuple(one[key] for key in fixed) for one in new.get(kind, ())}
        for one in old.get(kind, ()):
            if one["vhost"] in vhosts and one["user"] in wanted and tuple(one[key] for key in fixed) not in have:
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
    there = {(one["vhost"], one["name"]) for one in new.get("policies", ())}
    made, told = [], []
    for one in old.get("policies", ()):
        if one["vhost"] not in vhosts:
            continue
        name = f"the policy {one['name']} of {one['vhost']}"
        if (one["vhost"], one["name"]) in there:
            told.append(f"{name} is there already, and is left as it is")
            continue
        kept = {key: value for key, value in one["definition"].items() if key not in gone}
        if left := [key for key in one["definition"] if key in gone]:
            told.append(f"{name}: RabbitMQ {version} has no {', '.join(left)}")
        if kept:
            given = {**{key: one[key] for key in ("pattern", "priority", "apply-to") if key in one}, "definition": kept}
            made.append((f"policies/{rabbitmq.quoted(one['vhost'])}/{rabbitmq.quoted(one['name'])}", given))
    return made, told


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """Services that are to come and whose configuration names another queue than those that are to run; Nova's cells
    whose queue is none of the site's; and what is not carried over. Of files and cells nothing but the servers'
    addresses is read."""
    found = pairs(site)
    if not found:
        return []
    seen = coming(site)
    followed = {one.old.name for one in found} - {one.new.name for one in found}
    right = {name for one in seen.part.queues if one.name not in followed for name in names(seen, one)}
    left = {name for one in found for name in one.left} - right
    wanted = {service.name for service in services}
    files = files_of(seen, site.coming(span.goal), wanted)

    async def look(remote: Remote) -> list[Named]:
        line = f"awk {shlex.quote(_AWK)} {shlex.join(files[remote.name])}"
        rows = (row.split("\t") for row in (await remote.checked(line, seconds=SECONDS)).splitlines())
        return [Named(file, server, unquote(vhost) or "/") for file, server, vhost in rows]

    vhosts = {vhost for queue in site.content.queues for vhost in queue.vhosts}
    told: list[Finding] = []
    with Fleet(seen) as other:
        read = other.each(files, look)
        for one in found:
            try:
                had = rabbitmq.anywhere(Site(site.content, site.file), other, one.old, _definitions)
                have = rabbitmq.anywhere(seen, other, one.new, _definitions)
                told += _not_carried(carried(had, have, one.old.vhosts), one, span)
                vhosts |= {vhost["name"] for vhost in have["vhosts"]}
            except NaruError as error:
                what = f"what is carried over: {error.summary}"
                told.append(Finding("unknown", ALL, span.goal, one.new.name, what, 0, (), CARRY_CURE, CARRY_PROOF))
    cells = _cells(site, fleet, right | left, span) if "nova" in wanted else []
    queues = ", ".join(one.new.name for one in found)
    return [*_judged(read, files, right, left, vhosts, span, queues), *cells, *told]


def _judged(
    read: "Mapping[str, list[Named] | NaruError]",
    files: Mapping[str, Mapping[str, str]],
    right: Collection[str],
    left: Collection[str],
    vhosts: Collection[str],
    span: Span,
    queues: str,
) -> Iterator[Finding]:
    for host, rows in read.items():
        if isinstance(rows, NaruError):
            of = next(iter(files[host].values()))
            yield Finding("unknown", of, span.goal, host, f"{WHERE}: {rows}", 0, (), "See: naru site check", "")
            continue
        said = {files[host][row.file] for row in rows}
        for project in dict.fromkeys(files[host].values()):
            if project in _USING and project not in said:
                silent = tuple(file for file, of in files[host].items() if of == project)
                cure = f"Name the servers of {queues} in transport_url."
                proof = f"grep -n transport_url {' '.join(silent)}"
                what = "no file has a transport_url"
                yield Finding("unknown", project, span.goal, host, what, len(silent), silent, cure, proof)
        for file in dict.fromkeys(row.file for row in rows):
            mine = {row.server for row in rows if row.file == file}
            lost = {row.vhost for row in rows if row.file == file} - set(vhosts)
            project = files[host][file]
            proof = f"grep -n transport_url {file}"
            cure = f"Name the servers of {queues} in transport_url of {file}."
            if lost:
                what = f"{file}: transport_url has a virtual host that is neither on the new queue nor carried over"
                add = "Add it to vhosts of the queue that runs, under queues in the site; or make it on the new one."
                yield Finding("blocks", project, span.goal, host, what, len(lost), tuple(sorted(lost)), add, proof)
            if old := sorted(mine & set(left)):
                what = f"{file}: transport_url names a queue that is left behind"
                yield Finding("blocks", project, span.goal, host, what, len(old), tuple(old), cure, proof)
            elif other := sorted(mine - set(right)):
                what = f"{file}: transport_url names no queue of the site"
                cure = f"{cure} Or add what it names to addresses of its queue in the site."
                yield Finding("unknown", project, span.goal, host, what, len(other), tuple(other), cure, proof)


def _cells(site: Site, fleet: Fleet, known: Collection[str], span: Span) -> Iterator[Finding]:
    """Cells with a queue that is none of the site's: in the window they could not be brought to the new one."""

    def work(connection: "Connection[Cursor]") -> list[tuple[str, str]]:
        table = tables(connection, SECONDS)
        if ("nova_api",) not in table("SHOW DATABASES LIKE 'nova_api'"):
            return []
        return [(str(name), str(url)) for name, url in table(_CELLS)]

    for database in site.part.databases:
        cure = "Add what it names to addresses of its queue, under queues in the site."
        proof = "nova-manage cell_v2 list_cells"
        try:
            rows = asked_anywhere(site, fleet, database, work, seconds=SECONDS)
        except NaruError as error:
            yield Finding("unknown", "nova", span.goal, database.name, f"cells: {error.summary}", 0, (), cure, proof)
            continue
        for name, url in rows:
            mine = re.sub(r"^[^:]*://|[/?].*$", "", url).split(",")
            if other := sorted(set(mine) - set(known)):
                what = f"the cell {name} has a message queue that is none of the site's"
                yield Finding("blocks", "nova", span.goal, "nova_api", what, len(other), tuple(other), cure, proof)


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
