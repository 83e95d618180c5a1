"""What is asked of a cloud over hosts, and of its hosts."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from naru.lab.hosts.hosts import Hosts
from naru.lab.lab import Lab

from ..scenario import Rest, connect, image, network

PATIENCE = 240.0
"""Seconds that anything here may take on a busy machine."""


def until(happened: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE:g} s"
        time.sleep(0.5)
    return found


def on(hosts: Hosts, name: str, command: str) -> str:
    """What a command says on a host."""
    argv = hosts.ssh(name, command)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, (name, command, done.stdout, done.stderr)
    return done.stdout.strip()


def services(lab: Lab, cloud: str) -> dict[str, str]:
    """Nova's and Cinder's services as BINARY@HOST, with their states."""
    rest = Rest(connect(lab, cloud))
    found = {}
    for service, path in (("compute", "/os-services"), ("volumev3", "/os-services")):
        for row in rest(service, "GET", path)["services"]:
            found[f"{row['binary']}@{row['host']}"] = row["state"]
    return found


def boots_a_server(lab: Lab, cloud: str) -> str:
    """A member's server from an image of its own, with a port; says which host it is on, and is gone after."""
    rest = Rest(connect(lab, f"{cloud}-user"))
    with network(rest) as made, image(rest) as picture:
        flavors = rest("compute", "GET", "/flavors")["flavors"]
        flavor = next(found["id"] for found in flavors if found["name"] == "m1.nano")
        body = {"name": "t", "flavorRef": flavor, "imageRef": picture, "networks": [{"uuid": made["network"]}]}
        server = rest("compute", "POST", "/servers", {"server": body})["server"]["id"]
        rest.wait_server(server, "ACTIVE")
        admin = Rest(connect(lab, cloud))
        host = admin("compute", "GET", f"/servers/{server}")["server"]["OS-EXT-SRV-ATTR:host"]
        rest("compute", "DELETE", f"/servers/{server}")
        rest.gone("compute", f"/servers/{server}")
    return str(host)
