"""A real MariaDB server for the tests of copies."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from naru.lab.infra import mariadb
from naru.lab.ports import LOOPBACK, At
from naru.lab.process import Processes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[At, str]]:
    directory = tmp_path_factory.mktemp("mariadb")
    processes = Processes(directory, f"test:{directory}")
    (directory / "mariadb-tmp").mkdir()
    at, password = At(LOOPBACK, free_port()), secrets.token_hex(8)
    mariadb.create(directory / "mariadb", processes.log_file("install"))
    try:
        processes.start(mariadb.command(directory / "mariadb", at))
        mariadb.secure(at, password)
        yield at, password
    finally:
        processes.stop()


def free_port() -> int:
    for port in range(28200, 28300):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise AssertionError("no port is free")
