"""Traps of Nova, Cinder, Glance and Keystone."""

import json
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

import openstack.config
from openstack.connection import Connection

from ...lab.scenario import Rest, wait
from ..oracle import Mismatch
from ..oracle.read import Cloud as Read
from . import PROJECT, Site

MAP: Mapping[str, Any] = {
    "metadata_keys": {"색상": "colour"},
    "volume_types": {"ceph-trap": "ceph"},
    "image_formats": {"trap-label": "raw", "trap-mbr": "leave"},
    "server_groups": {"trap-apart": "soft-anti-affinity"},
}
WRONG: Mapping[str, Any] = {"volume_types": {"ceph-trap": "trap-encrypted"}}
REFUSED: Mapping[str, str] = {
    "an encrypted type and content past Cinder": "the type trap-encrypted of new is encrypted",
    "data that is not what it says": "it says qcow2 and its data is raw, which Glance refuses",
    "partitions that Glance refuses": "Glance refuses its partition table",
    "a group larger than the cloud": "2 servers are to be on different hosts, and new has 1",
}
TOLD: Mapping[str, str] = {
    "a key that Cinder refuses, renamed": "the key 색상 of its metadata becomes colour",
    "a key that Cinder refuses, left": "refuses the key 무게 of its metadata",
    "a description with a line break": "does not take its description as it is; it becomes first second",
    "a quota of a type that is mapped": "volumes of several types get the type ceph",
    "a private flavor that is there": "flavor trap-private is private on new",
    "a private image that is there": "image trap-image of new is others' alone",
    "a flavor whose name differs in case": "flavors: Trap-Case is taken for trap-case of new",
    "a role whose name differs in case": "roles: Trap-Role is taken for trap-role of new",
    "a user whose name differs in case": "user Trap-Aide: trap-aide of new is taken for the same",
    "a group whose name differs in case": "group Trap-Team: trap-team of new is taken for the same",
    "a domain whose name differs in case": "domains: Trap-Domain is taken for trap-domain of new",
    "a role that implies less there": "role Trap-Role implies Trap-Implied on the old cloud",
    "an image that was deleted since": "server trap-imageless: its image",
    "an image of snapshots": "it names the snapshots of the new cloud",
    "disks that arrive empty": "server trap-scratch: its ephemeral disk of 1 GiB, swap disk of 64 MiB arrives empty",
    "an attachment that Nova does not know": "Cinder says that it is attached to server",
    "multi-factor rules": "user trapper needs more than a password",
    "access from above, of somebody who is not moved": "user trap-chief is Trap-Implied on traps by what is above",
    "access from above that is kept": "on traps by what is above them: it is given on these themselves",
    "data that is not what it says": "image trap-label: its data is raw; its disk_format becomes raw",
    "partitions that Glance refuses": "the map leaves it",
    "a volume of a server that is left": "volume trap-kept is moved, and its server is not",
}
_PROPERTIES = {"hw_firmware_type": "bios", "img_hide_hypervisor_id": "true", "os_secure_boot": "disabled"}
"""Of the image that servers are booted from: what their disk is used with."""
_FLAVOR = {"ram": 64, "vcpus": 1, "disk": 1}
_MEMBER = "trapper-of-old"


def _inside(site: Site) -> Rest:
    """The old cloud, as the project's user."""
    file = openstack.config.OpenStackConfig(config_files=[str(site.lab.clouds_yaml)])
    url = file.get_one("old").config["auth"]["auth_url"]
    who = {"username": "trapper", "password": _MEMBER, "project_name": PROJECT}
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    return Rest(Connection(auth={"auth_url": url, **who, **domains}, region_name=file.get_one("old").region_name))


def _named(rest: Rest, service: str, path: str, collection: str, name: str) -> str:
    return next(str(one["id"]) for one in rest(service, "GET", path)[collection] if one["name"] == name)


def _image(rest: Rest, name: str, data: bytes, **fields: Any) -> str:
    body = {"name": name, "disk_format": "raw", "container_format": "bare", **fields}
    image = str(rest("image", "POST", "/v2/images", body)["id"])
    rest.session.request(
        f"/v2/images/{image}/file",
        "PUT",
        data=data,
        headers={"Content-Type": "application/octet-stream"},
        endpoint_filter={"service_type": "image", "interface": "public"},
    )
    return image


def _flavor(rest: Rest, name: str, **fields: Any) -> str:
    return str(rest("compute", "POST", "/flavors", {"flavor": {"name": name, **_FLAVOR, **fields}})["flavor"]["id"])


