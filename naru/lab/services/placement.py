"""Placement: its own service from Stein on, a part of Nova with its tables in `nova_api` before."""

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("placement",)
CATALOG = (("placement", "placement", ""),)


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    if cloud.release.has("placement-in-nova"):
        return []
    return [(cloud.program("placement-manage"), *cloud.config("placement"), "db", "sync")]


def programs(cloud: Cloud) -> list[Command]:
    return [api.command(cloud, "placement")]
