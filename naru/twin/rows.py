"""Ports on hosts that a test cloud does not have: copies of a few that Neutron itself has made."""

import uuid
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb

AT_ONCE = 500
"""Rows that one statement takes."""


def connected(cloud: Cloud, database: str = "neutron") -> "Connection[Cursor]":
    """A connection to a database of a lab's cloud; what it writes counts at once. Raises NaruError where it does not
    run."""
    at = cloud.at("mariadb")
    try:
        return pymysql.connect(
            host=at.address, port=at.port, user=mariadb.USER, password=cloud.secret, database=database, autocommit=True
        )
    except pymysql.err.OperationalError as error:
        raise NaruError(
            f"the database of {cloud.name} does not answer at {at.address}:{at.port}",
            detail=str(error.args[-1]),
            hint="See what runs: naru twin status, naru lab status; naru twin up DIR or naru lab start starts it.",
        ) from error


def ports_of(connection: "Connection[Cursor]", hosts: Iterable[str]) -> dict[str, list[str]]:
    """The ids of the ports that are bound to each of the hosts, without those of routers and DHCP."""
    found: dict[str, list[str]] = {host: [] for host in hosts}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.host, b.port_id FROM ml2_port_bindings b JOIN ports p ON p.id = b.port_id "
            "WHERE b.host <> '' AND p.device_owner NOT LIKE 'network:%' ORDER BY b.port_id"
        )
        for host, port in cursor.fetchall():
            if host in found:
                found[host].append(port)
    return found


def copy_ports(
    connection: "Connection[Cursor]", models: Sequence[str], hosts: Sequence[str], each: int, network: IPv4Network
) -> int:
    """Gives every host `each` ports that are like the models, one after the other, with addresses from the end of the
    network, in which the models' subnets have theirs. How many were made: given again, those that are missing."""
    wanted = [
        (str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.{number}.ports.naru")), host, models[count % len(models)], count)
        for count, (host, number) in enumerate((host, number) for host in hosts for number in range(each))
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM ports")
        there = {found for (found,) in cursor.fetchall()}
        missing = [one for one in wanted if one[0] not in there]
        if not missing:
            return 0
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM standardattributes")
        [(last,)] = cursor.fetchall()
        rows = {model: _rows(cursor, model) for model in models}
        made: dict[str, list[dict[str, Any]]] = {}
        for offset, (port, host, model, count) in enumerate(missing, 1):
            changed = {
                "standard_attr_id": last + offset,
                "mac_address": f"fa:16:3f:{count >> 16 & 255:02x}:{count >> 8 & 255:02x}:{count & 255:02x}",
                "ip_address": str(network[-2 - count]),
                "host": host,
                "device_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{port}.device")),
                "name": "",
            }
            for table, (column, found) in rows[model].items():
                for row in found:
                    if table == "standardattributes":
                        made.setdefault(table, []).append(row | {"id": last + offset})
                    else:
                        own = {name: value for name, value in changed.items() if name in row}
                        made.setdefault(table, []).append(row | own | {column: port})
        for table in sorted(made, key=lambda name: (name != "standardattributes", name != "ports")):
            _insert(cursor, table, made[table])
        return len(missing)


def _rows(cursor: Cursor, port: str) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """All rows that are the port's, by table, and which column has its id."""
    cursor.execute(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE "
        "WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = 'ports' AND REFERENCED_COLUMN_NAME = 'id'"
    )
    places = [("ports", "id"), *((str(table), str(column)) for table, column in cursor.fetchall())]
    found = {}
    for table, column in places:
        if here := _table(cursor, f"SELECT * FROM `{table}` WHERE `{column}` = %s", port):
            found[table] = (column, here)
    [model] = found["ports"][1]
    attribute = _table(cursor, "SELECT * FROM standardattributes WHERE id = %s", model["standard_attr_id"])
    return found | {"standardattributes": ("id", attribute)}


def _table(cursor: Cursor, statement: str, value: Any) -> list[dict[str, Any]]:
    cursor.execute(statement, (value,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _insert(cursor: Cursor, table: str, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    columns, marks = ", ".join(f"`{name}`" for name in names), ", ".join(["%s"] * len(names))
    for first in range(0, len(rows), AT_ONCE):
        cursor.executemany(
            f"INSERT IGNORE INTO `{table}` ({columns}) VALUES ({marks})",
            [tuple(row[name] for name in names) for row in rows[first : first + AT_ONCE]],
        )
