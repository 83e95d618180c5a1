"""A real RabbitMQ on loopback, and messages as oslo.messaging sends them, for tests."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kombu

from naru.lab.infra import rabbitmq
from naru.lab.ports import LOOPBACK, At

PASSWORD = "p:w@1"


def _free_ports() -> list[int]:
    """Ports that nobody has at the moment."""
    found = [socket.create_server((LOOPBACK, 0)) for _ in range(4)]
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


class Broker:
    """A broker with the virtual host /openstack, which may be ended and started again."""

    def __init__(self, directory: Path, certificate: tuple[Path, Path] | None = None) -> None:
        self.port, dist, epmd, self.secure_port = _free_ports()
        (directory / "etc").mkdir(parents=True)
        config = rabbitmq.configuration(At(LOOPBACK, self.port), PASSWORD)
        if certificate is not None:
            config += f"listeners.ssl.1 = {LOOPBACK}:{self.secure_port}\n"
            names = {"cacertfile": certificate[0], "certfile": certificate[0], "keyfile": certificate[1]}
            config += "".join(f"ssl_options.{name} = {file}\n" for name, file in names.items())
        (directory / "etc" / "rabbitmq.conf").write_text(config)
        (directory / "etc" / "enabled_plugins").write_text("[].\n")
        ports: Any = {"rabbitmq-dist": dist, "epmd": epmd}
        self._env = rabbitmq.environment(directory, ports, f"naru{self.port}@localhost", LOOPBACK)
        self._log = directory / "broker.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd = subprocess.Popen(["epmd"], env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        """As services have it: the password quoted, the double slash of the virtual host's name."""
        return f"rabbit://{rabbitmq.USER}:p%3Aw%401@{LOOPBACK}:{self.port}//openstack"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._server = subprocess.Popen([rabbitmq.server()], env=self._env, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while True:
            try:
                with self.connection() as connection:
                    connection.connect()
                    return
            except (OSError, kombu.exceptions.KombuError):
                assert time.monotonic() < end and self._server.poll() is None, self._log.read_text()[-2000:]
                time.sleep(0.3)

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(60)
            self._server = None

    def end(self) -> None:
        self.stop()
        self._epmd.terminate()
        self._epmd.wait(10)

    def connection(self) -> kombu.Connection:
        return kombu.Connection(
            hostname=LOOPBACK,
            port=self.port,
            userid=rabbitmq.USER,
            password=PASSWORD,
            virtual_host=rabbitmq.VHOST,
            connect_timeout=5,
        )


@contextmanager
def running(directory: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[Broker]:
    """A broker that runs, with TLS as well where it is given a certificate and its key, and of which nothing is left
    afterwards."""
    broker = Broker(directory, certificate)
    try:
        broker.start()
        yield broker
    finally:
        broker.end()
