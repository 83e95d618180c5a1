"""Networking, without agents: the lab's mechanism driver binds every port at once."""

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("neutron",)
CATALOG = (("network", "neutron", ""),)


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    return [(cloud.program("neutron-db-manage"), *cloud.config("neutron"), "upgrade", "heads")]


def programs(cloud: Cloud) -> list[Command]:
    return [api.command(cloud, "neutron", *cloud.config("neutron"))]
