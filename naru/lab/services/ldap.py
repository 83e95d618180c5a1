"""A directory of people, OpenLDAP, and a domain of Keystone whose users and groups are those in it."""

import dataclasses

from naru.lab import bindings
from naru.lab.cloud import Cloud
from naru.lab.process import Command

DATABASES = ()
CATALOG = ()
DOMAINS = ("directory",)


def _config(cloud: Cloud) -> str:
    return str(cloud.etc / "ldap" / "slapd.conf")


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    return [("/usr/sbin/slapadd", "-f", _config(cloud), "-l", str(cloud.etc / "ldap" / "people.ldif"))]


def programs(cloud: Cloud) -> list[Command]:
    port = cloud.ports["ldap"]
    argv = ("/usr/sbin/slapd", "-d", "0", "-h", f"ldap://127.0.0.1:{port}", "-f", _config(cloud))
    return [Command("slapd", argv, cloud.environment(), port=port)]


def able(cloud: Cloud, keystone: Command) -> Command:
    """Keystone's process with the binding that its driver needs."""
    directory = bindings.ensure(cloud.release, "ldap", cloud.release.settings["ldap_packages"])
    return dataclasses.replace(
        keystone, env={**keystone.env, "PYTHONPATH": f"{keystone.env['PYTHONPATH']}:{directory}"}
    )
