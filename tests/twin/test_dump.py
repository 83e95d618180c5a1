"""A dump taken on a host of a site, by SSH, of a real MariaDB; and put into another one."""

import asyncio
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import pymysql
import pytest
import yaml

from naru.actions.databases.server import script
from naru.errors import InputError, NaruError
from naru.lab.infra import mariadb
from naru.lab.ports import LOOPBACK, At
from naru.lab.process import Command, Processes
from naru.site import site as sites
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.twin import dump
from naru.twin.remains import Remain, Remains
from naru.twin.twin import Twin

pytestmark = pytest.mark.mariadb

MARK = f"test{os.getpid()}"


class Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


async def _runs(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    """This machine is the host. What is given comes as it comes, and ends when the connection does."""
    pipe = subprocess.PIPE
    begun = await asyncio.create_subprocess_shell(
        str(process.command), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    stdin, stdout, stderr = begun.stdin, begun.stdout, begun.stderr
    assert stdin and stdout and stderr

    async def gives() -> None:
        with suppress(asyncssh.Error, OSError):
            while given := await process.stdin.read(65536):
                stdin.write(given)
        stdin.close()

    giving = asyncio.ensure_future(gives())
    out, errors = await asyncio.gather(stdout.read(), stderr.read())
    code = await begun.wait()
    giving.cancel()
    stdin.close()
    process.stdout.write(out)
    process.stderr.write(errors)
    process.exit(code)


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
    taken = dump.take(site, ["keystone", "nova", "cinder"], tmp_path / "dump", MARK, ignore, Remains(tmp_path))
    assert taken == [tmp_path / "dump" / "main"]
    assert dump.schemas(taken) == ["keystone", "nova"]
    assert left() == []
    assert Remains(tmp_path).known() == ()
    # one that is here is not taken again: the server may be gone
    assert dump.take(site, ["keystone", "nova"], tmp_path / "dump", MARK, ignore, Remains(tmp_path)) == taken
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
        dump.take(site, ["nova"], tmp_path / "dump", MARK, ignore, Remains(tmp_path))
    assert "nova.old (MyISAM)" in told.value.detail and password not in str(told.value)
    assert left() == [] and not (tmp_path / "dump").exists()
    with pytest.raises(InputError, match="none has a schema"):
        dump.take(site, ["glance"], tmp_path / "dump", MARK, ignore, Remains(tmp_path))


SLOW = """#!/bin/sh
for one; do [ "$one" != --single-transaction ] || { touch "$0.begun"; sleep 60; }; done
exec /usr/bin/mariadb-dump "$@"
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose program that dumps takes a minute; the file that says that it has begun."""
    program = tmp_path / "bin" / "mariadb-dump"
    program.parent.mkdir()
    program.write_text(SLOW)
    program.chmod(0o755)
    monkeypatch.setattr(
        dump, "script", lambda name: script(name).replace("PATH=/usr/local", f"PATH={program.parent}:/usr/local")
    )
    return Path(f"{program}.begun")


class Interrupted(BaseException):
    """As Ctrl-C in the middle."""


def test_what_is_interrupted_leaves_nothing_on_the_host(
    server: tuple[At, str], site: Site, slow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, password = server
    mariadb.create_databases(at, password, ["nova"])
    call = Fleet.call

    def interrupted(self: Fleet, work: Any, check: Any = None) -> Any:
        def look() -> None:
            if slow.exists():
                raise Interrupted

        return call(self, work, look if work.__name__ == "dumped" else check)

    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site.content.model_dump(mode="json", exclude_unset=True)))
    monkeypatch.setattr(Fleet, "call", interrupted)
    with pytest.raises(Interrupted):
        dump.take(site, ["nova"], tmp_path / "dump", MARK, ignore, Remains(tmp_path))
    assert Remains(tmp_path).known() == ()
    deadline = time.monotonic() + 10
    while left() or dumping():  # what runs there ends by itself
        assert time.monotonic() < deadline, (left(), dumping())
        time.sleep(0.1)


def dumping() -> str:
    """Processes of a dump of these tests."""
    return subprocess.run(["pgrep", "-f", f"twin-{MARK}-main"], capture_output=True, text=True).stdout


def test_a_command_that_is_killed_is_known_by_what_it_wrote_down(site: Site, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site.content.model_dump(mode="json", exclude_unset=True)))
    there = Path(dump.ROOT) / f"twin-{MARK}-main"
    directory = tmp_path / "twin"
    directory.mkdir()
    remains = Remains(directory)
    remains.add(Remain(site=str(tmp_path / "site.yaml"), host="db1", path=str(there)))
    remains.add(Remain(site=str(tmp_path / "site.yaml"), host="gone1", path="/var/lib/naru/twin-x"))
    for name in (there, there.with_name(f"{there.name}.part")):
        name.mkdir(parents=True)
        (name / "data.sql").write_text("secret")
    # one whose own files cannot be read is taken away all the same
    (directory / "twin.json").write_text('{"id": "0123456789abcdef", "secr')
    (directory / "copy.json").write_text("{")
    ours = Processes(directory / "cloud", "0123456789abcdef:twin")
    sleeps = ours.start(Command("mariadb", ("sleep", "60")))
    [told] = Twin(directory).down()
    assert "gone1 in /var/lib/naru/twin-x" in told and "has no host gone1" in told
    assert left() == [] and not directory.exists() and not sleeps.alive()
    assert Twin(directory).down() == []


def test_a_dump_that_is_a_day_old_is_taken_anew(server: tuple[At, str], site: Site, tmp_path: Path) -> None:
    at, password = server
    mariadb.create_databases(at, password, ["nova"])
    there = Path(dump.ROOT) / f"twin-{MARK}-main"
    said: list[str] = []

    def take() -> float:
        [taken] = dump.take(site, ["nova"], tmp_path / "dump", MARK, said.append, Remains(tmp_path))
        return dump.began(taken)

    first = take()
    kept = tmp_path / "dump" / "main"
    complete = (kept / "complete").read_text()
    old = complete.replace(f"began={first:.0f}", f"began={first - dump.OLD - 60:.0f}")
    (kept / "complete").write_text(old)
    assert take() >= first and "older than a day: it is taken anew" in said[-4]
    for age, again in ((0.0, True), (dump.OLD + 120, False)):  # what was left on the host
        shutil.copytree(kept, there)
        shutil.rmtree(kept)
        os.utime(there, (time.time() - age,) * 2)
        take()
        assert ("bringing the dump of an attempt before here" in said[-2]) == again, said
    assert left() == []