def _server(rest: Rest, name: str, flavor: str, group: str = "", **fields: Any) -> str:
    body: dict[str, Any] = {"server": {"name": name, "flavorRef": flavor, "networks": "none", **fields}}
    if group:
        body["os:scheduler_hints"] = {"group": group}
    answer = rest.session.request(
        "/servers",
        "POST",
        json=body,
        microversion="2.53",
        endpoint_filter={"service_type": "compute", "interface": "public"},
    )
    server = str(answer.json()["server"]["id"])
    rest.wait_server(server, "ACTIVE")
    return server


def _disk(volume: str, **fields: Any) -> dict[str, Any]:
    return {"uuid": volume, "source_type": "volume", "destination_type": "volume", "boot_index": 0, **fields}


def make(site: Site) -> None:
    """The traps, each with a name that says which."""
    old, inside = site.old, _inside(site)
    _in_the_way(site)
    private = _flavor(old, "trap-private", **{"os-flavor-access:is_public": False})
    access = {"addTenantAccess": {"tenant": site.project}}
    old("compute", "POST", f"/flavors/{private}/action", access)
    case = _flavor(old, "Trap-Case")
    scratch = _flavor(old, "trap-scratch", **{"OS-FLV-EXT-DATA:ephemeral": 1, "swap": 64})
    public = _image(old, "trap-image", b"trap" * 1024, visibility="public", **_PROPERTIES)
    apart = {"name": "trap-apart", "policies": ["anti-affinity"]}
    group = inside("compute", "POST", "/os-server-groups", {"server_group": apart})["server_group"]["id"]
    _server(inside, "trap-private", private, group, imageRef=public)
    _server(inside, "trap-scratch", scratch, group, imageRef=public)
    _server(inside, "trap.example.com", case, imageRef=public)
    gone = _image(inside, "trap-gone", b"gone" * 1024)
    _server(inside, "trap-imageless", case, imageRef=gone)
    inside("image", "DELETE", f"/v2/images/{gone}")
    _image(inside, "trap-label", b"text" * 1024, disk_format="qcow2")
    _image(inside, "trap-mbr", bytes(510) + b"\x55\xaa")
    _volumes(site, inside, case, public)
    _people(site)


def _in_the_way(site: Site) -> None:
    """What the new cloud has already."""
    _flavor(site.new, "trap-private", **{"os-flavor-access:is_public": False})
    _flavor(site.new, "trap-case")
    _image(site.new, "trap-image", b"trap" * 1024, visibility="private")
    site.new("identity", "POST", "/roles", {"role": {"name": "trap-role"}})
    site.new("identity", "POST", "/users", {"user": {"name": "trap-aide", "domain_id": "default"}})
    site.new("identity", "POST", "/groups", {"group": {"name": "trap-team", "domain_id": "default"}})
    site.new("identity", "POST", "/domains", {"domain": {"name": "trap-domain"}})
    typed = site.new("volumev3", "POST", "/types", {"volume_type": {"name": "trap-encrypted"}})["volume_type"]["id"]
    luks = {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256}
    site.new("volumev3", "POST", f"/types/{typed}/encryption", {"encryption": luks})
    _one_host(site, "disable")


def _one_host(site: Site, change: str) -> None:
    """Disables all hosts of the new cloud but one, or enables them again."""
    hosts = [one["host"] for one in site.new("compute", "GET", "/os-services?binary=nova-compute")["services"]]
    for host in sorted(hosts)[1:]:
        site.new("compute", "PUT", f"/os-services/{change}", {"binary": "nova-compute", "host": host})


