"""How long the plan of a move of a whole cloud takes, and how that grows with the cloud; `make bench-planning`.

No cloud runs: projects of 50 servers each are written into an archive as clouds would have answered, and planned from
there, in a process of its own for each size. The last line is a JSON object:

    servers, things, steps   how large it was
    reading, rules, writing  seconds to read the archive, to make the plan, to write plan and journal
    seconds                  all of these
    mib                      the most memory that it took
    growth                   seconds for a server over those in a cloud of a quarter of the size: 1.0 is linear
    load                     the machine's load average over the minute before
"""

import argparse
import ipaddress
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.move import mapfile, planner, work
from naru.move.draft import Options
from naru.move.facts import Facts, Side

SERVERS = 50  # of a project
FLAVOR = {"id": "f", "name": "small", "ram": 512, "vcpus": 1, "disk": 1, "swap": 0, "rxtx_factor": 1.0}
VERSIONS = {"compute": "2.103", "block-storage": "3.71", "image": "2.17", "identity": "3.14", "network": "2.0"}
COMMON: dict[str, list[dict[str, Any]]] = {
    "cloud": [{"name": "", "user_id": "admin", "versions": VERSIONS, "extensions": {}}],
    "domain": [{"id": "default", "name": "Default"}],
    "role": [{"id": "member", "name": "member"}],
    "flavor": [FLAVOR],
    "volume type": [{"id": "t", "name": "ceph", "is_public": True, "extra_specs": {}}],
    "network": [{"id": "public", "name": "public", "project_id": "services", "router:external": True}],
    "subnet": [{"id": "range", "name": "", "network_id": "public", "cidr": "198.0.0.0/8", "project_id": "services"}],
}


def cloud(projects: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, answer) of everything in a cloud."""
    for kind, bodies in COMMON.items():
        yield from ((kind, body) for body in bodies)
    for number in range(projects):
        yield from project(number)


def project(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """One project: a network behind a router, a security group for each tier, servers with two volumes each, every
    other one with a floating IP."""

    def key(what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{what} {number}"))

    me, user, network, subnet, edge = key("project"), key("user"), key("network"), key("subnet"), key("router")
    public = ipaddress.ip_address("198.0.0.10") + number * (SERVERS + 1)
    yield "project", {"id": me, "name": f"project-{number}", "domain_id": "default", "enabled": True}
    yield "user", {"id": user, "name": f"user-{number}", "domain_id": "default", "enabled": True}
    yield "role assignment", {"role": {"id": "member"}, "user": {"id": user}, "scope": {"project": {"id": me}}}
    own = {"project_id": me, "tenant_id": me}
    yield "network", {"id": network, "name": "inner", "router:external": False, **own}
    yield "subnet", {"id": subnet, "name": "inner", "network_id": network, "cidr": "10.0.0.0/24", **own}
    gateway = {"network_id": "public", "external_fixed_ips": [{"subnet_id": "range", "ip_address": str(public)}]}
    yield "router", {"id": edge, "name": "edge", "external_gateway_info": gateway, **own}
    for name in ("default", "web", "db"):
        group = key(f"group {name}")
        rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "remote_group_id": group}
        yield "security group", {"id": group, "name": name, "security_group_rules": [rule], **own}
    yield (
        "server group",
        {
            **{"id": key("servers"), "name": "apart", "policies": ["anti-affinity"], "user_id": user, "project_id": me},
            "members": [key("server 0"), key("server 1")],
        },
    )
    for one in range(SERVERS):
        server, port, address = key(f"server {one}"), key(f"port {one}"), f"10.0.0.{10 + one}"
        mac = f"fa:16:{number >> 8 & 255:02x}:{number & 255:02x}:00:{one:02x}"
        device = {"device_id": server, "device_owner": "compute:nova", "mac_address": mac}
        fixed = [{"subnet_id": subnet, "ip_address": address}]
        yield "port", {"id": port, "name": "", "network_id": network, "fixed_ips": fixed, **device, **own}
        volumes = [key(f"volume {one} {name}") for name in "ab"]
        for letter, volume in zip("ab", volumes, strict=True):
            attached = {"server_id": server, "device": f"/dev/vd{letter}", "volume_id": volume}
            yield (
                "volume",
                {
                    **{"id": volume, "name": f"disk-{one}{letter}", "size": 10, "volume_type": "ceph"},
                    **{"os-vol-tenant-attr:tenant_id": me, "user_id": user, "attachments": [attached]},
                    **{"status": "in-use", "bootable": str(letter == "a").lower(), "metadata": {}},
                },
            )
        seen = {"addr": address, "OS-EXT-IPS-MAC:mac_addr": mac, "OS-EXT-IPS:type": "fixed", "version": 4}
        yield (
            "server",
            {
                **{"id": server, "name": f"server-{one}", "tenant_id": me, "user_id": user, "status": "ACTIVE"},
                **{"flavor_link": {"id": "f"}, "image": "", "metadata": {}, "addresses": {"inner": [seen]}},
                "os-extended-volumes:volumes_attached": [{"id": volume} for volume in volumes],
            },
        )
        if one % 2:
            floating = {"floating_network_id": "public", "floating_ip_address": str(public + 1 + one)}
            behind = {"port_id": port, "fixed_ip_address": address, "router_id": edge}
            yield "floating IP", {"id": key(f"address {one}"), **floating, **behind, **own}


def measure(servers: int) -> dict[str, Any]:
    """Plans a cloud of so many servers, and says what that took."""
    with tempfile.TemporaryDirectory() as directory, Archive(Path(directory) / work.ARCHIVE) as archive:
        numbers = {}
        for name, rows in (("old", cloud(servers // SERVERS)), ("new", cloud(0))):
            numbers[name] = archive.begin(name)
            archive.add(numbers[name], [Row.of(BY_NAME[kind], body) for kind, body in rows])
            archive.end(numbers[name], [])
        began = time.monotonic()
        facts = Facts(*(Side(archive, number, name) for name, number in numbers.items()), None)
        things = sum(len(facts.old.all(kind)) for kind in BY_NAME)
        read = time.monotonic()
        choices = mapfile.choose(facts, mapfile.EMPTY)
        settings = {"from": "old", "to": "new", "map": ""}
        draft = planner.make(facts, choices, Options(key="/key", directory=directory), settings=settings)
        planned = time.monotonic()
        work.create(Path(directory), draft, numbers, mapfile.text(facts, choices, mapfile.EMPTY))
        written = time.monotonic()
    moved = sum(
        1 for decision in draft.decisions.values() if (decision.kind, decision.decision) == ("server", "create")
    )
    assert moved == servers, f"{servers - moved} servers are not in the plan"
    return {
        **{"servers": servers, "things": things, "steps": len(draft.plan.steps)},
        **{"reading": read - began, "rules": planned - read, "writing": written - planned, "seconds": written - began},
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def apart(servers: int) -> dict[str, Any]:
    """`measure` in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--measure", str(servers)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(servers, "servers:", found, file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=10_000, help="a multiple of 200 (10000)")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    load = os.getloadavg()[0]
    small, large = apart(arguments.servers // 4), apart(arguments.servers)
    growth = large["seconds"] / large["servers"] / (small["seconds"] / small["servers"])
    rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in large.items()}
    print(json.dumps({**rounded, "growth": round(growth, 2), "load": round(load, 2)}))


if __name__ == "__main__":
    main()
