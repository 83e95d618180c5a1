"""What fake agents have to ask for: a network whose ports are on their hosts, in security groups that let their own
members in."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

import openstack

from naru.lab.cloud import Cloud
from naru.twin import rows

NAME = "naru-fake"
"""What all of it is called, or begins with."""
NETWORK = IPv4Network("10.128.0.0/14")
MEMBERS = 10


def fill(cloud: Cloud, hosts: Sequence[str], each: int, members: int = MEMBERS) -> dict[str, list[str]]:
    """Gives each host `each` ports, so many `members` in a security group, unless they are there; the ids of all that
    are on each. The models of the copies are made by the API."""
    api = _api(cloud)
    try:
        api.network.update_quota(api.current_project_id, security_group=-1, security_group_rule=-1, port=-1)
        network = api.network.find_network(NAME) or api.network.create_network(name=NAME)
        if not api.network.find_subnet(NAME):
            api.network.create_subnet(name=NAME, network_id=network.id, cidr=str(NETWORK), ip_version=4)
        groups = range(max(1, len(hosts) * each // members))
        models = [_model(api, network.id, f"{NAME}-{number}") for number in groups]
    finally:
        api.close()
    with rows.connected(cloud) as connection:
        rows.copy_ports(connection, models, hosts, each, NETWORK)
        return rows.ports_of(connection, hosts)


def _model(api: Any, network: str, name: str) -> str:
    """The id of a port in a security group of its own."""
    group = api.network.find_security_group(name)
    if group is None:
        group = api.network.create_security_group(name=name)
        api.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", remote_group_id=group.id, ethertype="IPv4"
        )
    port = api.network.find_port(name) or api.network.create_port(
        name=name,
        network_id=network,
        security_group_ids=[group.id],
        binding_host_id=NAME,
        device_owner="compute:nova",
        device_id=NAME,
    )
    return str(port.id)


def remove(cloud: Cloud, hosts: Sequence[str]) -> None:
    """Takes away what `fill` has made, and the records of the agents on the hosts."""
    with rows.connected(cloud) as connection, connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM standardattributes WHERE id IN (SELECT p.standard_attr_id FROM ports p "
            "JOIN networks n ON n.id = p.network_id WHERE n.name = %s)",
            (NAME,),
        )
        cursor.executemany("DELETE FROM agents WHERE host = %s", [(host,) for host in hosts])
    api = _api(cloud)
    try:
        if network := api.network.find_network(NAME):
            api.network.delete_network(network)
        for group in api.network.security_groups():
            if group.name.startswith(NAME):
                api.network.delete_security_group(group)
    finally:
        api.close()


def _api(cloud: Cloud) -> Any:
    api = openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url=cloud.url("keystone", "/v3"),
        username="admin",
        password=cloud.secret,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=cloud.region,
        identity_api_version="3",
    )
    api.session.session.trust_env = False  # no proxy that the environment names
    return api
