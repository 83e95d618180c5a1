"""A dump put into the twin's own database server, and what was found in it."""

import os
import subprocess
import urllib.parse
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.actions.databases.server import script
from naru.errors import NaruError
from naru.lab import services
from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb
from naru.lab.process import LAB_VARIABLE, NAME_VARIABLE
from naru.site.site import Site
from naru.twin.clean import CELL0, Copy
from naru.twin.spec import FakeAgent, Host, Kind

KINDS: dict[str, Kind] = {"Open vSwitch agent": "ovs", "L3 agent": "l3", "DHCP agent": "dhcp"}
"""The types of agents that can be played."""
CELL = "nova"
"""The schema of the one cell beside cell0 that a twin has."""


def wanted(cloud: Cloud) -> list[str]:
    """The schemas that the twin's services have."""
    found = [name for service in cloud.services for name in services.module(service).DATABASES]
    return [name for name in found if name != "placement" or not cloud.release.has("placement-in-nova")]


def restore(cloud: Cloud, dump: Path) -> None:
    """Puts a dump into the twin's server, its digest and all its tables' rows and checksums compared. Raises
    NaruError."""
    at = cloud.at("mariadb")
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "NARU_OWN": str(cloud.state / "restoring"),
        "NARU_DB_HOST": at.address,
        "NARU_DB_PORT": str(at.port),
        "NARU_DB_USER": mariadb.USER,
        "MYSQL_PWD": cloud.secret,
        LAB_VARIABLE: cloud.processes.mark,  # so that `down` ends it with the rest
        NAME_VARIABLE: "restore",
    }
    done = subprocess.run(
        ["sh", "-c", script("client") + script("restore"), "naru", str(dump), "fresh"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        raise NaruError(f"the dump {dump} cannot be restored", detail=done.stderr.strip()[-2000:])


SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
"""The schemas that are a database server's own."""


def drop_others(connection: "Connection[Cursor]", needed: Collection[str]) -> list[str]:
    """Removes every schema that no service of the twin has, and gives their names: a dump may have those of other
    services, with secrets that no rule knows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1")
        others = [str(name) for (name,) in cursor.fetchall() if name not in {*needed, *SYSTEM}]
        for name in others:
            cursor.execute(f"DROP DATABASE `{name.replace('`', '``')}`")
    return others


class Unfit(NaruError):
    """A twin cannot be made of such a dump, however often it is tried."""


def check_schemas(found: Collection[str], needed: Iterable[str]) -> None:
    """Raises Unfit where a dump lacks a schema."""
    if missing := [name for name in needed if name not in found]:
        raise Unfit(
            f"the dump has no schema {', '.join(missing)}",
            hint="A twin has Keystone, Glance, Placement, Nova, Neutron and Cinder, in schemas of these names.",
        )


def check(copy: Copy) -> None:
    """Raises Unfit where the copy is of a cloud that a twin cannot be made of."""
    cells = {uuid: schema for uuid, schema in copy.cell_databases().items() if uuid != CELL0}
    if list(cells.values()) != [CELL]:
        found = ", ".join(cells.values()) or "none"
        raise Unfit(f"Nova's cells beside cell0 are in the schemas: {found}; a twin has one, in {CELL}")


def region(copy: Copy, asked: str) -> str:
    """The region that is meant. Raises NaruError where that is not clear."""
    found = copy.regions()
    if asked in found:
        return asked
    if asked or len(found) != 1:
        said = f"there is no region {asked}" if asked else "which region is meant is not clear"
        raise NaruError(f"{said}: Keystone has Nova in {', '.join(found) or 'none'}", hint="Give it with --region.")
    return found[0]


def hosts(copy: Copy) -> list[Host]:
    """The site's compute hosts that are not forced down and have one node each."""
    rows = copy.ask(
        f"SELECT n.host, MIN(n.hypervisor_hostname), MIN(n.uuid), MIN(n.vcpus), MIN(n.memory_mb), MIN(n.local_gb) "
        f"FROM `{CELL}`.compute_nodes n JOIN `{CELL}`.services s ON s.host = n.host AND s.`binary` = 'nova-compute' "
        "AND s.deleted = 0 WHERE n.deleted = 0 AND NOT COALESCE(s.forced_down, 0) AND n.host IS NOT NULL "
        "GROUP BY n.host HAVING COUNT(*) = 1 ORDER BY n.host"
    )
    names = ("host", "node", "uuid", "vcpus", "memory_mb", "local_gb")
    return [Host(**dict(zip(names, row, strict=True))) for row in rows]


def agents(copy: Copy) -> tuple[list[FakeAgent], int]:
    """The site's network agents that can be played, host by host, and how many it has of all types."""
    rows = copy.ask("SELECT agent_type, host FROM neutron.agents ORDER BY host, agent_type DESC")
    return [FakeAgent(kind=KINDS[kind], host=host) for kind, host in rows if kind in KINDS], len(rows)


def controller(copy: Copy) -> str:
    """The host of the site's first conductor."""
    rows = copy.ask(
        f"SELECT host FROM `{CELL}`.services WHERE `binary` = 'nova-conductor' AND deleted = 0 ORDER BY host LIMIT 1"
    )
    return str(rows[0][0]) if rows else "controller"


def addresses(site: Site, copy: Copy) -> set[str]:
    """Where the site is reached: its hosts, virtual addresses, databases, queues and power controllers, by the file;
    URLs of the catalogue and what agents have said, by the copy. Loopback is nobody's."""
    found: set[Any] = copy.endpoint_addresses() | copy.agent_addresses()
    for host in site.hosts.values():
        found |= {host.address, host.power.address if host.power else ""}
    found |= {str(one.address) for one in site.part.virtual_addresses}
    found |= {database.address for database in site.part.databases}
    found |= {_host_of(address) for queue in site.part.queues for address in queue.addresses}
    nobodys = {"localhost", "127.0.0.1", "::1", ""}
    return {str(one) for one in found if one} - set(site.hosts) - nobodys


def names(site: Site) -> set[str]:
    """What the site's hosts are called: nothing is reached by that but where it stands in a URL or with a port, for
    hosts keep their names in a twin. The user of the twin's own URLs is none."""
    return set(site.hosts) - {mariadb.USER, "localhost"}


def _host_of(address: str) -> str:
    """The host of HOST:PORT or [ADDRESS]:PORT."""
    return urllib.parse.urlsplit(f"//{address}").hostname or ""
