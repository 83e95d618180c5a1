"""Ceph made to fail under whatever uses it, and made well again."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from naru.lab.ceph import PROCESSES, Ceph


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def send(cluster: Ceph, daemon: str, number: signal.Signals) -> None:
    found = cluster.processes.find(daemon)
    assert found
    os.kill(found.pid, number)


def restored(cluster: Ceph) -> None:
    """Ends daemons that are stopped, and starts those that do not run."""
    for daemon in PROCESSES:
        if (found := cluster.processes.find(daemon)) and "T" in Path(f"/proc/{found.pid}/stat").read_text().split()[2]:
            os.kill(found.pid, signal.SIGKILL)
            until(lambda process=found: not process.alive())
    cluster.start()
    cluster.ready()


def ceph(cluster: Ceph, *arguments: str) -> str:
    command = ["ceph", "-c", str(cluster.conf("admin")), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def without_room(*clusters: Ceph) -> Iterator[None]:
    """The quota of the clusters' pool of volumes is used up."""
    try:
        _quota(clusters, 1)
        yield
    finally:
        _quota(clusters, 0)


def _quota(clusters: Sequence[Ceph], limit: int) -> None:
    for cluster in clusters:
        ceph(cluster, "osd", "pool", "set-quota", "volumes", "max_bytes", str(limit))
    until(lambda: all(("full" in ceph(cluster, "health")) == bool(limit) for cluster in clusters), 60)


@contextmanager
def weather(seed: int, *clusters: Ceph) -> Iterator[Counter[str]]:
    """While it lasts, a daemon of one of the clusters is killed every few seconds and started again, or does not answer
    for some seconds (SIGSTOP), which is what a client sees of a network that is cut. Yields how often which did."""
    chance, over, had = random.Random(seed), threading.Event(), Counter[str]()

    def bad() -> None:
        while not over.wait(chance.uniform(1.0, 4.0)):
            cluster, daemon = chance.choice(clusters), chance.choice(("ceph-osd", "ceph-mon"))
            number = chance.choice((signal.SIGKILL, signal.SIGSTOP))
            send(cluster, daemon, number)
            had[f"{daemon} {number.name}"] += 1
            over.wait(chance.uniform(1.0, 8.0))
            if number == signal.SIGSTOP:
                send(cluster, daemon, signal.SIGCONT)
            else:
                restored(cluster)

    with ThreadPoolExecutor(1) as thread:
        failing = thread.submit(bad)
        try:
            yield had
        finally:
            over.set()
            wait([failing])
            for cluster in clusters:
                restored(cluster)
    failing.result()
