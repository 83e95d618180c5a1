"""Power controllers that speak IPMI 2.0 (lanplus) beside Redfish: OpenIPMI's simulator, one for each host.

A simulator asks for its host's power twice a second, so a shell answers it from files, which follow the machine. What
it is told to do is asked of the lab's holder.
"""

import shlex
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from naru.lab.hosts.machine import Machine

PROGRAM, PACKAGE = "ipmi_sim", "openipmi"
PASSWORD_LENGTH = 16
"""Characters that a password has at most: IPMI 2.0 allows 20, the simulator keeps those of IPMI 1.5."""
FOLLOW_SECONDS = 0.2
ASK = Path(__file__).parent / "chassis.py"

# what the simulator sets, with the value, and what the same is called by Redfish
ACTIONS = {
    "power 0": "ForceOff",
    "power 1": "On",
    "reset 1": "ForceRestart",
    "shutdown 1": "GracefulShutdown",
}

_LAN = """name "naru"
set_working_mc 0x20
  startlan 1
    addr {address} 623
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid {guid}
  endlan
  chassis_control "{chassis}"
  user 2 true "admin" "{password}" admin 10 none md2 md5 straight
"""
# a management controller at the address of one, with nothing else on its bus
_EMULATED = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n"
_CHASSIS = """#!/bin/sh
cd {directory} || exit 1
if [ -s slow ]; then sleep "$(cat slow)"; fi
case "$1 $2" in
  "get power") echo "power:$(cat power)" ;;
  "set "*) exec {python} -S -E {ask} {control} {host} "$2 $3" ;;
  *) exit 1 ;;
esac
"""


class Controllers:
    """The controllers of a lab's machines; `directory` has the password, and a directory for each host."""

    def __init__(self, machines: Iterable[Machine], directory: Path) -> None:
        self._machines = list(machines)
        self._directory = directory
        self._lock = threading.Lock()
        self._shown: dict[Path, str] = {}

    def start(self) -> None:
        """Starts a simulator for each host. They end with the holder."""
        if not self._machines:
            return
        password = (self._directory / "controllers.password").read_text()
        for machine in self._machines:
            place = self._place(machine)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(mode=0o700)
            self.show(machine)
            words = {
                "directory": shlex.quote(str(place)),
                "python": shlex.quote(sys.executable),
                "ask": shlex.quote(str(ASK)),
                "control": shlex.quote(str(self._directory)),
                "host": machine.name,
            }
            chassis = place / "chassis"
            chassis.write_text(_CHASSIS.format(**words))
            chassis.chmod(0o700)
            address = machine.controller.partition("/")[0]
            guid = uuid.UUID(machine.uuid).bytes_le.hex()  # as the specification of IPMI has it from SMBIOS
            (place / "lan").write_text(_LAN.format(address=address, guid=guid, chassis=chassis, password=password))
            (place / "emulated").write_text(_EMULATED)
            argv = [PROGRAM, "-c", str(place / "lan"), "-f", str(place / "emulated"), "-s", str(place), "-n"]
            with (place / "log").open("w") as log:
                subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        threading.Thread(target=self._follow, daemon=True, name="ipmi").start()

    def show(self, machine: Machine) -> None:
        """Lets the machine's controller say what it is to say now."""
        slow = machine.faults.get("slow", 0.0)
        with self._lock:
            for name, text in (("power", str(int(machine.shown))), ("slow", f"{slow:g}" if slow else "")):
                file = self._place(machine) / name
                if self._shown.get(file) != text:
                    new = file.with_name(f".{name}.new")
                    new.write_text(text)
                    new.replace(file)
                    self._shown[file] = text

    def _place(self, machine: Machine) -> Path:
        return self._directory / "hosts" / machine.name / "ipmi"

    def _follow(self) -> None:
        while True:
            for machine in self._machines:
                self.show(machine)
            time.sleep(FOLLOW_SECONDS)
