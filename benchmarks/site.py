"""How long `naru site check` takes for many hosts, beside plain ssh that runs the same script; `make bench-site`.

A lab of five bare hosts stands for 300: each line of the site is a host of its own with a connection of its own, 60 to
each of the five. On each line ten units, a port and two files are looked up. In each round, one after the other: the
hosts run the script that often by themselves (what they need), OpenSSH logs in and has it run for each line, 64 at a
time, and `naru site check` does all it does. The last line is a JSON object, of the medians:

    lines, hosts     how many lines there are, of how many hosts
    hosts_s          seconds that the hosts need for the scripts alone, all of them busy
    ssh_s            seconds of plain ssh, a connection for each line
    check_s          seconds of the command, from its start to its end
    looked           lines whose host it reached in time; fewer than all on a machine too busy to answer
    beyond_s         check_s beyond hosts_s: connections, both ends of which are this machine's, and Naru's own
    ssh_cpu_s, check_cpu_s   processor seconds of the clients alone: what is left where hosts have their own
    ratio            check_s over ssh_s
    load             the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from naru.lab import spec
from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab
from naru.site import site as sites
from naru.site.check import wanted
from naru.site.check.look import SCRIPT

AT_ONCE = 64
UNITS = (
    *("ssh", "systemd-journald", "systemd-networkd", "systemd-sysctl", "systemd-udevd", "systemd-logind"),
    *("systemd-user-sessions", "systemd-tmpfiles-setup", "systemd-timesyncd", "systemd-resolved"),
)


def quiet(*_: object) -> None:
    """The lab's progress is not wanted here."""


def content(lab: Lab, lines: int) -> dict[str, Any]:
    """A site of so many lines, each of which is one of the lab's hosts."""
    made: dict[str, Any] = yaml.safe_load(lab.site_yaml.read_text())
    addresses = [one["address"] for one in made["hosts"]]
    each = lines // len(addresses)
    made["hosts"] = [
        {"name": f"line{host}-{number}", "address": address}
        for host, address in enumerate(addresses)
        for number in range(each)
    ]
    made["services"] = [
        {
            **{"name": f"service-{unit}", "hosts": "all", "managed": {"unit": f"{unit}.service"}, "release": ""},
            **({"port": 22, "config": "/etc/ssh/sshd_config", "logs": "/var/log/none"} if unit == "ssh" else {}),
        }
        for unit in UNITS
    ]
    return made


class Timer:
    """Seconds, and processor seconds of the processes that were started and ended meanwhile."""

    def __enter__(self) -> "Timer":
        self._began, self._used = time.monotonic(), self._children()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        self.cpu = self._children() - self._used

    def _children(self) -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime


def by_themselves(hosts: Hosts, script: bytes, each: int) -> None:
    """Each host runs the script so many times, its own all at once, as when everybody is logged in to."""
    line = f"cat >/tmp/script; for i in $(seq {each}); do sh -s </tmp/script >/dev/null & done; wait"
    running = [subprocess.Popen(hosts.ssh(name, line), stdin=subprocess.PIPE) for name in hosts.names()]
    with ThreadPoolExecutor(len(running)) as pool:
        list(pool.map(lambda one: one.communicate(script), running))
    if any(one.returncode for one in running):
        raise SystemExit("the hosts did not run the script")


def by_ssh(hosts: Hosts, script: bytes, each: int) -> None:
    """A connection of its own for each."""

    def one(name: str) -> int:
        argv = hosts.ssh(name, "sh", "-s")
        return subprocess.run(argv, input=script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode

    with ThreadPoolExecutor(AT_ONCE) as pool:
        if any(pool.map(one, hosts.names() * each)):
            raise SystemExit("ssh could not run the script everywhere")


def by_naru(file: Path) -> int:
    """The command, which finds much wrong here: all lines of a host are the same machine. Gives how many it reached."""
    naru = str(Path(sys.executable).with_name("naru"))
    done = subprocess.run([naru, "-v", "site", "check", "--site", str(file), "-f", "json"], capture_output=True)
    rows = json.loads(done.stdout)
    return len({row["host"] for row in rows if row["field"].endswith("managed.unit")})


def measure(directory: Path, layout: str, lines: int, rounds: int) -> dict[str, float]:
    lab = Lab(directory / "site")
    lab.up(spec.build_hosts(layout), quiet, quiet)
    try:
        hosts = lab.hosts()
        each = lines // len(hosts.names())
        lines = each * len(hosts.names())
        file = lab.site_yaml.with_name("bench.yaml")
        file.write_text(yaml.safe_dump(content(lab, lines)))
        one = wanted.text(next(iter(wanted.of_site(sites.load(file)).values())))
        script = f"{SCRIPT}\n{one}\nlook </dev/null\n".encode()
        found: dict[str, list[float]] = {}
        looked = lines
        for number in range(rounds):
            with Timer() as own:
                by_themselves(hosts, script, each)
            with Timer() as ssh:
                by_ssh(hosts, script, each)
            with Timer() as check:
                looked = min(looked, by_naru(file))
            values = {"hosts_s": own.seconds, "ssh_s": ssh.seconds, "check_s": check.seconds}
            values |= {"ssh_cpu_s": ssh.cpu, "check_cpu_s": check.cpu}
            for name, value in values.items():
                found.setdefault(name, []).append(value)
            print(f"{number + 1}:", {name: round(value, 2) for name, value in values.items()}, flush=True)
        median = {name: statistics.median(values) for name, values in found.items()}
        beyond = median["check_s"] - median["hosts_s"]
        return {
            **{"lines": lines, "hosts": len(hosts.names()), "looked": looked},
            **{name: round(value, 2) for name, value in median.items()},
            **{"beyond_s": round(beyond, 2), "ratio": round(median["check_s"] / median["ssh_s"], 2)},
        }
    finally:
        lab.down()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layout", default="bare5", help="of the lab's hosts, a name or a file (%(default)s)")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as directory:
        found = measure(Path(directory), arguments.layout, arguments.lines, arguments.rounds)
    print(json.dumps({**found, "load": round(load, 1)}))


if __name__ == "__main__":
    main()
