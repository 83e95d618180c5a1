"""`naru lab ...`: real OpenStack clouds on this machine."""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from naru.cli.base import Command, Lister
from naru.cli.lab_install import progress as install_progress
from naru.errors import InputError, NaruError
from naru.lab import deps, logs, spec, status
from naru.lab.hosts import layout
from naru.lab.lab import Lab
from naru.lab.ports import DEFAULT_BASE
from naru.lab.running import Progress


def add_name(parser: argparse.ArgumentParser) -> None:
    """The option that all commands of the group have."""
    parser.add_argument(
        "--name", default=spec.DEFAULT_NAME, help="the lab's name, when there are several (%(default)s)"
    )


def find_lab(arguments: argparse.Namespace) -> Lab:
    """The lab that --name means; it need not exist."""
    return Lab(spec.lab_directory(arguments.name))


@contextmanager
def cloud_progress() -> Iterator[Progress]:
    """Tells on standard error what each cloud is at, with the seconds since the command began."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()

    def tell(cloud: str, what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  [bold]{cloud}[/]: {what}")

    yield tell


class Up(Command):
    """Bring up clouds: install, create and start whatever is missing, and wait until they are healthy.

    Without --cloud: `old` (Pike, 2017) and `new` (the newest release). A lab that exists is started as it is.
    """

    examples = """
