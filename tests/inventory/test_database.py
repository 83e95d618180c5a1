"""Key pairs from Nova's database: the right ones, in the API's shape, read and never written; no secret told."""

import secrets
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from naru.cli.main import main
from naru.cloud.client import Cloud
from naru.errors import InputError, NaruError
from naru.inventory.database import CHUNK, Database
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import Reading, read
from naru.inventory.rows import Row
from naru.lab.infra import mariadb
from naru.lab.ports import LOOPBACK, At
from naru.lab.process import Processes

from ..cli import moves
from ..cloud.service import Handler, clouds_yaml, serving
from ..plan.conftest import database, postgresql  # noqa: F401 (fixtures)

PIKE, LIBERTY = (2, 53), (2, 12)
COLUMNS = "id INTEGER, name VARCHAR(255), user_id VARCHAR(255), fingerprint VARCHAR(255), public_key TEXT"
API = f"CREATE TABLE key_pairs ({COLUMNS}, type VARCHAR(4))"
OLDER = f"CREATE TABLE key_pairs ({COLUMNS}, type VARCHAR(4), deleted INTEGER)"
INSERT = "INSERT INTO key_pairs (id, name, user_id, fingerprint, public_key, type) VALUES "
ROWS = "(1, 'laptop', 'mina', 'aa:bb', 'ssh-rsa AAAA mina@home', 'ssh'), (2, '노트북', 'jun', NULL, 'x', 'x509')"
MINAS = {
    "keypair": {"name": "laptop", "public_key": "ssh-rsa AAAA mina@home", "fingerprint": "aa:bb", "type": "ssh"},
    "user_id": "mina",
}
JUNS = {"keypair": {"name": "노트북", "public_key": "x", "fingerprint": None, "type": "x509"}, "user_id": "jun"}


def url_file(file: Path, url: str) -> Path:
    file.write_text(f"{url}\n")
    file.chmod(0o600)
    return file


