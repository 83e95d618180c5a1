"""Identity."""

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api, ldap

DATABASES = ("keystone",)
CATALOG = ()  # `bootstrap` below registers it


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    manage = (cloud.program("keystone-manage"), *cloud.config("keystone"))
    owner = ("--keystone-user", "root", "--keystone-group", "root")
    url = cloud.url("keystone", "/v3")
    return [
        (*manage, "db_sync"),
        (*manage, "fernet_setup", *owner),
        (*manage, "credential_setup", *owner),
        (
            *(*manage, "bootstrap", "--bootstrap-region-id", cloud.region, "--bootstrap-public-url", url),
            *("--bootstrap-internal-url", url, "--bootstrap-admin-url", url),
        ),
    ]


def prepare(cloud: Cloud) -> None:
    if "ldap" in cloud.services:
        ldap.enable(cloud)


def programs(cloud: Cloud) -> list[Command]:
    command = api.command(cloud, "keystone")
    return [ldap.able(cloud, command) if "ldap" in cloud.services else command]
