"""One MariaDB server of one cloud."""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pymysql

from naru.errors import NaruError
from naru.lab.ports import LOOPBACK, At
from naru.lab.process import Command

USER = "openstack"


def create(directory: Path, log: Path) -> None:
    """Makes the data directory, or makes it anew when an earlier attempt did not finish. Beside it `mariadb-tmp` has to
    be there, for this and for the server."""
    if (directory / "naru-created").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                "--user=root",
                f"--datadir={directory}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(_temporary(directory))},
        )
    if done.returncode:
        raise NaruError(f"MariaDB's data directory {directory} cannot be made", hint=f"See {log}.")
    (directory / "naru-created").touch()


def _temporary(directory: Path) -> Path:
    """A server deletes all temporary tables in this directory when it starts, those of others too: not /tmp."""
    return directory.with_name("mariadb-tmp")


def command(directory: Path, at: At, further: tuple[str, ...] = (), user: str = "root") -> Command:
    """The server, with `further` options over its own. Nothing is synced to disk before a clean stop: a lab's data is
    worth speed, not a power cut."""
    return Command(
        "mariadb",
        (
            "mariadbd",
            "--no-defaults",
            f"--user={user}",
            f"--datadir={directory}",
            f"--tmpdir={_temporary(directory)}",
            "--socket=mysqld.sock",  # relative to the data directory: a deep path would exceed a socket's 107 bytes
            f"--port={at.port}",
            f"--bind-address={at.address}",
            "--pid-file=mariadb.pid",
            "--character-set-server=utf8mb3",
            "--collation-server=utf8mb3_general_ci",
            "--max-connections=2000",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--innodb-flush-method=nosync",
            "--innodb-buffer-pool-size=128M",
            "--innodb-log-file-size=32M",
            "--innodb-fast-shutdown=1",
            "--max-allowed-packet=64M",
            "--performance-schema=OFF",
            *further,
        ),
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        cwd=directory,
        port=at.port,
        grace=30,
        address=at.address,
    )


def secure(at: At, password: str, timeout: float = 30) -> None:
    """Waits for the server; makes the services' user the only one, if that is still to do."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection = _connect(at, USER, password)
            connection.close()
            return
        except pymysql.err.OperationalError as error:
            code = error.args[0]
            if code == 1045:  # access denied: up, and not secured yet
                break
            if time.monotonic() > deadline:
                raise NaruError(f"MariaDB at {at} does not answer", detail=str(error)) from error
            time.sleep(0.1)
    with _connect(at, "root", "") as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{USER}'@'{LOOPBACK}' IDENTIFIED BY %s", (password,))
        cursor.execute(f"GRANT ALL ON *.* TO '{USER}'@'{LOOPBACK}' WITH GRANT OPTION")
        # nobody else: the installed root has no password, and every user of the machine reaches the port
        cursor.execute("DELETE FROM mysql.global_priv WHERE User IN ('', 'root')")
        cursor.execute("FLUSH PRIVILEGES")


def create_databases(at: At, password: str, names: Iterable[str]) -> None:
    """Creates the empty databases; one that a killed attempt left half-filled is dropped first."""
    with _connect(at, USER, password) as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb3")


def insert(at: At, password: str, database: str, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Adds rows to a table, by the names of its columns, or writes them anew where their keys are there already."""
    with _connect(at, USER, password) as connection, connection.cursor() as cursor:
        for row in rows:
            columns = ", ".join(f"`{name}`" for name in row)
            values = ", ".join(["%s"] * len(row))
            cursor.execute(f"REPLACE INTO `{database}`.`{table}` ({columns}) VALUES ({values})", tuple(row.values()))


def url(at: At, password: str, name: str) -> str:
    """The SQLAlchemy URL of a database, as the services' configurations have it."""
    return f"mysql+pymysql://{USER}:{password}@{at}/{name}?charset=utf8"


def _connect(at: At, user: str, password: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=at.address, port=at.port, user=user, password=password, connect_timeout=5, autocommit=True
    )
