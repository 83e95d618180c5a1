"""The twin as a cloud of the lab that has its hosts' names, and their sizes, from a site."""

import dataclasses
import json

from naru.files import write_whole
from naru.lab.cloud import Cloud
from naru.twin.spec import Host

CINDER_HOST = "twin"
"""No host of the site, whose volumes a volume service would take for its own when it starts."""


@dataclasses.dataclass(frozen=True)
class TwinCloud(Cloud):
    """A cloud whose fake compute hosts are `nodes` of a site. Nova's other services are on its `controller`; Cinder's
    volumes that are new are files here, and those of the site are where nobody reaches them."""

    nodes: tuple[Host, ...] = ()
    controller: str = "controller"

    @property
    def hosts(self) -> list[str]:
        return [node.host for node in self.nodes]

    @property
    def backends(self) -> tuple[str, ...]:
        return ("nfs",)

    @property
    def nova_host(self) -> str:
        return self.controller

    @property
    def cinder_host(self) -> str:
        return CINDER_HOST

    def write_nodes(self) -> None:
        """What each fake compute host has to know of itself when it starts: its node's name, size and identity."""
        for node in self.nodes:
            state = self.state / "nova" / node.host
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(state / "node.json", json.dumps(node.model_dump(exclude={"host", "uuid"})))
            write_whole(state / "compute_id", f"{node.uuid}\n")  # from 2023.1 on a host without it does not start
