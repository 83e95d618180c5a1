"""RabbitMQ on the hosts of the role `queue`, and on those of `next-queue`: one broker, or a cluster of all, each with
its management's API."""

import hashlib
from pathlib import Path

from naru.lab.hosted.cloud import HostedCloud
from naru.lab.hosts.layout import NEXT_QUEUE
from naru.lab.infra import rabbitmq
from naru.lab.ports import At
from naru.lab.process import Command

ROLES = ("queue", NEXT_QUEUE)
NEXT_USER = "operator"
"""The one user that the other release's RabbitMQ has: what services need there is carried over."""
OWNER = "rabbitmq"
"""The user that rabbitmqctl, run by root, becomes, with the home where it looks for the cookie."""
HOME = Path("/var/lib/rabbitmq")


def directory(cloud: HostedCloud) -> Path:
    """Where all of a broker is."""
    return cloud.state / "rabbitmq"


def command(cloud: HostedCloud, base: Path) -> Command:
    """The broker, as its host sees the cloud; `base` is the base of the host's disk."""
    environment = rabbitmq.environment(directory(cloud), cloud.ports, f"rabbit@{cloud.host}", cloud.here)
    port = cloud.ports["rabbitmq"]
    return Command("rabbitmq", (rabbitmq.server(base),), environment, port=port, grace=15, address=cloud.here)


def files(cloud: HostedCloud) -> dict[Path, str]:
    """What is in a broker's directory before its first start."""
    every = [cloud.roles[role] for role in ROLES if role in cloud.roles]
    members = next(found for found in every if cloud.host in [host.name for host in found])
    nodes = [f"rabbit@{host.name}" for host in members]
    lines = [
        f"management.tcp.ip = {cloud.here}",
        f"management.tcp.port = {cloud.ports['rabbitmq-management']}",
    ]
    if len(nodes) > 1:
        lines += [
            "cluster_formation.peer_discovery_backend = classic_config",
            *(f"cluster_formation.classic_config.nodes.{number} = {node}" for number, node in enumerate(nodes, 1)),
            "cluster_partition_handling = autoheal",
        ]
    more = {} if members == cloud.roles["queue"] else {"user": NEXT_USER, "vhost": "/"}
    configuration = rabbitmq.configuration(At(cloud.here, cloud.ports["rabbitmq"]), cloud.secret, **more)
    return {
        directory(cloud) / "etc" / "rabbitmq.conf": configuration + "\n".join([*lines, ""]),
        directory(cloud) / "etc" / "enabled_plugins": "[rabbitmq_management].\n",
        directory(cloud) / ".erlang.cookie": cookie(cloud),
    }


def cookie(cloud: HostedCloud) -> str:
    """What brokers of a cluster, and the tools that ask one, know each other by."""
    return hashlib.sha256(f"erlang {cloud.secret}".encode()).hexdigest()[:32]
