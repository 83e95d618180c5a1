"""Load balancers as records with a real VIP port: the worker's drivers make no amphorae."""

import subprocess

from naru.lab.api import Api
from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("octavia",)
CATALOG = (("load-balancer", "octavia", ""),)
USER_ROLES = ("load-balancer_member",)
# the topic had a name of the operator's until the worker was written anew for Train
QUEUES = ("octavia_prov", "octavia_provisioning_v2")


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    """The schema, and the certificate authority that every amphora's certificate is signed by."""
    authority = cloud.state / "octavia"
    return [
        (cloud.program("octavia-db-manage"), *cloud.config("octavia"), "upgrade", "head"),
        (
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=octavia"),
            *("-keyout", str(authority / "ca.key"), "-out", str(authority / "ca.pem")),
        ),
    ]


def prepare(cloud: Cloud) -> None:
    api.make_home(cloud, "octavia")


def programs(cloud: Cloud) -> list[Command]:
    configuration = cloud.config("octavia")
    worker = (cloud.program("octavia-worker"), *configuration, *cloud.config("octavia", "octavia-worker.conf"))
    return [
        # until Ussuri the API ignores its options
        api.at_home(cloud, "octavia", api.command(cloud, "octavia", *configuration)),
        Command("octavia-worker", worker, cloud.environment()),
    ]


def silent(cloud: Cloud, _api: Api, _since: float) -> list[str]:
    """The worker reports nowhere: it is there when the broker knows a consumer of its queue."""
    asking = (cloud.program("python"), str(cloud.inside / "consumers.py"), *QUEUES)
    env = {**cloud.environment(), "NARU_TRANSPORT_URL": cloud.transport_url}
    done = subprocess.run(asking, stdin=subprocess.DEVNULL, capture_output=True, env=env)
    return [] if done.returncode == 0 else ["octavia-worker"]
