"""How a guest is asked whether it is there: by a TCP connection, an echo request (ping), or a connection that is kept.

tcp    a connection, closed at once. Refused is an answer, too: somebody is there to refuse it
icmp   an echo request of its own each time
kept   a connection that stays open, over which nothing is sent: this machine's kernel asks the guest's each second
       whether it still has it (keepalive). One that the guest itself closes in order is opened again
"""

import asyncio
import errno
import ipaddress
import itertools
import os
import socket
import struct
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from naru.errors import InputError

PORT = 22
AT_A_TIME = 200
"""Guests that are asked at once: each is a file."""
LATE = 2000
"""Milliseconds without a sign of life after which a kept connection's guest is silent: it is asked each second."""
_PROBES = 120
"""Questions without an answer after which a kernel gives a kept connection up."""
_LAST_ACK = 56
"""Where `tcpi_last_ack_recv` stands in Linux's `struct tcp_info`: milliseconds since the other side's last word."""
_REQUEST, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
"""Types of ICMP by IP's version."""

How = Literal["tcp", "icmp", "kept"]


class Guest(NamedTuple):
    """Where a guest is asked, and how; without a port by ICMP."""

    address: str
    port: int
    how: How = "tcp"

    @classmethod
    def parse(cls, text: str) -> "Guest":
        """ADDRESS or ADDRESS:PORT, as 192.0.2.7:22 or [2001:db8::7]:22, with kept: or icmp: before it. Raises
        ValueError."""
        how: How = "tcp"
        for one in get_args(How):
            if text.startswith(f"{one}:"):
                how, text = one, text.removeprefix(f"{one}:")
        if text.startswith("["):
            address, _, port = text[1:].partition("]")
            port = port.removeprefix(":")
        else:
            address, port = text.split(":") if text.count(":") == 1 else (text, "")
        if how == "icmp":
            if port:
                raise ValueError("an address that is asked by ICMP has no port")
            return cls(str(ipaddress.ip_address(address)), 0, how)
        number = int(port or PORT)
        if not 0 < number < 65536:
            raise ValueError(f"{number} is no port")
        return cls(str(ipaddress.ip_address(address)), number, how)

    def __str__(self) -> str:
        if self.how == "icmp":
            return f"icmp:{self.address}"
        text = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        return text if self.how == "tcp" else f"{self.how}:{text}"

    @property
    def version(self) -> int:
        """IP's version."""
        return 6 if ":" in self.address else 4

    @property
    def family(self) -> socket.AddressFamily:
        """The family of its sockets."""
        return socket.AF_INET6 if self.version == 6 else socket.AF_INET


class Answer(NamedTuple):
    """Whether a guest has answered, and whether a connection with it was cut since it was asked last."""

    there: bool
    cut: bool = False


class Asker:
    """Asks guests, and keeps the connections that are to be kept."""

    def __init__(self) -> None:
        self._kept: dict[Guest, socket.socket] = {}
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._sequence = itertools.count(1)

    def close(self) -> None:
        """Ends the connections."""
        for one in self._kept.values():
            one.close()
        self._kept.clear()

    async def ask(self, guest: Guest, patience: float) -> Answer:
        """Whether it is there, within so many seconds."""
        async with self._room:
            state = self._state(guest)
            if state in ("there", "silent"):
                return Answer(state == "there")
            cut = state == "cut"
            try:
                async with asyncio.timeout(patience):
                    await (self._ping(guest) if guest.how == "icmp" else self._connect(guest))
            except ConnectionRefusedError:
                return Answer(guest.how == "tcp", cut)  # with nobody there is nothing to keep
            except OSError:  # no answer in time, or no way to it
                return Answer(False, cut)
            return Answer(True, cut)

    def _state(self, guest: Guest) -> str:
        """How the connection is that is kept; "" where there is none, as from now on of one that has ended."""
        if guest not in self._kept:
            return ""
        state = _state(self._kept[guest])
        if state in ("closed", "cut"):
            self._kept.pop(guest).close()
        return state

    async def _connect(self, guest: Guest) -> None:
        connection = await _connected(guest)
        if guest.how == "kept":
            self._kept[guest] = connection
        else:
            connection.close()

    async def _ping(self, guest: Guest) -> None:
        """Raises OSError for one that does not answer, and never gives up by itself."""
        with echo_socket(guest.version) as ping:
            ping.connect((guest.address, 0))
            own = os.urandom(8)
            number = next(self._sequence) % 65536
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(ping, _echo(guest.version, number, own))
            while True:
                said = await loop.sock_recv(ping, 2048)
                if ping.type == socket.SOCK_RAW and guest.version == 4:
                    said = said[(said[0] & 15) * 4 :]  # behind IP's own header
                # others' answers come to a raw socket, too
                if said[:1] == bytes([_REPLY[guest.version]]) and said[8:] == own:
                    return


async def _connected(guest: Guest) -> socket.socket:
    """A connection. Raises OSError."""
    connection = socket.socket(guest.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        if guest.how == "kept":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", _PROBES)):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        await asyncio.get_running_loop().sock_connect(connection, (guest.address, guest.port))
    except BaseException:
        connection.close()
        raise
    return connection


def _state(connection: socket.socket) -> Literal["there", "silent", "closed", "cut"]:
    """How a kept connection is: `closed` by the guest in order, `cut` by whoever else, or by its silence."""
    try:
        while connection.recv(65536):
            pass  # what it says by itself, as its version
        return "closed"
    except BlockingIOError:
        said = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK + 4)
        (milliseconds,) = struct.unpack_from("=I", said, _LAST_ACK)
        return "there" if milliseconds <= LATE else "silent"
    except OSError:
        return "cut"


def echo_socket(version: int) -> socket.socket:
    """A socket for echo requests: one for which no rights are needed where the machine allows those, else a raw one.
    Raises PermissionError."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    protocol = socket.getprotobyname("ipv6-icmp") if version == 6 else socket.IPPROTO_ICMP
    try:
        made = socket.socket(family, socket.SOCK_DGRAM, protocol)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT):
            raise
        made = socket.socket(family, socket.SOCK_RAW, protocol)
    made.setblocking(False)
    return made


def check(guests: Iterable[Guest]) -> None:
    """Raises InputError where this machine does not let one ask some of the guests so."""
    for version in sorted({one.version for one in guests if one.how == "icmp"}):
        try:
            echo_socket(version).close()
        except PermissionError as error:
            raise InputError(
                "icmp: this machine does not let this user send echo requests",
                detail=str(error),
                hint="As root: sysctl -w net.ipv4.ping_group_range='0 2147483647'; or give the command as root, or ask "
                "by TCP: ADDRESS:PORT.",
            ) from error


def _echo(version: int, number: int, own: bytes) -> bytes:
    """An echo request with the prober's `own` bytes. The kernel makes the checksum of version 6."""
    head = struct.pack("!BBHHH", _REQUEST[version], 0, 0, os.getpid() % 65536, number)
    if version == 6:
        return head + own
    total = sum(struct.unpack(f"!{len(head + own) // 2}H", head + own))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return struct.pack("!BBHHH", _REQUEST[version], 0, ~total & 0xFFFF, os.getpid() % 65536, number) + own
