"""How long Neutron's server takes to answer a call of the kind that agents make: asked every second, on one of its
hosts, by its own code."""

import shlex
import threading
import time
from importlib.resources import files

from naru.errors import NaruError
from naru.site.model import Container, Service
from naru.site.ssh import Fleet

PROGRAMS = ("neutron-rpc-server", "neutron-server", "neutron-api")
"""Who answers agents, the first that a site has."""
BEGIN = 60.0
"""Seconds within which the first answer is there: all of it has to be imported first."""
AGAIN = 10.0
"""Seconds until it is begun anew, where it could not be, or has ended: while it is not known nobody begins."""


class Latency:
    """Asks as long as it is open."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._lock = threading.Lock()
        self._last: float | None = None
        self._heard = time.monotonic()
        self._why = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="naru-latency", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Asks no more."""
        self._over.set()
        self._thread.join(10)

    def seconds(self) -> float | None:
        """The newest answer, or how long the next has been waited for when that is longer; None before there is any.
        Raises NaruError with the reason when it cannot be known."""
        with self._lock:
            if self._why:
                raise NaruError(f"how long Neutron takes to answer: {self._why}")
            waited = time.monotonic() - self._heard
            if self._last is None:
                return waited if waited > BEGIN else None
            return max(self._last, waited - 1.0)

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                why = self._asked()
            except _Over:
                return
            except NaruError as error:
                why = error.summary
            with self._lock:
                self._why, self._last = why, None
            self._over.wait(AGAIN)

    def _asked(self) -> str:
        """Asks until that ends; why it did. Raises NaruError where it could not begin."""
        host, line = asking(self._fleet)
        following = self._fleet.remote(host).follow(line, self._heard_of, given=script())
        code, errors = self._fleet.call(following, self._check)
        return f"{host}: it ended with {code}: {'; '.join(errors.strip().splitlines()[-1:])}"

    def _check(self) -> None:
        if self._over.is_set():
            raise _Over

    def _heard_of(self, line: str) -> None:
        with self._lock:
            self._last, self._heard, self._why = float(line), time.monotonic(), ""


class _Over(Exception):
    """It is to end."""


def script() -> bytes:
    """What runs on the host."""
    return (files("naru.upgrade") / "scripts" / "latency.py").read_bytes()


def asking(fleet: Fleet) -> tuple[str, str]:
    """The host of the fleet's site on which it is asked, and the shell's line that runs the script, which is given to
    it. Raises NaruError where the site does not say enough."""
    services = fleet.site.part.services
    found = next((one for name in PROGRAMS for one in services if one.name == name), None)
    if found is None:
        raise NaruError(f"{fleet.site.file}: none of its services is {', '.join(PROGRAMS)}")
    if not found.config:
        raise NaruError(f"{fleet.site.file}: {found.name} has no config")
    return next(iter(fleet.site.named(found.hosts))).name, _line(fleet, found)


def _line(fleet: Fleet, service: Service) -> str:
    words = shlex.join(service.config)
    if isinstance(service.managed, Container):
        engine = service.managed.engine or "$(command -v podman || command -v docker)"
        inner = f"exec $(command -v python3 || command -v python) - {words}"
        return f"{engine} exec -i {shlex.quote(service.managed.container)} sh -c {shlex.quote(inner)}"
    if not service.python:
        raise NaruError(f"{fleet.site.file}: {service.name} has no python")
    return f"{shlex.quote(service.python)} - {words}"
