"""Databases dumped, restored and gone back to on a real host, whatever is killed or damaged in between."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.plan.executor import RunOutcome
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan, Step

from ..actions.hosts import kit
from .conftest import DATABASE_HOST

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1200)]

MODULES = ["naru.actions.hosts", "naru.actions.databases", "naru.upgrade.window.steps"]
DUMPS, SCRATCH = "/var/lib/naru-test/dumps", "/var/lib/naru-scratch/test"
ENVIRONMENT, BEGUN = "/var/lib/naru-test/environment", "/var/lib/naru-test/begun"
DUMPER = "/usr/local/sbin/mariadb-dump"
"""Where a program is found before the host's own."""
load(MODULES)
See = Callable[[str], str]


@pytest.fixture
def steps(site: Path) -> Callable[..., Step]:
    def made(id: str, kind: str, **args: Any) -> Step:
        return Step(id, kind, {"host": DATABASE_HOST, "site": str(site), **args})

    return made


@pytest.fixture
def server(steps: Callable[..., Step], tmp_path: Path, on_database: See) -> Iterator[Callable[[str], str]]:
    """A server of its own on the host: what it answers to statements."""
    work = journal(tmp_path / "server", steps("server", "database.scratch", directory=SCRATCH, megabytes=64))
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "server")

    def sql(text: str) -> str:
        line = f'mariadb --no-defaults --socket={SCRATCH}/socket -BN -e "{text}"'
        return on_database(line)

    sql(
        "CREATE DATABASE one; CREATE TABLE one.a (id INT PRIMARY KEY, t VARCHAR(50), b BLOB); "
        "CREATE TABLE one.c (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES one.a (id)); "
        "INSERT INTO one.a VALUES (1, 'it''s\\nUSE \\`one\\`;', x'00ff0a'), (2, NULL, NULL), (3, '', ''); "
        "INSERT INTO one.c VALUES (1, 1), (2, 3); CREATE DATABASE two CHARACTER SET latin1; "
        "CREATE TABLE two.empty (id INT); "
        "CREATE TRIGGER one.told BEFORE INSERT ON one.c FOR EACH ROW SET NEW.id = NEW.id"
    )
    yield sql
    assert kit.back(work) == RunOutcome.DONE
    assert on_database(f"ls {SCRATCH} 2>&1 || true; systemctl list-units --all 'naru-scratch*' --no-legend").startswith(
        "ls"
    )
    on_database("rm -rf /var/lib/naru-test /var/lib/naru")


def journal(work: Path, *steps: Step) -> Path:
    plan = Plan(modules=MODULES, steps=list(steps))
    for before, after in itertools.pairwise(steps):
        plan.order(before.id, after.id)
    KINDS.check_arguments(plan)
    Journal.create(work, plan).close()
    return work


def result(work: Path, id: str) -> Any:
    return json.loads(kit.rows(work)[id].result)


def everything(sql: Callable[[str], str]) -> str:
    tables = "CHECKSUM TABLE one.a, one.c, two.empty"
    shown = (
        "SHOW CREATE TABLE one.c; SHOW CREATE DATABASE two; SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS"
    )
    return sql(f"{tables}; SELECT t, HEX(b) FROM one.a ORDER BY id; {shown}; SHOW DATABASES")


def test_what_is_restored_is_what_was_dumped(steps, server, tmp_path: Path, on_database: See) -> None:
    before = everything(server)
    point = steps("point", "database.point", scratch=SCRATCH, schemas=["one", "two", "three"], directory=f"{DUMPS}/p")
    work = journal(tmp_path / "w", point)
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "point")
    made = result(work, "point")
    assert (made["schemas"], made["absent"], made["tables"], made["quiet"]) == ("one two", "three", 3, "yes")
    assert on_database(f"stat -c %a {DUMPS}/p") == "700"
    # what comes after: rows, columns, tables, a schema that was not there
    server(
        "DELETE FROM one.c; ALTER TABLE one.a ADD COLUMN more INT DEFAULT 7; CREATE TABLE two.new (id INT); "
        "CREATE DATABASE three; CREATE TABLE three.x (id INT); DROP TRIGGER one.told"
    )
    assert kit.back(work) == RunOutcome.DONE, kit.error(work, "undo/point")
    assert everything(server) == before
    assert on_database(f"ls {DUMPS}") == "p.used-1"
    assert "foreign key constraint fails" in on_database(
        f"mariadb --no-defaults --socket={SCRATCH}/socket -e 'INSERT INTO one.c VALUES (9, 9)' 2>&1 || true"
    )


