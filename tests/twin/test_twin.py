"""A twin of a real cloud, of Pike and of the newest release: what the site has is in it, its secrets are not, and in
the end nothing of it is left."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from naru.actions.databases.server import script
from naru.lab.cloud import Cloud
from naru.lab.infra import mariadb
from naru.lab.lab import Lab
from naru.twin import restore, rows
from naru.twin.clean import Copy
from naru.twin.twin import Twin

from ..lab.scenario import IMAGE, Rest, connect, flavor, image, network, wait
from ..processes import started

SECRET = "nobody-may-read-this"
NAMED = ("keystone", "glance", "nova", "placement", "neutron", "cinder", "mariadb", "rabbitmq")
PORT_BASE = "23000"
SOON = 12.0
"""Seconds after which a command is in the middle of its work."""
USERS = 6
"""The administrator and the services, without Keystone."""


def naru(*words: str, code: int = 0) -> str:
    """What `naru twin` says."""
    program = Path(sys.executable).with_name("naru")
    done = subprocess.run([program, "twin", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def killed(words: list[str], seconds: float) -> None:
    """The command is killed after so long."""
    program = Path(sys.executable).with_name("naru")
    with started([program, "twin", *words], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as begun:
        with suppress(subprocess.TimeoutExpired):
            begun.wait(seconds)
        assert begun.poll() is None
        begun.kill()


def dumped(cloud: Cloud, directory: Path) -> Path:
    """A dump of a cloud's databases, as the step database.dump makes one."""
    at = cloud.at("mariadb")
    environment = {
        **os.environ,
        "NARU_OWN": f"{directory}.own",
        "NARU_DB_HOST": at.address,
        "NARU_DB_PORT": str(at.port),
        "NARU_DB_USER": mariadb.USER,
        "NARU_DB_LOGIN": "",
        "MYSQL_PWD": cloud.secret,
    }
    code = script("client") + script("dump")
    subprocess.run(
        ["sh", "-c", code, "naru", str(directory), "test", *restore.wanted(cloud)], env=environment, check=True
    )
    return directory


def site(cloud: Cloud, directory: Path) -> Path:
    """A site of that release with a host that nobody reaches, and none of the cloud's own."""
    file = directory / "site.yaml"
    file.write_text(
        f"naru_site: 1\nname: seoul\nrelease: '{cloud.release.name}'\nhosts:\n- {{name: ctl1, address: 192.0.2.10}}\n"
    )
    return file


@contextmanager
def a_server(rest: Rest, of: str, on: str) -> Iterator[dict[str, Any]]:
    """A server from an image on a network, with user data that are a secret, while it is wanted."""
    told = base64.b64encode(SECRET.encode()).decode()
    fields = {"name": "shop", "flavorRef": flavor(rest), "imageRef": of, "networks": [{"uuid": on}], "user_data": told}
    made = rest("compute", "POST", "/servers", {"server": fields})["server"]["id"]
    try:
        rest.wait_server(made, "ACTIVE")
        # Pike says so some moments before it says the addresses
        yield wait("addresses", lambda: addressed(rest, made))
    finally:
        rest("compute", "DELETE", f"/servers/{made}")
        rest.gone("compute", f"/servers/{made}")


def addressed(rest: Rest, server: str) -> dict[str, Any] | None:
    """The server, when it has addresses."""
    found: dict[str, Any] = rest("compute", "GET", f"/servers/{server}")["server"]
    return found if found["addresses"] else None


def of_users(server: dict[str, Any]) -> dict[str, Any]:
    """What of a server its user sees, and where it is."""
    return {name: server[name] for name in ("id", "name", "status", "addresses", "OS-EXT-SRV-ATTR:host", "tenant_id")}


