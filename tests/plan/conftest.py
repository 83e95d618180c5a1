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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    programs = _programs()
    # it refuses to run as root
    user = USER if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="naru-postgresql-"))
    if user is not None:
        shutil.chown(directory, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = directory / "data"
    command = [programs / "initdb", "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C"]
    subprocess.run(command, check=True, capture_output=True, user=user, cwd=directory)
    options = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(directory)}
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen([programs / "postgres", "-D", data, *settings], stderr=log, user=user, cwd=directory)
    try:
        url = f"postgresql://{USER}@127.0.0.1:{port}"
        end = time.monotonic() + 60
        while not _answers(url):
            assert server.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < end, "the server does not come up"
            time.sleep(0.1)
        yield url
    finally:
        # fast: its clients are cut off
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
        shutil.rmtree(directory)


@pytest.fixture
def database(postgresql: str) -> str:
    """The URL of a new, empty database."""
    name = f"naru_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return f"{postgresql}/{name}"
