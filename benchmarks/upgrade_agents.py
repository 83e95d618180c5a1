"""What starting many network agents does to one Neutron: all at once, in fixed batches, and under the law of
`naru upgrade agents`; a part of `make bench-upgrade`.

A cloud of Pike (or --release) gets so many fake agents of Open vSwitch (`naru.twin`), each of which makes the calls of
a real one, by the release's own code, and consumes what it is sent. In each of the three ways all of them start from
nothing: the agents' records are taken away, message queue and Neutron's server are started anew. One has started when
it reports in Neutron's database what it works on, as `naru upgrade agents` sees it: then a batch is followed by the
next, and the law lets another begin. Meanwhile Neutron is asked once a second by the call that `naru upgrade agents`
measures it by. A plain lab's message queue tells nothing of its queues: the law has the databases and this latency.
The last line is a JSON object:

    agents, ports, batch    how many agents, ports of each, agents of a fixed batch
    limit_s                 the law's limit of the latency
    at_once, batches, law   by way: `total_s` until the last has started, `latency_p95_s` and `latency_max_s` of
                            Neutron, `threads` that ran in the database at most, `again`: how often an agent had to try
                            again, `failed`: agents that had not started in the end, `most` that were at it at a time
    under_limit             the ways whose 95th percentile stays under the limit
    ratio                   the law's total_s over that of the fastest of these ways
    mib                     memory of message queue, server and agents at most, in MiB
    load                    the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from naru.lab import running, spec
from naru.lab.cloud import Cloud
from naru.lab.lab import Lab
from naru.lab.process import memory
from naru.plan.timings import p95
from naru.twin import rows
from naru.twin.agents import NAME, SERVER, Agent, Agents
from naru.twin.fill import fill
from naru.upgrade.agents.latency import script
from naru.upgrade.agents.law import LIMITS, Law, Load
from naru.upgrade.agents.load import OVERDUE, PAUSE
from naru.upgrade.agents.reports import Report, lacks, look

PORT_BASE = 23000
OVS = "neutron-openvswitch-agent"
LIMIT = 900.0
"""Seconds that one way may take."""
LIMIT_S = LIMITS.latency or 0.0
MOST = 50
"""As the limit group `computes` has it where nobody says otherwise."""


def quiet(*_: object) -> None:
    """The lab's progress is not wanted here."""


class Watch:
    """What Neutron and the database do meanwhile."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.latencies: list[float] = []
        self.threads: list[int] = []
        self.mib = 0
        self._heard = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        config = self.cloud.etc / "neutron" / "neutron.conf"
        argv = [self.cloud.program("python"), "-", str(config)]
        env = self.cloud.environment()
        errors = (self.cloud.directory / "log" / "latency.log").open("ab")
        with (
            errors,
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env) as asking,
        ):
            assert asking.stdin and asking.stdout
            asking.stdin.write(script())
            asking.stdin.close()
            self._last(asking.stdout.readline())  # it runs
            self.latencies.clear()
            looks = [
                threading.Thread(target=self._listen, args=(asking.stdout,), daemon=True),
                threading.Thread(target=self._look, daemon=True),
            ]
            for one in looks:
                one.start()
            try:
                yield self
            finally:
                self.latencies.append(self.latency())  # the one that is waited for
                self._over.set()
                asking.kill()
                for one in looks:
                    one.join(10)

    def latency(self) -> float:
        """Seconds of the newest answer, or of the wait for the next."""
        last = self.latencies[-1] if self.latencies else 0.0
        return max(last, time.monotonic() - self._heard - 1.0)

    def _last(self, line: bytes) -> None:
        if not line:
            raise SystemExit(f"Neutron is not answered: {self.cloud.directory / 'log' / 'latency.log'}")
        self._heard = time.monotonic()
        self.latencies.append(float(line))

    def _listen(self, said: Any) -> None:
        for line in iter(said.readline, b""):
            self._last(line)

    def _look(self) -> None:
        number = 0
        with rows.connected(self.cloud) as connection, connection.cursor() as cursor:
            while not self._over.wait(0.25):
                cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_running'")
                self.threads.append(int(cursor.fetchall()[0][1]))
                if number % 40 == 0:
                    self.mib = max(self.mib, mib(self.cloud))
                number += 1


def mib(cloud: Cloud) -> int:
    """Memory of the message queue, Neutron's server and the agents."""
    found = [
        memory(one.pid)
        for name, processes in cloud.processes.tree().items()
        if name.startswith(("rabbitmq", "neutron", NAME))
        for one in processes
    ]
    return sum(found) >> 20


class Bench:
    """The three ways on one cloud."""

    def __init__(self, cloud: Cloud, number: int, ports: int, limits: Load) -> None:
        self.cloud, self.ports, self.limits = cloud, ports, limits
        self.hosts = [f"fake-{one:04}" for one in range(1, number + 1)]
        on = fill(cloud, self.hosts, ports)
        self.agents = Agents(cloud, [Agent("ovs", host, on[host]) for host in self.hosts])
        self.mib = 0

    def way(self, name: str, start: Callable[["Way"], None]) -> dict[str, Any]:
        """One way, from nothing."""
        self.anew()
        watch = Watch(self.cloud)
        way = Way(self, watch)
        with watch.watching():
            began = time.monotonic()
            start(way)
            total = time.monotonic() - began
        again = Counter(one["event"] for one in self.agents.events())["failed"]
        self.mib = max(self.mib, watch.mib)
        found = {
            "total_s": round(total, 1),
            "latency_p95_s": round(p95(sorted(watch.latencies)), 2),
            "latency_max_s": round(max(watch.latencies), 2),
            "threads": max(watch.threads),
            "again": again,
            "failed": len(way.waiting()) + way.left(),
            "most": way.most,
        }
        print(f"{name}: {found}", flush=True)
        return found

    def anew(self) -> None:
        """No agent runs, none is known, and nothing is left in the message queue, which forgets what is not durable."""
        self.agents.down()
        with rows.connected(self.cloud) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM agents WHERE host LIKE 'fake-%'")
        self.cloud.processes.stop([name for name in self.cloud.processes.names() if name.startswith("neutron")])
        self.cloud.processes.stop(["rabbitmq"])
        running.start(self.cloud, quiet)
        self.agents.up()


