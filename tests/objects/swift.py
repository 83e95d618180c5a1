"""Swift of a release alone, as the lab configures it, with a stand-in for Keystone that gives everybody a token: real
proxies, containers and objects in four small processes, up in seconds. Access lists are kept, not enforced."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from naru.lab import render, running
from naru.lab.cloud import Cloud
from naru.lab.ports import Ports
from naru.releases import install, release

from ..cloud.service import answering

PROJECT = "0123456789abcdef0123456789abcdef"

OWNER = """from swift.common.middleware.acl import clean_acl


def filter_factory(conf, **ours):
    def made(app):
        def called(env, start):
            # as keystoneauth has it for who has a role in the project
            env.update({"swift_owner": True, "reseller_request": True, "swift.clean_acl": clean_acl})
            env["swift.authorize"] = lambda request: None
            return app(env, start)

        return called

    return made
"""


class Alone(NamedTuple):
    """A cloud of Swift alone: its name in clouds.yaml, the account's URL, the lab's cloud."""

    name: str
    url: str
    cloud: Cloud


class _Keystone(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Keystone"

    def _answer(self, status: int, body: Any, **headers: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(text))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        if self.path.endswith("/auth/projects"):
            self._answer(200, {"projects": [{"id": PROJECT, "name": "shop"}], "links": {}})
        else:
            link = [{"rel": "self", "href": f"{self.server.address}/v3/"}]
            self._answer(200, {"version": {"id": "v3.14", "status": "stable", "links": link}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = self.server.object_store
        places = [("identity", f"{self.server.address}/v3"), *([("object-store", url)] if url else [])]
        catalog = [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [{"interface": "public", "region": "r", "region_id": "r", "id": kind, "url": where}],
            }
            for kind, where in places
        ]
        domain = {"id": "default", "name": "Default"}
        token = {
            "methods": ["password"],
            "user": {"id": "u", "name": "admin", "domain": domain},
            "project": {"id": PROJECT, "name": "shop", "domain": domain},
            "catalog": catalog,
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2099-01-01T00:00:00.000000Z",
        }
        self._answer(201, {"token": token}, **{"X-Subject-Token": "secret-token"})

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Keystone(ThreadingHTTPServer):
    """Gives everybody the same token; its catalogue has the object storage."""

    daemon_threads = True

    def __init__(self, object_store: str) -> None:
        super().__init__(("127.0.0.1", 0), _Keystone)
        self.object_store = object_store
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def keystone(object_store: str) -> Iterator[str]:
    """The URL of a stand-in that runs."""
    server = Keystone(object_store)
    with answering(server):
        yield f"{server.address}/v3"


@contextmanager
def swift(name: str, wanted: str, directory: Path, base: int) -> Iterator[Alone]:
    """Swift of a release, with its data under the directory; `base` is its first port."""
    found = release.load(wanted)
    cloud = Cloud(
        name=name,
        release=found,
        directory=directory,
        ports=Ports(base),
        services=("swift",),
        computes=0,
        venv=install.install([found.name])[found.name],
        secret="0123456789abcdef" * 4,
        lab_id=f"alone:{directory}",
        first_address="192.0.2.1",
        last_address="192.0.2.254",
    )
    render.render(cloud)
    conf = cloud.etc / "swift" / "proxy.conf"
    text = conf.read_text().replace("authtoken keystoneauth ", "owner ").replace(" ratelimit ", " ")
    conf.write_text(f"{text}\n[filter:owner]\npaste.filter_factory = owner:filter_factory\n")
    (cloud.inside / "owner.py").write_text(OWNER)
    running.directories(cloud)
    for part in ("log", "run"):
        (cloud.directory / part).mkdir(exist_ok=True)
    try:
        if not (cloud.state / "swift" / "rings" / "object-1.ring.gz").exists():
            running.migrate(cloud, "swift")
        running.start_services(cloud, ("swift",))
        yield Alone(name, cloud.url("swift", f"/v1/AUTH_{PROJECT}"), cloud)
    finally:
        cloud.processes.stop()


@contextmanager
def pair(directory: Path, base: int, releases: tuple[str, str] = ("pike", "")) -> Iterator[tuple[Alone, Alone, Path]]:
    """Two of them, `old` and `new`, and their clouds.yaml; the newest release where none is named."""
    with ExitStack() as stack:
        clouds, made = {}, []
        for number, (name, wanted) in enumerate(zip(("old", "new"), releases, strict=True)):
            wanted = wanted or release.names()[-1]
            one = stack.enter_context(swift(name, wanted, directory / name, base + number * 100))
            auth_url = stack.enter_context(keystone(one.url))
            auth = {"auth_url": auth_url, "username": "admin", "password": "x", "project_name": "shop"}
            domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
            clouds[name] = {"auth": auth | domains, "region_name": "r"}
            made.append(one)
        file = directory / "clouds.yaml"
        file.write_text(json.dumps({"clouds": clouds}))
        yield made[0], made[1], file


def clean(one: Alone) -> None:
    """Everything that the account has is gone, its own metadata, too."""
    shutil.rmtree(one.cloud.state / "swift" / "node" / "d1", ignore_errors=True)
    (one.cloud.state / "swift" / "node" / "d1").mkdir(parents=True)
