"""A database server of a site, asked as a host reaches it."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.site.model import Database
from naru.site.secrets import Secrets
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.site.threads import in_thread
from naru.site.tunnel import Closed, open_socket

SECONDS = 10.0
"""How long a server may take to let one in."""

T = TypeVar("T")


class Refused(NaruError):
    """The server answers, and does not let the user in, or refuses what is asked. `of_password` says whether user and
    password are the reason."""

    def __init__(self, summary: str, *, of_password: bool) -> None:
        super().__init__(summary)
        self.of_password = of_password


async def asked(
    site: Site,
    secrets: Secrets,
    database: Database,
    remote: Remote,
    address: str,
    work: "Callable[[Connection[Cursor]], T]",
    *,
    seconds: float = SECONDS,
) -> T:
    """What `work` makes of a connection to the server at an address as the host reaches it; each answer may take so
    many `seconds`. Raises Closed, Refused, and what reading the password raises."""
    password = await secrets.read(database.password, f"databases.{database.name}.password")
    ca = str(site.path(database.certificate)) if database.certificate else None
    async with open_socket(remote, address, database.port) as sock:
        return await in_thread(lambda: _asked(sock, database, address, password, ca, work, seconds))


def asked_anywhere(
    site: Site,
    fleet: Fleet,
    database: Database,
    work: "Callable[[Connection[Cursor]], T]",
    *,
    seconds: float = SECONDS,
) -> T:
    """What `work` makes of a connection to a database, by the first of its hosts that leads there; each answer may take
    so many `seconds`. Raises NaruError with what the last one said."""
    last: NaruError | None = None
    for host in site.named(database.hosts):
        address = database.address or host.address
        asking = asked(site, fleet.secrets, database, fleet.remote(host.name), address, work, seconds=seconds)
        try:
            return fleet.call(asking)
        except NaruError as error:
            last = error
    raise NaruError(
        f"the database {database.name} of {site.file} cannot be asked",
        detail=str(last) if last else "it has no hosts",
        hint="See: naru site check",
    )


def _asked(
    sock: socket.socket,
    database: Database,
    address: str,
    password: str,
    ca: str | None,
    work: "Callable[[Connection[Cursor]], T]",
    seconds: float,
) -> T:
    connection = pymysql.connect(
        host=address,
        port=database.port,
        user=database.user,
        password=password,
        ssl={"ca": ca} if ca else None,
        connect_timeout=int(SECONDS),
        read_timeout=int(seconds),
        write_timeout=int(seconds),
        defer_connect=True,
    )
    try:
        connection.connect(sock)
        with connection:
            return work(connection)
    except pymysql.err.MySQLError as error:
        code, said = (*error.args, "", "")[:2]
        raise Refused(f"{said or code}", of_password=code in (1044, 1045, 1698)) from error
    except OSError as error:
        raise Closed(f"{address}:{database.port}: {error or 'no answer'}") from error
    except RuntimeError as error:  # PyMySQL's, of a way to log in that needs what is not there
        raise Refused(str(error), of_password=False) from error
    finally:
        with suppress(OSError):
            sock.close()
