"""The ways from Pike to the newest release, gone for real on copies of a Pike cloud's databases: each release's own
code makes its schema steps and online data migrations, and what comes out is what a new cloud of the newest has."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pymysql
import pytest

from naru.lab import render, services
from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb
from naru.lab.lab import Lab
from naru.lab.ports import At, Ports
from naru.lab.running import DIRECTORIES
from naru.releases import install, path, release
from naru.releases.path import Filled

from ..lab.scenario import ignore
from ..processes import started

pytestmark = [pytest.mark.lab, pytest.mark.releases, pytest.mark.timeout(7200)]

DATABASE = 29020
"""The port of the MariaDB with the copies."""
SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "keystone": ("keystone",),
    "glance": ("glance",),
    "placement": ("placement",),
    "cinder": ("cinder",),
    "nova": ("nova_api", "nova", "nova_cell0"),
    "neutron": ("neutron",),
}
DELETED: Mapping[str, tuple[str, ...]] = {
    "cinder": (
        "INSERT INTO cinder.volumes SET id = 'deleted', deleted = 1",
        "INSERT INTO cinder.snapshots SET id = 'deleted', volume_id = 'deleted', deleted = 1",
    ),
    "nova": (
        "INSERT INTO nova.instances SET uuid = 'deleted', deleted = 1",
        "INSERT INTO nova.instances (uuid, deleted, host, node) "
        "SELECT 'of a host', 2, host, hypervisor_hostname FROM nova.compute_nodes LIMIT 1",
        "INSERT INTO nova.block_device_mapping SET instance_uuid = 'deleted', deleted = 1",
    ),
}
"""What a cloud of some years has: things that were deleted, without what later releases have added to them."""
WITHOUT_CONSUMER = (
    "INSERT INTO nova_api.allocations (resource_provider_id, consumer_id, resource_class_id, used) "
    "SELECT MIN(id), 'lost', 0, 1 FROM nova_api.resource_providers"
)
ONLINE = {"nova", "cinder", "placement"}
"""Services with online data migrations."""
NEW_ALONE = {"shadow_alembic_version", "shadow_quota_usages"}
"""Tables that Nova's first alembic revision makes, or makes otherwise, in new databases: older ones are stamped with
it, so that no way leads there."""
FILLED = ("block_device_mapping", "instances", "compute_nodes")
"""Tables in which statements fill something, or look."""
FILLED_BY = {
    "populate_uuids": ("block_device_mapping", "uuid"),
    "populate_instance_compute_id": ("instances", "compute_id"),
}
"""By function the table and the column that it fills."""
TURNS = 20
MOVED = 1
"""The exit code of Nova's archiving when it has moved rows."""
FIRST_OF_PLACEMENT = "b4ed3a175331"
"""The revision that the tables are of which come out of nova_api (placement's own mysql-migrate-db.sh)."""
OF_PLACEMENT = (
    *("allocations", "placement_aggregates", "consumers", "inventories", "projects", "resource_classes"),
    *("resource_provider_aggregates", "resource_provider_traits", "resource_providers", "traits", "users"),
)


class Beside(Ports):
    """A cloud's ports, with another database: Cinder's migrations of Queens and Rocky ask the volume services."""

    def __getitem__(self, name: str) -> int:
        return DATABASE if name == "mariadb" else super().__getitem__(name)


