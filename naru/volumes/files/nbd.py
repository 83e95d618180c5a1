"""A client of one NBD server over one connection, with requests on their way: structured replies, block status.

Follows doc/proto.md of the NBD project: fixed newstyle negotiation, NBD_OPT_GO, "base:allocation". No TLS: it speaks
to a qemu-nbd of its own over a socket that nobody else has.
"""

import contextlib
import itertools
import os
import socket
import struct
from collections.abc import Callable

from naru.volumes.blocks import Buffer
from naru.volumes.control import Tick, no_tick
from naru.volumes.oserrors import failed
from naru.volumes.volume import Extent, VolumeError

MAGIC, OPTION, OPTION_REPLY = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST, SIMPLE, STRUCTURED = 0x25609513, 0x67446698, 0x668E33EF
OPT_GO, OPT_STRUCTURED_REPLY, OPT_SET_META_CONTEXT = 7, 8, 10
REP_ACK, REP_INFO, REP_META_CONTEXT, REP_ERROR = 1, 3, 4, 1 << 31
READ, WRITE, DISCONNECT, FLUSH, WRITE_ZEROES, BLOCK_STATUS = 0, 1, 2, 3, 6, 7
OFFSET_DATA, OFFSET_HOLE, STATUS, CHUNK_ERROR = 1, 2, 5, 1 << 15
DONE = 1
STATE_ZERO = 2
READ_ONLY = 2
# The server stops reading at 16 requests; with fewer it always reads on, so a send never waits for a receive.
MOST = 12
LONGEST = 1 << 30  # of a request without payload


class NbdRequest:
    """A request on its way: `take` is given each piece of its answer (type, length) to read it off the socket."""

    __slots__ = ("client", "cookie", "done", "error", "take", "what")

    def __init__(self, client: "NbdClient", cookie: int, what: str, take: Callable[[int, int], None] | None) -> None:
        self.client, self.cookie, self.what, self.take = client, cookie, what, take
        self.done = False
        self.error: OSError | None = None

    def wait(self, tick: Tick) -> None:
        while not self.done:
            self.client.receive(tick)
        if self.error:
            raise failed(self.client.name, f"cannot be {self.what}", self.error)


