"""Whether a server has arrived: by Nova, its ports' bindings, its volumes and Placement, not by a migration's word."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from naru.actions.clouds import get
from naru.cloud.client import Cloud
from naru.operate import compute
from naru.operate.drain.rules import LIVE_STATUS

CURE_AFTER = 8.0
"""Seconds that a port of a server which has arrived may be down before it is changed to what it is."""


class Arrival:
    """One server on its new host. `args` are those of a step `drain.proof`; `to` and `status` where it came and what it
    was before it moved."""

    def __init__(self, client: Cloud, args: Mapping[str, Any], to: str, status: str) -> None:
        self.client = client
        self.args = args
        self.to = to
        self.status = status
        self.cured: list[str] = []

    def problems(self, now: float, cure: Callable[[str], bool]) -> list[str] | None:
        """What is not as it should be, None when the server is gone. `cure` says of a port that is down whether it is
        time to have its agent look again."""
        server = compute.server(self.client, self.args["server"])
        if server is None:
            return None
        return [
            *self._of_nova(server),
            *self._of_ports(server, cure),
            *self._of_volumes(server),
            *self._of_placement(server),
        ]

    def _of_nova(self, server: compute.Item) -> Iterator[str]:
        if server[compute.HOST] != self.to:
            yield f"Nova has it on {server[compute.HOST]}, not on {self.to}"
        if server[compute.TASK]:
            yield f"something is being done to it: {server[compute.TASK]}"
        if server["status"] != self.status:
            yield f"it is {server['status']}, and was {self.status}"
        if "locked" in server and bool(server["locked"]) != self.args["locked"]:
            yield "it was locked, and is not" if self.args["locked"] else "it is locked, and was not"

    def _of_ports(self, server: compute.Item, cure: Callable[[str], bool]) -> Iterator[str]:
        ports = list(self.client.items("network", f"/ports?device_id={server['id']}", "ports"))
        for missing in set(self.args["ports"]) - {port["id"] for port in ports}:
            yield f"port {missing} is not its own any more"
        for port in ports:
            where = port.get("binding:host_id")
            if where != self.to:
                yield f"port {port['id']} is bound to {where}, not to {self.to}"
            elif port.get("binding:vif_type") == "binding_failed":
                yield f"port {port['id']}: its binding has failed"
            elif port["status"] == "DOWN" and port["id"] in self.args["ports"] and self.status in LIVE_STATUS:
                # Neutron 29 may leave a port so after two calls of Nova's that its agent looks between
                if cure(port["id"]):
                    self.client("network", "PUT", f"/ports/{port['id']}", {"port": {"name": port["name"]}})
                    self.cured.append(port["id"])
                yield f"port {port['id']} is DOWN"
            if self.args["bindings"]:
                yield from self._of_bindings(port["id"])

    def _of_bindings(self, port: str) -> Iterator[str]:
        found = get(self.client, "network", f"/ports/{port}/bindings", "bindings") or []
        for binding in found:
            if binding["host"] != self.to:
                yield f"port {port} has a binding left on {binding['host']} ({binding['status']})"

    def _of_volumes(self, server: compute.Item) -> Iterator[str]:
        attached = {one["id"] for one in server.get(compute.VOLUMES) or ()}
        for identity in self.args["volumes"]:
            volume = get(self.client, "block-storage", f"/volumes/{identity}", "volume")
            if volume is None:
                continue
            owners = {one["server_id"] for one in volume["attachments"]}
            if identity not in attached or server["id"] not in owners or volume["status"] != "in-use":
                yield f"volume {identity} is {volume['status']}, attached to {', '.join(sorted(owners)) or 'nothing'}"

    def _of_placement(self, server: compute.Item) -> Iterator[str]:
        if not self.args["nodes"]:
            return
        found = get(self.client, "placement", f"/allocations/{server['id']}", "allocations") or {}
        for node in self.args["nodes"]:
            if node in found:
                yield f"Placement still has it on {self.args['host']} ({node})"
        node = server.get(compute.NODE)
        mine = get(self.client, "placement", f"/resource_providers?name={node}", "resource_providers") or []
        if not any(one["uuid"] in found for one in mine):
            yield f"Placement does not have it on {node}"
