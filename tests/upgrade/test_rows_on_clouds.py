"""Rows that stand in the way of an upgrade, in the real schemas of a Pike cloud and of the newest release."""

from collections.abc import Callable, Iterator, Sequence

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb
from naru.lab.lab import Lab
from naru.releases import path, release
from naru.upgrade.finding import Finding, Span
from naru.upgrade.rows import Missing, look

pytestmark = pytest.mark.lab

SCHEMAS = ("nova", "nova_cell0", "nova_api", "placement", "cinder", "neutron")
NAMES = {name: f"check_{name}" for name in SCHEMAS}
NEWEST = release.names()[-1]
# by a word of what it is: a table and rows of it; MariaDB gives what is not said its type's own default
PLANTED: dict[str, tuple[str, list[str]]] = {
    "flavors that are not": ("nova.instance_types", ["flavorid='lost', deleted=0"]),
    "without their key pair": ("nova.instance_extra", ["instance_uuid='lost', deleted=0"]),
    "aggregates": ("nova.aggregates", ["name='lost', deleted=0"]),
    "server groups": ("nova_cell0.instance_groups", ["uuid='lost', deleted=0"]),
    "without a request spec": ("nova.instances", ["uuid='lost', deleted=0"]),
    "build requests": ("nova_api.build_requests", ["id=7"]),
    "key pairs that": ("nova.key_pairs", ["name='lost', deleted=0"]),
    "allocations whose": ("nova_api.allocations", ["consumer_id='lost'"]),
    "services without a UUID, with": ("nova.services", ["`binary`='nova-compute', host='lost', deleted=0"]),
    "host that has no service": (
        "cinder.volumes",
        ["id='lost', host='gone@ceph#ceph', deleted=0, volume_type_id='t'"],
    ),
    "without a host": ("cinder.volumes", ["id='nowhere', deleted=0, volume_type_id='t'"]),
    "have not reported": (
        "cinder.services",
        ["`binary`='cinder-volume', host='dead', deleted=0, updated_at='2020-01-01'"],
    ),
    "without a type": ("cinder.snapshots", ["id='deleted-one', deleted=1"]),
    "driver is named": ("cinder.backups", ["id='lost', deleted=0, service='cinder.backup.drivers.ceph'"]),
    "connector": ("cinder.attachment_specs", ["attachment_id='lost', deleted=0"]),
    "subnets without": ("neutron.subnets", ["id='lost'"]),
    "VLANs": ("neutron.ml2_vlan_allocations", ["physical_network='lost', vlan_id=0"]),
    "quotas that": ("neutron.quotas", [f"id='{n}', project_id='lost', resource='port'" for n in (1, 2)]),
    "segments": (
        "neutron.networksegments",
        [
            *(
                f"id='{n}', standard_attr_id={n}, network_id='lost', network_type='vlan', physical_network='p'"
                for n in (1, 2)
            ),
            *(f"id='{n}', standard_attr_id={n}, network_id='right', network_type='vxlan'" for n in (3, 4)),
        ],
    ),
    "several HA networks": ("neutron.ha_router_networks", [f"project_id='lost', network_id='{n}'" for n in (1, 2)]),
}


