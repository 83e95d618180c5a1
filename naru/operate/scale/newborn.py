"""Whether a new compute host is what another one is, by the clouds' own word."""

from typing import Any

from naru.actions.clouds import get
from naru.cloud.client import Cloud
from naru.operate import compute

RATIO = "allocation_ratio"


class Newborn:
    """The new `host`, beside the host `like`. `told` is what was found when there was nothing wrong."""

    def __init__(self, client: Cloud, host: str, like: str) -> None:
        self.client = client
        self.host = host
        self.like = like
        self.told: dict[str, Any] = {}

    def problems(self) -> list[str]:
        """What is not as it should be."""
        self.told = {}
        found = self._of_service()
        nodes = {host: self._nodes(host) for host in (self.host, self.like)}
        if not nodes[self.host]:
            return [*found, f"Nova has no node of {self.host}: its host is mapped to no cell yet"]
        if not nodes[self.like]:
            return [*found, f"Nova has no node of {self.like}: there is nothing to compare with"]
        if nodes[self.host][0]["hypervisor_type"] != nodes[self.like][0]["hypervisor_type"]:
            found.append(f"its hypervisor is {nodes[self.host][0]['hypervisor_type']}")
        self.told["node"] = nodes[self.host][0]["hypervisor_hostname"]
        self.told["hypervisor"] = nodes[self.host][0]["hypervisor_version"]
        if self.client.has("placement"):
            found += self._of_placement(self.told["node"], nodes[self.like][0]["hypervisor_hostname"])
        return [*found, *self._of_agents()]

    def _of_service(self) -> list[str]:
        service = compute.service(self.client, self.host)
        if service is None:
            return [f"Nova has no compute service on {self.host}"]
        if service["state"] != "up":
            return [f"its compute service is {service['state']}"]
        return []

    def _nodes(self, host: str) -> list[Any]:
        """The nodes of a host; Nova shows those of mapped hosts alone."""
        listed = self.client.items("compute", "/os-hypervisors/detail", "hypervisors")
        return [one for one in listed if one["service"]["host"] == host]

    def _of_placement(self, node: str, other: str) -> list[str]:
        mine, theirs = self._provider(node), self._provider(other)
        if mine is None:
            return [f"Placement has no provider {node}"]
        if theirs is None:
            return [f"Placement has no provider {other}: there is nothing to compare with"]
        found = [f"Placement has no {kind} of it" for kind in sorted(set(theirs[0]) - set(mine[0]))]
        for kind, inventory in sorted(mine[0].items()):
            ratio = theirs[0].get(kind, inventory)[RATIO]
            if inventory[RATIO] != ratio:
                found.append(f"{kind}: its ratio is {inventory[RATIO]:g}, and that of {self.like} {ratio:g}")
        if lacks := sorted(theirs[1] - mine[1]):
            found.append(f"it lacks the traits {', '.join(lacks)}")
        self.told["inventory"] = {kind: one["total"] for kind, one in mine[0].items()}
        return found

    def _provider(self, name: str) -> tuple[dict[str, Any], set[str]] | None:
        """Inventories by kind, and traits, of the provider."""
        listed = get(self.client, "placement", f"/resource_providers?name={name}", "resource_providers") or []
        if not listed:
            return None
        path = f"/resource_providers/{listed[0]['uuid']}"
        inventories = get(self.client, "placement", f"{path}/inventories", "inventories") or {}
        traits = set(get(self.client, "placement", f"{path}/traits", "traits", "1.6") or [])
        # what a driver says of itself and of its host; what an operator gave one host is that host's
        return inventories, {one for one in traits if not one.startswith("CUSTOM_")}

    def _of_agents(self) -> list[str]:
        agents = list(self.client.items("network", "/agents", "agents"))
        here = {one["binary"]: one for one in agents if one["host"] == self.host}
        found = [
            f"Neutron has no {one['binary']} on it"
            for one in agents
            if one["host"] == self.like and one["binary"] not in here
        ]
        found += [f"its {name} is not alive" for name, one in here.items() if not one["alive"]]
        found += [f"its {name} is disabled" for name, one in here.items() if not one["admin_state_up"]]
        self.told["agents"] = sorted(here)
        return found
