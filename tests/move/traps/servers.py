"""Traps of Nova, Cinder, Glance and Keystone."""

import uuid
from collections.abc import Mapping
from typing import Any

import openstack.config
from openstack.connection import Connection

from ...lab.scenario import Rest, wait
from ..oracle import Mismatch
from . import PROJECT, Site

MAP: Mapping[str, Any] = {
    "metadata_keys": {"색상": "colour"},
    "volume_types": {"ceph-trap": "ceph"},
}
TOLD: Mapping[str, str] = {
    "a key that Cinder refuses, renamed": "the key 색상 of its metadata becomes colour",
    "a key that Cinder refuses, left": "refuses the key 무게 of its metadata",
    "a description with a line break": "does not take its description as it is; it becomes first second",
    "a server's name with white space at its end": "does not take its name as it is; it becomes trap-spaces",
    "a quota of a type that is mapped": "volumes of several types get the type ceph",
    "a private flavor that is there": "flavor trap-private is private on new",
    "a private image that is there": "image trap-image of new is others' alone",
    "a flavor whose name differs in case": "flavors: Trap-Case is taken for trap-case of new",
    "a role whose name differs in case": "roles: Trap-Role is taken for trap-role of new",
    "a role that implies less there": "role Trap-Role implies Trap-Implied on the old cloud",
    "an image that was deleted since": "server trap-imageless: its image",
    "an image of snapshots": "it names the snapshots of the new cloud",
    "disks that arrive empty": "server trap-scratch: its ephemeral disk of 1 GiB, swap disk of 64 MiB arrives empty",
    "an attachment that Nova does not know": "Cinder says that it is attached to server",
    "multi-factor rules": "user trapper needs more than a password",
    "access from above": "by what is above them",
}
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


def _server(rest: Rest, name: str, flavor: str, **fields: Any) -> str:
    body = {"server": {"name": name, "flavorRef": flavor, "networks": "none", **fields}}
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
    public = _image(old, "trap-image", b"trap" * 1024, visibility="public")
    _server(inside, "trap-private", private, imageRef=public)
    _server(inside, "trap-scratch", scratch, imageRef=public)
    # through the older API, which takes white space around a name
    _rename(site, inside, _server(inside, "trap.example.com", case, imageRef=public))
    gone = _image(inside, "trap-gone", b"gone" * 1024)
    _server(inside, "trap-imageless", case, imageRef=gone)
    inside("image", "DELETE", f"/v2/images/{gone}")
    _volumes(site, inside, case, public)
    _people(site)


def _in_the_way(site: Site) -> None:
    """What the new cloud has already."""
    _flavor(site.new, "trap-private", **{"os-flavor-access:is_public": False})
    _flavor(site.new, "trap-case")
    _image(site.new, "trap-image", b"trap" * 1024, visibility="private")
    site.new("identity", "POST", "/roles", {"role": {"name": "trap-role"}})


def _rename(site: Site, inside: Rest, server: str) -> None:
    named = {"server": {"name": "trap-spaces "}}
    other = site.lab.clouds_yaml  # the endpoint of API 2.0 lies beside that of 2.1
    assert other
    url = inside.session.get_endpoint(service_type="compute", interface="public").replace("/v2.1", "/v2")
    inside.session.request(f"{url}/servers/{server}", "PUT", json=named)


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
    attach = {"os-attach": {"instance_uuid": str(uuid.uuid4()), "mountpoint": "/dev/vdz"}}
    old("volumev3", "POST", f"/volumes/{ghost}/action", attach)
    beside = inside.volume(size=1, name="trap-beside", volume_type="ceph")
    _server(inside, "trap-beside", flavor, imageRef=image, block_device_mapping_v2=[_disk(beside)])
    root = inside.volume(size=1, name="trap-root", volume_type="ceph")
    old("volumev3", "POST", f"/volumes/{root}/action", {"os-set_bootable": {"bootable": True}})
    server = _server(inside, "trap-root", flavor, block_device_mapping_v2=[_disk(root)])
    inside("compute", "POST", f"/servers/{server}/action", {"createImage": {"name": "trap-of-snapshots"}})
    wait("image of snapshots", lambda: _active(inside, "trap-of-snapshots"))


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
    typed = _named(old, "volumev3", "/types?is_public=None", "volume_types", "ceph-trap")
    old("volumev3", "DELETE", f"/types/{typed}")
    for rest in (old, new):
        for service, path, collection in (
            ("compute", "/flavors/detail?is_public=None", "flavors"),
            ("image", "/v2/images", "images"),
            ("identity", "/users", "users"),
            ("identity", "/roles", "roles"),
        ):
            for one in rest(service, "GET", path)[collection]:
                if one["name"].lower().startswith("trap-"):
                    rest(service, "DELETE", f"{path.partition('?')[0].removesuffix('/detail')}/{one['id']}")


def explained(found: Mismatch) -> str:
    """Why a difference is as it should be."""
    where = (found.kind, found.name.strip(), found.field.partition(".")[0])
    if where == ("volume", "trap-ghost", "metadata"):
        return "a key is renamed, another one left"
    if found.kind in ("volume", "volume_attachment") and "trap-ghost" in f"{found.name} {found.old}":
        return "nobody has it attached"
    if where[:2] == ("snapshot", "trap-snapshot") and where[2] == "description":
        return "a line break became a blank"
    if where[:2] == ("server", "trap-spaces") and where[2] == "name":
        return "white space at the end is refused"
    if where[:2] == ("image", "trap-of-snapshots"):
        return "it names the snapshots of the new cloud" if where[2] in ("disk_format", "block_device_mapping") else ""
    if found.kind == "flavor" and found.name.lower().startswith("trap-"):
        return "matched by name"
    return ""
