"""A witness in another failure domain: it hears heartbeats, and tells guards what it hears, and whether it reaches the
cloud's controllers itself."""

import contextlib
import signal
import threading
import time
from collections.abc import Sequence

from naru.cloud.client import Cloud
from naru.errors import NaruError
from naru.operate.guard.beat import MOST, pack, send
from naru.operate.guard.heartbeat import Listener, bound
from naru.operate.guard.seeing import Patience

EVERY = 10.0
OLD = 45.0
"""Seconds after which what was seen of the controllers is not so any more: the look at them has got stuck."""


def is_seen(found: bool, at: float, now: float) -> bool:
    """Whether the controllers are seen now, by a look at the time `at`."""
    return found and now - at <= OLD


def run(
    name: str,
    domain: str,
    listen: tuple[str, int],
    to: Sequence[str],
    keys: list[bytes],
    cloud: Cloud,
    patience: Patience,
) -> None:
    """Reports every ten seconds, until it is stopped. `patience` is that of the cloud's client."""
    listener, boot, number, stop = Listener(keys), int(time.time() * 1000), 0, threading.Event()
    for caught in (signal.SIGINT, signal.SIGTERM):
        signal.signal(caught, lambda *_: stop.set())
    sees = [(False, 0.0)]

    def look() -> None:
        while not stop.is_set():
            patience.begin()
            try:
                found = bool(list(cloud.items("compute", "/os-services?binary=nova-conductor", "services")))
            except NaruError:
                found = False
            sees[0] = found, time.monotonic()
            stop.wait(EVERY)

    threading.Thread(target=look, daemon=True).start()
    with bound(listen) as heard:
        last = time.monotonic()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                listener.take(heard.recv(MOST), time.monotonic())
            if time.monotonic() - last < EVERY:
                continue
            last = time.monotonic()
            for said in listener.report(domain, is_seen(*sees[0], last), last):
                number += 1
                for one in to:
                    send(heard, pack(keys[0], "report", name, boot, number, said), one)
