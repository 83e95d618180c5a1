"""A dump taken on a host of a site, by SSH, of a real MariaDB; and put into another one."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pymysql
import pytest

from naru.actions.databases.server import script
from naru.errors import InputError, NaruError
from naru.lab.infra import mariadb
from naru.lab.ports import LOOPBACK, At
from naru.site import site as sites
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.twin import dump

pytestmark = pytest.mark.mariadb

MARK = f"test{os.getpid()}"


class Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


async def _runs(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    """This machine is the host."""
    given = await process.stdin.read()
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    done = await asyncio.create_subprocess_shell(str(process.command), **pipes)
    out, errors = await done.communicate(given)
    process.stdout.write(out)
    process.stderr.write(errors)
    process.exit(done.returncode or 0)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """How a host is logged in to, as a site says it."""
    known = tmp_path_factory.mktemp("ssh") / "known_hosts"
    key, loop, ports = asyncssh.generate_private_key("ssh-ed25519"), asyncio.new_event_loop(), []
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        options: dict[str, Any] = {"server_factory": Server, "server_host_keys": [key], "encoding": None}
        async with asyncssh.listen(LOOPBACK, 0, process_factory=_runs, **options) as listening:
            ports.append(listening.get_port())
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    known.write_text(f"[{LOOPBACK}]:{ports[0]} {key.export_public_key().decode()}")
    yield {"user": "root", "port": ports[0], "known_hosts": str(known)}
    loop.call_soon_threadsafe(over.set)
    thread.join()


@pytest.fixture
def site(server: tuple[At, str], host: dict[str, Any], tmp_path: Path) -> Site:
    """A site whose database is that of the tests."""
    at, password = server
    (tmp_path / "password").write_text(password)
    (tmp_path / "password").chmod(0o600)
    database = {"hosts": "db1", "port": at.port, "user": mariadb.USER, "password": {"file": "password"}}
    content = {
        "naru_site": 1,
        "name": "seoul",
        "login": host,
        "hosts": [{"name": "db1", "address": LOOPBACK}],
        "databases": [
            {"name": "main", "kind": "mariadb", "schemas": ["keystone", "nova", "heat"], **database},
            {"name": "other", "kind": "mariadb", "schemas": ["grafana"], **database},
        ],
    }
    return sites.parse(content, tmp_path / "site.yaml")


@contextmanager
def asked(server: tuple[At, str]) -> "Iterator[pymysql.cursors.Cursor]":
    at, password = server
    with (
        pymysql.connect(
            host=at.address, port=at.port, user=mariadb.USER, password=password, autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def ignore(what: str) -> None:
    """A progress callback."""


def left() -> list[Path]:
    return list(Path(dump.ROOT).glob(f"twin-{MARK}*"))


def test_what_a_site_has_is_brought_here_and_put_into_another_server(
    server: tuple[At, str], site: Site, tmp_path: Path
) -> None:
    at, password = server
    mariadb.create_databases(at, password, ["keystone", "nova", "heat"])
    with asked(server) as cursor:
        cursor.execute("CREATE TABLE nova.instances (id INT PRIMARY KEY, name VARCHAR(99)) ENGINE=InnoDB")
        cursor.execute("INSERT INTO nova.instances VALUES (1, '가게'), (2, 'it''s')")
    taken = dump.take(site, ["keystone", "nova", "cinder"], tmp_path / "dump", MARK, ignore)
    assert taken == [tmp_path / "dump" / "main"]
    assert dump.schemas(taken) == ["keystone", "nova"]
    assert left() == []
    # one that is here is not taken again: the server may be gone
    assert dump.take(site, ["keystone", "nova"], tmp_path / "dump", MARK, ignore) == taken
    with asked(server) as cursor:
        cursor.execute("DROP DATABASE nova")
        environment = {
            **os.environ,
            "NARU_OWN": str(tmp_path / "own"),
            "NARU_DB_HOST": at.address,
            "NARU_DB_PORT": str(at.port),
            "NARU_DB_USER": mariadb.USER,
            "MYSQL_PWD": password,
        }
        code = script("client") + script("restore")
        subprocess.run(["sh", "-c", code, "naru", str(taken[0]), "fresh"], env=environment, check=True)
        cursor.execute("SELECT * FROM nova.instances ORDER BY id")
        assert cursor.fetchall() == ((1, "가게"), (2, "it's"))


def test_what_arrives_damaged_is_told(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "data.sql").write_text("whole")
    fetched = Remote.fetched

    async def cut_off(self: Remote, path: str, file: Path) -> None:
        await fetched(self, path, file)
        file.write_text("who")

    with Fleet(site) as fleet:
        fleet.call(dump.fetch(fleet.remote("db1"), str(there), tmp_path / "here"))
        assert (tmp_path / "here" / "data.sql").read_text() == "whole"
        monkeypatch.setattr(Remote, "fetched", cut_off)
        with pytest.raises(NaruError, match=r"data\.sql has arrived damaged"):
            fleet.call(dump.fetch(fleet.remote("db1"), str(there), tmp_path / "other"))


def test_what_cannot_be_dumped_is_told_and_leaves_nothing(server: tuple[At, str], site: Site, tmp_path: Path) -> None:
    at, password = server
    mariadb.create_databases(at, password, ["nova"])
    with asked(server) as cursor:
        cursor.execute("CREATE TABLE nova.old (id INT) ENGINE=MyISAM")
    with pytest.raises(NaruError, match="db1: main cannot be dumped") as told:
        dump.take(site, ["nova"], tmp_path / "dump", MARK, ignore)
    assert "nova.old (MyISAM)" in told.value.detail and password not in str(told.value)
    assert left() == [] and not (tmp_path / "dump").exists()
    with pytest.raises(InputError, match="none has a schema"):
        dump.take(site, ["glance"], tmp_path / "dump", MARK, ignore)
