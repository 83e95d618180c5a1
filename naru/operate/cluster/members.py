"""The members of a database as they answer: of a Galera cluster, whether each is in it, and where its data lies."""

from collections.abc import Iterable, Mapping
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.site.database import Refused, asked
from naru.site.model import Database
from naru.site.site import Site
from naru.site.ssh import Fleet

PRIMARY, SYNCED = "Primary", "Synced"
VALUES = {
    "wsrep_cluster_status": "component",
    "wsrep_local_state_comment": "state",
    "wsrep_cluster_state_uuid": "uuid",
    "wsrep_cluster_size": "size",
    "wsrep_last_committed": "seqno",
}
"""What is asked of a member, and what it is called here."""


def databases(site: Site, fleet: Fleet, database: Database) -> dict[str, Any]:
    """By host of a database what its server says, or why it was not asked."""
    found: dict[str, Any] = {}
    for host in site.named(database.hosts):
        found[host.name] = member(site, fleet, database, host.name)
    return {"kind": database.kind, "members": found}


def member(site: Site, fleet: Fleet, database: Database, host: str, *, seconds: float = 10.0) -> dict[str, Any]:
    """What the server on a host says; `error` is why it says nothing. With `refused` it runs, and does not let one in:
    that is no member that is off."""
    asking = asked(
        site, fleet.secrets, database, fleet.remote(host), site.hosts[host].address, _member, seconds=seconds
    )
    try:
        return fleet.call(asking)
    except Refused as error:
        return {"error": error.summary, "refused": "password" if error.of_password else "other"}
    except NaruError as error:
        return {"error": error.summary}


def _member(connection: "Connection[Cursor]") -> dict[str, Any]:
    # SHOW alone: a member that is in no cluster answers nothing else
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
        status = {str(key): str(value) for key, value in cursor.fetchall()}
        cursor.execute("SHOW GLOBAL VARIABLES LIKE 'datadir'")
        directory = {str(key): str(value) for key, value in cursor.fetchall()}["datadir"]
    found: dict[str, Any] = {name: status[key] for key, name in VALUES.items() if key in status}
    for name in ("size", "seqno"):
        if name in found:
            found[name] = int(found[name])
    return {**found, "directory": directory.rstrip("/")}


def is_primary(found: Mapping[str, Any]) -> bool:
    """Whether a member of Galera is in the component that may write, be it Synced, a donor, or on its way to it: the
    cluster runs, and nobody has to begin it."""
    return found.get("component") == PRIMARY


def is_synced(found: Mapping[str, Any]) -> bool:
    """Whether a member of Galera is in its cluster, and has all that the others have."""
    return is_primary(found) and found.get("state") == SYNCED


def uuid_of(database: dict[str, Any]) -> str:
    """The id of the cluster that members said they were in."""
    return next((str(one["uuid"]) for one in database["members"].values() if is_synced(one)), "")


def differences(name: str, before: dict[str, Any], now: dict[str, Any]) -> Iterable[str]:
    """What of a database is otherwise than it was, for people."""
    for host, was in before["members"].items():
        found = now.get("members", {}).get(host, {"error": "it was not asked"})
        if "error" in found and "error" not in was:
            yield f"database {name} on {host}: {found['error']}"
        for field in ("component", "state", "uuid", "size"):
            if "error" not in found and was.get(field) != found.get(field):
                yield f"database {name} on {host}: {field} {found.get(field)}, and was {was.get(field)}"
