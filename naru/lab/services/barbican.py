"""Secrets, kept in the database and encrypted with one key of the configuration."""

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("barbican",)
CATALOG = (("key-manager", "barbican", ""),)
USER_ROLES = ("creator",)


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    url = cloud.database_url("barbican")
    return [(cloud.program("barbican-manage"), "db", "upgrade", "--db-url", url)]


def prepare(cloud: Cloud) -> None:
    api.make_home(cloud, "barbican")


def programs(cloud: Cloud) -> list[Command]:
    return [api.at_home(cloud, "barbican", api.command(cloud, "barbican"))]