def _volumes(site: Site, inside: Rest, flavor: str, image: str) -> None:
    old = site.old
    typed = old("volumev3", "POST", "/types", {"volume_type": {"name": "ceph-trap"}})["volume_type"]["id"]
    ceph = _named(old, "volumev3", "/types?is_public=None", "volume_types", "ceph")
    specs = old("volumev3", "GET", f"/types/{ceph}/extra_specs")["extra_specs"]
    old("volumev3", "POST", f"/types/{typed}/extra_specs", {"extra_specs": specs})
    limits = {"volumes_ceph-trap": 5, "gigabytes_ceph-trap": 50}
    old("volumev3", "PUT", f"/os-quota-sets/{site.project}", {"quota_set": limits})
    marked = {"색상": "red", "무게": "1 kg", "kept": "yes"}
    ghost = inside.volume(size=1, name="trap-ghost", volume_type="ceph-trap", metadata=marked)
    body = {"volume_id": ghost, "name": "trap-snapshot", "description": "first\nsecond"}
    snapshot = inside("volumev3", "POST", "/snapshots", {"snapshot": body})["snapshot"]["id"]
    wait("snapshot", lambda: inside("volumev3", "GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "available")
    named = {
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": snapshot,
        "device_name": "/dev/vdx",
    }
    _image(inside, "trap-named", b"name" * 1024, block_device_mapping=json.dumps([named]))
    attach = {"os-attach": {"instance_uuid": str(uuid.uuid4()), "mountpoint": "/dev/vdz"}}
    old("volumev3", "POST", f"/volumes/{ghost}/action", attach)
    beside = inside.volume(size=1, name="trap-beside", volume_type="ceph")
    _server(inside, "trap-beside", flavor, imageRef=image, block_device_mapping_v2=[_disk(beside)])
    kept = inside.volume(size=1, name="trap-kept", volume_type="ceph")
    broken = _server(inside, "trap-broken", flavor, imageRef=image)
    attached = {"volumeAttachment": {"volumeId": kept}}
    inside("compute", "POST", f"/servers/{broken}/os-volume_attachments", attached)
    inside.wait_volume(kept, "in-use")
    old("compute", "POST", f"/servers/{broken}/action", {"os-resetState": {"state": "error"}})
    # its guest has put an image of another machine on it, which makes it no qcow2 file
    looks = inside.volume(size=1, name="trap-looks", volume_type="nfs")
    file = site.lab.cloud("old").nfs_export / f"volume-{looks}"
    with file.open("r+b") as content:
        content.write(_qcow2(site))
    root = inside.volume(size=1, name="trap-root", volume_type="ceph")
    old("volumev3", "POST", f"/volumes/{root}/action", {"os-set_bootable": {"bootable": True}})
    server = _server(inside, "trap-root", flavor, block_device_mapping_v2=[_disk(root)])
    inside("compute", "POST", f"/servers/{server}/action", {"createImage": {"name": "trap-of-snapshots"}})
    wait("image of snapshots", lambda: _active(inside, "trap-of-snapshots"))


def _qcow2(site: Site) -> bytes:
    """An empty image in the format qcow2."""
    file = site.lab.cloud("old").state / "tmp" / "trap.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), "2G"], check=True)
    return file.read_bytes()


def _active(rest: Rest, name: str) -> bool:
    return any(one["status"] == "active" for one in rest("image", "GET", f"/v2/images?name={name}")["images"])


def _people(site: Site) -> None:
    old = site.old

    def role(name: str) -> str:
        return str(old("identity", "POST", "/roles", {"role": {"name": name}})["role"]["id"])

    prior, implied = role("Trap-Role"), role("Trap-Implied")
    old("identity", "PUT", f"/roles/{prior}/implies/{implied}")
    old("identity", "PUT", f"/projects/{site.project}/users/{site.user}/roles/{prior}")
    chief = {"name": "trap-chief", "domain_id": "default"}
    above = old("identity", "POST", "/users", {"user": chief})["user"]["id"]
    path = f"/OS-INHERIT/domains/default/users/{above}/roles/{implied}/inherited_to_projects"
    old("identity", "PUT", path)
    old("identity", "PUT", path.replace(above, site.user))
    team = old("identity", "POST", "/groups", {"group": {"name": "Trap-Team", "domain_id": "default"}})["group"]["id"]
    old("identity", "PUT", f"/projects/{site.project}/groups/{team}/roles/{implied}")
    domain = old("identity", "POST", "/domains", {"domain": {"name": "Trap-Domain"}})["domain"]["id"]
    for name, where in (("Trap-Aide", "default"), ("trap-guest", domain)):
        one = old("identity", "POST", "/users", {"user": {"name": name, "domain_id": where}})["user"]["id"]
        old("identity", "PUT", f"/projects/{site.project}/users/{one}/roles/{implied}")
    rules = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
    old("identity", "PATCH", f"/users/{site.user}", {"user": {"options": rules}})


def remove(site: Site) -> None:
    """All of it, from both clouds."""
    old, new = site.old, site.new
    for one in old("compute", "GET", f"/servers/detail?all_tenants=1&project_id={site.project}")["servers"]:
        old("compute", "DELETE", f"/servers/{one['id']}")
        old.gone("compute", f"/servers/{one['id']}")
    for one in old("image", "GET", f"/v2/images?owner={site.project}")["images"]:
        old("image", "DELETE", f"/v2/images/{one['id']}")
    listing = f"all_tenants=1&project_id={site.project}"
    for one in old("volumev3", "GET", f"/snapshots/detail?{listing}")["snapshots"]:
        old("volumev3", "DELETE", f"/snapshots/{one['id']}")
        old.gone("volumev3", f"/snapshots/{one['id']}")
    for one in old("volumev3", "GET", f"/volumes/detail?{listing}")["volumes"]:
        if one["status"] == "in-use":
            old("volumev3", "POST", f"/volumes/{one['id']}/action", {"os-force_detach": {}})
        old("volumev3", "DELETE", f"/volumes/{one['id']}")
        old.gone("volumev3", f"/volumes/{one['id']}")
    old("volumev3", "DELETE", f"/os-quota-sets/{site.project}")
    for one in old("compute", "GET", "/os-server-groups?all_projects=1")["server_groups"]:
        if one["name"] == "trap-apart":
            old("compute", "DELETE", f"/os-server-groups/{one['id']}")
    _one_host(site, "enable")
    for rest, name in ((old, "ceph-trap"), (new, "trap-encrypted")):
        typed = _named(rest, "volumev3", "/types?is_public=None", "volume_types", name)
        rest("volumev3", "DELETE", f"/types/{typed}")
    for rest in (old, new):
        for one in rest("identity", "GET", "/domains")["domains"]:
            if one["name"].lower() == "trap-domain":
                rest("identity", "PATCH", f"/domains/{one['id']}", {"domain": {"enabled": False}})
                rest("identity", "DELETE", f"/domains/{one['id']}")
        for service, path, collection in (
            ("compute", "/flavors/detail?is_public=None", "flavors"),
            ("image", "/v2/images", "images"),
            ("identity", "/users", "users"),
            ("identity", "/groups", "groups"),
            ("identity", "/roles", "roles"),
        ):
            for one in rest(service, "GET", path)[collection]:
                if one["name"].lower().startswith("trap-"):
                    rest(service, "DELETE", f"{path.partition('?')[0].removesuffix('/detail')}/{one['id']}")


def check(site: Site, before: Read, after: Read) -> None:
    """What the oracle does not look at: what the disks of servers are used with, the snapshot that an image names, and
    the content that looks like a qcow2 file."""
    (server,) = [one for one in after["server"].values() if one["name"] == "trap-private"]
    image = after["image"][server["image"]["id"]]
    assert {name: image.get(name) for name in _PROPERTIES} == _PROPERTIES
    (named,) = [one for one in after["image"].values() if one["name"] == "trap-named"]
    (disk,) = json.loads(named["block_device_mapping"])
    assert after["snapshot"][disk["snapshot_id"]]["name"] == "trap-snapshot" and disk["device_name"] == "/dev/vdx"
    content = []
    for name, read in (("old", before), ("new", after)):
        (volume,) = [one["id"] for one in read["volume"].values() if one["name"] == "trap-looks"]
        with (site.lab.cloud(name).nfs_export / f"volume-{volume}").open("rb") as file:
            content.append(file.read(1 << 20))
    assert content[0] == content[1] and content[0].startswith(b"QFI\xfb")


def explained(found: Mismatch) -> str:
    """Why a difference is as it should be."""
    for kinds, text, why in _EXPLAINED:
        if found.kind in kinds and text in f"{found.name} {found.old} {found.new}":
            return why
    where = (found.kind, found.name, found.field.partition(".")[0])
    return _FIELDS.get(where, "")


_EXPLAINED = (
    (("role", "role_assignment", "server"), "Trap-Role", "a name that differs in case"),
    (("role_assignment",), "trap-role trapper", "a name that differs in case"),
    (("user", "role_assignment"), "Trap-Aide", "a name that differs in case"),
    (("user", "role_assignment"), "trap-aide", "a name that differs in case"),
    (("group", "role_assignment"), "Trap-Team", "a name that differs in case"),
    (("group", "role_assignment"), "trap-team", "a name that differs in case"),
    (("user", "role_assignment"), "trap-guest", "the domain's name differs in case"),
    (("flavor", "server"), "Trap-Case", "a name that differs in case"),
    (("user", "role_assignment"), "trap-chief", "from above, and not moved"),
    (("role_assignment",), "Trap-Implied trapper", "from above: on the project itself"),
    (("volume_type",), "ceph-trap", "mapped"),
    (("volume", "volume_attachment"), "trap-ghost", "nobody has it attached; a key is renamed, another one left"),
    (("server", "server_volume", "volume_attachment"), "trap-broken", "it is in ERROR"),
    (("image",), "'deleted-", "stands in for an image that was deleted"),
    (("image",), "trap-mbr", "left by the map"),
)
"""Kinds, what one of the names or values has in it, and why it differs."""
_FIELDS = {
    ("snapshot", "trap-snapshot", "description"): "a line break became a blank",
    ("image", "trap-of-snapshots", "disk_format"): "without data it is raw",
    ("image", "trap-of-snapshots", "block_device_mapping"): "it names the snapshots of the new cloud",
    ("image", "trap-named", "block_device_mapping"): "it names the snapshot of the new cloud",
    ("image", "trap-label", "disk_format"): "as its data is",
    ("server_group", "trap-apart", "policy"): "the new cloud has one host",
    ("flavor", "trap-private", "id"): "matched by name",
    ("volume", "trap-kept", "attachments"): "its server is left",
    ("volume", "trap-kept", "status"): "its server is left",
}
