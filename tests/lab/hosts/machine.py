"""What a lab's hosts may leave on the machine: nothing."""

import os
import subprocess
from pathlib import Path

from naru.lab.hosts import cgroups
from naru.lab.hosts.hosts import Hosts


def of_the_machine() -> tuple[str, str, str]:
    """The machine's own network and bridges' settings, without what counts or ages, and without other labs' wires."""
    show = [
        ["ip", "-brief", "link"],
        ["ip", "route"],
        ["sysctl", "-a", "--pattern", "^(net.ipv4.ip_forward|kernel.hostname)"],
    ]
    outputs = [subprocess.run(argv, capture_output=True, text=True, check=True).stdout for argv in show]
    links, routes, settings = (_own(output) for output in outputs)
    return links, routes, settings


def _own(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if not line.startswith("naru-") and " dev naru-" not in line)


def left_of(hosts: Hosts) -> list[str]:
    """What is on the machine of hosts that were ended: processes, mounts, interfaces, cgroups."""
    found = [str(root) for root in cgroups.roots(hosts.cgroup) if root.exists()]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(hosts.directory) in line]
    found += [str(path) for path in Path("/sys/class/net").glob(f"{hosts.wire}*")]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = (entry / "cgroup").read_text()
            mounts = (entry / "mountinfo").read_text()
        except OSError:
            continue
        if int(entry.name) != os.getpid() and any(str(hosts.directory) in text for text in (command, mounts)):
            found.append(f"{entry.name} {command}")
        if hosts.cgroup in groups:
            found.append(f"{entry.name} {command} in its cgroup")
    return found
