"""A copy on a real MariaDB without its secrets, and with nothing that leads to the site."""

import json
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from naru.errors import NaruError
from naru.lab.infra import mariadb
from naru.lab.ports import LOOPBACK, At
from naru.site import site as sites
from naru.twin import restore
from naru.twin.clean import CELL0, Copy, Left

pytestmark = pytest.mark.mariadb

TEXTS = {
    "keystone.service": ("id", "type", "enabled"),
    "keystone.endpoint": ("id", "service_id", "region_id", "url", "enabled"),
    "keystone.password": ("password_hash",),
    "keystone.application_credential": ("secret_hash", "expires_at"),
    "keystone.trust": ("id", "deleted_at"),
    "nova_api.cell_mappings": ("uuid", "transport_url", "database_connection"),
    "nova.instances": ("uuid", "user_data"),
    "nova.instance_system_metadata": ("key", "value"),
    "nova.block_device_mapping": ("volume_id", "connection_info"),
    "nova.shadow_block_device_mapping": ("volume_id", "connection_info"),
    "nova.compute_nodes": ("host", "host_ip"),
    "nova.services": ("host", "binary"),
    "nova.instance_faults": ("message", "details"),
    "nova.shadow_instance_actions_events": ("event", "traceback"),
    "nova.agent_builds": ("url",),
    "neutron.agents": ("id", "configurations"),
    "neutron.ml2_vxlan_endpoints": ("ip_address",),
    "neutron.ipallocations": ("ip_address",),
    "cinder.volumes": ("id", "provider_auth", "replication_driver_data"),
    "cinder.backups": ("id", "service_metadata"),
    "glance.artifact_blob_locations": ("value",),
    "neutron.cisco_credentials": ("user_name", "password"),
    "neutron.serviceprofiles": ("metainfo",),
    "cinder.volume_metadata": ("value",),
    "glance.image_locations": ("image_id", "value", "meta_data"),
}
"""Tables with the columns that matter here. Cinder's has not the column of where a volume is: older ones lack some."""
ROWS = {
    "keystone.service": [("c", "compute", "1"), ("o", "orchestration", "1")],
    "keystone.endpoint": [
        ("1", "c", "Seoul", "https://api.seoul.example:8774/v2.1", "1"),
        ("2", "c", "Busan", "https://10.9.0.99:8774/v2.1", "1"),
        ("3", "o", "Seoul", "https://api.seoul.example:8004/v1", "1"),
    ],
    "keystone.password": [("$2b$12$hash",)],
    "keystone.application_credential": [("$2b$12$hash", None)],
    "keystone.trust": [("t", None)],
    "nova_api.cell_mappings": [
        (CELL0, "none:///", "mysql+pymysql://nova:pw@10.9.0.2/nova_cell0?charset=utf8"),
        ("cell1", "rabbit://nova:pw@10.9.0.3:5672//", "mysql+pymysql://nova:pw@10.9.0.2/nova"),
    ],
    "nova.instances": [("i", "cGFzc3dvcmQ=")],
    "nova.instance_system_metadata": [("password_0", "geheim"), ("image_os", "linux")],
    "nova.block_device_mapping": [("v", json.dumps({"data": {"hosts": ["10.9.0.5"], "auth_password": "geheim"}}))],
    "nova.shadow_block_device_mapping": [("v", "10.9.0.5 geheim"), (None, "geheim"), (None, None)],
    "nova.compute_nodes": [("compute1", "10.9.0.4")],
    "nova.services": [("compute1", "nova-compute"), ("10.9.0.4", "nova-osapi_compute")],
    "neutron.agents": [
        ("a", json.dumps({"tunneling_ip": "10.9.0.6", "ovsdb": "tcp:10.9.0.4:6640", "devices": 3, "of": ["::1"]}))
    ],
    "neutron.ml2_vxlan_endpoints": [("10.9.0.6",)],
    "neutron.ipallocations": [("10.9.0.4",)],
    "nova.instance_faults": [("No valid host", "Traceback: rbd://geheim@10.9.0.5")],
    "nova.shadow_instance_actions_events": [("compute__do_build", "geheim at 10.9.0.5")],
    "nova.agent_builds": [("http://user:geheim@10.9.0.5/agent.tar",)],
    "cinder.volumes": [("v", "CHAP user geheim", '{"key": "geheim"}')],
    "cinder.backups": [("b", '{"auth": "geheim"}')],
    "glance.artifact_blob_locations": [("swift+https://user:geheim@10.9.0.5/x",)],
    "neutron.cisco_credentials": [("switch", "geheim")],
    "neutron.serviceprofiles": [("password=geheim",)],
    "cinder.volume_metadata": [("backed up to 10.9.0.4 at night",), ("10.9.0.41",), ("x.10.9.0.4.x",)],
    "glance.image_locations": [("m", "swift+https://user:geheim@10.9.0.5/images/m", "{}")],
}
SCHEMAS = sorted({name.partition(".")[0] for name in TEXTS} | {"nova_cell0"})
SITE = {
    "naru_site": 1,
    "name": "seoul",
    "hosts": [{"name": "compute1", "address": "10.9.0.4"}, {"name": "db1", "address": "10.9.0.2"}, {"name": "ceph1"}],
    "queues": [{"name": "main", "hosts": "db1", "addresses": "10.9.0.3:5672"}],
}
ADDRESSES = {"10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.6", "10.9.0.99", "api.seoul.example"}


