"""What is known of a cloud before its upgrade is planned: its site, its way, what its databases hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import InputError
from naru.releases import path, release
from naru.releases.path import Way
from naru.site.database import asked_anywhere
from naru.site.model import Database
from naru.site.site import Site
from naru.site.ssh import Fleet
from naru.upgrade.check import catalogue, records, rows
from naru.upgrade.check.catalogue import Address
from naru.upgrade.check.records import Moved
from naru.upgrade.finding import Finding, Span
from naru.upgrade.work import Settings


class Server(NamedTuple):
    """What a database server says: its version, how it writes texts where nothing is said, the bytes of its schemas
    that have tables, and Nova's cells by the schema each is in."""

    version: str
    charset: str
    collation: str
    bytes: dict[str, int]
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """`host` is where the work is done; with `row_by_row` the releases' own code fills what statements could fill at
    once (`naru.releases.path.Filled`). `servers` are the site's databases by name. Where the next controllers are on
    other hosts, `moved` are records that get other names, and `endpoints` those that get other addresses."""

    site: Site
    span: Span
    ways: list[Way]
    host: str
    servers: dict[str, Server]
    findings: list[Finding] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    endpoints: list[Address] = field(default_factory=list)
    row_by_row: bool = False

    @property
    def releases(self) -> list[str]:
        """The releases whose code runs, in order."""
        found = {hop.release for way in self.ways for hop in way.hops}
        return [name for name in release.names() if name in found]

    def database(self, schema: str) -> str | None:
        """The database of the site that has a schema."""
        return next((name for name, server in self.servers.items() if schema in server.bytes), None)

    def home(self, way: Way) -> str:
        """The database that has a service's schemas, or is to have those that are made on the way. Raises InputError
        for a service that is in none, or in several."""
        known = [self.database(schema) for schema in way.service.schemas]
        found = {name for name in known if name}
        begins = way.service.begins
        if begins and not found and self.span.passes(begins.release):
            if not any(other.service.name == "nova" for other in self.ways):
                hint = "Give Nova, too: --services nova,placement,..."
                raise InputError(f"{way.service.name} comes out of Nova's databases on the way", hint=hint)
            found = {name for name in [self.database("nova_api")] if name}
        if len(found) != 1:
            where = f"it is in {' and '.join(sorted(found))}" if found else "no database of the site has one of them"
            raise InputError(
                f"{self.site.file}: the schemas of {way.service.name} ({', '.join(way.service.schemas)}): {where}",
                hint="All schemas of a service are to be on one server, which databases: has.",
            )
        return found.pop()

    def homes(self) -> dict[str, list[str]]:
        """By database the schemas of all services that are in it; without those that have none. Raises InputError as
        `home`."""
        found: dict[str, list[str]] = {name: [] for name in self.servers}
        for way in self.ways:
            found[self.home(way)] += self.schemas(way)
        return {name: schemas for name, schemas in found.items() if schemas}

    def schemas(self, way: Way) -> list[str]:
        """A service's schemas, with those that are made on the way, and all of Nova's cells."""
        server = self.servers[self.home(way)]
        more = [name for name in self.cells(way) if name not in way.service.schemas]
        extracted = way.service.begins is not None
        return [*(name for name in way.service.schemas if name in server.bytes or extracted), *more]

    def cells(self, way: Way) -> list[str]:
        """The schemas that are cells of Nova, the first one first; [] for another service."""
        if "@cell@" not in way.service.config:
            return []
        server = self.servers[self.home(way)]
        return list(dict.fromkeys([*rows.schemas_like(rows.CELLS, list(server.bytes)), *server.cells]))


def read(site: Site, settings: Settings, findings: Sequence[Finding] = ()) -> Facts:
    """Asks the site's databases; nothing is changed. `findings` are what was found in the way. Raises InputError for a
    way that does not lead forward, NaruError when a database cannot be asked."""
    span, host = settings.span, settings.host or _first_host(site)
    ways = [way for way in path.ways(span.start, span.goal, settings.services) if way.hops]
    seconds = rows.SECONDS + rows.GRACE
    with Fleet(site) as fleet:
        servers = {one.name: asked_anywhere(site, fleet, one, _server, seconds=seconds) for one in site.part.databases}
        names = [way.service.name for way in ways]
        moved, _ = records.look(site, fleet, span, names)
        # else they are changed by nobody, and may be in no database of the site
        endpoints = catalogue.look(site, fleet, span, names) if catalogue.KEYSTONE in names else []
    return Facts(site, span, ways, host, servers, list(findings), moved, endpoints, settings.row_by_row)


def _first_host(site: Site) -> str:
    """A host of the first database: it has MariaDB's programs."""
    databases: Sequence[Database] = site.part.databases
    return site.named(databases[0].hosts)[0].name


def _server(connection: "Connection[Cursor]") -> Server:
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@character_set_server, @@collation_server")
        version, charset, collation = cursor.fetchone() or ("", "", "")
        cursor.execute(
            "SELECT TABLE_SCHEMA, COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES "
            "WHERE TABLE_TYPE = 'BASE TABLE' GROUP BY 1"
        )
        sizes = {str(name): int(size) for name, size in cursor.fetchall()}
        cells: tuple[str, ...] = ()
        if "nova_api" in sizes:
            # of the URLs, which hold passwords, nothing but the schema; behind the ? there may be files' paths
            cursor.execute(
                "SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(database_connection, '?', 1), '/', -1) "
                "FROM nova_api.cell_mappings ORDER BY id"
            )
            cells = tuple(str(name) for (name,) in cursor.fetchall() if name)
    return Server(version, charset, collation, sizes, cells)
