"""What services are called: the names of programs, units and containers, as packages, Kolla and others have them, as
the one name that a site uses."""

import re

_PROJECTS = """
    adjutant aodh barbican blazar ceilometer cinder cloudkitty congress cyborg designate freezer glance gnocchi heat
    horizon ironic keystone magnum manila masakari mistral monasca murano neutron nova octavia panko placement sahara
    searchlight senlin skyline solum swift tacker trove vitrage watcher zaqar zun
"""
PROJECTS = frozenset(_PROJECTS.split())

OTHERS = {
    "mariadbd": "mariadb",
    "mariadb": "mariadb",
    "mysqld": "mariadb",
    "mysql": "mariadb",
    "galera": "mariadb",
    "rabbitmq": "rabbitmq",
    "rabbitmq-server": "rabbitmq",
    "memcached": "memcached",
    "haproxy": "haproxy",
    "keepalived": "keepalived",
    "libvirtd": "libvirtd",
    "virtqemud": "virtqemud",
    "nova-libvirt": "libvirtd",
    "ovs-vswitchd": "ovs-vswitchd",
    "openvswitch-vswitchd": "ovs-vswitchd",
    "ovsdb-server": "ovsdb-server",
    "openvswitch-db": "ovsdb-server",
    "ovn-controller": "ovn-controller",
    "ovn-northd": "ovn-northd",
    "ovn-nb-db": "ovn-nb-db",
    "ovn-sb-db": "ovn-sb-db",
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "ceph-mgr": "ceph-mgr",
    "ceph-mds": "ceph-mds",
    "radosgw": "ceph-rgw",
}
"""What is of no release of OpenStack."""

ELSEWHERE = frozenset({"haproxy", "keepalived", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph-mds", "ceph-rgw"})
"""What has a section of its own in a site, or is managed by others."""

_ONE = {
    "keystone": re.compile(r"keystone(-(wsgi|public|admin|main|uwsgi|api).*)?"),
    "placement": re.compile(r"(nova-)?placement(-.*)?"),
    "horizon": re.compile(r"(horizon|openstack-dashboard)(-.*)?"),
    "nova-metadata": re.compile(r"nova-(api-)?metadata(-wsgi|-api)?"),
    "nova-api": re.compile(r"nova-(api|osapi)(-wsgi|-os-compute|-compute)?"),
    "neutron-server": re.compile(r"neutron-(server|api)"),
}
_DEVSTACK = {
    "n-cpu": "nova-compute",
    "n-api": "nova-api",
    "n-api-meta": "nova-metadata",
    "n-sch": "nova-scheduler",
    "n-cond": "nova-conductor",
    "n-super-cond": "nova-conductor",
    "n-cond-cell1": "nova-conductor",
    "n-novnc-cell1": "nova-novncproxy",
    "g-api": "glance-api",
    "c-api": "cinder-api",
    "c-sch": "cinder-scheduler",
    "c-vol": "cinder-volume",
    "c-bak": "cinder-backup",
    "q-svc": "neutron-server",
    "q-agt": "neutron-openvswitch-agent",
    "q-dhcp": "neutron-dhcp-agent",
    "q-l3": "neutron-l3-agent",
    "q-meta": "neutron-metadata-agent",
}
_NO_SERVICE = re.compile(
    r".*(-bootstrap|-init|-sync|-dbsync|-ssh|-fernet|-rootwrap|-rootwrap-daemon|-manage|-cron|-helper|-privsep)(-.*)?"
)


def named(text: str) -> str:
    """The service that a program, unit or container is, "" when it is none that Naru knows."""
    name = text.rpartition("/")[2].removesuffix(".service").lower()
    if name.startswith("devstack@"):
        name = _DEVSTACK.get(name.removeprefix("devstack@"), name.removeprefix("devstack@"))
    name = name.removeprefix("openstack-").replace("_", "-") if name != "openstack-dashboard" else name
    name = re.sub(r"@.*", "", name)
    if name in OTHERS:
        return OTHERS[name]
    if _NO_SERVICE.fullmatch(name):
        return ""
    for service, pattern in _ONE.items():
        if pattern.fullmatch(name):
            return service
    name = re.sub(r"-(wsgi-api|api-wsgi|api-uwsgi)$", "-api", name)
    project, _, rest = name.partition("-")
    return name if project in PROJECTS and rest else ""


def of_openstack(service: str) -> bool:
    """Whether it is of a release of OpenStack."""
    return service.partition("-")[0] in PROJECTS
