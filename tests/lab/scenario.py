"""What a cloud has to do, whatever its release: as an ordinary member, through the APIs, with real bytes."""

import contextlib
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import openstack
from openstack.connection import Connection

from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.spec import LabSpec

IMAGE = os.urandom(1 << 20) * 2


def ignore(*_: object) -> None:
    """A progress callback for tests."""


def come_up(lab: Lab, wanted: LabSpec) -> None:
    """Brings up a new lab, of which nothing is left where it fails; or the one that is there, which stays."""
    if lab.exists():
        lab.up(None, ignore, ignore)
        return
    try:
        lab.up(wanted, ignore, ignore)
    except BaseException:
        if lab.exists():
            lab.down()
        raise


def processes_of(lab: Lab) -> dict[str, list[int]]:
    """Every live process that carries the mark of one of the lab's clouds, by cloud."""
    return {
        cloud.name: [process.pid for found in cloud.processes.tree().values() for process in found]
        for cloud in lab.clouds()
    }


def connect(lab: Lab, name: str) -> Connection:
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    return Connection(config=config.get_one(name))


def wait(what: str, ready: Callable[[], Any], timeout: float = 240) -> Any:
    deadline = time.monotonic() + timeout
    while not (answer := ready()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.5)
    return answer


class Rest:
    """Raw calls: what the tests say of a cloud is what its API answers, whatever a client library makes of it."""

    def __init__(self, connection: Connection) -> None:
        self.session = connection.session
        self.project = connection.session.get_project_id()

    def __call__(self, service: str, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(
            path, method, json=body, endpoint_filter={"service_type": service, "interface": "public"}
        )
        return answer.json() if answer.content else None

    def volume(self, **fields: Any) -> str:
        volume = str(self("volumev3", "POST", "/volumes", {"volume": fields})["volume"]["id"])
        self.wait_volume(volume, "available")
        return volume

    def wait_volume(self, volume: str, status: str) -> dict[str, Any]:
        def reached() -> Any:
            found = self("volumev3", "GET", f"/volumes/{volume}")["volume"]
            assert not found["status"].startswith("error"), found
            return found if found["status"] == status else None

        return dict(wait(f"volume {status}", reached))

    def wait_server(self, server: str, status: str) -> dict[str, Any]:
        def reached() -> Any:
            found = self("compute", "GET", f"/servers/{server}")["server"]
            assert found["status"] != "ERROR", found.get("fault")
            task = found["OS-EXT-STS:task_state"]
            return found if found["status"] == status and task is None else None

        return dict(wait(f"server {status}", reached))

    def gone(self, service: str, path: str) -> None:
        def absent() -> bool:
            endpoint = {"service_type": service, "interface": "public"}
            return self.session.request(path, "GET", endpoint_filter=endpoint, raise_exc=False).status_code == 404

        wait(f"{path} gone", absent)


@contextlib.contextmanager
def network(rest: Rest) -> Iterator[dict[str, str]]:
    """A routed network with the subnet 10.9.0.0/24; ids by kind, `public` the external network's."""

    def create(kind: str, **fields: Any) -> str:
        return str(rest("network", "POST", f"/v2.0/{kind}s", {kind: fields})[kind]["id"])

    (public,) = rest("network", "GET", "/v2.0/networks?name=public")["networks"]
    made = {"public": str(public["id"]), "network": create("network", name="t")}
    made["subnet"] = create("subnet", network_id=made["network"], ip_version=4, cidr="10.9.0.0/24")
    made["router"] = create("router", name="t", external_gateway_info={"network_id": made["public"]})
    rest("network", "PUT", f"/v2.0/routers/{made['router']}/add_router_interface", {"subnet_id": made["subnet"]})
    yield made
    rest("network", "PUT", f"/v2.0/routers/{made['router']}/remove_router_interface", {"subnet_id": made["subnet"]})
    rest("network", "DELETE", f"/v2.0/routers/{made['router']}")
    rest("network", "DELETE", f"/v2.0/networks/{made['network']}")


@contextlib.contextmanager
def image(rest: Rest) -> Iterator[str]:
    """A private raw image that holds IMAGE."""
    fields = {"name": "t", "disk_format": "raw", "container_format": "bare"}
    made = str(rest("image", "POST", "/v2/images", fields)["id"])
    rest.session.put(
        f"/v2/images/{made}/file",
        data=IMAGE,
        headers={"Content-Type": "application/octet-stream"},
        endpoint_filter={"service_type": "image", "interface": "public"},
    )
    assert rest("image", "GET", f"/v2/images/{made}")["status"] == "active"
    yield made
    rest("image", "DELETE", f"/v2/images/{made}")


def flavor(rest: Rest) -> str:
    flavors = rest("compute", "GET", "/flavors")["flavors"]
    return next(str(found["id"]) for found in flavors if found["name"] == "m1.nano")


def content(cloud: Cloud, backend: str, volume: str) -> bytes:
    """The first bytes of a volume, read at the backend without OpenStack."""
    if backend == "ceph":
        conf = cloud.ceph.conf("admin")
        argv = ["rbd", "-c", str(conf), "--no-progress", "export", f"volumes/volume-{volume}", "-"]
        return subprocess.run(argv, check=True, capture_output=True).stdout[: len(IMAGE)]
    return (cloud.nfs_export / f"volume-{volume}").read_bytes()[: len(IMAGE)]


def server_on_a_volume(cloud: Cloud, rest: Rest, backend: str, network: dict[str, str], image: str) -> None:
    """The life of a server on a volume of `backend`, from its image to nothing left."""
    root = rest.volume(size=1, volume_type=backend, imageRef=image, name="root")
    assert content(cloud, backend, root) == IMAGE
    data = rest.volume(size=1, volume_type=backend, name="data")
    fixed = [{"subnet_id": network["subnet"], "ip_address": "10.9.0.77" if backend == "ceph" else "10.9.0.78"}]
    port = rest("network", "POST", "/v2.0/ports", {"port": {"network_id": network["network"], "fixed_ips": fixed}})
    port_id = port["port"]["id"]
    mapping = {"uuid": root, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    body = {
        "name": f"on-{backend}",
        "flavorRef": flavor(rest),
        "networks": [{"port": port_id}],
        "block_device_mapping_v2": [mapping],
    }
    server = str(rest("compute", "POST", "/servers", {"server": body})["server"]["id"])
    rest.wait_server(server, "ACTIVE")
    wait("port ACTIVE", lambda: rest("network", "GET", f"/v2.0/ports/{port_id}")["port"]["status"] == "ACTIVE", 30)

    floating = {"floating_network_id": network["public"], "port_id": port_id}
    address = rest("network", "POST", "/v2.0/floatingips", {"floatingip": floating})["floatingip"]
    assert address["fixed_ip_address"] == fixed[0]["ip_address"]

    rest("compute", "POST", f"/servers/{server}/os-volume_attachments", {"volumeAttachment": {"volumeId": data}})
    rest.wait_volume(data, "in-use")
    rest("compute", "POST", f"/servers/{server}/action", {"os-stop": None})
    rest.wait_server(server, "SHUTOFF")
    rest("compute", "POST", f"/servers/{server}/action", {"os-start": None})
    rest.wait_server(server, "ACTIVE")

    # a snapshot of an attached volume: on NFS Cinder asks Nova's driver for it
    snapshot = rest("volumev3", "POST", "/snapshots", {"snapshot": {"volume_id": data, "force": True}})["snapshot"]
    path = f"/snapshots/{snapshot['id']}"
    wait("snapshot", lambda: rest("volumev3", "GET", path)["snapshot"]["status"] == "available")
    rest("volumev3", "DELETE", path)
    rest.gone("volumev3", path)

    rest("compute", "DELETE", f"/servers/{server}/os-volume_attachments/{data}")
    rest.wait_volume(data, "available")
    backup = rest("volumev3", "POST", "/backups", {"backup": {"volume_id": data}})["backup"]
    path = f"/backups/{backup['id']}"
    wait("backup", lambda: rest("volumev3", "GET", path)["backup"]["status"] == "available")
    rest("volumev3", "DELETE", path)
    rest.gone("volumev3", path)

    rest("network", "DELETE", f"/v2.0/floatingips/{address['id']}")
    rest("compute", "DELETE", f"/servers/{server}")
    rest.gone("compute", f"/servers/{server}")
    rest("network", "DELETE", f"/v2.0/ports/{port_id}")
    for volume in (root, data):
        rest.wait_volume(volume, "available")
        rest("volumev3", "DELETE", f"/volumes/{volume}")
        rest.gone("volumev3", f"/volumes/{volume}")


def create_image(rest: Rest, network: dict[str, str], image: str) -> None:
    """createImage of a server on an image uploads the bytes of its disk."""
    body = {
        "name": "on-image",
        "flavorRef": flavor(rest),
        "imageRef": image,
        "networks": [{"uuid": network["network"]}],
    }
    server = str(rest("compute", "POST", "/servers", {"server": body})["server"]["id"])
    rest.wait_server(server, "ACTIVE")
    rest("compute", "POST", f"/servers/{server}/action", {"createImage": {"name": "copy"}})
    copy = wait("image", lambda: rest("image", "GET", "/v2/images?name=copy&status=active")["images"])[0]
    endpoint = {"service_type": "image", "interface": "public"}
    data = rest.session.get(f"/v2/images/{copy['id']}/file", endpoint_filter=endpoint).content
    assert hashlib.sha256(data).digest() == hashlib.sha256(IMAGE).digest()
    rest.wait_server(server, "ACTIVE")
    rest("image", "DELETE", f"/v2/images/{copy['id']}")
    rest("compute", "DELETE", f"/servers/{server}")
    rest.gone("compute", f"/servers/{server}")


# what is listed to compare a cloud before and after
COLLECTIONS = (
    ("identity", "/projects", "projects"),
    ("identity", "/users", "users"),
    ("identity", "/groups", "groups"),
    ("identity", "/role_assignments", "role_assignments"),
    ("compute", "/servers/detail?all_tenants=1", "servers"),
    ("compute", "/os-server-groups?all_projects=1", "server_groups"),
    ("compute", "/flavors/detail?is_public=None", "flavors"),
    ("volumev3", "/volumes/detail?all_tenants=1", "volumes"),
    ("volumev3", "/snapshots/detail?all_tenants=1", "snapshots"),
    ("volumev3", "/backups/detail?all_tenants=1", "backups"),
    ("volumev3", "/types?is_public=None", "volume_types"),
    ("image", "/v2/images?limit=500", "images"),
    *(
        ("network", f"/v2.0/{path}", path.rpartition("/")[2].replace("-", "_"))
        for path in ("networks", "subnets", "ports", "routers", "floatingips", "security-groups", "trunks")
    ),
    *(
        ("network", f"/v2.0/{path}", path.rpartition("/")[2].replace("-", "_"))
        for path in ("security-group-rules", "subnetpools", "address-scopes", "qos/policies", "rbac-policies")
    ),
)
# what changes by itself
RESTLESS = {"updated_at", "updated", "links", "progress", "self", "schema", "file", "OS-EXT-STS:task_state", "hostId"}


def census(lab: Lab, name: str) -> dict[str, dict[str, Any]]:
    """Everything in the cloud as its APIs tell it, by kind and id. Without the
    group `default` of no project, which Neutron makes for the gateway ports of routers and keeps."""
    rest = Rest(connect(lab, name))
    found = {}
    for service, path, collection in COLLECTIONS:
        items = rest(service, "GET", path)[collection]
        found[collection] = {
            item.get("id") or json.dumps(item, sort_keys=True): {
                key: value for key, value in item.items() if key not in RESTLESS
            }
            for item in items
            if not (collection.startswith("security_group") and not item["tenant_id"])
        }
    return found
