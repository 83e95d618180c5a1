"""`naru site discover`, which writes a first site.yaml, and `naru site secret`, for secrets that it names."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from naru.cli.base import Command, Lister
from naru.cli.site import SITE, progress
from naru.site import secrets_file
from naru.site.discover import run, write


class Discover(Lister):
    """Write a first site.yaml of a cloud that runs, and list what could not be found.

    Hosts, groups and services come from Ansible inventories (kolla-ansible's, OpenStack-Ansible's, any other), from
    what the cloud's APIs list, and from looking on the hosts over SSH: units, containers, processes, ports, the
    addresses in configuration files. Nothing is changed anywhere. Passwords are named, never read or written; what was
    guessed is said in a comment.

    Exit codes: 0 the file is written, 1 no host could be found, 2 bad input, 130 interrupted.
    """

    examples = """
naru site discover --cloud old --inventory /etc/kolla/multinode
naru site discover --cloud old --user root --key ~/.ssh/id_cloud --out seoul.yaml
naru site discover --cloud old --inventory inventory.yml --no-ssh -f json
naru site discover --inventory openstack_inventory.json --inventory openstack_user_config.yml
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--cloud", default="", metavar="CLOUD", help="a cloud of clouds.yaml, as its administrator")
        parser.add_argument(
            *("-i", "--inventory"),
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="an Ansible inventory (several times; what the first one says counts)",
        )
        parser.add_argument("--globals", type=Path, metavar="FILE", help="kolla-ansible's globals.yml")
        parser.add_argument(
            "--out", type=Path, default=Path(SITE), metavar="FILE", help="what is written (%(default)s)"
        )
        parser.add_argument("--force", action="store_true", help="write over a file that is there")
        parser.add_argument("--name", default="", help="the site's name; without, the cloud's")
        parser.add_argument("--no-ssh", dest="ssh", action="store_false", help="do not look on the hosts")
        login = parser.add_argument_group("how hosts are logged in to, where no inventory says it")
        login.add_argument("--user", help="whom to log in as")
        login.add_argument("--port", type=int, help="sshd's port")
        login.add_argument("--key", metavar="FILE", help="a private key")
        login.add_argument("--jump", metavar="USER@HOST", help="a host to go through")
        login.add_argument("--ssh-config", metavar="FILE", help="in place of ~/.ssh/config")
        login.add_argument("--known-hosts", metavar="FILE", help="in place of ~/.ssh/known_hosts")
        login.add_argument("--sudo", action="store_true", default=None, help="become root by sudo")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        run.refuse_to_overwrite(arguments.out, arguments.force)
        login = {
            **{name: getattr(arguments, name) for name in ("user", "port", "jump", "sudo")},
            **{name: run.absolute(getattr(arguments, name)) for name in ("key", "ssh_config", "known_hosts")},
        }
        wanted = run.Wanted(
            out=arguments.out,
            cloud=arguments.cloud,
            inventories=tuple(arguments.inventory),
            globals_file=arguments.globals,
            name=arguments.name,
            login={name: value for name, value in login.items() if value is not None},
            ssh=arguments.ssh,
        )
        with progress() as shown:
            draft, text = run.discover(wanted, shown)
        run.save(arguments.out, text, arguments.force)
        print_ = Console(stderr=True, highlight=False, soft_wrap=True).print
        print_(
            f"{arguments.out}: {write.summary(draft)}. Is it so? naru site check --site {arguments.out}",
            markup=False,
        )
        return ("field", "why", "what_to_do"), [(gap.field, gap.why, gap.what_to_do) for gap in draft.gaps]


class Secret(Command):
    """Print one secret of a YAML file of many, for `{command: ...}` in a site.

    For kolla-ansible's passwords.yml and OpenStack-Ansible's user_secrets.yml. One that ansible-vault encrypted is
    opened by it, with the password that it finds as it does otherwise.
    """

    examples = """
naru site secret /etc/kolla/passwords.yml database_password
ANSIBLE_VAULT_PASSWORD_FILE=~/.vault naru site secret user_secrets.yml galera_root_password
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("name", metavar="NAME", help="the key under which it stands")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        print(secrets_file.read(arguments.file, arguments.name))
