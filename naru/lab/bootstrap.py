"""What a new cloud needs before anybody can use it: catalogue, service users, roles, volume types, flavors, the
external networks, and one unprivileged identity."""

import ipaddress
from concurrent.futures import ThreadPoolExecutor

from naru.lab import services
from naru.lab.api import Api
from naru.lab.cloud import Cloud

# RFC 2544's ranges: shared by all clouds of a lab, routed nowhere
EXTERNAL_CIDR, PARTNER_CIDR = "198.18.0.0/20", "198.19.0.0/20"
# the physical network and the range of each external network
EXTERNAL_NETWORKS = {"public": ("external", EXTERNAL_CIDR), "partner": ("partner", PARTNER_CIDR)}
VOLUME_TYPES = ("ceph", "nfs")
ROLES = ("member", "reader", "service", "creator", "swiftoperator", "load-balancer_member")
# name, MiB of memory, vcpus, GiB of disk
FLAVORS = (("m1.nano", 64, 1, 1), ("m1.tiny", 512, 1, 1), ("m1.small", 2048, 1, 20), ("m1.medium", 4096, 2, 40))
USER, PROJECT = "demo", "demo"


def resources(cloud: Cloud) -> None:
    """Makes volume types, flavors and the network; what is there already is left alone. Needs all APIs up."""
    api = Api(cloud)
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(step, cloud, api) for step in (_volume_types, _flavors, _networks)]:
            job.result()


def identity(cloud: Cloud) -> None:
    """Registers roles, users and the catalogue; what is there already is left alone. Needs Keystone up."""
    api = Api(cloud)
    roles = {name: api.ensure("keystone", "/roles", "role", {"name": name})["id"] for name in ROLES}
    roles["admin"] = api.ensure("keystone", "/roles", "role", {"name": "admin"})["id"]
    project = api.ensure("keystone", "/projects", "project", {"name": "service", "domain_id": "default"})
    for name in cloud.services:
        module = services.module(name)
        for domain in getattr(module, "DOMAINS", ()):
            api.ensure("keystone", "/domains", "domain", {"name": domain})
        if name == "keystone" or name not in cloud.apis:
            continue
        user = _user(api, cloud, name)
        for role in ("admin", "service"):
            api("keystone", "PUT", f"/projects/{project['id']}/users/{user}/roles/{roles[role]}")
        entries = module.catalog(cloud) if hasattr(module, "catalog") else module.CATALOG
        for kind, service_name, path in entries:
            body = {"type": kind, "name": service_name}
            service = api.ensure("keystone", "/services", "service", body, type=kind)["id"]
            for interface in ("public", "internal", "admin"):
                endpoint = {
                    "service_id": service,
                    "interface": interface,
                    "region_id": cloud.region,
                    "url": cloud.url(name, path),
                }
                api.ensure("keystone", "/endpoints", "endpoint", endpoint, service_id=service, interface=interface)
    demo = api.ensure("keystone", "/projects", "project", {"name": PROJECT, "domain_id": "default"})["id"]
    user = _user(api, cloud, USER)
    for role in ("member", *user_roles(cloud)):
        api("keystone", "PUT", f"/projects/{demo}/users/{user}/roles/{roles[role]}")


def user_roles(cloud: Cloud) -> tuple[str, ...]:
    """The roles, besides `member`, that somebody needs to use all of the cloud's services."""
    modules = [services.module(name) for name in cloud.services]
    return tuple(role for module in modules for role in getattr(module, "USER_ROLES", ()))


def _user(api: Api, cloud: Cloud, name: str) -> str:
    body = {"name": name, "password": cloud.secret, "domain_id": "default"}
    return str(api.ensure("keystone", "/users", "user", body)["id"])


def _volume_types(cloud: Cloud, api: Api) -> None:
    for name in cloud.backends:
        body = {"name": name, "extra_specs": {"volume_backend_name": name}}
        api.ensure("cinder", "/types", "volume_type", body)


def _flavors(cloud: Cloud, api: Api) -> None:
    existing = {flavor["name"] for flavor in api("nova", "GET", "/flavors")["flavors"]}
    for name, memory, vcpus, disk in FLAVORS:
        if name not in existing:
            body = {"name": name, "ram": memory, "vcpus": vcpus, "disk": disk}
            api("nova", "POST", "/flavors", {"flavor": body})


def _networks(cloud: Cloud, api: Api) -> None:
    for name, (physical, cidr) in EXTERNAL_NETWORKS.items():
        described = {"provider:network_type": "flat", "provider:physical_network": physical}
        network = api.ensure("neutron", "/networks", "network", {"name": name, "router:external": True, **described})
        base = ipaddress.IPv4Network(cidr)[0]
        first, last = (
            base + (int(ipaddress.IPv4Address(address)) - int(ipaddress.IPv4Network(EXTERNAL_CIDR)[0]))
            for address in (cloud.first_address, cloud.last_address)
        )
        subnet = {
            "name": f"{name}-v4",
            "network_id": network["id"],
            "ip_version": 4,
            "cidr": cidr,
            "gateway_ip": str(base + 1),
            "enable_dhcp": False,
            "allocation_pools": [{"start": str(first), "end": str(last)}],
        }
        api.ensure("neutron", "/subnets", "subnet", subnet)
