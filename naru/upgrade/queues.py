"""Message queues that are built beside the running ones (`queues` of the site's `next:`): what services need of the old
one is there before they start, and nobody is left on it after.

A new queue takes the place of the running one of its name, or of the only one there is; two may take the place of one,
as for RPC and notifications apart. Services say in their own configuration which one they have.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from naru.errors import NaruError
from naru.releases import path
from naru.releases.path import Service
from naru.site import rabbitmq
from naru.site.model import Queue
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.text import shortened
from naru.upgrade.configuration import files_of
from naru.upgrade.finding import Finding, Span
from naru.upgrade.verified import Verified

SECONDS = 60.0
PORT = 5672
WHERE = "message queue"
CLIENTS = "client of a message queue"
"""What verify calls those that are left."""
EXAMPLES = 10
MIRRORS = (
    *("ha-mode", "ha-params", "ha-sync-mode", "ha-sync-batch-size"),
    *("ha-promote-on-shutdown", "ha-promote-on-failure"),
)
REFUSED: tuple[tuple[tuple[int, int], tuple[str, ...]], ...] = (
    ((4, 0), MIRRORS),
    ((4, 3), ("queue-mode", "queue-master-locator")),
)
"""What a RabbitMQ from a version on refuses in policies, or does not know (RabbitMQ's release notes)."""
# FILE and one server of a transport_url in it, as HOST:PORT: what stands before the @ of a server is its user
_AWK = r"""
/^[ \t]*transport_url[ \t]*=/ {
  sub(/^[^=]*=[ \t]*/, ""); sub(/^[^:]*:\/\//, "")
  count = split($0, pieces, /[,\/]/)
  for (n = 1; n <= count; n++) if (pieces[n] ~ /@/) { sub(/^.*@/, "", pieces[n]); print FILENAME "\t" pieces[n] }
}
"""


def pairs(site: Site) -> list[tuple[Queue, Queue]]:
    """Each queue that is to come, with the running one whose place it takes; [] where services stay on theirs. Raises
    InputError for one of which that is not clear."""
    running = {queue.name: queue for queue in site.content.queues}
    found = []
    for index, queue in enumerate(site.content.next.queues if site.content.next else ()):
        only = next(iter(running.values())) if len(running) == 1 else None
        old = running.get(queue.name, only)
        if old is None:
            known = ", ".join(running) or "none"
            raise site.wrong(f"next.queues.{index}.name", f"it takes the place of one of the same name: {known}")
        found.append((queue, old))
    return found


def coming(site: Site) -> Site:
    """The site with what is to come, which has the hosts of both queues."""
    return Site(site.content, site.file, next_part=True)


def servers(site: Site, queue: Queue) -> list[str]:
    """Where clients reach a queue, as HOST:PORT."""
    return [f"{rabbitmq.bracketed(host.address)}:{queue.port}" for host in site.named(queue.hosts)]


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
    for vhost in sorted({one["name"] for one in old["vhosts"]} & set(vhosts)):
        if vhost not in {one["name"] for one in new["vhosts"]}:
            made.append((f"vhosts/{quote(vhost)}", {}))
    rights = [one for one in old["permissions"] if one["vhost"] in vhosts]
    wanted = {one["user"] for one in rights}
    there = {one["name"] for one in new["users"]}
    for user in old["users"]:
        if user["name"] not in wanted:
            told.append(f"the user {user['name']} has no right in these virtual hosts: it is not made")
        elif user["name"] in there:
            told.append(f"the user {user['name']} is there already, and its password is left as it is")
        else:
            tags = user.get("tags", "")
            given = {"tags": tags if isinstance(tags, str) else ",".join(tags)}
            given |= {key: user[key] for key in ("password_hash", "hashing_algorithm") if key in user}
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


def _policies(
    old: Mapping[str, Any], new: Mapping[str, Any], vhosts: Collection[str]
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """The policies by what the new version takes."""
    version = _version(str(new.get("rabbit_version") or new.get("rabbitmq_version") or ""))
    gone = {key for since, keys in REFUSED if version >= since for key in keys}
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
            told.append(f"{name}: RabbitMQ {version[0]}.{version[1]} has no {', '.join(left)}")
        if kept:
            given = {**{key: one[key] for key in ("pattern", "priority", "apply-to") if key in one}, "definition": kept}
            made.append((f"policies/{rabbitmq.quoted(one['vhost'])}/{rabbitmq.quoted(one['name'])}", given))
    return made, told


def _version(text: str) -> tuple[int, int]:
    """Raises NaruError for what is none: what it refuses would not be known."""
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    if not (major.isdigit() and minor.isdigit()):
        raise NaruError(f"RabbitMQ does not say its version: {text!r}")
    return int(major), int(minor)


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """Services that are to come and whose configuration names another queue than those that are to come. Of the files
    nothing but the servers' addresses is read."""
    if not (found := pairs(site)):
        return []
    seen = coming(site)
    files = files_of(seen, site.coming(span.goal), {service.name for service in services})
    right = {name for new, _ in found for name in names(seen, new)}
    wrong = {name for _, old in found for name in names(seen, old)} - right

    async def look(remote: Remote) -> list[tuple[str, str]]:
        line = f"awk {shlex.quote(_AWK)} {shlex.join(files[remote.name])}"
        rows = (row.partition("\t") for row in (await remote.checked(line, seconds=SECONDS)).splitlines())
        return [(file, server) for file, _, server in rows]

    with Fleet(seen) as other:
        read = other.each(files, look)
    return list(_judged(read, files, right, wrong, span, ", ".join(new.name for new, _ in found)))


def _judged(
    read: "Mapping[str, list[tuple[str, str]] | NaruError]",
    files: Mapping[str, Mapping[str, str]],
    right: Collection[str],
    wrong: Collection[str],
    span: Span,
    queues: str,
) -> Iterator[Finding]:
    for host, rows in read.items():
        if isinstance(rows, NaruError):
            of = next(iter(files[host].values()))
            yield Finding("unknown", of, span.goal, host, f"{WHERE}: {rows}", 0, (), "See: naru site check", "")
            continue
        for file in dict.fromkeys(file for file, _ in rows):
            mine = {server for name, server in rows if name == file}
            project = files[host][file]
            proof = f"grep -n transport_url {file}"
            cure = f"Name the servers of {queues} in transport_url of {file}."
            if old := sorted(mine & set(wrong)):
                what = f"{file}: transport_url names a queue that is left behind"
                yield Finding("blocks", project, span.goal, host, what, len(old), tuple(old), cure, proof)
            elif other := sorted(mine - set(right)):
                what = f"{file}: transport_url names what is no host of a queue under next:"
                yield Finding("unknown", project, span.goal, host, what, len(other), tuple(other), cure, proof)


def names(site: Site, queue: Queue) -> set[str]:
    """Each way to name a server of a queue in a URL; the usual port may be left out."""
    hosts = {name for host in site.named(queue.hosts) for name in (host.name, rabbitmq.bracketed(host.address))}
    return {f"{host}:{queue.port}" for host in hosts} | (hosts if queue.port == PORT else set())


def left_on_others(site: Site, services: Collection[str], *, back: bool) -> list[Verified]:
    """Who of the `services` (projects, by name), and of whom it is not known, is connected to the queues that are left
    behind: the old ones, or the new ones after the way `back`."""
    seen = coming(site)
    stay = path.services().keys() - set(services)
    found = []
    with Fleet(seen) as fleet:
        for new, old in pairs(seen):
            left = new if back else old
            try:
                every = rabbitmq.anywhere(seen, fleet, left, partial(_clients, queue=left))
            except NaruError as error:
                why = f"the queue {left.name} does not say who is connected: {error.summary}"
                found.append(Verified("not known", CLIENTS, "not read", "", 0, (why,)))
                continue
            clients = [one for one in every if one.partition("-")[0] not in stay]
            if clients:
                told = tuple(shortened(clients, EXAMPLES))
                found.append(Verified("wrong", CLIENTS, f"left on {left.name}", "", len(clients), told))
    return found


def _clients(get: rabbitmq.Get, queue: Queue) -> list[str]:
    """Who is connected to the virtual hosts of a queue, once each: the program, by oslo.messaging NAME:PID:ID, else the
    user, and from where."""
    wanted = "user,vhost,peer_host,client_properties"
    found = set()
    for one in get(f"connections?columns={wanted}"):
        if one.get("vhost") in queue.vhosts:
            name = str((one.get("client_properties") or {}).get("connection_name") or one.get("user"))
            found.add(f"{name.partition(':')[0]} from {one.get('peer_host')}")
    return sorted(found)
