"""DNS: Designate with a real BIND that takes its zones from mini-DNS."""

from naru.lab.api import Api
from naru.lab.cloud import Cloud
from naru.lab.health import timestamp
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("designate",)
CATALOG = (("dns", "designate", ""),)
WORKERS = ("central", "mdns", "producer", "worker")


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    return [(cloud.program("designate-manage"), *cloud.config("designate"), "database", "sync")]


def register(cloud: Cloud) -> list[tuple[str, ...]]:
    """Makes BIND the one pool. It goes over RPC to central, hence after the start; central keeps it in the database."""
    pools = str(cloud.etc / "designate" / "pools.yaml")
    return [(cloud.program("designate-manage"), *cloud.config("designate"), "pool", "update", "--file", pools)]


def programs(cloud: Cloud) -> list[Command]:
    env = cloud.environment()

    def worker(name: str) -> Command:
        port = cloud.ports["designate-mdns"] if name == "mdns" else None
        program = cloud.program(f"designate-{name}")
        return Command(f"designate-{name}", (program, *cloud.config("designate")), env, port=port)

    named = ("named", "-g", "-4", "-n", "1", "-c", str(cloud.etc / "designate" / "named.conf"))
    return [
        Command("bind", named, env, port=cloud.ports["bind"]),
        *(worker(name) for name in WORKERS),
        api.command(cloud, "designate", *cloud.config("designate")),
    ]


def silent(cloud: Cloud, api: Api, since: float) -> list[str]:
    """Its workers without a heartbeat since then."""
    statuses = api("designate", "GET", "/service_statuses")["service_statuses"]
    alive = {
        row["service_name"] for row in statuses if row["status"] == "UP" and timestamp(row["heartbeated_at"]) >= since
    }
    return [f"designate-{name}" for name in WORKERS if name not in alive]