@pytest.mark.releases
@pytest.mark.lab
@pytest.mark.parametrize("name", ["old", "new"])
def test_a_twin_has_what_its_site_has_and_none_of_its_secrets(pair: Lab, name: str, tmp_path: Path) -> None:
    cloud = pair.cloud(name)
    rest = Rest(connect(pair, name))
    twin, directory = Twin(tmp_path / "twin"), str(tmp_path / "twin")
    with image(rest) as made, network(rest) as networks, a_server(rest, made, networks["network"]) as server:
        dump = dumped(cloud, tmp_path / "dump")
        try:
            asked = ["up", directory, "--site", str(site(cloud, tmp_path)), "--computes", "2", "--agents", "4"]
            naru(*asked, "--dump", str(tmp_path / "none"), code=2)
            whole = [*asked, "--dump", str(dump), "--port-base", PORT_BASE]
            killed(whole, SOON)
            naru(*whole)
            looked_at(twin, cloud, server, networks)
            # given again it is as it was, and asking for something else is refused
            naru("up", directory)
            naru("up", directory, "--site", str(tmp_path / "site.yaml"), "--computes", "1", code=2)
            assert all(row["healthy"] for row in json.loads(naru("status", directory, "-f", "json")))
            used(twin, server["id"])
        finally:
            ours = twin.cloud().processes if (tmp_path / "twin").exists() else None
            naru("down", directory)
        assert ours is not None and not ours.tree()
        assert not (tmp_path / "twin").exists()
        assert directory not in Path("/proc/mounts").read_text()
        # what was done there was done there alone
        now = rest("compute", "GET", f"/servers/{server['id']}")["server"]
        assert of_users(now) == of_users(server)


def connected(twin: Twin) -> Rest:
    return Rest(Connection(config=OpenStackConfig(config_files=[str(twin.clouds_yaml)]).get_one("twin")))


def looked_at(twin: Twin, source: Cloud, server: dict[str, Any], networks: dict[str, str]) -> None:
    """It has the source's server and network; secrets and ways to the source are not in it."""
    cloud, rest = twin.cloud(), connected(twin)
    found = rest("compute", "GET", f"/servers/{server['id']}")["server"]
    assert of_users(found) == of_users(server)
    assert networks["network"] in {one["id"] for one in rest("network", "GET", "/v2.0/networks")["networks"]}
    states = {
        one["host"]: one["state"] for one in rest("compute", "GET", "/os-services?binary=nova-compute")["services"]
    }
    assert states == dict.fromkeys(source.hosts, "up")
    alive = [one["host"] for one in rest("network", "GET", "/v2.0/agents")["agents"] if one["alive"]]
    assert sorted(alive) == ["network-1", "network-1", "network-2", "network-2"]
    # the password of the source's administrator is nobody's here
    user = {"name": "admin", "domain": {"id": "default"}, "password": source.secret}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    assert requests.post(cloud.url("keystone", "/v3/auth/tokens"), json=body, timeout=60).status_code == 401
    with rows.connected(cloud, "keystone") as connection:
        copy = Copy(connection, restore.wanted(cloud), ["nova", "nova_cell0"])
        assert copy.ask("SELECT COUNT(*) FROM keystone.password") == ((USERS,),)
        assert copy.ask("SELECT COUNT(*) FROM nova.instances WHERE user_data IS NOT NULL") == ((0,),)
        assert copy.left({str(source.at(one)) for one in NAMED}) == []
        assert copy.left({source.secret, SECRET, base64.b64encode(SECRET.encode()).decode()}) == []


def used(twin: Twin, server: str) -> None:
    """A server of the site can be removed there, and another one be made on the fake hosts."""
    rest = connected(twin)
    rest("compute", "DELETE", f"/servers/{server}")
    rest.gone("compute", f"/servers/{server}")
    with image(rest) as made, network(rest) as networks, a_server(rest, made, networks["network"]) as new:
        disk = twin.cloud().state / "nova" / new["OS-EXT-SRV-ATTR:host"] / "instances" / new["id"] / "disk"
        assert disk.read_bytes() == IMAGE
