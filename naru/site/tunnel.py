"""A way to what hosts reach and this machine perhaps does not: through a host's SSH connection, as from that host."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncssh

from naru.errors import NaruError
from naru.site.ssh import Remote

SECONDS = 10.0
"""How long a connection may take to be made."""
_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
_PIECE = 1 << 16


class Closed(NaruError):
    """There is nobody who answers."""


@asynccontextmanager
async def open_socket(remote: Remote, address: str, port: int) -> AsyncIterator[socket.socket]:
    """A socket to an address as the host reaches it. Where its sshd forwards nothing, from this machine. Raises
    Closed."""
    ours: socket.socket | None = None
    pumps: asyncio.Task[None] | None = None
    try:
        try:
            connection = await remote.connection()
            opening = connection.open_connection(address, port)
            reader, writer = await asyncio.wait_for(opening, SECONDS)
            ours, inner = socket.socketpair()
            own_reader, own_writer = await asyncio.open_connection(sock=inner)
            pumps = asyncio.create_task(_pump_both(reader, writer, own_reader, own_writer))
        except asyncssh.ChannelOpenError as error:
            if error.code != _PROHIBITED:
                reason = error.reason.removeprefix("Connect failed: ") or "refused"
                raise Closed(f"{address}:{port}, from {remote.name}: {reason}") from error
            ours = await _direct(address, port)
        except (TimeoutError, OSError, asyncssh.Error) as error:
            reason = str(error) or f"no answer within {SECONDS:g} s"
            raise Closed(f"{address}:{port}, from {remote.name}: {reason}") from error
        ours.settimeout(SECONDS)
        yield ours
    finally:
        if ours:
            ours.close()
        if pumps:
            pumps.cancel()
            with suppress(asyncio.CancelledError):
                await pumps


async def _direct(address: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(made, where), SECONDS)
        return made
    except (TimeoutError, OSError) as error:
        raise Closed(f"{address}:{port}, from this machine: {error or 'no answer'}") from error


async def _pump_both(
    reader: "asyncssh.SSHReader[bytes]",
    writer: "asyncssh.SSHWriter[bytes]",
    own_reader: asyncio.StreamReader,
    own_writer: asyncio.StreamWriter,
) -> None:
    try:
        await asyncio.gather(_pump(reader, own_writer), _pump(own_reader, writer))
    finally:
        own_writer.close()
        writer.close()


async def _pump(
    reader: "asyncssh.SSHReader[bytes] | asyncio.StreamReader",
    writer: "asyncssh.SSHWriter[bytes] | asyncio.StreamWriter",
) -> None:
    with suppress(OSError, asyncssh.Error):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