def test_nothing_is_restored_where_nothing_was_written(steps, server, tmp_path: Path, on_database: See) -> None:
    point = steps("point", "database.point", scratch=SCRATCH, schemas=["one"], directory=f"{DUMPS}/p")
    work = journal(tmp_path / "w", point)
    assert kit.run(work) == RunOutcome.DONE
    server("SELECT COUNT(*) FROM one.a")
    assert kit.back(work) == RunOutcome.DONE
    assert result(work, "undo/point")["state"] == "nothing was written since"
    assert on_database(f"ls {DUMPS}") == "p"


def test_a_dump_that_is_damaged_or_of_something_else_is_refused(
    steps, server, tmp_path: Path, on_database: See
) -> None:
    dump = steps("dump", "database.dump", scratch=SCRATCH, schemas=["one"], directory=f"{DUMPS}/d")
    restore = steps("restore", "database.restore", scratch=SCRATCH, directory=f"{DUMPS}/d")
    work = journal(tmp_path / "dump", dump)
    assert kit.run(work) == RunOutcome.DONE
    other = journal(tmp_path / "other", dump)
    assert kit.run(other) == RunOutcome.FAILED and "a dump of another step" in kit.error(other, "dump")
    before = server("CHECKSUM TABLE one.a, one.c")
    for spoilt, said in (
        ("sed -i 's/one\\ta\\t3/one\\ta\\t4/' {}/tables", "what was restored is not what was dumped: one.a"),
        ("truncate -s -1 {}/data.sql*", "its digest is another one"),
        ("rm {}/complete", "is no whole dump"),
    ):
        on_database(spoilt.format(f"{DUMPS}/d"))
        work = journal(tmp_path / f"restore-{len(said)}", restore)
        assert kit.run(work) == RunOutcome.FAILED
        assert said in kit.error(work, "restore")
        assert server("CHECKSUM TABLE one.a, one.c") == before
    server("CREATE VIEW one.seen AS SELECT 1")
    work = journal(
        tmp_path / "view", steps("v", "database.dump", scratch=SCRATCH, schemas=["one"], directory=f"{DUMPS}/v")
    )
    assert kit.run(work) == RunOutcome.FAILED and "one.seen (VIEW)" in kit.error(work, "v")
    server("DROP VIEW one.seen; CREATE TABLE one.m (id INT) ENGINE=MyISAM")
    work = journal(
        tmp_path / "isam", steps("v", "database.dump", scratch=SCRATCH, schemas=["one"], directory=f"{DUMPS}/v")
    )
    assert kit.run(work) == RunOutcome.FAILED and "one.m (MyISAM)" in kit.error(work, "v")


def program(path: str, *lines: str) -> str:
    """What puts a shell's program there."""
    text = "\\n".join(["#!/bin/sh", *lines])
    return f"mkdir -p {path.rpartition('/')[0]}; printf '{text}\\n' >{path}; chmod 755 {path}"


