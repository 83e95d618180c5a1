"""Kernels that write their dump, as kdump's initramfs says it: with `fence_kdump_send` it sends a packet each ten
seconds, by UDP, to the machines that its configuration names (`fence_kdump_nodes` in Red Hat's kdump.conf).

A packet is a number and a version, not signed: anybody may send one. So it never proves anything: it keeps a host from
being switched off for some time, and then a human is asked.
"""

import socket
import struct
from collections.abc import Mapping

from naru.site.site import Site

PORT = 7410
MAGIC, VERSION = 0x1B302A40, 1
AGAIN = 60.0
"""Seconds after the last packet for which a dump is still being written."""
PACKETS = {struct.pack(f"{order}II", MAGIC, VERSION) for order in "<>"}
"""What a packet is: in the byte order of whoever sends it."""


def address(text: str) -> tuple[str, int]:
    """ADDRESS:PORT, or ADDRESS with the usual port."""
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdigit() else (text, PORT)


def addresses(site: Site) -> dict[str, str]:
    """The site's hosts by their addresses, as packets have them. A name that is known to nobody is left out."""
    found = {}
    for host in site.hosts.values():
        try:
            found[socket.gethostbyname(host.address)] = host.name
        except OSError:
            continue
    return found


class Dumps:
    """What was heard. `hosts` are names by address; times are of a clock that only goes forward."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        self._heard: dict[str, tuple[float, float]] = {}

    def take(self, packet: bytes, address: str, now: float) -> bool:
        """Takes down a packet from an address; whether it was one of a host of the site."""
        name = self._hosts.get(address)
        if packet not in PACKETS or name is None:
            return False
        first, last = self._heard.get(name, (now, now))
        self._heard[name] = (first if now - last <= AGAIN else now, now)
        return True

    def seconds(self, name: str, now: float) -> float | None:
        """For how long a host writes its dump; None for one that writes none, or has ended."""
        first, last = self._heard.get(name, (now, now - AGAIN - 1))
        return now - first if now - last <= AGAIN else None