naru lab up
naru lab up --cloud old=queens --cloud new=2026.1 --services core,swift,designate --computes 20
naru lab up --services swift,octavia,designate --services new:barbican
naru lab up --name rehearsal --port-base 20000
naru lab up --name hosts --hosts
naru lab up --name thirty --hosts bare30
naru lab up --name site --hosts cloud3 --cloud old=pike
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("--cloud", action="append", metavar="NAME=RELEASE", help="a cloud; may be repeated")
        parser.add_argument(
            "--services",
            action="append",
            metavar="[CLOUD:]SERVICE,...",
            help="besides the core: swift, octavia, designate, barbican, ldap; for all clouds or one; may be repeated",
        )
        parser.add_argument("--computes", type=int, metavar="N", help="fake compute hosts per cloud (2)")
        parser.add_argument(
            "--guests",
            type=int,
            metavar="N",
            help="hosts with real guests (qemu without KVM) per cloud, where the release has them (0)",
        )
        parser.add_argument("--port-base", type=int, metavar="PORT", help=f"first TCP port ({DEFAULT_BASE})")
        parser.add_argument(
            "--notifications", action="store_true", default=None, help="services send notifications to the message bus"
        )
        parser.add_argument(
            "--log-lines",
            action="store_true",
            default=None,
            help="each record of the services' logs ends with the file and line of its statement",
        )
        parser.add_argument(
            "--hosts",
            nargs="?",
            const=layout.DEFAULT,
            metavar="LAYOUT",
            help="a lab of hosts, with one cloud on them where the layout has roles for it: "
            f"{', '.join(layout.names())}, or a file (%(const)s)",
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        lab = find_lab(arguments)
        clouds = (arguments.services, arguments.computes, arguments.guests, arguments.port_base, arguments.log_lines)
        options = (arguments.cloud, arguments.notifications, *clouds)
        wanted = None
        if arguments.hosts is not None:
            if any(option is not None for option in clouds):
                raise InputError(
                    "--hosts: of the options for clouds only --cloud and --notifications go with it",
                    hint="The layout says the rest: docs/reference/layout.md",
                )
            wanted = spec.build_hosts(arguments.hosts, arguments.cloud, bool(arguments.notifications))
        elif any(option is not None for option in options) or not lab.exists():
            computes = 2 if arguments.computes is None else arguments.computes
            base = DEFAULT_BASE if arguments.port_base is None else arguments.port_base
            telling, lines = bool(arguments.notifications), bool(arguments.log_lines)
            guests = arguments.guests or 0
            wanted = spec.build(arguments.cloud, arguments.services, computes, base, guests, telling, lines)
        with cloud_progress() as tell, install_progress() as installing:
            lab.up(wanted, tell, installing)
        if lab.spec().hosts:
            print("The lab is up. Its hosts: naru lab host list; to log in: naru lab host ssh NAME")
        if not lab.spec().clouds:
            return
        print(f"The lab is up. Its clouds for OpenStack clients: export OS_CLIENT_CONFIG_FILE={lab.clouds_yaml}")


class Start(Command):
    """Start a stopped lab with the state it had."""

    examples = "naru lab start"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        with cloud_progress() as tell:
            find_lab(arguments).start(tell)


class Stop(Command):
    """Stop all processes of a lab; its state stays, `naru lab start` goes on."""

    examples = "naru lab stop"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        find_lab(arguments).stop()


class Down(Command):
    """Stop a lab and remove it with everything in its clouds.

    What other labs share (virtual environments, prepared states) stays, unless --purge is given.
    """

    examples = """
naru lab down
naru lab down --purge
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("--purge", action="store_true", help="remove the shared caches too")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        find_lab(arguments).down(purge=arguments.purge)


class Status(Lister):
    """List a lab's processes: port, pid, memory (proportional set size), whether each is healthy.

    On hosts each is a unit, as UNIT@HOST.

    Exit code 0 when all are healthy, 1 when one is not.
    """

    examples = """
naru lab status
naru lab status -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._healthy = True
        return super().run(parsed_args) or (0 if self._healthy else 1)

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        rows = status.rows(find_lab(arguments))
        self._healthy = all(row.healthy for row in rows)
        columns = ("cloud", "release", "service", "port", "pid", "memory_mib", "healthy")
        return columns, (
            (row.cloud, row.release, row.service, row.port, row.pid, row.memory >> 20, row.healthy) for row in rows
        )


class Logs(Command):
    """Show the log of a service; -f follows it."""

    examples = """
naru lab logs old/nova-api
naru lab logs new/cinder-volume -f
naru lab logs --name site cloud/nova-api@ctl1
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("service", metavar="CLOUD/SERVICE", help="as in `naru lab status`")
        parser.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
        parser.add_argument("-n", "--lines", type=int, default=100, help="how many last lines (%(default)s)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> int:
        cloud_name, _, service = arguments.service.partition("/")
        lab = find_lab(arguments)
        log = logs.find(lab, lab.cloud(cloud_name), service)
        follow = ["-F"] if arguments.follow else []
        return subprocess.run(["tail", "-n", str(arguments.lines), *follow, str(log)]).returncode


class Shell(Command):
    """Open a shell in which the `openstack` client speaks to a cloud; `CLOUD-user` is its unprivileged identity."""

    examples = """
naru lab shell old
naru lab shell new-user
eval "$(naru lab shell new --print)"
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("cloud", metavar="CLOUD")
        parser.add_argument("--print", action="store_true", help="print the environment instead")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> int:
        lab = find_lab(arguments)
        lab.cloud(arguments.cloud.removesuffix("-user"))
        env = {"OS_CLIENT_CONFIG_FILE": str(lab.clouds_yaml), "OS_CLOUD": arguments.cloud}
        if arguments.print:
            for key, value in env.items():
                print(f"export {key}={shlex.quote(value)}")
            return 0
        bin_directory = Path(sys.executable).parent
        env["PATH"] = f"{bin_directory}:{os.environ.get('PATH', '')}"
        others = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        return subprocess.run([os.environ.get("SHELL", "/bin/sh")], env={**others, **env}).returncode


class Deps(Lister):
    """List the distribution's packages that a lab needs; --install installs the missing ones.

    Exit code 1 when one is missing and --install was not given.
    """

    examples = """
naru lab deps
naru lab deps --install
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--install", action="store_true", help="install what is missing (needs root)")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        code = super().run(parsed_args)
        return code or (1 if any(not deps.present(package) for package in deps.PACKAGES) else 0)

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        absent = [package.name for package in deps.PACKAGES if not deps.present(package)]
        if absent and arguments.install:
            deps.install(absent)
            absent = [package.name for package in deps.PACKAGES if not deps.present(package)]
            if absent:
                raise NaruError(f"still missing after the installation: {' '.join(absent)}")
        rows = ((package.name, package.needed_for, deps.present(package)) for package in deps.PACKAGES)
        return ("package", "needed_for", "present"), rows
