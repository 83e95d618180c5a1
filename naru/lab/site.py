"""The site.yaml of a lab that has hosts: whatever works in the lab works from the same file on a real site."""

from typing import Any

from naru.lab.hosts.hosts import Hosts
from naru.lab.hosts.layout import MANAGEMENT


def of_hosts(name: str, hosts: Hosts) -> dict[str, Any]:
    """The content for hosts alone, on which no cloud runs."""
    relative = hosts.directory.name
    return {
        "naru_site": 1,
        "name": name,
        "login": {"user": "root", "ssh_config": f"{relative}/{hosts.ssh_config.name}"},
        "power": {
            "user": "admin",
            "password": {"file": f"{relative}/{hosts.password.name}"},
            "certificate": f"{relative}/{hosts.certificate.name}",
        },
        "hosts": [
            {
                "name": host.name,
                "address": str(host.address(MANAGEMENT).ip),
                "power": {"address": str(host.controller.ip)},
            }
            for host in hosts.hosts
        ],
    }
