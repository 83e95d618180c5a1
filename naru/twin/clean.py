"""The rules applied to a copy of a site's databases, the catalogue and Nova's cells pointed at the twin, and a look for
what is still in it of the site's addresses."""

import ipaddress
import json
import re
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.errors import NaruError
from naru.twin.rules import HARMLESS, LOOPBACK, NOVA, NOWHERE, RULES, SUSPECT, TENANTS_OWN, Rule

CELL0 = "00000000-0000-0000-0000-000000000000"
TEXTS = ("char", "text", "blob", "json", "binary")
"""How the kinds of columns end in which there is text."""
POINTED = frozenset(
    {
        ("keystone", "endpoint", "url"),
        ("nova_api", "cell_mappings", "transport_url"),
        ("nova_api", "cell_mappings", "database_connection"),
        ("neutron", "agents", "configurations"),
    }
)
"""Columns in which services look for each other, which have the twin's own places instead."""
ARCHIVED = "shadow_"
AT_ONCE = 100
"""Addresses that one statement looks for."""


class Left(NamedTuple):
    """A column in which something of the site was found, and in how many rows."""

    column: str
    rows: int


class Copy:
    """The copy, by a connection to the server that has it; `cells` are the schemas of Nova's cells."""

    def __init__(self, connection: "Connection[Cursor]", schemas: Collection[str], cells: Collection[str]) -> None:
        self._connection = connection
        self.schemas = tuple(schemas)
        self.cells = tuple(cells)
        self._columns: dict[tuple[str, str], dict[str, str]] = {}
        rows = self.ask(
            "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE FROM information_schema.COLUMNS c "
            "JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) "
            "WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA IN %s",
            (self.schemas,),
        )
        for schema, table, column, kind in rows:
            self._columns.setdefault((schema, table), {})[column] = kind

    def ask(self, statement: str, values: Any = None) -> tuple[tuple[Any, ...], ...]:
        """The rows that a statement gives."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return tuple(cursor.fetchall())

    def has(self, schema: str, table: str) -> bool:
        """Whether there is such a table."""
        return (schema, table) in self._columns

    def apply(self, values: Mapping[str, str]) -> int:
        """Applies all rules, with the `values` that they name; how many statements these were."""
        statements = [one for rule in RULES for one in self._statements(rule, values)]
        for statement in statements:
            self.ask(statement)
        return len(statements)

    def _statements(self, rule: Rule, values: Mapping[str, str]) -> Iterator[str]:
        for schema in self.cells if rule.schema == NOVA else (rule.schema,):
            for table in (rule.table, f"{ARCHIVED}{rule.table}"):
                if columns := self._columns.get((schema, table)):
                    yield from _statement(rule, schema, table, columns, values)

    def suspects(self) -> list[str]:
        """Columns that are called as secrets are, have something, and are known to no rule: as SCHEMA.TABLE.COLUMN."""
        found = []
        for (schema, table), columns in self._columns.items():
            kind, kept = NOVA if schema in self.cells else schema, table.removeprefix(ARCHIVED)
            rules = [rule for rule in RULES if (rule.schema, rule.table) == (kind, kept)]
            for name, sort in columns.items():
                known = (kind, kept, name) in HARMLESS or any(not rule.sets or name in rule.sets for rule in rules)
                if sort.endswith(TEXTS) and not known and re.search(SUSPECT, name, re.IGNORECASE):
                    where = f"`{schema}`.`{table}` WHERE `{name}` IS NOT NULL AND `{name}` <> ''"
                    if self.ask(f"SELECT EXISTS (SELECT 1 FROM {where})") == ((1,),):
                        found.append(f"{schema}.{table}.{name}")
        return found

    def texts(self) -> Iterator[tuple[str, str, list[str]]]:
        """The columns with texts, by schema and table, without what is tenants' own."""
        for (schema, table), columns in self._columns.items():
            kind = NOVA if schema in self.cells else schema
            if (kind, table.removeprefix(ARCHIVED)) in TENANTS_OWN:
                continue
            if found := [name for name, kind in columns.items() if kind.endswith(TEXTS)]:
                yield schema, table, found

    def left(self, addresses: Collection[str], names: Collection[str] = ()) -> list[Left]:
        """Where something of the site's addresses is still: a URL, a host with its port, or the address alone; and
        hosts' `names` where they stand in a URL or with a port."""
        patterns = [_pattern(part, ()) for part in _parts(sorted(addresses), AT_ONCE)]
        patterns += [_pattern((), part) for part in _parts(sorted(names), AT_ONCE)]
        found = []
        for schema, table, columns in self.texts():
            counts = [
                f"COALESCE(SUM({' OR '.join(f'CONVERT(`{name}` USING utf8mb4) RLIKE %s' for _ in patterns)}), 0)"
                for name in columns
            ]
            if patterns:
                [numbers] = self.ask(f"SELECT {', '.join(counts)} FROM `{schema}`.`{table}`", patterns * len(columns))
                for name, number in zip(columns, numbers, strict=True):
                    if number:
                        found.append(Left(f"{schema}.{table}.{name}", int(number)))
        return found

    def dialled(self, left: Iterable[Left]) -> list[str]:
        """Those of the columns that services connect to: whatever a rule or the twin itself has written to."""
        found = []
        for one in left:
            schema, table, column = one.column.split(".")
            kind, kept = NOVA if schema in self.cells else schema, table.removeprefix(ARCHIVED)
            rules = [rule for rule in RULES if (rule.schema, rule.table) == (kind, kept)]
            if (kind, kept, column) in POINTED or any(column in rule.sets for rule in rules):
                found.append(one.column)
        return found

    # -- where services find each other

    def cell_databases(self) -> dict[str, str]:
        """The schema of each cell by its id."""
        rows = self.ask("SELECT uuid, database_connection FROM nova_api.cell_mappings")
        # as text: Nova fills in {username} and the like from its configuration
        return {uuid: url.partition("?")[0].rpartition("/")[2] for uuid, url in rows}

    def point_cells(self, transport: str, database: Callable[[str], str]) -> None:
        """Nova's cells are reached at the twin's own queue and databases."""
        for uuid, schema in self.cell_databases().items():
            if schema not in self.schemas:
                raise NaruError(f"a cell's database is {schema!r}, which is not in the dump")
            queue = "none:///" if uuid == CELL0 else transport
            self.ask(
                "UPDATE nova_api.cell_mappings SET transport_url = %s, database_connection = %s WHERE uuid = %s",
                (queue, database(schema), uuid),
            )

    def regions(self) -> list[str]:
        """The regions in which Keystone says that there is a Nova."""
        rows = self.ask(
            "SELECT DISTINCT e.region_id FROM keystone.endpoint e JOIN keystone.service s ON s.id = e.service_id "
            "WHERE s.type = 'compute' AND e.region_id IS NOT NULL ORDER BY 1"
        )
        return [str(region) for (region,) in rows]

    def endpoint_addresses(self) -> set[str]:
        """The hosts of all URLs of the catalogue."""
        urls = (urllib.parse.urlsplit(url) for (url,) in self.ask("SELECT DISTINCT url FROM keystone.endpoint"))
        return {found.hostname for found in urls if found.hostname}

    def point_endpoints(self, region: str, urls: Mapping[str, str]) -> None:
        """The catalogue has the twin's own `urls`, by service type, in the region; all others are disabled, and lead
        nowhere."""
        self.ask("UPDATE keystone.endpoint SET url = %s, enabled = 0", (NOWHERE,))
        for kind, url in urls.items():
            self.ask(
                "UPDATE keystone.endpoint e JOIN keystone.service s ON s.id = e.service_id "
                "SET e.url = %s, e.enabled = 1, s.enabled = 1 WHERE s.type = %s AND e.region_id = %s",
                (url, kind, region),
            )

    def agent_addresses(self) -> set[str]:
        """Addresses in what agents have said of themselves."""
        if not self.has("neutron", "agents"):
            return set()
        said = (json.loads(text or "{}") for (text,) in self.ask("SELECT configurations FROM neutron.agents"))
        return {text for one in said for text in _strings(one) if is_address(text)}

    def point_agents(self, addresses: Collection[str], names: Collection[str] = ()) -> None:
        """What agents have said of themselves has loopback in the place of addresses, and of `names` where these are
        reached by them, until they say it anew."""
        if not self.has("neutron", "agents"):
            return
        pattern = re.compile(_pattern(sorted(addresses), sorted(names))) if addresses or names else None
        for id_, text in self.ask("SELECT id, configurations FROM neutron.agents"):
            said = json.dumps(_changed(json.loads(text or "{}"), pattern))
            self.ask("UPDATE neutron.agents SET configurations = %s WHERE id = %s", (said, id_))