class Way:
    """One start of all agents."""

    def __init__(self, bench: Bench, watch: Watch) -> None:
        self.bench, self.watch = bench, watch
        self.begun: dict[str, float] = {}
        self.started: set[str] = set()
        self.most = 0
        self.end = time.monotonic() + LIMIT

    def begin(self, number: int) -> None:
        """Lets so many more begin."""
        names = [name for name in self.bench.agents.agents if name not in self.begun][:number]
        self.bench.agents.start(names)
        self.begun |= dict.fromkeys(names, time.monotonic())
        self.most = max(self.most, len(self.waiting()))

    def waiting(self) -> list[str]:
        """Those that have begun, and not started."""
        return [name for name in self.begun if name not in self.started]

    def left(self) -> int:
        """How many have not begun."""
        return len(self.bench.agents.agents) - len(self.begun)

    def look(self) -> bool:
        """Sees who has started; whether any is left, and time."""
        ports = self.bench.ports
        before = Report("", ports, ports)
        with rows.connected(self.bench.cloud) as connection:
            seen = look(connection)
        for name in self.waiting():
            if not lacks(before, seen.find(OVS, self.bench.agents.agents[name].host)):
                self.started.add(name)
        return bool(self.left() or self.waiting()) and time.monotonic() < self.end

    def load(self) -> Load:
        """What the law is told, as `naru upgrade agents` measures it but for the message queue."""
        with rows.connected(self.bench.cloud) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*), SUM(TIMESTAMPDIFF(SECOND, heartbeat_timestamp, UTC_TIMESTAMP()) > %s) FROM agents "
                "WHERE host LIKE 'fake-%%'",
                (OVERDUE,),
            )
            [(number, overdue)] = cursor.fetchall()
        late = 100 * float(overdue or 0) / number if number else 0.0
        threads = self.watch.threads[-1] if self.watch.threads else None
        return Load(threads=threads, late=late, latency=self.watch.latency())


def at_once(way: Way) -> None:
    way.begin(way.left())
    while way.look():
        time.sleep(1)


def batches(number: int) -> Callable[[Way], None]:
    def start(way: Way) -> None:
        while way.left() and time.monotonic() < way.end:
            way.begin(number)
            while way.look() and way.waiting():
                time.sleep(1)

    return start


def by_law(way: Way) -> None:
    law, next_look = Law(way.bench.limits), 0.0
    while way.look():
        if time.monotonic() >= next_look:
            allowed, colour, why = law.look(way.load(), full=len(way.waiting()) >= law.allowed)
            print(f"  {len(way.started)} started, {allowed} at a time, {colour}: {why}", flush=True)
            next_look = time.monotonic() + PAUSE
        way.begin(max(0, min(law.allowed, MOST) - len(way.waiting())))
        time.sleep(1)


def ways(bench: Bench, batch: int) -> Sequence[tuple[str, Callable[[Way], None]]]:
    return ("law", by_law), ("batches", batches(batch)), ("at_once", at_once)


def run(agents: int, ports: int = 2, release: str = "pike", latency: float = LIMIT_S, only: str = "") -> dict[str, Any]:
    """So many agents with so many ports each, on a cloud of the release, in all ways, or in one `only`."""
    batch = max(1, agents // 10)
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as directory:
        lab = Lab(Path(directory) / "lab")
        try:
            lab.up(spec.build([f"cloud={release}"], None, 0, PORT_BASE), quiet, quiet)
            cloud = lab.cloud("cloud")
            bench = Bench(cloud, agents, ports, LIMITS._replace(latency=latency))
            found = {name: bench.way(name, start) for name, start in ways(bench, batch) if only in ("", name)}
            cloud.processes.stop([SERVER])
        finally:
            lab.down()
    under = [name for name, one in found.items() if one["latency_p95_s"] <= latency and not one["failed"]]
    fastest = min((found[name]["total_s"] for name in under), default=None)
    return {
        "agents": agents,
        "ports": ports,
        "batch": batch,
        "limit_s": latency,
        **found,
        "under_limit": under,
        "ratio": round(found["law"]["total_s"] / fastest, 2) if fastest and "law" in found else None,
        "mib": bench.mib,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=300, help="how many (%(default)s)")
    parser.add_argument("--ports", type=int, default=2, help="of each (%(default)s)")
    parser.add_argument("--release", default="pike", help="of the cloud (%(default)s)")
    parser.add_argument("--latency", type=float, default=LIMIT_S, help="the law's limit, in s (%(default)s)")
    parser.add_argument("--only", default="", help="one way alone")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    load_before = os.getloadavg()[0]
    print(json.dumps(run(**vars(arguments)) | {"load": round(load_before, 2)}))


if __name__ == "__main__":
    main()
