"""Database servers: whether each lets its user in, and of Galera which state each member has."""

from functools import partial

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import InputError, NaruError
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known
from naru.site.database import asked
from naru.site.model import Database
from naru.site.ssh import Fleet, Remote


class Reading:
    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        site, fleet = self._known.site, self._known.fleet
        if fleet is None or not site.part.databases:
            raise NothingThere("the site has no databases")
        for database in site.part.databases:
            names = [host.name for host in site.named(database.hosts)]
            answers = fleet.each(names, partial(_ask, fleet, database), check=self._known.check)
            for host, answer in answers.items():
                if isinstance(answer, InputError):
                    raise answer  # a password that cannot be read says nothing of the server
                samples.add("naru_database_answers", float(not isinstance(answer, NaruError)), database.name, host)
                if database.kind == "galera" and not isinstance(answer, NaruError):
                    _galera(samples, database.name, host, answer)
            if database.kind == "galera":
                samples.add("naru_galera_hosts", len(names), database.name)


async def _ask(fleet: Fleet, database: Database, remote: Remote) -> dict[str, str]:
    return await asked(fleet.site, fleet.secrets, database, remote, remote.host.address, _status)


def _status(connection: "Connection[Cursor]") -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
        return {str(name): str(value) for name, value in cursor.fetchall()}


def _galera(samples: Samples, database: str, host: str, status: dict[str, str]) -> None:
    uuid = status.get("wsrep_cluster_state_uuid") or "none"
    samples.add("naru_galera_info", 1.0, database, host, uuid)
    samples.add("naru_galera_seqno", float(status.get("wsrep_last_committed") or -1), database, host)
    whole = status.get("wsrep_cluster_status") == "Primary" and status.get("wsrep_local_state_comment") == "Synced"
    samples.add("naru_galera_primary", float(whole), database, host)
    samples.add("naru_galera_members", float(status.get("wsrep_cluster_size") or 0), database, host)