class Databases:
    """A MariaDB of its own with a copy of a cloud's schemas."""

    def __init__(self, directory: Path, cloud: Cloud) -> None:
        self.directory, self.secret = directory, cloud.secret
        self.ports = Beside(cloud.ports.base)
        self._source = cloud.at("mariadb")
        self.at = At(self._source.address, DATABASE)
        data = directory / "mariadb"
        (directory / "mariadb-tmp").mkdir(parents=True)
        mariadb.create(data, directory / "create.log")
        command = mariadb.command(data, self.at)
        with (directory / "mariadb.log").open("ab") as log:
            self.process = subprocess.Popen(
                command.argv, env=dict(command.env), cwd=command.cwd, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        mariadb.secure(self.at, self.secret)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def ask(self, statement: str, schema: str | None = None) -> list[tuple[Any, ...]]:
        return asked(self.at, self.secret, statement, schema)

    def fill(self, name: str) -> list[Filled]:
        """Fills, in a copy of Nova's cell, what statements fill at once on the way to a release: what they are."""
        found = path.filled(path.services()["nova"], name)
        if found:
            self.ask("CREATE OR REPLACE DATABASE filled CHARACTER SET utf8mb3")
            for table in FILLED:
                self.ask(f"CREATE TABLE filled.{table} AS SELECT * FROM nova.{table}")
        for one in found:
            self.ask(one.statement, "filled")
        return found

    def values(self, table: str, column: str) -> list[tuple[Any, ...]]:
        """Which rows of the cell and of the copy of it have that, and which value it is, where that is no new id."""
        value = "uuid IS NULL, COUNT(DISTINCT uuid)" if column == "uuid" else f"id, {column}"
        group = "GROUP BY uuid IS NULL" if column == "uuid" else ""
        one, other = (
            self.ask(f"SELECT {value} FROM {schema}.{table} {group} ORDER BY 1") for schema in ("nova", "filled")
        )
        assert one == other, (table, column)
        return one

    def copy(self, schemas: tuple[str, ...]) -> None:
        """The schemas as the cloud has them now."""
        environment = {**os.environ, "MYSQL_PWD": self.secret}
        for schema in schemas:
            self.ask(f"CREATE OR REPLACE DATABASE {schema} CHARACTER SET utf8mb3")
            if schema == "placement":
                continue
            dump = ["mariadb-dump", *client(self._source), "--single-transaction", "--routines", "--triggers", schema]
            with started(dump, env=environment, stdout=subprocess.PIPE) as given:
                done = subprocess.run(["mariadb", *client(self.at), schema], env=environment, stdin=given.stdout)
            assert (given.returncode, done.returncode) == (0, 0), schema
        if "nova_api" in schemas:
            # else the code would work on the cells of the cloud that this is a copy of
            here = f"REPLACE(database_connection, '@{self._source}/', '@{self.at}/')"
            self.ask(f"UPDATE nova_api.cell_mappings SET database_connection = {here}")
            others = f"SELECT * FROM nova_api.cell_mappings WHERE database_connection NOT LIKE '%@{self.at}/%'"
            assert self.ask(others) == []


def client(at: At) -> list[str]:
    return ["--no-defaults", "-h", at.address, "-P", str(at.port), "-u", mariadb.USER]


def asked(at: At, secret: str, statement: str, schema: str | None = None) -> list[tuple[Any, ...]]:
    with (
        pymysql.connect(
            host=at.address, port=at.port, user=mariadb.USER, password=secret, database=schema, autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET SESSION foreign_key_checks = 0")  # schemas are dropped as they come
        cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.fixture(scope="module")
def databases(pair: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("ways"), pair.cloud("old"))
    yield made
    made.close()


def cloud_of(name: str, databases: Databases, like: Cloud) -> Cloud:
    """What the code of a release needs of a cloud to work on its databases."""
    loaded = release.load(name)
    cloud = Cloud(
        name="old",
        release=loaded,
        directory=databases.directory / name,
        ports=databases.ports,
        services=services.CORE,
        computes=0,
        venv=install.venv_path(loaded),
        secret=databases.secret,
        lab_id="ways",
        first_address=like.first_address,
        last_address=like.last_address,
    )
    if not cloud.etc.exists():
        install.install([name], ignore)
        for part in DIRECTORIES:
            (cloud.state / part).mkdir(parents=True, exist_ok=True)
        render.render(cloud)
    return cloud


def run(cloud: Cloud, argv: tuple[str, ...]) -> int:
    """The exit code of a command of the release, whose output is in a file."""
    with (cloud.directory / "output").open("ab") as output:
        output.write(f"== {' '.join(argv)}\n".encode())
        output.flush()
        return subprocess.run(
            argv, env=cloud.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=1200
        ).returncode


def steps(cloud: Cloud, service: str) -> list[tuple[str, ...]]:
    """The schema steps of a release."""
    if service == "nova":
        manage = (cloud.program("nova-manage"), *cloud.config("nova"))
        return [(*manage, "api_db", "sync"), (*manage, "db", "sync")]
    return services.module(service).migrate(cloud)[:1]


def hop(cloud: Cloud, service: str, databases: Databases) -> float:
    """One stop: the seconds that it took."""
    began = time.monotonic()
    if service == "placement" and not databases.ask("SHOW TABLES FROM placement"):
        databases.copy(("nova_api",))
        databases.ask(WITHOUT_CONSUMER)
        nova = (cloud.program("nova-manage"), *cloud.config("nova"))
        assert run(cloud, (*nova, "api_db", "sync")) == 0  # its tables are what these steps leave
        for table in OF_PLACEMENT:
            databases.ask(f"CREATE TABLE placement.{table} LIKE nova_api.{table}")
            databases.ask(f"INSERT INTO placement.{table} SELECT * FROM nova_api.{table}")
        manage = (cloud.program("placement-manage"), *cloud.config("placement"))
        assert run(cloud, (*manage, "db", "stamp", FIRST_OF_PLACEMENT)) == 0
    for argv in steps(cloud, service):
        assert run(cloud, argv) == 0, (cloud.release.name, argv, (cloud.directory / "output").read_text()[-3000:])
    filled = databases.fill(cloud.release.name) if service == "nova" else []
    if service in ONLINE:
        argv = (cloud.program(f"{service}-manage"), *cloud.config(service), "db", "online_data_migrations")
        for _ in range(TURNS):
            if (code := run(cloud, argv)) != 1:
                break
        assert code == 0, (cloud.release.name, argv, (cloud.directory / "output").read_text()[-3000:])
    for one in filled:
        assert databases.values(*FILLED_BY[one.name])
    return time.monotonic() - began


def columns(at: At, secret: str, schema: str) -> set[tuple[Any, ...]]:
    """What a schema is made of."""
    wanted = "TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE"
    return set(asked(at, secret, f"SELECT {wanted} FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{schema}'"))


@pytest.mark.parametrize("which", ["shortest", "hops"])
@pytest.mark.parametrize("service", list(SCHEMAS))
def test_a_way_ends_where_a_new_cloud_begins(pair: Lab, databases: Databases, service: str, which: str) -> None:
    newest = pair.cloud("new")
    (way,) = path.ways("pike", newest.release.name, [service])
    stops = [stop.release for stop in getattr(way, which)]
    databases.copy(SCHEMAS[service])
    for statement in DELETED.get(service, ()):
        databases.ask(statement)
    rows = {schema: count(databases.at, databases.secret, schema) for schema in SCHEMAS[service]}
    took = {name: round(hop(cloud_of(name, databases, newest), service, databases), 1) for name in stops}
    print(service, which, took)
    for schema in SCHEMAS[service]:
        there = columns(databases.at, databases.secret, schema)
        wanted = columns(newest.at("mariadb"), newest.secret, schema)
        assert {column for column in wanted - there if column[0] not in NEW_ALONE} == set(), (schema, took)
        after = count(databases.at, databases.secret, schema)
        assert {name: number for name, number in rows[schema].items() if after.get(name, number) < number} == {}
    if service == "placement":  # Train's schema steps would not go on with these
        assert databases.ask("SELECT uuid FROM placement.consumers WHERE uuid = 'lost'") == [("lost",)]
        assert databases.ask("SELECT id FROM placement.resource_providers WHERE root_provider_id IS NULL") == []
    if service == "nova":  # what was deleted under Pike is still understood
        newest_here = cloud_of(stops[-1], databases, newest)
        manage = (newest_here.program("nova-manage"), *newest_here.config("nova"))
        assert run(newest_here, (*manage, "db", "archive_deleted_rows", "--max_rows", "1000")) == MOVED
        assert databases.ask("SELECT uuid FROM nova.shadow_instances WHERE uuid = 'deleted'") == [("deleted",)]
        assert databases.ask("SELECT uuid FROM nova.instances WHERE uuid = 'deleted'") == []


def count(at: At, secret: str, schema: str) -> dict[str, int]:
    """Rows by table, of those that stay."""
    tables = [str(name) for (name,) in asked(at, secret, f"SHOW TABLES FROM {schema}")]
    return {name: int(asked(at, secret, f"SELECT COUNT(*) FROM {schema}.`{name}`")[0][0]) for name in tables}