class NbdClient:
    """The server behind a connected socket. `name` is what messages call it."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.name = name
        self.size = 0
        self.read_only = False
        self._socket = connection
        self._cookies = itertools.count(1)
        self._requests: dict[int, NbdRequest] = {}
        self._socket.settimeout(60)
        try:
            self._negotiate()
        except OSError as error:
            raise VolumeError(f"{name} cannot be served", detail=str(error)) from error
        self._socket.settimeout(0.5)

    def close(self) -> None:
        """Says good-bye and hangs up."""
        with contextlib.suppress(OSError):  # the server may be gone already
            self._socket.sendall(struct.pack(">IHHQQI", REQUEST, 0, DISCONNECT, 0, 0, 0))
        self._socket.close()

    # -- negotiation

    def _negotiate(self) -> None:
        magic, option, _ = struct.unpack(">QQH", self._exactly(18))
        if (magic, option) != (MAGIC, OPTION):
            raise VolumeError(f"{self.name}: what serves it does not speak NBD")
        self._socket.sendall(struct.pack(">I", 3))  # fixed newstyle, no padding
        self._option(OPT_STRUCTURED_REPLY, b"")
        query = b"base:allocation"
        contexts = self._option(OPT_SET_META_CONTEXT, struct.pack(">II", 0, 1) + struct.pack(">I", len(query)) + query)
        if not any(kind == REP_META_CONTEXT for kind, _ in contexts):
            raise VolumeError(f"{self.name}: what serves it does not distinguish holes from data")
        for kind, data in self._option(OPT_GO, struct.pack(">IH", 0, 0)):
            if kind == REP_INFO and data[:2] == b"\0\0":
                self.size, flags = struct.unpack(">QH", data[2:12])
                self.read_only = bool(flags & READ_ONLY)

    def _option(self, option: int, data: bytes) -> list[tuple[int, bytes]]:
        self._socket.sendall(struct.pack(">QII", OPTION, option, len(data)) + data)
        replies: list[tuple[int, bytes]] = []
        while True:
            magic, _, kind, length = struct.unpack(">QIII", self._exactly(20))
            content = self._exactly(length)
            if magic != OPTION_REPLY or kind & REP_ERROR:
                raise VolumeError(f"{self.name} cannot be served", detail=content.decode(errors="replace"))
            if kind == REP_ACK:
                return replies
            replies.append((kind, content))

    # -- requests

    def read(self, buffer: Buffer, at: int, offset: int, length: int) -> NbdRequest:
        """Reads into the buffer from `at`."""

        def take(kind: int, size: int) -> None:
            (begin,) = struct.unpack(">Q", self._exactly(8))
            position = at + begin - offset
            if kind == OFFSET_DATA:
                self._into(buffer.view[position : position + size - 8])
            else:
                (hole,) = struct.unpack(">I", self._exactly(4))
                buffer.clear(position, position + hole)

        return self._send(READ, offset, length, "read", take)

    def write(self, buffer: Buffer, at: int, offset: int, length: int) -> NbdRequest:
        """Writes from the buffer."""
        return self._send(WRITE, offset, length, "written", None, buffer.view[at : at + length])

    def zero(self, offset: int, length: int) -> NbdRequest:
        """Zeroes at most LONGEST bytes; the server may give their space back."""
        return self._send(WRITE_ZEROES, offset, length, "zeroed", None)

    def flush(self) -> None:
        """Returns when everything that was written is on the disk."""
        self._send(FLUSH, 0, 0, "flushed", None).wait(no_tick)

    def data(self, start: int, end: int) -> list[Extent]:
        """What of [start, end) is not known to read as zeroes."""
        found: list[Extent] = []
        while start < end:
            extents = self._status(start, min(LONGEST, end - start))
            for length, state in extents:
                length = min(length, end - start)
                if not state & STATE_ZERO and length:
                    if found and found[-1].end == start:
                        found[-1] = Extent(found[-1].offset, found[-1].length + length)
                    else:
                        found.append(Extent(start, length))
                start += length
            if not extents:
                raise VolumeError(f"{self.name}: no holes and data are reported at {start}")
        return found

    def _status(self, start: int, length: int) -> list[tuple[int, int]]:
        extents: list[tuple[int, int]] = []

        def take(_: int, size: int) -> None:
            extents.extend(struct.iter_unpack(">II", self._exactly(size)[4:]))

        self._send(BLOCK_STATUS, start, length, "read", take).wait(no_tick)
        return extents

    def _send(
        self,
        command: int,
        offset: int,
        length: int,
        what: str,
        take: Callable[[int, int], None] | None,
        payload: memoryview | None = None,
    ) -> NbdRequest:
        while len(self._requests) >= MOST:
            self.receive(no_tick)
        request = NbdRequest(self, next(self._cookies), what, take)
        self._requests[request.cookie] = request
        try:
            self._socket.settimeout(60)
            self._socket.sendall(struct.pack(">IHHQQI", REQUEST, 0, command, request.cookie, offset, length))
            if payload is not None:
                self._socket.sendall(payload)
        except OSError as error:
            raise self._lost(error) from error
        return request

    def receive(self, tick: Tick) -> None:
        """Takes one reply, or piece of one, off the socket."""
        first = b""
        self._socket.settimeout(0.5)
        while not first:
            try:
                first = self._socket.recv(1)
            except TimeoutError:
                tick()
                continue
            except OSError as error:
                raise self._lost(error) from error
            if not first:
                raise self._lost(ConnectionError("qemu-nbd has ended"))
        self._socket.settimeout(60)
        try:
            self._reply(first)
        except OSError as error:
            raise self._lost(error) from error

    def _reply(self, first: bytes) -> None:
        (magic,) = struct.unpack(">I", first + self._exactly(3))
        if magic == SIMPLE:
            error, cookie = struct.unpack(">IQ", self._exactly(12))
            request = self._requests.pop(cookie)
            request.done, request.error = True, _error(error) if error else None
            return
        if magic != STRUCTURED:
            raise self._lost(ConnectionError("an answer that is no NBD"))
        flags, kind, cookie, length = struct.unpack(">HHQI", self._exactly(16))
        request = self._requests[cookie]
        if kind & CHUNK_ERROR:
            content = self._exactly(length)
            request.error = _error(struct.unpack(">I", content[:4])[0])
        elif request.take and kind in (OFFSET_DATA, OFFSET_HOLE, STATUS):
            request.take(kind, length)
        else:
            self._exactly(length)
        if flags & DONE:
            del self._requests[cookie]
            request.done = True

    def _lost(self, error: OSError) -> VolumeError:
        for request in self._requests.values():
            request.done, request.error = True, error
        self._requests.clear()
        return VolumeError(
            f"{self.name} is not served any more", detail=str(error), hint="The same command goes on where it was."
        )

    def _exactly(self, length: int) -> bytes:
        data = bytearray(length)
        self._into(memoryview(data))
        return bytes(data)

    def _into(self, view: memoryview) -> None:
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise ConnectionError("the connection was closed")
            view = view[count:]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