def test_dumps_that_are_cut_short_or_find_no_room_leave_nothing(
    steps, server, tmp_path: Path, on_database: See
) -> None:
    """Whatever the program that dumps says of itself: of what it has written nothing stays, and earlier dumps do."""

    def errors(**schemas: list[str]) -> dict[str, str]:
        made = [
            steps(name, "database.dump", scratch=SCRATCH, schemas=of, directory=f"{DUMPS}/{name}")
            for name, of in schemas.items()
        ]
        work = tmp_path / next(iter(schemas))
        Journal.create(work, Plan(modules=MODULES, steps=made)).close()
        assert kit.run(work) == RunOutcome.FAILED
        assert on_database(f"find {DUMPS} -type f") == f"{DUMPS}/earlier/complete"
        return {name: kit.error(work, name) for name in schemas}

    on_database(f"mkdir -p {DUMPS}; mount -t tmpfs -o size=80m tmpfs {DUMPS}")
    on_database(f"mkdir {DUMPS}/earlier; touch {DUMPS}/earlier/complete")
    short = '/usr/bin/mariadb-dump "$@" | head -c 300'
    try:
        on_database(program(DUMPER, short, 'case "$*" in *two) kill -9 $$ ;; esac'))
        found = errors(short=["one"], killed=["two"])
        assert "the dump has no end" in found["short"] and "exited with 137" in found["killed"]
        on_database(program(DUMPER, "head -c 100M /dev/urandom"))
        assert "the dump cannot be written" in errors(full=["one"])["full"]
    finally:
        on_database(f"rm -f {DUMPER}; umount {DUMPS}")


@pytest.mark.parametrize("victim", ["$$", pytest.param("$PPID", marks=pytest.mark.releases)])
def test_a_schema_step_that_is_cut_off_begins_again_from_the_dump_before_it(
    steps, server, tmp_path: Path, on_database: See, victim: str
) -> None:
    """A stand-in for a release's program, which is killed between two changes of a table, by itself or with all that
    ran it: what it has done would be in its own way."""
    server("CREATE DATABASE glance; CREATE TABLE glance.images (id INT); INSERT INTO glance.images VALUES (7)")
    ask = 'mariadb --no-defaults --socket=$NARU_SCRATCH/socket --user=naru glance -e "ALTER TABLE images ADD {} INT"'
    cut = f"[ -e {BEGUN} ] || {{ touch {BEGUN}; kill -9 {victim}; exit 1; }}"
    lines = (f"{ask.format('first')} || exit 1", cut, ask.format("second"))
    on_database(
        program(f"{ENVIRONMENT}/bin/glance-manage", *lines) + f"; ln -s /usr/bin/python3 {ENVIRONMENT}/bin/python"
    )
    args = {"service": "glance", "release": "queens", "environment": ENVIRONMENT, "dump": f"{DUMPS}/before"}
    work = journal(
        tmp_path / "w",
        steps("before", "database.dump", scratch=SCRATCH, schemas=["glance"], directory=f"{DUMPS}/before"),
        steps("sync", "upgrade.sync", scratch=SCRATCH, **args),
    )
    assert kit.run(work) == RunOutcome.FAILED
    half = "SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'glance'"
    assert server(half) == "id,first", kit.error(work, "sync")
    kit.retry(work, "sync")
    assert kit.run(work) == RunOutcome.DONE, kit.error(work, "sync")
    assert server(half) == "id,first,second" and server("SELECT id FROM glance.images") == "7"


def test_triggers_that_could_not_be_put_back_are_told_before(
    site: Path, live: See, tmp_path: Path, on_database: See
) -> None:
    """On the cloud's own server, by a user who may do anything in a schema of its own and nothing else."""
    live(
        "CREATE DATABASE limited; CREATE TABLE limited.a (id INT); CREATE USER limited@'%' IDENTIFIED BY 'a-password'; "
        "GRANT ALL ON limited.* TO limited@'%'"
    )
    content = yaml.safe_load(site.read_text())
    content["databases"][0] |= {"user": "limited", "password": {"file": "limited.password"}}
    other, password = site.with_name("limited.yaml"), site.with_name("limited.password")
    other.write_text(yaml.safe_dump(content))
    password.write_text("a-password")
    password.chmod(0o600)
    try:
        args = {"host": DATABASE_HOST, "site": str(other), "database": "main", "schemas": ["limited"]}
        work = journal(tmp_path / "w", Step("d", "database.dump", {**args, "directory": f"{DUMPS}/limited"}))
        assert kit.run(work) == RunOutcome.DONE, kit.error(work, "d")
        live("CREATE TRIGGER limited.t BEFORE INSERT ON limited.a FOR EACH ROW SET NEW.id = 1")
        work = journal(tmp_path / "t", Step("d", "database.dump", {**args, "directory": f"{DUMPS}/triggers"}))
        assert kit.run(work) == RunOutcome.FAILED and "only a user with SUPER" in kit.error(work, "d")
    finally:
        live("DROP DATABASE limited; DROP USER limited@'%'")
        on_database("rm -rf /var/lib/naru-test")
        other.unlink()
        password.unlink()


