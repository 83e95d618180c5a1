"""Which TCP port every service of a cloud listens on: a fixed offset from the cloud's base, all on 127.0.0.1."""

import errno
import socket
from collections.abc import Iterable
from pathlib import Path

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
PER_CLOUD = 200
DEFAULT_BASE = 17000


class Ports:
    """The ports of one cloud."""

    def __init__(self, base: int) -> None:
        self.base = base

    def __getitem__(self, name: str) -> int:
        return self.base + OFFSETS[name]

    def url(self, name: str, path: str = "") -> str:
        """The loopback URL of a service's API."""
        return f"http://127.0.0.1:{self[name]}{path}"


def is_open(port: int, timeout: float = 1.0) -> bool:
    """Whether something accepts connections on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(timeout)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_free(port: int) -> bool:
    """Whether a server may bind 127.0.0.1:`port` now; connections in TIME_WAIT do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
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
