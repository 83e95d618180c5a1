"""One host as its holder sees it: its power supply, its cables, what ails its power controller."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from naru.errors import InputError, NaruError
from naru.lab.hosts import cgroups

FIRMWARE = Path(__file__).parent / "firmware.py"
# seconds in which the kernel ends all of a host whose process 1 is killed
CUT_SECONDS = 20.0
# seconds in which firmware has made a host's namespaces; more only on a machine that is past all use
FIRMWARE_SECONDS = 60.0
# what systemd takes for the power button, and for a request to reboot (systemd(1), SIGNALS)
POWER_BUTTON, REBOOT = signal.SIGRTMIN + 4, signal.SIGRTMIN + 5

FAULTS = {
    "unreachable": "the controller's address answers nothing",
    "slow": "each answer takes so many seconds more",
    "refuses": "each power action is answered with an error, and not done",
    "says-off": "it says off while the host runs: to switch off is answered as done, and not done",
    "says-on": "it says on for ever, also when the host is off; what is asked for is done",
}
"""What a power controller can be told to do wrong."""


def ip(lines: list[str], force: bool = False) -> None:
    """Runs commands of ip(8) at once; with `force` those that fail are passed over. Raises NaruError."""
    argv = ["ip", *(["-force"] if force else []), "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(lines), capture_output=True, text=True)
    if done.returncode and not force:
        raise NaruError("the lab's network cannot be made", detail=done.stderr.strip())


class Busy(NaruError):
    """The power controller does not do what it is asked for now."""


class Machine:
    """A host's hardware. `spec` is its entry in the holder's file, `common` what all hosts share there."""

    def __init__(self, spec: dict[str, Any], common: dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.uuid: str = spec["uuid"]
        self.controller: str = spec["controller"]
        self.faults: dict[str, float] = {}
        self._nics: list[dict[str, str]] = spec["nics"]
        self._mounts: list[list[Any]] = spec["mounts"]
        self._unplugged: set[str] = set()
        self._common = common
        self._directory: Path = Path(common["directory"]) / "hosts" / self.name
        self._lock = threading.Lock()  # of what follows
        self._powered = False
        self._pidfd: int | None = None
        self._pid: int | None = None
        self._supply: threading.Thread | None = None
        self._failure: str | None = None
        self._booted: float | None = None
        self._boots = 0

    def status(self) -> dict[str, Any]:
        """What `naru lab host list` shows of it. `seconds` is how long ago its last boot began,
        `boots` how many there were since the lab came up."""
        with self._lock:
            booted = self._booted
            return {
                "name": self.name,
                "power": "on" if self._powered else "off",
                "pid": self._pid,
                "seconds": None if booted is None else round(time.monotonic() - booted, 1),
                "boots": self._boots,
                "links_down": sorted(self._unplugged),
                "faults": [f"{kind}={value:g}" if kind == "slow" else kind for kind, value in self.faults.items()],
            }

    @property
    def is_on(self) -> bool:
        """Whether it has power: from `on` until its process 1 has ended for good."""
        with self._lock:
            return self._powered

    def on(self) -> None:
        """Gives it power, unless it has it. Returns when its process 1 runs. Raises NaruError when it does not boot."""
        begun = threading.Event()
        while True:
            with self._lock:
                if self._powered:
                    return
                former = self._supply
                if former is None:
                    self._powered, self._failure = True, None
                    self._supply = threading.Thread(target=self._run, args=(begun,), name=self.name, daemon=True)
                    self._supply.start()
                    break
            former.join()  # cut, and not yet taken away whole
        if not begun.wait(FIRMWARE_SECONDS):
            raise NaruError(f"{self.name} has no system yet after {FIRMWARE_SECONDS:g} s", hint=f"See {self.console}.")
        if self._failure:
            raise NaruError(f"{self.name} does not boot", detail=self._failure, hint=f"See {self.console}.")

    def cut(self) -> None:
        """Takes its power away: everything in it is dead when this returns. Its disk stays as it was."""
        with self._lock:
            supply, self._powered = self._supply, False
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        if supply is not None:
            supply.join(CUT_SECONDS)
            if supply.is_alive():
                raise NaruError(f"{self.name} still runs {CUT_SECONDS:g} s after its power was cut")

    def reset(self) -> None:
        """Power off and on again."""
        self.cut()
        self.on()

    def press(self, button: int = POWER_BUTTON) -> None:
        """Presses the power button (or asks for a reboot); what its system makes of it takes its time."""
        with self._lock:
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, button)

    def off(self, seconds: float) -> bool:
        """Presses the button until it is off; says whether it was in that time."""
        deadline = time.monotonic() + seconds
        while self.is_on and (left := deadline - time.monotonic()) > 0:
            self.press()  # again: a system that has not come so far yet does not hear it
            supply = self._supply
            if supply:
                supply.join(min(1.0, left))
        return not self.is_on

    def link(self, network: str, up: bool) -> None:
        """Plugs its cable to the network in or out, also while it is off. Raises InputError for an unknown network."""
        nic = next((nic for nic in self._nics if nic["network"] == network), None)
        if nic is None:
            known = ", ".join(nic["network"] for nic in self._nics)
            raise InputError(f"{self.name} has no cable to a network {network!r}", hint=f"It has: {known}.")
        with self._lock:
            (self._unplugged.discard if up else self._unplugged.add)(network)
            if self._pid is not None:
                ip([f"link set {nic['port']} {'up' if up else 'down'}"])

    @property
    def shown(self) -> bool:
        """Whether its power controller says that it is on."""
        faults = set(self.faults)
        return "says-off" not in faults and ("says-on" in faults or self.is_on)

    def control(self, action: str) -> None:
        """What its power controller is asked for, one of CONTROLS, with the faults that it has. Raises Busy."""
        if "refuses" in self.faults:
            raise Busy("the power controller is busy")
        if not ("says-off" in self.faults and action not in SWITCH_ON):
            CONTROLS[action](self)

    def fault(self, kind: str, value: float | None) -> None:
        """Switches a fault of the power controller on, or off with None. Raises InputError for an unknown one."""
        if kind not in FAULTS:
            raise InputError(f"there is no fault {kind!r}", hint=f"There is: {', '.join(FAULTS)}.")
        with self._lock:
            was = kind in self.faults
            if value is None:
                self.faults.pop(kind, None)
            else:
                self.faults[kind] = value
            if kind == "unreachable" and was != (value is not None):
                verb = "del" if value is not None else "add"
                ip([f"addr {verb} {self.controller} dev {self._common['management']}"])

    @property
    def console(self) -> Path:
        """What its firmware and its systemd write to the console."""
        return Path(self._directory, "console.log")

    def _run(self, begun: threading.Event) -> None:
        """The power supply: boots it, and again after each reboot, until it is off."""
        try:
            again = True
            while again and self.is_on:
                again = self._boot(begun)
        except (NaruError, OSError) as error:
            self._failure = str(error)
            with self.console.open("a") as console:
                console.write(f"power supply: {error}\n")
        finally:
            with self._lock:
                self._powered, self._supply = False, None
            begun.set()

    def _boot(self, begun: threading.Event) -> bool:
        """From its start to its end; says whether it wants to be started again."""
        pid, pidfd, to_first, from_first = self._firmware()
        try:
            with self._lock:
                self._pid, self._pidfd, self._booted = pid, pidfd, time.monotonic()
                self._boots += 1
                if self._powered:
                    ip(self._wires(pid))
                    os.write(to_first, b"w")
                else:  # cut before there was anything to kill
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            from_first.read()  # ends when it has become systemd, or has not
            if _has_ended(pidfd) and self.is_on:
                raise NaruError("it ended before there was a system")
            begun.set()
        except (NaruError, OSError) as error:
            ended = _has_ended(pidfd)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            if ended:  # whatever failed did so for that reason
                raise NaruError("its firmware failed", detail=self._said()) from error
            raise
        finally:
            os.close(to_first)
            from_first.close()
            again = _ended(pidfd)
            self._clean()
        return again

    def _said(self) -> str:
        """The console's last lines."""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-3:])

    def _firmware(self) -> tuple[int, int, int, IO[bytes]]:
        """Runs the firmware: process 1 as pid and pidfd, the pipe on which it waits for its wires, and the one that it
        closes when it becomes systemd."""
        own = [
            [*item, str(cgroups.ROOT / item[2] / self._common["cgroup"] / self.name)] for item in self._hierarchies()
        ]
        request = {
            "name": self.name,
            "base": self._common["base"],
            "disk": str(self._directory / "disk"),
            "work": str(self._directory / "work"),
            "root": str(self._directory / "root"),
            "cgroups": own,
            "mounts": self._mounts,
        }
        waits, to_first = os.pipe()
        try:
            with self.console.open("a") as console:
                argv = [sys.executable, "-S", "-E", str(FIRMWARE), json.dumps(request)]
                running = subprocess.Popen(argv, stdin=waits, stdout=subprocess.PIPE, stderr=console)
        except OSError:
            os.close(to_first)
            raise
        finally:
            os.close(waits)
        assert running.stdout
        line = running.stdout.readline()
        if running.wait() or not line:
            os.close(to_first)
            running.stdout.close()
            raise NaruError("its firmware failed", detail=self._said())
        pid = int(line)
        return pid, os.pidfd_open(pid), to_first, running.stdout

    def _hierarchies(self) -> list[list[str]]:
        found: list[list[str]] = self._common["hierarchies"]
        return found

    def _wires(self, pid: int) -> list[str]:
        """The cables of this boot: new ones, so that nothing of the last boot's network answers for it."""
        lines = []
        for nic in self._nics:
            port, state = nic["port"], "down" if nic["network"] in self._unplugged else "up"
            lines.append(f"link add {port} type veth peer name {nic['nic']} address {nic['mac']} netns {pid}")
            lines.append(f"link set {port} master {nic['bridge']} {state}")
        return lines

    def _clean(self) -> None:
        """Takes away what a boot leaves in the kernel."""
        with self._lock:
            if self._pidfd is not None:
                os.close(self._pidfd)
            self._pid = self._pidfd = self._booted = None
        ip([f"link del {nic['port']}" for nic in self._nics], force=True)
        for root in cgroups.roots(self._common["cgroup"]):
            cgroups.remove(root / self.name)


CONTROLS: dict[str, Callable[[Machine], None]] = {
    "On": Machine.on,
    "ForceOn": Machine.on,
    "ForceOff": Machine.cut,
    "GracefulShutdown": Machine.press,
    "PushPowerButton": lambda machine: machine.press() if machine.is_on else machine.on(),
    "ForceRestart": Machine.reset,
    "PowerCycle": Machine.reset,
    "GracefulRestart": lambda machine: machine.press(REBOOT),
}
"""What a power controller can be asked for, by the names that Redfish has for it."""
SWITCH_ON = {"On", "ForceOn"}


def _ended(pidfd: int) -> bool:
    """Waits until process 1 has ended; says whether by a reboot. Process 1 of a PID namespace that calls reboot(2)
    dies of SIGHUP to restart, of SIGINT to stay off."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    return bool(result and result.si_code == os.CLD_KILLED and result.si_status == signal.SIGHUP)


def _has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])