def test_one_who_writes_meanwhile_is_noticed(steps, server, tmp_path: Path, on_database: See) -> None:
    on_database(
        "systemd-run --unit=writer sh -c 'while :; do "
        f'mariadb --no-defaults --socket={SCRATCH}/socket -e "REPLACE INTO two.empty VALUES (1)"; done\''
    )
    try:
        args = {"scratch": SCRATCH, "schemas": ["one", "two"]}
        wanted = steps("quiet", "database.dump", **args, directory=f"{DUMPS}/q", quiet=True)
        work = journal(tmp_path / "q", wanted)
        assert kit.run(work) == RunOutcome.FAILED and "somebody wrote to two.empty" in kit.error(work, "quiet")
        work = journal(tmp_path / "d", steps("d", "database.dump", **args, directory=f"{DUMPS}/d"))
        assert kit.run(work) == RunOutcome.DONE
        assert result(work, "d")["quiet"] == "no"
        assert [name.partition(".")[0] for name in on_database(f"ls {DUMPS}/d").split()] == [
            *("code", "complete", "data", "schemas")
        ]
    finally:
        on_database("systemctl stop writer")


def test_whoever_is_killed_a_dump_and_its_restoration_come_to_their_end(
    steps, server, tmp_path: Path, on_database: See
) -> None:
    """The executor, and what runs on the host, are killed over and over while 60 MB go both ways."""
    server(
        "USE two; CREATE TABLE two.big (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(200)); "
        "INSERT INTO two.big (t) SELECT REPEAT(MD5(seq), 6) FROM seq_1_to_300000"
    )
    before = server("CHECKSUM TABLE one.a, one.c, two.big")
    args = {"scratch": SCRATCH, "directory": f"{DUMPS}/k"}
    work = journal(
        tmp_path / "w",
        steps("dump", "database.dump", **args, schemas=["one", "two"]),
        steps("restore", "database.restore", **args),
    )
    # what runs on the host is killed as soon as it is seen there, or a moment later
    cutting = (
        "for n in $(seq 200); do "
        "for unit in $(systemctl list-units --no-legend --plain 'naru-*-do.service' 'naru-*-restore.service' "
        "| cut -d' ' -f1); do sleep {}; systemctl kill --signal=KILL $unit && echo yes && exit; done; "
        "sleep 0.05; done; true"
    )
    cut = 0
    for number in range(8):
        executor = kit.Executor(work)
        if number % 2:
            cut += on_database(cutting.format(number / 20)) == "yes"
        else:
            time.sleep(0.8 + 0.3 * number)
        executor.kill()
    assert cut
    outcome = kit.run(work)
    for _ in range(3):  # what was cut off too often fails, and goes on when somebody wants it
        if outcome != RunOutcome.DONE:
            kit.retry(work, next(id for id, row in kit.rows(work).items() if row.state == "failed"))
            outcome = kit.run(work)
    assert outcome == RunOutcome.DONE
    assert server("CHECKSUM TABLE one.a, one.c, two.big") == before
    assert "naru_back" not in server("SHOW DATABASES")
    assert on_database(f"ls {DUMPS}; ls /run/naru") == "k"
