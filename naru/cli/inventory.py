"""`naru inventory`: what a cloud owns."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import ConfigException, SDKException

from naru.cli.base import Lister
from naru.errors import InputError, NaruError
from naru.inventory import read


class Inventory(Lister):
    """Read what a cloud owns, in bulk, as an administrator.

    CLOUD is a name of clouds.yaml (OS_CLIENT_CONFIG_FILE says where that is). A kind that the cloud does not have is
    shown with an empty count: that is another thing than none.
    """

    examples = """
naru inventory old
naru inventory old --list --project 8d1b... -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("cloud", metavar="CLOUD")
        parser.add_argument("--list", action="store_true", help="one row per thing instead of a count per kind")
        parser.add_argument("--project", metavar="ID", help="only what this project owns")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        try:
            config = openstack.config.OpenStackConfig(load_envvars=False).get_one(arguments.cloud)
        except ConfigException as error:
            raise InputError(f"cloud {arguments.cloud!r} is not in clouds.yaml", detail=str(error)) from error
        try:
            found = read(Connection(config=config))
        except (SDKException, ClientException) as error:
            raise NaruError(f"{arguments.cloud} cannot be read", detail=str(error)) from error
        wanted = {
            kind: None if rows is None else [row for row in rows if arguments.project in (None, row.project)]
            for kind, rows in found.items()
        }
        if arguments.list:
            rows = [row for listed in wanted.values() for row in listed or []]
            return (
                ("kind", "id", "name", "project", "status"),
                [(row.kind, row.id, row.name, row.project, row.status) for row in rows],
            )
        return ("kind", "count"), [(kind, None if rows is None else len(rows)) for kind, rows in wanted.items()]
