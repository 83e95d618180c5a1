"""A small site with clusters of three, and what is seen of it while all is whole."""

import copy
from pathlib import Path
from typing import Any

from naru.operate.cluster.order import placed
from naru.operate.cluster.reading import Reading
from naru.site import site as sites
from naru.site.model import Container
from naru.site.site import Site

UUID = "0d6ad5e2-8a4f-11ee-9c7b-3f1d2a5b6c7d"
DBS = ("db1", "db2", "db3")
FAKE = {"user": "naru", "password": {"file": "password"}}
SITE: dict[str, Any] = {
    "naru_site": 1,
    "name": "seoul",
    "cloud": "seoul",
    "release": "pike",
    "hosts": [
        *({"name": name, "power": {"address": f"10.0.9.{number}", **FAKE}} for number, name in enumerate(DBS)),
        {"name": "ctl1"},
        {"name": "compute[1:2]"},
        {"name": "ceph1"},
    ],
    "services": [
        {"name": "keystone", "hosts": "ctl1", "managed": {"unit": "keystone-api.service"}, "port": 5000},
        {"name": "nova-api", "hosts": "ctl1", "managed": {"unit": "nova-api.service"}, "port": 8774},
        {"name": "nova-conductor", "hosts": "ctl1", "managed": {"container": "nova_conductor", "engine": "podman"}},
        {"name": "heat-engine", "hosts": "ctl1", "managed": {"unit": "heat-engine.service"}},
        {"name": "neutron-openvswitch-agent", "hosts": "compute[1:2]", "managed": {"unit": "ovs-agent.service"}},
        {"name": "nova-compute", "hosts": "compute[1:2]", "managed": {"unit": "nova-compute.service"}},
        {"name": "libvirtd", "release": "", "hosts": "compute[1:2]", "managed": {"unit": "libvirtd.service"}},
        {"name": "mariadb", "release": "", "hosts": DBS, "managed": {"unit": "mariadb.service"}},
        {"name": "rabbitmq", "release": "", "hosts": DBS, "managed": {"unit": "rabbitmq-server.service"}},
        {"name": "memcached", "release": "", "hosts": "ctl1", "managed": {"unit": "memcached.service"}},
    ],
    "databases": [{"name": "main", "kind": "galera", "hosts": DBS, "schemas": ["nova", "keystone"], **FAKE}],
    "queues": [{"name": "main", "hosts": DBS, "management": FAKE}],
    "storage": [{"name": "main", "kind": "ceph", "monitors": "ceph1", "osds": "ceph1"}],
}


def site() -> Site:
    return sites.parse(copy.deepcopy(SITE), Path("site.yaml"))


def reading() -> Reading:
    """All whole: one agent does not run, Ceph has a flag, one server has been off."""
    found = site()
    services: dict[str, Any] = {}
    for group, these in placed(found).items():
        for one in these if group else ():
            boxed = isinstance(one.managed, Container)
            unit = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
            services[one.id] = {"Status": "running", "Restart": "unless-stopped"} if boxed else unit
    services["neutron-openvswitch-agent@compute2"] |= {"ActiveState": "inactive", "UnitFileState": "disabled"}
    member = {"component": "Primary", "state": "Synced", "uuid": UUID, "size": 3, "seqno": 4711}
    members = {name: {**member, "directory": "/var/lib/mysql"} for name in DBS}
    up = {"up": True, "status": "enabled", "reason": ""}
    return {
        "naru_cluster_reading": 1,
        "site": "seoul",
        "hosts": {name: {"boot": "b", "power": name in DBS} for name in found.hosts if name != "ceph1"},
        "services": services,
        "databases": {"main": {"kind": "galera", "members": members}},
        "queues": {"main": {"nodes": {f"rabbit@{name}": True for name in DBS}, "split": []}},
        "ceph": {
            "main": {
                "host": "ceph1",
                "health": "HEALTH_OK",
                "checks": [],
                "flags": ["noscrub", "sortbitwise"],
                "osds": 3,
                "up": 3,
                "pgs": {"active+clean": 33},
            }
        },
        "cloud": {
            "services": {
                "nova-compute@compute1": up,
                "nova-compute@compute2": {**up, "status": "disabled", "reason": "x"},
            },
            "servers": [
                server("db-1", "ACTIVE", order={"instanceha:restart_priority": "900"}),
                server("web-1", "ACTIVE"),
                server("amphora-1", "ACTIVE"),
                server("old", "SHUTOFF"),
            ],
        },
    }


def server(name: str, status: str, *, order: dict[str, str] | None = None, task: str | None = None) -> dict[str, Any]:
    found = {"id": f"id-{name}", "name": name, "status": status, "tenant_id": "p", "OS-EXT-STS:task_state": task}
    return {**found, "OS-EXT-SRV-ATTR:host": "compute1", "order": order or {}}
