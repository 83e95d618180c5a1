"""What is read of a site's database servers, on a real MariaDB."""

import os
import subprocess
from collections.abc import Iterator

import pymysql
import pytest

from naru.actions.hosts.place import script_text
from naru.lab.infra import mariadb
from naru.lab.ports import At
from naru.upgrade import facts

from ..twin.conftest import server as server

pytestmark = pytest.mark.mariadb

URLS = (
    "mysql+pymysql://nova:p%3F@10.0.0.1/nova_cell0?charset=utf8&ssl_ca=/etc/ssl/ca.pem",
    "{scheme}://{username}:{password}@{hostname}:{port}/nova?{query}",
)


@pytest.fixture
def connection(server: tuple[At, str]) -> Iterator["pymysql.connections.Connection[pymysql.cursors.Cursor]"]:
    at, password = server
    with pymysql.connect(host=at.address, port=at.port, user=mariadb.USER, password=password, autocommit=True) as found:
        with found.cursor() as cursor:
            cursor.execute("CREATE DATABASE nova_api")
            cursor.execute(
                "CREATE TABLE nova_api.cell_mappings (id INT AUTO_INCREMENT PRIMARY KEY, name TEXT, transport_url TEXT,"
                " database_connection TEXT)"
            )
            given = [(f"cell{number}", url) for number, url in enumerate(URLS)]
            cursor.executemany("INSERT INTO nova_api.cell_mappings (name, database_connection) VALUES (%s, %s)", given)
        yield found
        with found.cursor() as cursor:
            cursor.execute("DROP DATABASE nova_api")


def test_cells_are_known_by_their_schemas_whatever_else_their_urls_say(
    connection: "pymysql.connections.Connection[pymysql.cursors.Cursor]", server: tuple[At, str]
) -> None:
    assert facts._server(connection).cells == ("nova_cell0", "nova")
    at, password = server
    client = f"mariadb --no-defaults -h {at.address} -P {at.port} -u {mariadb.USER} -BN"
    script = f'sql() {{ {client} "$@"; }}\n' + script_text("cells", "naru.upgrade")
    environment = os.environ | {"MYSQL_PWD": password, "NARU_SCRATCH": "/scratch"}
    subprocess.run(["sh", "-ec", script], env=environment, check=True, timeout=60, capture_output=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT database_connection FROM nova_api.cell_mappings ORDER BY id")
        urls = [str(url).rpartition("@")[2] for (url,) in cursor.fetchall()]
    assert [url.partition("?")[0] for url in urls] == ["localhost/nova_cell0", "localhost/nova"]
    assert facts._server(connection).cells == ("nova_cell0", "nova")
