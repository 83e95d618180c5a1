"""How long the lab's clouds take to come up, what they hold, and whether they carry load; `make bench-lab`.

The default pair (Pike and the newest release, core services) is brought up from its prepared states. Then one cloud
of the newest release gets 50 fake compute hosts and 500 servers are booted on them. The last line is a JSON object:

    up_s            seconds until both clouds were healthy
    up_ratio        up_s over the limit of this run: the CPU seconds that the clouds' own processes had used by then,
                    spread over all cores. 1.0 is as fast as this machine can start these programs
    mib             memory of both clouds together (proportional set size), in MiB
    from_nothing_s  with --from-nothing: seconds of the first `up` with empty caches, installations included
    computes, servers, boot_s   how many hosts and servers, and seconds from the first request until all were ACTIVE
    load            the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from naru.lab import spec, status
from naru.lab.api import Api
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.releases import release

PORT_BASE = 21000
BATCH = 10  # servers a request: more keep a busy API from answering within a minute


def quiet(*_: object) -> None:
    """The lab's progress is not wanted here."""


def up(lab: Lab, wanted: spec.LabSpec) -> float:
    began = time.monotonic()
    lab.up(wanted, quiet, quiet)
    return time.monotonic() - began


def cpu_seconds(cloud: Cloud) -> float:
    """What the cloud's processes have used since they started, their ended children included (proc(5), 14 to 17)."""
    ticks = 0
    for processes in cloud.processes.tree().values():
        for process in processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def pair(directory: Path) -> dict[str, float]:
    lab = Lab(directory / "pair")
    wanted = spec.build(["old=pike", f"new={release.names()[-1]}"], None, 1, PORT_BASE)
    try:
        lab.up(wanted, quiet, quiet)  # makes the prepared states where there are none
        lab.down()
        os.sync()  # the copies of the states, which the next start should not wait for
        seconds = up(lab, wanted)
        limit = sum(cpu_seconds(cloud) for cloud in lab.clouds()) / (os.cpu_count() or 1)
        memory = sum(row.memory for row in status.rows(lab))
        return {"up_s": round(seconds, 1), "up_ratio": round(seconds / limit, 2), "mib": memory >> 20}
    finally:
        lab.down()


def boot(directory: Path, computes: int, servers: int) -> dict[str, float]:
    lab = Lab(directory / "many")
    wanted = spec.build([f"many={release.names()[-1]}"], None, computes, PORT_BASE + 800)
    try:
        lab.up(wanted, quiet, quiet)
        api = Api(lab.cloud("many"))
        body = ready(api, servers)
        began = time.monotonic()
        for _ in range(servers // BATCH):
            api("nova", "POST", "/servers", {"server": body})
        states: Counter[str] = Counter()
        while states["ACTIVE"] < servers:
            time.sleep(2)
            states = Counter(server["status"] for server in all_servers(api))
            print(f"{time.monotonic() - began:6.1f} s  {dict(states)}", flush=True)
            if states["ERROR"]:
                raise SystemExit(f"{states['ERROR']} servers are in error")
        seconds = time.monotonic() - began
        used = Counter(server["OS-EXT-SRV-ATTR:host"] for server in all_servers(api))
        return {"computes": len(used), "servers": sum(used.values()), "boot_s": round(seconds, 1)}
    finally:
        lab.down()


def all_servers(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        marker = f"&marker={found[-1]['id']}" if found else ""
        page = api("nova", "GET", f"/servers/detail?limit=1000{marker}")["servers"]
        if not page:
            return found
        found += page


def ready(api: Api, servers: int) -> dict[str, Any]:
    """The body of a request for BATCH servers, once quotas, network and image allow `servers` of them."""
    project = api.session.get_project_id()
    unlimited = {"instances": -1, "cores": -1, "ram": -1}
    api("nova", "PUT", f"/os-quota-sets/{project}", {"quota_set": unlimited})
    api("neutron", "PUT", f"/quotas/{project}", {"quota": {"port": -1}})
    network = api("neutron", "POST", "/networks", {"network": {"name": "many"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.64.0.0/16"}
    api("neutron", "POST", "/subnets", {"subnet": subnet})
    image = api("glance", "POST", "/images", {"name": "many", "disk_format": "raw", "container_format": "bare"})["id"]
    url = api.cloud.url("glance", f"/v2/images/{image}/file")
    api.session.put(url, data=os.urandom(1 << 16), headers={"Content-Type": "application/octet-stream"})
    flavors = {flavor["name"]: flavor["id"] for flavor in api("nova", "GET", "/flavors")["flavors"]}
    return {
        "name": "many",
        "flavorRef": flavors["m1.nano"],
        "imageRef": image,
        "networks": [{"uuid": network}],
        "min_count": min(BATCH, servers),
    }


def from_nothing(directory: Path) -> dict[str, float]:
    """In a process of its own, since the place of the caches is taken from the environment."""
    caches = {"XDG_CACHE_HOME": str(directory / "cache"), "UV_CACHE_DIR": str(directory / "uv")}
    os.environ |= caches | {"PIP_CACHE_DIR": str(directory / "pip")}
    lab = Lab(directory / "first")
    try:
        wanted = spec.build(["old=pike", f"new={release.names()[-1]}"], None, 1, PORT_BASE)
        return {"from_nothing_s": round(up(lab, wanted), 1)}
    finally:
        lab.down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--computes", type=int, default=50)
    parser.add_argument("--servers", type=int, default=500)
    parser.add_argument("--from-nothing", action="store_true", help="measure a first `up` with empty caches instead")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    answer: dict[str, float] = {"load": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as name:
        if arguments.from_nothing:
            answer = from_nothing(Path(name)) | answer
        else:
            first = pair(Path(name))
            print(json.dumps(first), flush=True)
            answer = first | boot(Path(name), arguments.computes, arguments.servers) | answer
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
