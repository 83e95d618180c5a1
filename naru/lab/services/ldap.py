"""A directory of people, OpenLDAP, and a domain of Keystone whose users and groups are those in it."""

import dataclasses
from pathlib import Path

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.releases import bindings

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


def _binding(cloud: Cloud) -> Path:
    return cloud.etc / "ldap" / "python"


def enable(cloud: Cloud) -> None:
    """Brings the binding that Keystone's driver needs to where `able` has it; built when it is not there."""
    if not _binding(cloud).is_symlink():
        _binding(cloud).symlink_to(bindings.ensure(cloud.release, "ldap", cloud.release.settings["ldap_packages"]))


def able(cloud: Cloud, keystone: Command) -> Command:
    """Keystone's process with that binding."""
    path = f"{keystone.env['PYTHONPATH']}:{_binding(cloud)}"
    return dataclasses.replace(keystone, env={**keystone.env, "PYTHONPATH": path})
