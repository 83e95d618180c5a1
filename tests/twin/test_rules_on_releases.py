"""The rules of what may not stay in a copy, on the schemas that the releases themselves make: each is for something
that there is, and takes it away."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from naru.lab import render, running, services
from naru.lab.infra import mariadb
from naru.lab.ports import Ports
from naru.releases import install, release
from naru.twin import restore, rows
from naru.twin.clean import ARCHIVED, TEXTS, Copy
from naru.twin.cloud import TwinCloud
from naru.twin.rules import NOVA, RULES, SUSPECT, Rule

pytestmark = [pytest.mark.releases, pytest.mark.mariadb]

PORT_BASE = 27400
MARKER = '"geheim"'
"""A text, and JSON: some columns take nothing else."""
OLDER = {("glance", "artifact_blob_locations"), ("neutron", "cisco_credentials")}
"""Tables that no release from Pike on makes or keeps; clouds that were built before may have them."""


@contextmanager
def schemas(name: str, directory: Path) -> Iterator[Copy]:
    """What a release's own programs make of empty databases."""
    loaded = release.load(name)
    install.install([name], lambda *_: None)
    cloud = TwinCloud(
        name="twin",
        release=loaded,
        directory=directory,
        ports=Ports(PORT_BASE),
        services=services.CORE,
        computes=0,
        venv=install.venv_path(loaded),
        secret="0123456789abcdef",
        lab_id=f"test-{name}",
        first_address="",
        last_address="",
    )
    at, needed = cloud.at("mariadb"), restore.wanted(cloud)
    render.render(cloud)
    running.directories(cloud)
    mariadb.create(cloud.state / "mariadb", cloud.processes.log_file("mariadb-create"))
    try:
        running.launch(cloud, [mariadb.command(cloud.state / "mariadb", at)])
        mariadb.secure(at, cloud.secret)
        mariadb.create_databases(at, cloud.secret, needed)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: running.migrate(cloud, one), cloud.services))
        with rows.connected(cloud, "information_schema") as connection:
            yield Copy(connection, needed, ["nova", "nova_cell0"])
    finally:
        running.stop(cloud)
        running.remove(directory)


class Filled:
    """A copy in whose tables there is something for every rule."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.seen: set[tuple[int, str]] = set()
        self._number = 0
        copy.ask("SET SESSION sql_mode = '', foreign_key_checks = 0, check_constraint_checks = 0")
        found = copy.ask(
            "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS "
            "JOIN information_schema.COLUMNS USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) WHERE NON_UNIQUE = 0 "
            "AND (DATA_TYPE LIKE '%%char' OR DATA_TYPE LIKE '%%int') AND EXTRA = '' AND TABLE_SCHEMA IN %s",
            (copy.schemas,),
        )
        self._keys: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in found:
            self._keys.setdefault((schema, table), []).append(column)

    def insert(self, schema: str, table: str, values: dict[str, str]) -> None:
        self._number += 1
        whole = {**dict.fromkeys(self._keys.get((schema, table), ()), str(self._number)), **values}
        columns, marks = ", ".join(f"`{name}`" for name in whole), ", ".join(["%s"] * len(whole))
        self.copy.ask(f"INSERT INTO `{schema}`.`{table}` ({columns}) VALUES ({marks})", tuple(whole.values()))

    def fill(self) -> None:
        for number, rule, schema, table in self._places():
            columns = self.copy._columns[schema, table]
            needed = dict(_wanted(rule.where))
            if not needed.keys() <= columns.keys():
                continue
            self.seen |= {(number, name) for name in rule.sets if name in columns}
            if not rule.sets:
                self.seen.add((number, ""))
            texts = {name: MARKER for name in rule.sets if columns.get(name, "").endswith(TEXTS)}
            self.insert(schema, table, {**{name: value for name, value in needed.items() if value}, **texts})
            [(found,)] = self.copy.ask(f"SELECT COUNT(*) FROM `{schema}`.`{table}`{_where(rule)}")
            assert found, (rule, schema, table)
        for (schema, table), columns in self.copy._columns.items():
            named = [one for one, kind in columns.items() if kind.endswith(TEXTS) and re.search(SUSPECT, one, re.I)]
            if named:
                self.insert(schema, table, dict.fromkeys(named, MARKER))
        self.copy.ask("SET SESSION sql_mode = DEFAULT, foreign_key_checks = 1")  # as when a twin is made

    def check(self) -> None:
        for number, rule, schema, table in self._places():
            columns = self.copy._columns[schema, table]
            for name in rule.sets:
                if name in columns and columns[name].endswith(TEXTS):
                    told = f"SELECT COUNT(*) FROM `{schema}`.`{table}` WHERE `{name}` = %s"
                    assert self.copy.ask(told, (MARKER,)) == ((0,),), (rule, table, name)
            if (number, "") in self.seen and dict(_wanted(rule.where)).keys() <= columns.keys():
                told = f"SELECT COUNT(*) FROM `{schema}`.`{table}`{_where(rule)}"
                assert self.copy.ask(told) == ((0,),), (rule, table)

    def _places(self) -> Iterator[tuple[int, Rule, str, str]]:
        for number, rule in enumerate(RULES):
            for schema in self.copy.cells if rule.schema == NOVA else (rule.schema,):
                for table in (rule.table, f"{ARCHIVED}{rule.table}"):
                    if self.copy.has(schema, table):
                        yield number, rule, schema, table


def _where(rule: Rule) -> str:
    return f" WHERE {rule.where}" if rule.where else ""


def _wanted(where: str) -> Iterator[tuple[str, str]]:
    """The columns of a condition, and what makes it true of each; "" where that is nothing."""
    for column, how, value in re.findall(r"`?(\w+)`? (IS NOT NULL|IS NULL|LIKE|IN)(?: \(?'([^']*)')?", where):
        yield column, {"IS NOT NULL": "v", "IS NULL": ""}.get(how, value.replace("\\_%", "_0"))


@pytest.mark.timeout(7200)  # a minute a release, where nothing else is at work
def test_each_rule_is_for_something_that_a_release_has(tmp_path: Path) -> None:
    seen: set[tuple[int, str]] = set()
    values: dict[str, Any] = {"images": "/twin/images", "meta": "{}"}
    for name in release.names():
        with schemas(name, tmp_path / name) as copy:
            filled = Filled(copy)
            filled.fill()
            copy.apply(values)
            filled.check()
            assert copy.suspects() == [], name
            seen |= filled.seen
    every = {(number, name) for number, rule in enumerate(RULES) for name in rule.sets or ("",)}
    unmatched = {(RULES[number].schema, RULES[number].table, name) for number, name in every - seen}
    assert unmatched == {(*one, "") for one in OLDER}
