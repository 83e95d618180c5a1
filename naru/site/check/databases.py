"""Databases: each answers with the user and password of the site, holds the schemas, gives the rights that an upgrade
or a dump needs, and is the cluster that it should be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import InputError, NaruError
from naru.site.check.look import Look
from naru.site.check.result import Results
from naru.site.database import Refused, asked
from naru.site.discover.found import listed
from naru.site.model import Database
from naru.site.secrets import Secrets
from naru.site.site import Host, Site
from naru.site.ssh import Remote
from naru.site.tunnel import Closed

RIGHTS: Mapping[str, frozenset[str]] = {
    "dump": frozenset({"SELECT", "LOCK TABLES", "SHOW VIEW", "TRIGGER", "EVENT", "RELOAD"}),
    "create": frozenset({"CREATE", "ALTER", "INDEX", "REFERENCES", "CREATE VIEW", "INSERT", "UPDATE", "DELETE"}),
    "drop": frozenset({"DROP"}),
    "process": frozenset({"PROCESS"}),
}
"""What each of the works on a database needs, on all of its server: dump and put back a schema, make one beside the
others, take one away, see what it does."""

_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<scope>\S+) TO ", re.IGNORECASE)


@dataclass
class Server:
    """What a database server says of itself."""

    version: str = ""
    grants: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)
    status: dict[str, str] = field(default_factory=dict)
    """Its wsrep_ values, of a Galera cluster."""
    read_only: bool = False


Answer = Server | NaruError


async def ask(site: Site, secrets: Secrets, database: Database, remote: Remote, address: str) -> Answer:
    """A server at an address as a host reaches it, or why it could not be asked."""
    try:
        return await asked(site, secrets, database, remote, address, _server)
    except NaruError as error:
        return error


def _server(connection: "Connection[Cursor]") -> Server:
    with connection.cursor() as cursor:
        found = Server(version=str(_rows(cursor, "SELECT VERSION()")[0][0]))
        found.grants = [str(row[0]) for row in _rows(cursor, "SHOW GRANTS")]
        found.schemas = [str(row[0]) for row in _rows(cursor, "SHOW DATABASES")]
        found.status = {str(row[0]): str(row[1]) for row in _rows(cursor, "SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")}
        found.read_only = any(str(row[1]) in ("ON", "1") for row in _rows(cursor, "SHOW VARIABLES LIKE 'read_only'"))
        return found


def _rows(cursor: Cursor, query: str) -> Sequence[Sequence[object]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def missing(grants: Sequence[str]) -> dict[str, list[str]]:
    """The rights that are not given on all of the server, by what they are needed for."""
    given: set[str] = set()
    for line in grants:
        found = _GRANT.match(line)
        if found and found["scope"].replace("`", "") == "*.*":
            given |= {right.strip().upper() for right in re.sub(r"\([^)]*\)", "", found["rights"]).split(",")}
    if {"ALL", "ALL PRIVILEGES"} & given:
        return {}
    wanted = {what: sorted(rights - given) for what, rights in RIGHTS.items()}
    return {what: rights for what, rights in wanted.items() if rights}


def where(database: Database, host: Host, look: Look | None) -> str:
    """The address at which a host's own server is asked."""
    own = [address for address, port in look.listening if port == database.port] if look else []
    return host.address if "" in own or not own or host.address in own else own[0]


def judge(
    site: Site,
    database: Database,
    looks: Mapping[str, Look],
    answers: Mapping[str, Answer],
    results: Results,
) -> None:
    """One database by what its servers answered, by host; "" is its address."""
    name = f"databases.{database.name}"
    hosts = site.named(database.hosts)
    told_rights = False
    for host, answer in answers.items():
        place = host or str(database.address)
        if not isinstance(answer, Server):
            _not_asked(name, database, host, place, answer, results)
            continue
        results.right(f"{name}.password", host, f"{place} lets {database.user} in: {answer.version}")
        if not told_rights:
            told_rights = _rights(name, database, host, place, answer, results)
        if answer.read_only and not answer.status:
            do = "Correct address or hosts: it is a replica, or was set so."
            results.wrong(f"{name}.{'hosts' if host else 'address'}", host, f"{place} is read only", do)
    for one in hosts:
        if one.name not in looks and one.name not in answers:
            results.unseen(f"{name}.hosts", one.name)
    if not answers and any(one.name in looks for one in hosts):
        results.unknown(name, "", "it was not asked", "Run it again.")
    _cluster(name, database, hosts, answers, results)