@pytest.fixture
def copy(server: tuple[At, str]) -> Iterator[Copy]:
    at, password = server
    mariadb.create_databases(at, password, SCHEMAS)
    with pymysql.connect(
        host=at.address, port=at.port, user=mariadb.USER, password=password, autocommit=True
    ) as connection:
        with connection.cursor() as cursor:
            for name, columns in TEXTS.items():
                schema, _, table = name.partition(".")
                listed = ", ".join(f"`{column}` TEXT" for column in columns)
                cursor.execute(f"CREATE TABLE `{schema}`.`{table}` ({listed})")
                marks = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO `{schema}`.`{table}` VALUES ({marks})", ROWS[name])
        yield Copy(connection, SCHEMAS, ["nova", "nova_cell0"])


def test_where_a_site_is_reached(copy: Copy) -> None:
    site = sites.parse(SITE, Path("site.yaml"))
    assert restore.addresses(site, copy) == ADDRESSES
    # of tenants' own addresses nothing is said: they may be the same
    assert "neutron.ipallocations.ip_address" not in {one.column for one in copy.left(ADDRESSES)}
    assert Left("nova.compute_nodes.host_ip", 1) in copy.left(ADDRESSES)


def test_no_secret_and_no_address_stays(copy: Copy) -> None:
    for _ in range(2):  # killed, it is done again
        copy.apply({"images": "/twin/images", "meta": "{}"})
        copy.point_cells("rabbit://twin", lambda schema: f"mysql://twin/{schema}")
        copy.point_endpoints("Seoul", {"compute": "http://127.0.0.1:23002/v2.1"})
        copy.point_agents(ADDRESSES)
    # what a user wrote stays, and is told; an address that is another one's beginning is not it
    assert copy.left(ADDRESSES) == [Left("cinder.volume_metadata.value", 1)]
    assert copy.left({"geheim", "cGFzc3dvcmQ=", "$2b$12$hash", "pw"}) == []
    assert copy.ask("SELECT * FROM keystone.password") == ()
    assert copy.ask("SELECT * FROM keystone.application_credential") == (("!", "1"),)
    assert copy.ask("SELECT deleted_at IS NOT NULL FROM keystone.trust") == ((1,),)
    assert copy.ask("SELECT url, enabled FROM keystone.endpoint ORDER BY id") == (
        ("http://127.0.0.1:23002/v2.1", "1"),
        ("http://127.0.0.1:9/", "0"),
        ("http://127.0.0.1:9/", "0"),
    )
    assert copy.ask("SELECT transport_url, database_connection FROM nova_api.cell_mappings ORDER BY uuid") == (
        ("none:///", "mysql://twin/nova_cell0"),
        ("rabbit://twin", "mysql://twin/nova"),
    )
    assert copy.ask("SELECT `key` FROM nova.instance_system_metadata") == (("image_os",),)
    assert copy.ask("SELECT host FROM nova.services") == (("compute1",),)
    [(told,)] = copy.ask("SELECT connection_info FROM nova.block_device_mapping")
    assert json.loads(told) == {"driver_volume_type": "fake", "serial": "v", "data": {"volume_id": "v"}}
    [(told,)] = copy.ask("SELECT configurations FROM neutron.agents")
    loopback = {"tunneling_ip": LOOPBACK, "ovsdb": f"tcp:{LOOPBACK}:6640", "devices": 3, "of": ["::1"]}
    assert json.loads(told) == loopback
    assert copy.ask("SELECT ip_address FROM neutron.ipallocations") == (("10.9.0.4",),)
    assert copy.ask("SELECT value FROM glance.image_locations") == (("file:///twin/images/m",),)


