"""What is asked of a cloud over hosts, and of its hosts."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import requests

from naru.lab.hosts.hosts import Hosts
from naru.lab.infra import rabbitmq
from naru.lab.lab import Lab

from ..scenario import Rest, connect, image, network

VHOST = "%2Fopenstack"
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


class Bus:
    """A cloud's message queue, by the API of RabbitMQ's management at `url`: what is said there, and its notifications,
    read from a queue of the test's own."""

    def __init__(self, url: str, password: str) -> None:
        self._url, self._session = url, requests.Session()
        self._session.auth = (rabbitmq.USER, password)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(method, self._url + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def exchanges(self) -> set[str]:
        return {row["name"] for row in self._ask("GET", f"/exchanges/{VHOST}")}

    def listen(self, exchanges: set[str]) -> None:
        self._ask("PUT", f"/queues/{VHOST}/told", {"durable": False, "auto_delete": True})
        for exchange in exchanges:
            for key in ("notifications.#", "versioned_notifications.#"):
                self._ask("POST", f"/bindings/{VHOST}/e/{exchange}/q/told", {"routing_key": key})

    def publish(self, queue: str, text: str) -> None:
        """A message for whoever reads that queue."""
        message = {"properties": {}, "routing_key": queue, "payload": text, "payload_encoding": "string"}
        assert self._ask("POST", f"/exchanges/{VHOST}/amq.default/publish", message)["routed"]

    def waiting(self, queue: str) -> int:
        """The messages in a queue that nobody reads, as RabbitMQ knows it, which is some seconds behind."""
        return int(self._ask("GET", f"/queues/{VHOST}/{queue}").get("messages_ready", 0))

    def told(self) -> set[str]:
        """The types of the events that came since it was asked last."""
        wanted = {"count": 1000, "ackmode": "ack_requeue_false", "encoding": "auto"}
        messages = [json.loads(row["payload"]) for row in self._ask("POST", f"/queues/{VHOST}/told/get", wanted)]
        return {json.loads(one["oslo.message"])["event_type"] for one in messages}


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
