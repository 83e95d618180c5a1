"""Which TCP port every service of a cloud listens on: a fixed offset from the cloud's base; and where it is reached."""

import errno
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
OFFSETS = {
    "keystone": 0,
    "glance": 1,
    "nova": 2,
    "placement": 3,
    "neutron": 4,
    "cinder": 5,
    "swift": 6,
    "octavia": 7,
    "designate": 8,
    "barbican": 9,
    "ldap": 10,
    "mariadb": 20,
    "rabbitmq": 21,
    "rabbitmq-dist": 22,
    "epmd": 23,
    "memcached": 24,
    "bind": 25,
    "rndc": 26,
    "designate-mdns": 27,
    "swift-account": 28,
    "swift-container": 29,
    "swift-object": 30,
    "octavia-health": 31,
    "ceph-mon": 40,
    "ceph-mon-v1": 41,
    "ceph-first": 50,  # OSD and manager choose in first..last
    "ceph-last": 99,
    "guests": 100,  # ten for each host with real guests, for incoming live migrations
}
STANDARD = {
    "keystone": 5000,
    "glance": 9292,
    "nova": 8774,
    "placement": 8778,
    "neutron": 9696,
    "cinder": 8776,
    "mariadb": 3306,
    "rabbitmq": 5672,
    "rabbitmq-dist": 25672,
    "rabbitmq-management": 15672,
    "epmd": 4369,
    "memcached": 11211,
    "galera-check": 9200,
}
"""The ports that everybody knows these by: on hosts of their own, services have them."""
PER_CLOUD = 200
DEFAULT_BASE = 17000


class At(NamedTuple):
    """Where a server is reached, as `ADDRESS:PORT` when it is written."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Ports:
    """The ports of one cloud: from a base on, or the standard ones without."""

    def __init__(self, base: int | None) -> None:
        self.base = base

    def __getitem__(self, name: str) -> int:
        return STANDARD[name] if self.base is None else self.base + OFFSETS[name]


def is_open(at: At, timeout: float = 1.0) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(timeout)
        return probe.connect_ex(at) == 0


def is_free(port: int) -> bool:
    """Whether a server may bind 127.0.0.1:`port` now; connections in TIME_WAIT do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def abandoned(ports: Iterable[int]) -> set[int]:
    """Those of `ports` whose server still works on a request of a client that is gone.

    Such a connection is in CLOSE_WAIT (08 in /proc/net/tcp): the client's end was closed, by the kernel when it was
    killed, and the server, which reads nothing before it has answered, has not noticed.
    """
    wanted = set(ports)
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {port for row in rows if row[3] == "08" and (port := int(row[1].rpartition(":")[2], 16)) in wanted}