def test_names_of_hosts_are_found_where_something_is_reached_by_them(copy: Copy) -> None:
    site = sites.parse({**SITE, "queues": [{"name": "v6", "hosts": "db1", "addresses": "[fd00::7]:5672"}]}, Path("s"))
    assert "fd00::7" in restore.addresses(site, copy)
    assert restore.names(site) == {"compute1", "db1", "ceph1"}
    copy.ask("DELETE FROM cinder.volume_metadata")
    told = ["http://db1:80/", "mysql://u:p@db1/x", "tcp:db1:6640", "db1:/exports", "on db1", "db1@lvm", "x@db1.org"]
    for one in [*told, "db1: done", "http://db12/", "db1-x:80"]:
        copy.ask("INSERT INTO cinder.volume_metadata VALUES (%s)", (one,))
    assert copy.left((), {"db1"}) == [Left("cinder.volume_metadata.value", 4)]
    copy.ask("UPDATE neutron.agents SET configurations = %s", (json.dumps({"a": "tcp:db1:6640", "b": "db1"}),))
    seen = copy.left((), {"db1"})
    assert copy.dialled(seen) == ["neutron.agents.configurations"]
    copy.point_agents((), {"db1"})
    assert copy.dialled(copy.left((), {"db1"})) == []
    [(said,)] = copy.ask("SELECT configurations FROM neutron.agents")
    assert json.loads(said) == {"a": f"tcp:{LOOPBACK}:6640", "b": "db1"}


def test_what_is_called_as_a_secret_and_is_known_to_no_rule_is_told(copy: Copy) -> None:
    assert copy.suspects() == []
    copy.ask("CREATE TABLE neutron.vendor (Switch_Password VARCHAR(9), auth_type TEXT, passes INT)")
    copy.ask("CREATE TABLE nova.shadow_block_device_mapping_x (encryption_secret_uuid TEXT)")
    copy.ask("INSERT INTO neutron.vendor VALUES ('', NULL, 7)")
    again = Copy(copy._connection, SCHEMAS, copy.cells)
    assert again.suspects() == []  # nothing is in them
    copy.ask("INSERT INTO neutron.vendor VALUES ('geheim', 'md5', 7)")
    copy.ask("INSERT INTO nova.shadow_block_device_mapping_x VALUES ('x')")
    assert sorted(again.suspects()) == [
        "neutron.vendor.Switch_Password",
        "neutron.vendor.auth_type",
        "nova.shadow_block_device_mapping_x.encryption_secret_uuid",
    ]


def test_schemas_of_other_services_are_removed(copy: Copy, server: tuple[At, str]) -> None:
    at, password = server
    mariadb.create_databases(at, password, ["barbican", "heat"])
    copy.ask("CREATE TABLE heat.raw_template (template TEXT)")
    assert restore.drop_others(copy._connection, SCHEMAS) == ["barbican", "heat"]
    assert {name for (name,) in copy.ask("SHOW DATABASES")} == {*SCHEMAS, *restore.SYSTEM}
    assert restore.drop_others(copy._connection, SCHEMAS) == []


def test_what_a_twin_cannot_be_made_of_is_said(copy: Copy) -> None:
    restore.check(copy)
    restore.check_schemas(copy.schemas, ["keystone", "nova"])
    with pytest.raises(restore.Unfit, match="no schema placement"):
        restore.check_schemas(copy.schemas, ["keystone", "placement"])
    assert restore.region(copy, "Busan") == "Busan"
    with pytest.raises(NaruError, match="not clear: Keystone has Nova in Busan, Seoul"):
        restore.region(copy, "")
    with pytest.raises(NaruError, match="there is no region Jeju"):
        restore.region(copy, "Jeju")
    filled_in = "{scheme}://{username}:{password}@{hostname}:{port}/nova?{query}&ssl_ca=/etc/ssl/ca.pem"
    copy.ask("UPDATE nova_api.cell_mappings SET database_connection = %s WHERE uuid <> %s", (filled_in, CELL0))
    restore.check(copy)
    copy.ask("INSERT INTO nova_api.cell_mappings VALUES ('cell2', '', 'mysql://nova@10.9.0.2/nova_2')")
    with pytest.raises(restore.Unfit, match="in the schemas: nova, nova_2; a twin has one"):
        restore.check(copy)
    with pytest.raises(NaruError, match="'nova_2', which is not in the dump"):
        copy.point_cells("rabbit://twin", str)