class Server:
    """A cloud's MariaDB with empty copies of its schemas."""

    def __init__(self, cloud: Cloud) -> None:
        at = cloud.at("mariadb")
        self.connection: Connection[Cursor] = pymysql.connect(
            host=at.address, port=at.port, user=mariadb.USER, password=cloud.secret, autocommit=True
        )
        self.ask("SET SESSION sql_mode = ''")
        there = self.ask("SHOW DATABASES")
        self.schemas = [name for name in SCHEMAS if name in there]
        for name in self.schemas:
            self.ask(f"CREATE OR REPLACE DATABASE {NAMES[name]}")
            for table in self.ask(f"SHOW TABLES FROM {name}"):
                self.ask(f"CREATE TABLE {NAMES[name]}.`{table}` LIKE {name}.`{table}`")

    def ask(self, statement: str) -> Sequence[str]:
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except pymysql.err.MySQLError as error:
                if error.args[0] in (1054, 1146):
                    raise Missing from error
                raise
            return [str(row[0]) for row in cursor.fetchall()]

    def found(self, start: str, names: dict[str, str] | None = None) -> list[Finding]:
        services = list(path.services().values())
        schemas = [NAMES[name] for name in self.schemas] if names else self.schemas
        return list(look(self.ask, schemas, services, Span(start, NEWEST), set(), names))

    def close(self) -> None:
        for name in self.schemas:
            self.ask(f"DROP DATABASE {NAMES[name]}")
        self.connection.close()


@pytest.fixture
def server(pair: Lab) -> Iterator[Callable[[str], Server]]:
    made: list[Server] = []

    def make(name: str) -> Server:
        made.append(Server(pair.cloud(name)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def of(found: Sequence[Finding], words: str) -> list[Finding]:
    return [one for one in found if words in one.what and one.number]


def test_each_kind_of_row_is_found_in_pikes_schemas_and_says_what_it_means(server: Callable[[str], Server]) -> None:
    pike = server("old")
    before = pike.found("pike", NAMES)
    assert {one.state for one in before} == {"right", "later"}
    assert len({(one.service, one.what) for one in before}) >= len(PLANTED)
    later = {(one.service, one.what) for one in before if one.state == "later"}
    assert {service for service, _ in later} == {"cinder"} and len(later) == 3, later

    for table, rows in PLANTED.values():
        for row in rows:
            pike.ask(f"INSERT INTO check_{table} SET {row}")
    found = pike.found("pike", NAMES)
    for words in PLANTED:
        (one,) = of(found, words)
        assert one.number == 1 and len(one.examples) == 1, one
    states = {words: of(found, words)[0].state for words in PLANTED}
    on_the_way = {words for words, state in states.items() if state == "on the way"}
    assert on_the_way == {"allocations whose", "without a type", "driver is named", "connector"}
    assert {state for words, state in states.items() if words not in on_the_way} == {"blocks"}
    assert all(one.cure for one in found if one.state == "blocks")
    (group,) = of(found, "server groups")
    assert (group.where, group.release, group.examples) == ("check_nova_cell0", "rocky", ("lost",))
    (segments,) = of(found, "segments")
    assert (segments.release, segments.examples) == ("yoga", ("lost vlan p",))


def test_what_only_a_release_before_makes_blocks_and_what_is_behind_is_not_looked_for(
    server: Callable[[str], Server],
) -> None:
    newest = server("new")
    before = newest.found("2023.1", NAMES)
    assert {one.state for one in before} == {"right"}
    # its schema steps have made a column of it that takes no NULL: as it was before they did
    newest.ask("ALTER TABLE check_cinder.volumes MODIFY use_quota TINYINT(1) NULL")
    newest.ask("INSERT INTO check_cinder.volumes SET id='deleted-one', deleted=1, volume_type_id='t', use_quota=NULL")
    for start, cure in (("2023.1", "by the code of 2023.1"), ("2023.2", "by the code of 2023.2")):
        (one,) = of(newest.found(start, NAMES), "whether they count")
        assert (one.state, one.release, one.examples) == ("blocks", "2024.1", ("deleted-one",))
        assert one.cure.endswith(cure)
    assert of(newest.found("2024.1", NAMES), "whether they count") == []


def test_the_clouds_as_they_are_can_go_on(server: Callable[[str], Server]) -> None:
    # Pike's online data migrations were never run in the lab, and nothing in it needs them but what Pike itself wrote
    blocking = [one for one in server("old").found("pike") if one.state == "blocks"]
    assert blocking == []
    assert {one.state for one in server("new").found("2023.1")} == {"right"}