def _statement(
    rule: Rule, schema: str, table: str, columns: Collection[str], values: Mapping[str, str]
) -> Iterator[str]:
    where = f" WHERE {rule.where}" if rule.where else ""
    if where and any(name not in columns for name in re.findall(r"`?(\w+)`? (?:IS NOT NULL|IS NULL|LIKE|IN)", where)):
        return
    if not rule.sets:
        yield f"DELETE FROM `{schema}`.`{table}`{where}"
        return
    sets = [f"`{name}` = {_filled(text, values)}" for name, text in rule.sets.items() if name in columns]
    if sets:
        yield f"UPDATE `{schema}`.`{table}` SET {', '.join(sets)}{where}"


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _pattern(addresses: Collection[str], names: Collection[str]) -> str:
    """A regular expression, of Python and of MariaDB, for one of the addresses where it stands by itself, or one of the
    names where it is a URL's host or has a port or a path after it, as ctl1:5672 and nas1:/volumes."""
    found = []
    if addresses:
        found.append(f"(?<![\\w.-])({'|'.join(map(re.escape, addresses))})(?![\\w-]|\\.\\w)")
    if names:
        either = "|".join(map(re.escape, names))
        found.append(f"((?<=//)|(?<=@))({either})(?![\\w-]|\\.\\w)")
        found.append(f"(?<![\\w.-])({either})(?=:[0-9/])")
    return "|".join(found)


def _parts(items: list[str], number: int) -> Iterator[list[str]]:
    for first in range(0, len(items), number):
        yield items[first : first + number]


def is_address(text: str) -> bool:
    """Whether it is an address that is not of the machine itself."""
    try:
        return not ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _changed(value: Any, pattern: "re.Pattern[str] | None") -> Any:
    if isinstance(value, str):
        if is_address(value):
            return LOOPBACK
        return pattern.sub(LOOPBACK, value) if pattern else value
    if isinstance(value, dict):
        return {name: _changed(one, pattern) for name, one in value.items()}
    if isinstance(value, list):
        return [_changed(one, pattern) for one in value]
    return value
