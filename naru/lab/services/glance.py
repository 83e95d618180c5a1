"""Images, in files."""

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("glance",)
CATALOG = (("image", "glance", ""),)


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    return [(cloud.program("glance-manage"), *cloud.config("glance", "glance-api.conf"), "db_sync")]


def programs(cloud: Cloud) -> list[Command]:
    return [api.command(cloud, "glance", *cloud.config("glance", "glance-api.conf"))]
