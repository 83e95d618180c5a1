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
from naru.upgrade.check.rows import Denied, asker, look, tables
from naru.upgrade.finding import Finding, Span
from naru.upgrade.freeze import busy
from naru.upgrade.freeze.busy import How

pytestmark = pytest.mark.lab

SCHEMAS = ("keystone", "nova", "nova_cell0", "nova_api", "placement", "glance", "cinder", "neutron")
NAMES = {name: f"check_{name}" for name in SCHEMAS}
NEWEST = release.names()[-1]
# by a word of what it is: a table and rows of it; MariaDB gives what is not said its type's own default
PLANTED: dict[str, tuple[str, list[str]]] = {
    "flavors that are not": ("nova.instance_types", ["flavorid='lost', deleted=0"]),
    "without their key pair": ("nova.instance_extra", ["instance_uuid='lost', deleted=0"]),
    "aggregates": ("nova.aggregates", ["name='lost', deleted=0"]),
    "server groups": ("nova_cell0.instance_groups", ["uuid='lost', deleted=0"]),
    "without a request spec": ("nova.instances", ["uuid='lost', host='gone', deleted=0"]),
    "a host that has no compute service": ("nova.instances", []),  # the same
    "have no compute node": (  # those of Ironic have many, or none any more
        "nova.services",
        [
            f"`binary`='nova-compute', host='{name}', uuid='{name}', deleted=0"
            for name in ("renamed", "metal1", "metal2")
        ],
    ),
    "never had a compute node": ("nova.services", ["`binary`='nova-compute', host='lone', uuid='lone', deleted=0"]),
    "several compute nodes": (
        "nova.compute_nodes",
        [
            *(f"host='lost', hypervisor_hostname='{n}', hypervisor_type='QEMU', deleted=0" for n in (1, 2)),
            *(f"host='metal1', hypervisor_hostname='{n}', hypervisor_type='ironic', deleted=0" for n in (3, 4)),
            "host='metal2', hypervisor_hostname='5', hypervisor_type='ironic', deleted=5",
            "host='renamed', hypervisor_hostname='6', hypervisor_type='QEMU', deleted=6",
        ],
    ),
    "build requests": ("nova_api.build_requests", ["id=7"]),
    "key pairs that": ("nova.key_pairs", ["name='lost', deleted=0"]),
    "allocations whose": ("nova_api.allocations", ["consumer_id='lost'"]),
    "services without a UUID, with": ("nova.services", ["`binary`='nova-compute', host='lost', deleted=0"]),
    "on a host that has no service": (
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
NOW, LONG_AGO = "UTC_TIMESTAMP()", "UTC_TIMESTAMP() - INTERVAL 25 HOUR"
# by a thing's id: the table, its state, since when it has that, and what becomes of it before a window (see `busy.How`)
BUSY: dict[str, tuple[str, str, str, How | None]] = {
    "building": ("nova.instances", "uuid='building', vm_state='building'", NOW, "wait"),
    "snapshot": ("nova.instances", "uuid='snapshot', vm_state='active', task_state='image_uploading'", NOW, "wait"),
    "migrating": ("nova.instances", "uuid='migrating', vm_state='active', task_state='migrating'", NOW, "abort"),
    "resized": ("nova.instances", "uuid='resized', vm_state='resized'", LONG_AGO, "park"),
    "never-built": ("nova.instances", "uuid='never-built', vm_state='building'", LONG_AGO, "stuck"),
    "idle": ("nova.instances", "uuid='idle', vm_state='active'", NOW, None),
    "request": ("nova_api.build_requests", "instance_uuid='request'", NOW, "wait"),
    "copied": ("cinder.volumes", "id='copied', status='uploading'", NOW, "wait"),
    "offered": ("cinder.volumes", "id='offered', status='awaiting-transfer'", LONG_AGO, "park"),
    "never-deleted": ("cinder.volumes", "id='never-deleted', status='deleting'", LONG_AGO, "stuck"),
    "moved": ("cinder.volumes", "id='moved', status='in-use', migration_status='migrating'", NOW, "wait"),
    "free": ("cinder.volumes", "id='free', status='available'", NOW, None),
    "point": ("cinder.snapshots", "id='point', status='creating'", NOW, "wait"),
    "backup": ("cinder.backups", "id='backup', status='restoring'", NOW, "wait"),
    "group": ("cinder.groups", "id='group', status='creating'", NOW, "wait"),
    "saving": ("glance.images", "id='saving', status='saving'", NOW, "wait"),
    "never-sent": ("glance.images", "id='never-sent', status='queued'", LONG_AGO, "park"),
    "import": ("glance.tasks", "id='import', status='processing'", NOW, "wait"),
    "port": ("neutron.ports", "id='port', status='BUILD', standard_attr_id=7", "", "wait"),
}


class Server:
    """A cloud's MariaDB with empty copies of its schemas."""

    def __init__(self, cloud: Cloud) -> None:
        self._at = cloud.at("mariadb")
        self._password = cloud.secret
        self.own = self.connect(mariadb.USER, self._password)
        self.do("SET SESSION sql_mode = ''")
        there = self.do("SHOW DATABASES")
        self.schemas = [name for name in SCHEMAS if name in there]
        for name in self.schemas:
            self.do(f"CREATE OR REPLACE DATABASE {NAMES[name]}")
            for table in self.do(f"SHOW TABLES FROM {name}"):
                self.do(f"CREATE TABLE {NAMES[name]}.`{table}` LIKE {name}.`{table}`")

    def connect(self, user: str, password: str) -> "Connection[Cursor]":
        return pymysql.connect(host=self._at.address, port=self._at.port, user=user, password=password, autocommit=True)

    def do(self, statement: str) -> Sequence[str]:
        with self.own.cursor() as cursor:
            cursor.execute(statement)
            return [str(row[0]) for row in cursor.fetchall()]

    def found(
        self, start: str, names: dict[str, str] | None = None, user: tuple[str, str] | None = None
    ) -> list[Finding]:
        services = list(path.services().values())
        schemas = [NAMES[name] for name in self.schemas] if names else self.schemas
        with self.connect(*user or (mariadb.USER, self._password)) as connection:
            return list(look(asker(connection), schemas, services, Span(start, NEWEST), set(), names))

    def busy(self) -> dict[str, How]:
        """What becomes of each thing that its services are at, by id."""
        with self.connect(mariadb.USER, self._password) as connection:
            table = tables(connection)
            every = [(service.name, one) for service in path.services().values() for one in service.busy]
            found = [thing for name, one in every for thing in busy._rows(table, name, one, NAMES[one.schema_])]
        assert len({one.id for one in found}) == len(found)
        return {one.id: one.how for one in found}

    def close(self) -> None:
        for name in self.schemas:
            self.do(f"DROP DATABASE {NAMES[name]}")
        self.own.close()


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
            pike.do(f"INSERT INTO check_{table} SET {row}")
    found = pike.found("pike", NAMES)
    for words in PLANTED:
        (one,) = of(found, words)
        assert one.number == 1 and len(one.examples) == 1, one
    states = {words: of(found, words)[0].state for words in PLANTED}
    on_the_way = {words for words, state in states.items() if state == "on the way"}
    assert on_the_way == {"allocations whose", "without a type", "driver is named", "connector"}
    assert states.pop("never had a compute node") == "warns"
    assert {state for words, state in states.items() if words not in on_the_way} == {"blocks"}
    assert all(one.cure for one in found if one.state == "blocks")
    (group,) = of(found, "server groups")
    assert (group.where, group.release, group.examples) == ("check_nova_cell0", "rocky", ("lost",))
    (segments,) = of(found, "segments")
    assert (segments.release, segments.examples) == ("yoga", ("lost vlan p",))


def test_roles_that_come_to_reader_by_others_are_right(server: Callable[[str], Server]) -> None:
    pike = server("old")
    for name in ("admin", "manager", "member", "reader", "_member_"):
        pike.do(f"INSERT INTO check_keystone.role SET id='{name}', name='{name}', domain_id='<<null>>'")
        pike.do(f"INSERT INTO check_keystone.assignment SET role_id='{name}', type='UserProject', actor_id='a'")
    for prior, implied in (("admin", "manager"), ("manager", "member"), ("member", "reader")):
        pike.do(f"INSERT INTO check_keystone.implied_role SET prior_role_id='{prior}', implied_role_id='{implied}'")
    (one,) = of(pike.found("pike", NAMES), "imply the role reader")
    assert (one.state, one.release, one.examples) == ("warns", "2023.1", ("_member_",))
    assert of(pike.found("2023.1", NAMES), "imply the role reader") == []


def test_a_table_of_before_mariadb_10_2_is_found_and_the_cure_is_one(server: Callable[[str], Server]) -> None:
    pike = server("old")
    pike.do("ALTER TABLE check_neutron.tags MODIFY tag VARCHAR(255) NOT NULL")  # as Xena makes it
    pike.do("ALTER TABLE check_neutron.tags ROW_FORMAT=COMPACT")
    (tags,) = of(pike.found("pike", NAMES), "tags")
    assert (tags.state, tags.release, tags.examples) == ("blocks", "2025.2", ("tags Compact",))
    step = "ALTER TABLE check_neutron.tags CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    with pytest.raises(pymysql.err.OperationalError, match="767 bytes"):
        pike.do(step)
    pike.do("ALTER TABLE check_neutron.tags ROW_FORMAT=DYNAMIC")
    assert of(pike.found("pike", NAMES), "tags") == []
    pike.do(step)


def test_what_only_a_release_before_makes_blocks_and_what_is_behind_is_not_looked_for(
    server: Callable[[str], Server],
) -> None:
    newest = server("new")
    before = newest.found("2023.1", NAMES)
    assert {one.state for one in before} == {"right"}
    # its schema steps have made a column of it that takes no NULL: as it was before they did
    newest.do("ALTER TABLE check_cinder.volumes MODIFY use_quota TINYINT(1) NULL")
    newest.do("INSERT INTO check_cinder.volumes SET id='deleted-one', deleted=1, volume_type_id='t', use_quota=NULL")
    for start, cure in (("2023.1", "by the code of 2023.1"), ("2023.2", "by the code of 2023.2")):
        (one,) = of(newest.found(start, NAMES), "whether they count")
        assert (one.state, one.release, one.examples) == ("blocks", "2024.1", ("deleted-one",))
        assert cure in one.cure
    assert of(newest.found("2024.1", NAMES), "whether they count") == []
    # that code passes deleted ones over: the statements of the cure do not
    newest.do("USE check_cinder")
    for statement in one.cure.partition("by SQL: ")[2].split("; "):
        newest.do(statement)
    assert of(newest.found("2023.1", NAMES), "whether they count") == []


def test_a_server_without_a_request_spec_blocks_a_cloud_of_rocky_too(server: Callable[[str], Server]) -> None:
    pike = server("old")
    pike.do("INSERT INTO check_nova.instances SET uuid='lost', deleted=0")
    (one,) = of(pike.found("rocky", NAMES), "without a request spec")
    assert (one.state, one.release, one.examples) == ("blocks", "stein", ("lost",))


@pytest.mark.parametrize("name", ["old", "new"])
def test_what_a_cloud_is_at_is_told_by_its_state_and_since_when_it_has_that(
    server: Callable[[str], Server], name: str
) -> None:
    cloud = server(name)
    assert cloud.busy() == {}
    cloud.do("INSERT INTO check_neutron.standardattributes SET id=7, updated_at=UTC_TIMESTAMP()")
    for table, words, since, _ in BUSY.values():
        schema, _, table = table.partition(".")
        words += ", deleted=0" if schema in ("nova", "cinder") else ""
        cloud.do(f"INSERT INTO check_{schema}.`{table}` SET {words}{since and f', created_at={since}'}")
    cloud.do("INSERT INTO check_cinder.volumes SET id='gone', status='deleting', deleted=1")
    assert cloud.busy() == {id: how for id, (*_, how) in BUSY.items() if how}


def test_what_the_user_may_not_read_is_not_known_and_nothing_can_be_changed(server: Callable[[str], Server]) -> None:
    pike = server("old")
    pike.do("CREATE OR REPLACE USER checker IDENTIFIED BY 'known'")
    pike.do("GRANT SELECT, DELETE ON check_neutron.* TO checker")
    pike.do("INSERT INTO check_neutron.subnets SET id='lost'")
    found = pike.found("pike", NAMES, ("checker", "known"))
    assert {one.state for one in found if one.service == "neutron"} == {"right", "blocks"}
    denied = [one for one in found if one.service != "neutron"]
    assert denied and {one.state for one in denied} == {"unknown"} and all("denied" in one.what for one in denied)
    with pike.connect("checker", "known") as connection:
        ask = asker(connection)
        with pytest.raises(Denied, match="READ ONLY"):
            ask("DELETE FROM check_neutron.subnets")
    pike.do("DROP USER checker")


def test_the_clouds_as_they_are_can_go_on(server: Callable[[str], Server]) -> None:
    # Pike's online data migrations were never run in the lab, and nothing in it needs them but what Pike itself wrote
    found = server("old").found("pike")
    assert [one for one in found if one.state == "blocks"] == []
    # what only clouds have that were built by a newer Keystone
    warned = [one for one in found if one.state == "warns"]
    assert [(one.service, set(one.examples)) for one in warned] == [("keystone", {"admin", "member"})]
    assert {one.state for one in server("new").found("2023.1")} == {"right"}
