"""Compute: API, conductor, scheduler, and one process tree for all the fake compute hosts."""

from collections.abc import Sequence

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("nova", "nova_api", "nova_cell0")
CATALOG = (("compute", "nova", "/v2.1"),)


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    manage = (cloud.program("nova-manage"), *cloud.config("nova"))
    return [
        (*manage, "api_db", "sync"),
        (*manage, "cell_v2", "map_cell0", "--database_connection", cloud.database_url("nova_cell0")),
        (*manage, "db", "sync"),
        (*manage, "cell_v2", "create_cell", "--name", "cell1"),
    ]


def discover_hosts(cloud: Cloud) -> tuple[str, ...]:
    """The command that maps new compute hosts to the cell; without it a server finds no valid host for a while."""
    return (cloud.program("nova-manage"), *cloud.config("nova"), "cell_v2", "discover_hosts")


def programs(cloud: Cloud) -> list[Command]:
    env = cloud.environment()
    return [
        api.command(cloud, "nova", *cloud.config("nova")),
        Command("nova-conductor", (cloud.program("nova-conductor"), *cloud.config("nova")), env),
        Command("nova-scheduler", (cloud.program("nova-scheduler"), *cloud.config("nova")), env),
    ]


def computes(cloud: Cloud) -> list[Command]:
    """Started last: a known host asks Keystone, Placement and Neutron at once and exits when they do not answer."""
    if not cloud.computes:
        return []
    (cloud.etc / "nova" / "hosts").mkdir(parents=True, exist_ok=True)
    for host in cloud.hosts:
        (cloud.state / "nova" / host / "instances").mkdir(parents=True, exist_ok=True)
        (cloud.etc / "nova" / "hosts" / f"{host}.conf").write_text(compute_conf(cloud, host))
    return [compute(cloud, cloud.hosts)]


def compute_conf(cloud: Cloud, host: str) -> str:
    """What a fake compute host has in its hosts/HOST.conf beside what all have in common."""
    state = cloud.state / "nova" / host
    return f"[DEFAULT]\nhost = {host}\nstate_path = {state}\ninstances_path = {state}/instances\n"


def compute(cloud: Cloud, names: Sequence[str]) -> Command:
    """The process of those fake compute hosts."""
    hosts = cloud.etc / "nova" / "hosts"
    argv = (cloud.program("python"), str(cloud.inside / "computes.py"), str(hosts), ",".join(names))
    # Nova of 2026 takes minutes over SIGTERM and still consumes calls meanwhile: a short grace, then SIGKILL
    return Command("nova-compute", (*argv, *cloud.config("nova", "nova-compute.conf")), cloud.environment(), grace=2)