def nova(directory: Path, *statements: str) -> Path:
    """The file with the URL of an SQLite database."""
    with closing(sqlite3.connect(directory / "nova.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return url_file(directory / "nova.url", f"sqlite:///{directory}/nova.db")


@pytest.mark.unit
def test_the_users_key_pairs_and_nobody_elses(tmp_path: Path) -> None:
    found = Database(nova(tmp_path, API, INSERT + ROWS))
    assert list(found.key_pairs(["mina", "jun", "none"], PIKE)) == [JUNS, MINAS]
    assert list(found.key_pairs(["mina"], PIKE)) == [MINAS]
    assert list(found.key_pairs([], PIKE)) == []
    assert list(found.key_pairs(["' OR 1=1 --"], PIKE)) == []


@pytest.mark.unit
def test_more_users_than_one_query_takes(tmp_path: Path) -> None:
    users = [f"user-{number}" for number in range(2 * CHUNK + 1)]
    rows = ", ".join(f"({number}, 'k', '{user}', '', '', 'ssh')" for number, user in enumerate(users))
    found = list(Database(nova(tmp_path, API, INSERT + rows)).key_pairs(users, PIKE))
    assert [item["user_id"] for item in found] == [*sorted(users[:CHUNK]), *sorted(users[CHUNK : 2 * CHUNK]), users[-1]]


@pytest.mark.unit
def test_before_newton_what_is_deleted_is_still_in_the_table(tmp_path: Path) -> None:
    file = nova(tmp_path, OLDER, INSERT + ROWS, "UPDATE key_pairs SET deleted = 0", "UPDATE key_pairs SET deleted = id")
    assert list(Database(file).key_pairs(["mina", "jun"], LIBERTY)) == []
    nova(tmp_path, "UPDATE key_pairs SET deleted = 0 WHERE id = 1")
    assert list(Database(file).key_pairs(["mina", "jun"], LIBERTY)) == [MINAS]
    with pytest.raises(InputError, match="names the database nova") as refused:
        list(Database(file).key_pairs(["mina"], PIKE))  # all of it would be missing without a word
    assert "nova_api" in refused.value.hint


@pytest.mark.unit
def test_a_table_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match="cannot be read") as refused:
        list(Database(nova(tmp_path)).key_pairs(["mina"], PIKE))
    assert "key_pairs" in refused.value.detail and "before Newton of nova" in refused.value.hint


SECRET = "hidden-word"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no URL"),
        (SECRET, "holds no URL"),
        (f"mysql://nova:{SECRET}", "holds no URL"),
        (f"mysql://nova:{SECRET}@db:port/nova_api", "holds no URL"),
        (f"oracle://nova:{SECRET}@db/nova_api", "no database that Nova runs on"),
        (f"mysql://nova:@{SECRET}@db/nova_api", "to be escaped"),
        (f"mysql://nova:{SECRET}@db/nova_api\nmysql://nova:{SECRET}@db/nova", "to be escaped"),
        (f"mysql://nova:{SECRET}@db/nova_api?plugin={SECRET}", "no driver"),
    ],
)
def test_a_url_that_is_none_is_refused_and_not_shown(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        Database(url_file(tmp_path / "url", content))
    assert SECRET not in str(refused.value) and refused.value.hint


@pytest.mark.unit
@pytest.mark.parametrize("option", ["", "?foo=bar", "?ssl_ca=/none/hidden-word"])
def test_a_database_that_does_not_answer_is_one_error_without_the_password(tmp_path: Path, option: str) -> None:
    file = url_file(tmp_path / "url", f"mysql+pymysql://nova:{SECRET}@127.0.0.1:1/nova_api{option}")
    with pytest.raises(NaruError, match="cannot be read") as refused:
        list(Database(file).key_pairs(["mina"], PIKE))
    assert SECRET not in str(refused.value) and str(file) in refused.value.summary


@pytest.mark.unit
@pytest.mark.parametrize("spoil", ["absent", "open", "a directory", "binary"])
def test_a_file_that_gives_the_password_away_or_is_none_is_refused(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "url"
    if spoil == "a directory":
        file.mkdir()
    elif spoil != "absent":
        file.write_bytes(b"\xff\xfe" if spoil == "binary" else f"mysql://nova:{SECRET}@db/nova_api".encode())
        file.chmod(0o644 if spoil == "open" else 0o600)
    with pytest.raises(InputError, match="may be read by others" if spoil == "open" else "cannot be read") as refused:
        Database(file)
    assert SECRET not in str(refused.value)


# -- in an inventory


def users(request: Handler) -> None:
    request.answer(200, {"users": [{"id": name, "name": name, "domain_id": "d"} for name in ("mina", "jun")]})


def domains(request: Handler) -> None:
    request.answer(200, {"domains": [{"id": "d", "name": "d"}]})


def key_pairs(directory: Path, version: str, *deeds: Any, source: Database | None = None) -> tuple[list[Row], Reading]:
    """What is read of a cloud whose Nova goes up to the version and does so to each request for key pairs."""
    rows: list[Row] = []

    def discovery(request: Handler) -> None:
        link = [{"rel": "self", "href": f"{request.server.url}/compute/v2.1/"}]
        told = {"id": "v2.1", "status": "CURRENT", "version": version, "min_version": "2.1", "links": link}
        request.answer(200, {"version": told})

    with serving() as server:
        server.deeds["GET", "/identity/v3/users"] = [users]
        server.deeds["GET", "/identity/v3/domains"] = [domains]
        server.deeds["GET", "/compute/v2.1/os-keypairs"] = list(deeds)
        server.deeds["GET", "/compute/v2.1/"] = [discovery] * 9
        server.deeds["GET", "/compute/v2.1"] = [discovery] * 9
        with Cloud("c", config_files=[clouds_yaml(directory, server)]) as cloud:
            kinds = [BY_NAME["user"], BY_NAME["key pair"]]
            _, reading = read(cloud, rows.extend, kinds, source)
    return [row for row in rows if row.kind == "key pair"], reading


def listed(request: Handler) -> None:
    pairs = [MINAS] if "=mina" in request.path else [JUNS]
    request.answer(200, {"keypairs": [{"keypair": pair["keypair"]} for pair in pairs]})


@pytest.mark.unit
def test_by_database_they_are_what_the_api_says(tmp_path: Path) -> None:
    by_api, reading = key_pairs(tmp_path, "2.53", listed, listed)
    assert (len(by_api), reading.source, reading.problem) == (2, "", "")
    found = Database(nova(tmp_path, API, INSERT + ROWS))
    by_database, reading = key_pairs(tmp_path, "2.53", source=found)
    assert (reading.count, reading.source, reading.failed) == (2, "from Nova's database", False)

    def by_id(row: Row) -> str:
        return row.id

    assert sorted(by_database, key=by_id) == sorted(by_api, key=by_id)


@pytest.mark.unit
@pytest.mark.parametrize(("version", "why"), [("2.9", "no microversion 2.10"), ("2.53", "may not list it")])
def test_a_refusal_says_what_to_do(tmp_path: Path, version: str, why: str) -> None:
    deeds = [lambda request: request.answer(403)] * 2 if version == "2.53" else [listed, listed]
    rows, reading = key_pairs(tmp_path, version, *deeds)
    assert rows == [] and reading.failed  # the administrator's own are nobody else's
    assert why in reading.problem and "--nova-database" in reading.problem


@pytest.mark.unit
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("inventory old --nova-database none.url", "none.url cannot be read"),
        ("move map --from old --to new --all --nova-database none.url", "not a file of --from"),
        ("move map --from old --to new --all --nova-database new=open.url", "--nova-database old=FILE"),
        ("move map --from old --to new --all --nova-database old=open.url", "chmod 600 open.url"),
        ("move plan --from old --to new --all --work w --nova-database old=open.url", "chmod 600 open.url"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(moves.clouds(tmp_path / "clouds.yaml")))
    (tmp_path / "open.url").write_text(f"mysql://nova:{SECRET}@db/nova_api")
    (tmp_path / "open.url").chmod(0o644)
    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert message in told and SECRET not in told and not (tmp_path / "w").exists()


# -- real servers


@pytest.fixture(scope="module")
def maria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database of a MariaDB server."""
    directory = tmp_path_factory.mktemp("mariadb")
    processes = Processes(directory, f"test:{directory}")
    (directory / "mariadb-tmp").mkdir()
    at, password = At(LOOPBACK, free_port()), secrets.token_hex(8)
    mariadb.create(directory / "mariadb", processes.log_file("install"))
    try:
        processes.start(mariadb.command(directory / "mariadb", at))
        mariadb.secure(at, password)
        mariadb.create_databases(at, password, ["nova_api"])
        yield mariadb.url(at, password, "nova_api")
    finally:
        processes.stop()


def free_port() -> int:
    for port in range(28100, 28200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def reads_and_writes_nothing(file: Path, url: str) -> None:
    admin = create_engine(url)
    with admin.begin() as connection:
        for statement in (API, INSERT + ROWS):
            connection.execute(text(statement))
    found = Database(file)
    assert list(found.key_pairs(["mina", "jun"], PIKE)) == [JUNS, MINAS]
    with pytest.raises(NaruError, match="cannot be read") as refused, found.reading() as connection:
        connection.execute(text(INSERT + "(3, 'k', 'mina', '', '', 'ssh')"))
    assert "read-only" in refused.value.detail.lower() or "read only" in refused.value.detail.lower()
    with admin.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM key_pairs")).scalar() == 2
    admin.dispose()


@pytest.mark.mariadb
def test_mariadb(maria: str, tmp_path: Path) -> None:
    # as nova.conf has it, where no driver is named
    reads_and_writes_nothing(url_file(tmp_path / "url", maria.replace("mysql+pymysql", "mysql")), maria)
    wrong = make_url(maria).set(password=SECRET).render_as_string(hide_password=False)
    with pytest.raises(NaruError, match="cannot be read") as refused:
        list(Database(url_file(tmp_path / "wrong", wrong)).key_pairs(["mina"], PIKE))
    assert "Access denied" in refused.value.detail and SECRET not in str(refused.value)


@pytest.mark.postgresql
def test_postgresql(database: str, tmp_path: Path) -> None:  # noqa: F811
    reads_and_writes_nothing(
        url_file(tmp_path / "url", database), database.replace("postgresql:", "postgresql+psycopg:")
    )
