"""A command on a host that ends without reading what it is given."""

import asyncio

import asyncssh
import pytest

from naru.site import ssh

pytestmark = pytest.mark.unit


class Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


async def _refuses(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """As sudo does without a password."""
    process.stderr.write(b"a password is required\n")
    process.exit(1)


def test_its_exit_code_is_what_counts() -> None:
    async def run() -> list[tuple[int | None, object]]:
        key = asyncssh.generate_private_key("ssh-ed25519")
        listening = {"server_factory": Server, "server_host_keys": [key], "encoding": None}
        async with (
            await asyncssh.listen("127.0.0.1", 0, process_factory=_refuses, **listening) as server,
            await asyncssh.connect(
                "127.0.0.1",
                server.get_port(),
                known_hosts=([key.convert_to_public()], [], []),
                client_keys=[],
                config=[],
            ) as connection,
        ):
            done = [await ssh._run(connection, "sudo -n true", b"x" * 100_000) for _ in range(50)]
            return [(one.exit_status, one.stderr) for one in done]

    assert asyncio.run(run()) == [(1, b"a password is required\n")] * 50
