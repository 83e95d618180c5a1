"""What the kernel says of ports."""

import socket
import time

import pytest

from naru.lab.ports import abandoned

pytestmark = pytest.mark.unit


def test_a_request_whose_client_is_gone_is_seen_until_it_is_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        answering, _ = server.accept()
        assert abandoned([port]) == set()
        client.close()
        deadline = time.monotonic() + 5
        while not (found := abandoned([port])) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found == {port}
        assert abandoned([port + 1]) == set()
        answering.close()
        assert abandoned([port]) == set()
