"""`naru lab host ...`: the hosts of a lab, their power, cables and power controllers."""

import argparse
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from naru.cli.base import Command, Lister
from naru.cli.lab import add_name, find_lab
from naru.errors import InputError
from naru.lab.hosts.machine import FAULTS


class HostList(Lister):
    """List a lab's hosts: power, addresses, seconds since the last boot began, memory, what is wrong with them.

    The power controllers speak Redfish over HTTPS at their addresses, and IPMI where the layout says so; user admin;
    password and certificate are in the lab's directory, hosts/controllers.password and hosts/controllers.crt.
    """

    examples = """
naru lab host list
naru lab host list -f json
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        return parser

    def take_action(self, arguments: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        columns = ("name", "power", "address", "controller", "pid", "seconds", "memory_mib", "links_down", "faults")
        return columns, (
            (
                row.name,
                row.power,
                row.address,
                row.controller,
                row.pid,
                row.seconds,
                None if row.memory is None else round(row.memory / (1 << 20), 1),
                " ".join(row.links_down),
                " ".join(row.faults),
            )
            for row in find_lab(arguments).hosts().rows()
        )


class Ssh(Command):
    """Log in to a host as root, or run a command there; its exit code is the command's.

    The lab's directory has hosts/ssh_config, for other programs: ssh -F FILE NAME.
    """

    examples = """
naru lab host ssh node1
naru lab host ssh node1 -- systemctl is-system-running
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("host", metavar="NAME")
        parser.add_argument("command", metavar="COMMAND", nargs="*", help="after --; without one, a shell")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> int:
        hosts = find_lab(arguments).hosts()
        return subprocess.run(hosts.ssh(arguments.host, *arguments.command)).returncode


class Power(Command):
    """Switch a host's power.

    on      gives it power
    off     presses the power button: its system shuts down in order
    cut     takes its power away: everything in it is dead at once, its disk stays as it was
    reset   cut, and on again
    reboot  asks its system to reboot
    """

    examples = """
naru lab host power node1 cut
naru lab host power node1 on --wait
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("host", metavar="NAME")
        parser.add_argument("what", choices=("on", "off", "cut", "reset", "reboot"))
        parser.add_argument("--wait", action="store_true", help="until one can log in; after off, until it is off")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        hosts = find_lab(arguments).hosts()
        if arguments.wait and arguments.what == "cut":
            raise InputError("--wait: a host whose power is cut is off when the command ends")
        hosts.power(arguments.host, arguments.what, wait=arguments.wait)


class Link(Command):
    """Plug a host's cable to a network in (up) or out (down); so it stays, also over boots."""

    examples = """
naru lab host link node1 tenant down
naru lab host link node1 tenant up
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("host", metavar="NAME")
        parser.add_argument("network", metavar="NETWORK", help="as in the layout")
        parser.add_argument("state", choices=("up", "down"))
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        find_lab(arguments).hosts().link(arguments.host, arguments.network, arguments.state == "up")


class Fault(Command):
    """Switch a fault of a host's power controller on, or off with --off (without FAULT all of them).

    Faults end with the lab.
    """

    examples = """
naru lab host fault node1 unreachable
naru lab host fault node1 slow --seconds 5
naru lab host fault node1 says-off
naru lab host fault node1 --off
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_name(parser)
        parser.add_argument("host", metavar="NAME")
        known = "; ".join(f"{kind}: {text}" for kind, text in FAULTS.items())
        parser.add_argument("fault", metavar="FAULT", nargs="?", choices=tuple(FAULTS), help=known)
        parser.add_argument("--seconds", type=float, help="for slow (5)")
        parser.add_argument("--off", action="store_true", help="switch it off")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        hosts = find_lab(arguments).hosts()
        seconds = arguments.seconds
        if seconds is not None and (arguments.fault != "slow" or arguments.off or not 0 < seconds <= 3600):
            raise InputError("--seconds is for slow, a number above 0 and up to 3600")
        if arguments.fault is None and not arguments.off:
            raise InputError(f"name the fault: {', '.join(FAULTS)}", hint="Or --off, for all that are on.")
        if arguments.off:
            for kind in [arguments.fault] if arguments.fault else FAULTS:
                hosts.fault(arguments.host, kind, None)
        else:
            hosts.fault(arguments.host, arguments.fault, 5.0 if seconds is None else seconds)
