"""The process on which all hosts of a lab hang.

    python -m naru.lab.hosts.holder DIRECTORY

It is started by `holder.sh`, has a network, a mount, an IPC and a PID namespace of its own, and hosts are started
inside: when it ends, however that comes about, the kernel ends every host, mount, bridge and wire. It takes requests
on DIRECTORY/control, a line of JSON each, and answers with one. Power controllers are served by it too. It imports
little, since it is there as long as the lab.
"""

import contextlib
import ctypes
import json
import os
import socketserver
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.lab.hosts import cgroups, ipmi, redfish
from naru.lab.hosts.machine import REBOOT, Machine, ip

PR_SET_CHILD_SUBREAPER = 36
# seconds that hosts get to shut down in order before their power is cut
GRACE = 20.0

# what stands on the wire to the machine: the machine calls hosts, never a host the machine
FILTER = """
add table bridge naru
add chain bridge naru out { type filter hook forward priority 0; }
add rule bridge naru out oifname "machine" tcp flags & (syn | ack) == syn drop
add rule bridge naru out oifname "machine" meta l4proto udp drop
add rule bridge naru out oifname "machine" icmp type echo-request drop
add rule bridge naru out oifname "machine" ether type ip6 drop
"""


class Holder:
    """The hosts of a lab, by name, and what may be asked about them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.machines = {spec["name"]: Machine(spec, config) for spec in config["hosts"]}
        speaking = self.machines.values() if config["ipmi"] else ()
        self.ipmi = ipmi.Controllers(speaking, Path(config["directory"]))

    def fabric(self) -> None:
        """The bridges, and on that of the management network the power controllers' addresses."""
        # a controller's address that goes takes no other with it
        Path("/proc/sys/net/ipv4/conf/all/promote_secondaries").write_text("1")
        lines = ["link set lo up"]
        for number, bridge in enumerate(self.config["bridges"]):
            # without an address of its own it has the lowest of its ports', and another one when that host's power is
            # cut: who knows the former one would not reach the power controllers for some seconds
            address = f"02:00:00:00:00:{number:02x}"
            lines.append(f"link add {bridge} address {address} type bridge forward_delay 0 mcast_snooping 0")
            lines.append(f"link set {bridge} up")
        lines += [
            f"addr add {machine.controller} dev {self.config['management']}" for machine in self.machines.values()
        ]
        ip(lines)
        done = subprocess.run(
            ["chroot", self.config["base"], "/usr/sbin/nft", "-f", "-"], input=FILTER, capture_output=True, text=True
        )
        if done.returncode:
            raise NaruError("the wire to the machine cannot be filtered", detail=done.stderr.strip())

    def machine(self, name: str) -> Machine:
        """A host by its name. Raises InputError naming the known ones."""
        if name not in self.machines:
            raise InputError(f"this lab has no host {name!r}", hint=f"It has: {', '.join(self.machines)}.")
        return self.machines[name]

    def answer(self, request: dict[str, Any]) -> Any:
        """Does what is asked for. Raises NaruError."""
        verb = request["do"]
        if verb == "list":
            return [machine.status() for machine in self.machines.values()]
        if verb == "stop":
            with ThreadPoolExecutor(len(self.machines)) as pool:
                return all(list(pool.map(lambda machine: machine.off(GRACE), self.machines.values())))
        machine = self.machine(request["host"])
        match verb:
            case "status":
                pass
            case "on":
                machine.on()
            case "off":
                machine.press()
            case "reboot":
                machine.press(REBOOT)
            case "cut":
                machine.cut()
            case "reset":
                machine.reset()
            case "link":
                machine.link(request["network"], request["up"])
            case "fault":
                machine.fault(request["kind"], request["value"])
                if self.config["ipmi"]:
                    self.ipmi.show(machine)
            case "ipmi":
                machine.control(ipmi.ACTIONS[request["what"]])
                self.ipmi.show(machine)
            case _:
                raise InputError(f"the holder of the lab's hosts does not know {verb!r}")
        return machine.status()


class _Control(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        super().__init__("control", _Request)


class _Request(socketserver.StreamRequestHandler):
    server: _Control

    def handle(self) -> None:
        reply: dict[str, Any]
        try:
            reply = {"answer": self.server.holder.answer(json.loads(self.rfile.readline()))}
        except NaruError as error:
            reply = {"error": [error.summary, error.detail, error.hint], "input": isinstance(error, InputError)}
        except (OSError, ValueError, KeyError) as error:
            reply = {
                "error": [f"the holder of the lab's hosts: {type(error).__name__}: {error}", "", ""],
                "input": False,
            }
        with contextlib.suppress(BrokenPipeError):  # who asked is gone; it is done all the same
            self.wfile.write(json.dumps(reply).encode() + b"\n")


def main(directory: Path) -> None:
    """Holds the lab's hosts until it is killed."""
    os.chdir(directory)  # the path of a socket has to be short
    # a host's process 1 is our child once its firmware has ended
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise NaruError(f"prctl: {os.strerror(ctypes.get_errno())}")
    holder = Holder(json.loads(Path("holder.json").read_text()))
    cgroups.make(holder.config["cgroup"], len(holder.machines))
    holder.fabric()
    controllers = redfish.server(holder.machines, directory)
    threading.Thread(target=controllers.serve_forever, daemon=True).start()
    holder.ipmi.start()
    Path("control").unlink(missing_ok=True)
    with _Control(holder) as control:
        control.serve_forever()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except NaruError as told:
        sys.exit(str(told))
