"""Fake network agents of a lab's cloud: they make the calls that the release's own agents make when they start, by its
own classes, against the real server, message queue and database, and consume what they are sent.

What each kind asks for first, after its state report:

- `ovs`: its tunnels' other ends; each of its ports, their networks, the rules of their security groups (from Ussuri on
  the groups, too) and all ports of the groups that these let in; then it says that its ports are up
- `l3`: how many routers it has in pairs (before Stein the service plugins), the ids of its routers, and these, 256 at a
  time
- `dhcp`: all its networks with their ports; then it says that these are ready
"""

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

from naru.errors import NaruError
from naru.files import write_whole
from naru.lab.cloud import Cloud
from naru.lab.process import Command

SCRIPT = Path(__file__).parent / "inside" / "agents.py"
NAME = "fake-agents"
SERVER = "neutron-rpc-server"
FIRST = IPv4Address("172.30.0.1")
"""The address of the first fake host's end of tunnels."""
READY = 120.0
"""Seconds within which the processes are up on a busy machine."""
EACH = 100
"""Agents of one process."""

Kind = Literal["ovs", "l3", "dhcp"]


@dataclass(frozen=True)
class Agent:
    """A fake agent on a fake host, and the ids of the ports that are on it."""

    kind: Kind
    host: str
    ports: Sequence[str] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.kind}@{self.host}"


class Agents:
    """The fake agents of a lab's cloud, in processes of the cloud: they end with it."""

    def __init__(self, cloud: Cloud, agents: Iterable[Agent], *, report: float = 30.0, timeout: float = 60.0) -> None:
        """They report every `report` seconds; a call without an answer for `timeout` seconds has failed, at first."""
        self.cloud = cloud
        self.agents = {agent.name: agent for agent in agents}
        self.report, self.timeout = report, timeout
        self.directory = cloud.directory / "agents"
        names = list(self.agents)
        self._shares = [names[first : first + EACH] for first in range(0, len(names), EACH)]

    def up(self) -> None:
        """Starts the processes, and what a server of its own release serves agents by; no agent has begun then. Raises
        NaruError when a process does not get ready."""
        self.serve()
        self.directory.mkdir(exist_ok=True, mode=0o700)
        for number, names in enumerate(self._shares, 1):
            for end in ("socket", "events"):
                self._file(number, end).unlink(missing_ok=True)
            write_whole(self._file(number, "conf"), self._options())
            write_whole(self._file(number, "json"), json.dumps(self._given(number, names)))
            argv = (self.cloud.program("python"), str(SCRIPT), str(self._file(number, "json")))
            self.cloud.processes.start(Command(f"{NAME}-{number}", argv, self.cloud.environment(), grace=1))
        deadline = time.monotonic() + READY
        for number, _ in enumerate(self._shares, 1):
            while not self._file(number, "socket").exists():
                if time.monotonic() > deadline or not self.cloud.processes.find(f"{NAME}-{number}"):
                    name = f"{NAME}-{number}"
                    raise NaruError(f"{name} does not get ready", detail=self.cloud.processes.tail(name))
                time.sleep(0.1)

    def running(self) -> bool:
        """Whether all their processes run."""
        return all(self.cloud.processes.find(f"{NAME}-{number}") for number, _ in enumerate(self._shares, 1))

    def serve(self) -> None:
        """From 2025.2 on agents are served by a program of its own, which a cloud without agents does not run."""
        if self.cloud.release.has("neutron-without-server"):
            argv = (self.cloud.program(SERVER), *self.cloud.config("neutron"))
            self.cloud.processes.start(Command(SERVER, argv, self.cloud.environment()))

    def _given(self, number: int, names: Sequence[str]) -> dict[str, Any]:
        places = {host: count for count, host in enumerate(dict.fromkeys(one.host for one in self.agents.values()))}
        agents = {
            name: {"kind": one.kind, "host": one.host, "ip": str(FIRST + places[one.host]), "ports": list(one.ports)}
            for name, one in ((name, self.agents[name]) for name in names)
        }
        return {
            "config": str(self._file(number, "conf")),
            "socket": str(self._file(number, "socket")),
            "events": str(self._file(number, "events")),
            "report": self.report,
            "agents": agents,
        }

    def _options(self) -> str:
        # no heartbeats of thousands of connections
        return f"""[DEFAULT]
transport_url = {self.cloud.transport_url}
rpc_response_timeout = {self.timeout:.0f}

[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
"""

    def _file(self, number: int, end: str) -> Path:
        return self.directory / f"{number}.{end}"

    def start(self, names: Sequence[str]) -> None:
        """Lets these agents begin."""
        for number, share in enumerate(self._shares, 1):
            if mine := [name for name in names if name in share]:
                self._tell(self._file(number, "socket"), {"start": mine})

    def _tell(self, path: Path, what: dict[str, Any]) -> None:
        # by its directory: a path of a socket has 107 bytes at most
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as stream:
                stream.settimeout(READY)
                stream.connect(f"/proc/self/fd/{directory}/{path.name}")
                stream.sendall(json.dumps(what).encode() + b"\n")
                if not stream.recv(64):
                    raise NaruError(f"{path}: the fake agents have ended")
        except OSError as error:
            raise NaruError(f"{path}: the fake agents do not answer: {error.strerror or error}") from error
        finally:
            os.close(directory)

    def events(self) -> Iterator[dict[str, Any]]:
        """All that has happened: `agent`, `time`, `event` (begun, reported, synchronised, call; failed: it tries again;
        late: a report that failed)."""
        for number, _ in enumerate(self._shares, 1):
            path = self._file(number, "events")
            for line in path.read_text().splitlines() if path.exists() else ():
                if line.endswith("}"):  # the last may be half written
                    yield json.loads(line)

    def down(self) -> None:
        """Ends the processes at once, as a host that dies: their queues stay."""
        names = set(self.cloud.processes.names()) | set(self.cloud.processes.tree())
        self.cloud.processes.stop([name for name in names if name.startswith(NAME)])
