"""A PostgreSQL server for the tests that need one: loopback only, in a directory of its own, ended with the session."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

USER = "postgres"


def _programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not installed:
        pytest.skip("no PostgreSQL server is installed (Debian and Ubuntu: postgresql)")
    return installed[-1].parent


def _answers(url: str) -> bool:
    try:
        psycopg.connect(f"{url}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True


class Server:
    """A server in a directory of its own, which may be stopped and started again."""

    def __init__(self) -> None:
        self._programs = _programs()
        # it refuses to run as root
        self._user = USER if os.geteuid() == 0 else None
        self.directory = Path(tempfile.mkdtemp(prefix="naru-postgresql-"))
        if self._user is not None:
            shutil.chown(self.directory, self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"postgresql://{USER}@127.0.0.1:{self._port}"
        command: list[str | Path] = [
            self._programs / "initdb",
            "-D",
            self._data,
            "-U",
            USER,
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self.directory)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": str(self.directory),
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *settings],
                stderr=log,
                user=self._user,
                cwd=self.directory,
            )
        end = time.monotonic() + 60
        while not _answers(self.url):
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < end, "the server does not come up"
            time.sleep(0.1)

    def stop(self) -> None:
        """Fast: its clients are cut off."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=300)


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.directory)


def new_database(url: str) -> str:
    """The URL of a new, empty database on the server."""
    name = f"naru_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{url}/{name}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    with serving() as server:
        yield server.url


@pytest.fixture
def database(postgresql: str) -> str:
    """The URL of a new, empty database."""
    return new_database(postgresql)