def _not_asked(name: str, database: Database, host: str, place: str, answer: NaruError, results: Results) -> None:
    match answer:
        case Refused(of_password=True):
            results.wrong(f"{name}.password", host, f"{place}: {answer.summary}", "Correct user or password.")
        case Refused():
            results.wrong(name, host, f"{place}: {answer.summary}", "See its log.")
        case Closed():
            at = "hosts" if host else "address"
            do = "Start it, or correct port or " + ("hosts." if host else "address.")
            results.wrong(f"{name}.{at}", host, f"nothing answers: {answer.summary}", do)
        case InputError():
            results.wrong(f"{name}.password", host, answer.summary, answer.hint or "Correct password.")
        case _:
            what = ": ".join(filter(None, (answer.summary, answer.detail)))
            results.unknown(f"{name}.password", host, what, answer.hint or "Correct password.")


def _rights(name: str, database: Database, host: str, place: str, answer: Server, results: Results) -> bool:
    """They are the same on all servers of a cluster, and so told once."""
    lacks = missing(answer.grants)
    for what, rights in lacks.items():
        do = f"GRANT {', '.join(rights)} ON *.* TO the user, or name another one."
        told = f"{database.user} has not the right to {what} on {place}: {', '.join(rights)}"
        results.wrong(f"{name}.user", host, told, do)
    if not lacks:
        results.right(f"{name}.user", host, f"{database.user} may dump, create, drop, and see processes")
    for schema in database.schemas:
        if schema in answer.schemas:
            results.right(f"{name}.schemas", host, f"{schema} is there")
        else:
            like = [one for one in answer.schemas if schema in one or one in schema]
            told = f"; there is {listed(like)}" if like else ""
            results.wrong(f"{name}.schemas", host, f"there is no schema {schema} on {place}{told}", "Correct schemas.")
    return True


def _cluster(
    name: str, database: Database, hosts: Sequence[Host], answers: Mapping[str, Answer], results: Results
) -> None:
    servers = {host: one for host, one in answers.items() if isinstance(one, Server)}
    is_galera = {
        host: one.status.get("wsrep_cluster_status", "") not in ("", "Disconnected") for host, one in servers.items()
    }
    if database.kind == "mariadb":
        for host, one in servers.items():
            if is_galera[host]:
                count = one.status.get("wsrep_cluster_size", "?")
                results.wrong(f"{name}.kind", host, f"it is a Galera cluster of {count}", "Set kind: galera.")
        return
    uuids = {one.status.get("wsrep_cluster_state_uuid", "") for host, one in servers.items() if is_galera[host]}
    if len(uuids) > 1:
        results.wrong(f"{name}.hosts", "", "they are of several clusters", "Correct hosts, or join them.")
    for host, one in servers.items():
        if not is_galera[host]:
            do = "Set kind: mariadb, or start it as a member of its cluster."
            results.wrong(f"{name}.kind", host, "it is in no Galera cluster", do)
            continue
        bad = [
            f"{key} is {one.status.get(key, 'not said')}"
            for key, wanted in (
                ("wsrep_ready", "ON"),
                ("wsrep_cluster_status", "Primary"),
                ("wsrep_local_state_comment", "Synced"),
            )
            if one.status.get(key) != wanted
        ]
        if bad:
            results.wrong(name, host, ", ".join(bad), "See its log: it has to be Synced in the Primary component.")
        else:
            results.right(name, host, "Synced, in the Primary component")
        size = one.status.get("wsrep_cluster_size", "")
        if size != str(len(hosts)):
            what = f"the cluster has {size or 'no'} members, and the site {len(hosts)}"
            results.wrong(f"{name}.hosts", host, what, "Start those that are missing, or correct hosts.")
