"""HAProxy by its socket on a host: the gates that it has, a server of a backend each."""

import csv
import shlex
from importlib.resources import files
from typing import Literal, NamedTuple

from naru.errors import NaruError
from naru.site.ssh import Remote

SECONDS = 15.0
_NOBODY = "naru-asks/which-level"
FUNCTION = (files("naru.site") / "haproxy.sh").read_text()
"""The shell function `ask_haproxy SOCKET LINE`."""


class Gate(NamedTuple):
    """A server of a backend: HAProxy's names, where it is ("" and 0 where it does not say it), its state in HAProxy's
    words, as `UP`, `DOWN`, `MAINT`, `DRAIN`, `no check`, and why."""

    backend: str
    server: str
    address: str
    port: int
    status: str
    why: str


class Refused(NaruError):
    """The socket cannot be spoken to: nobody behind it, or not as this user."""


async def ask(remote: Remote, socket: str, line: str) -> str:
    """What HAProxy answers to a line of commands. Raises Refused, or as `Remote.run` does."""
    asking = f"{FUNCTION}ask_haproxy {shlex.quote(socket)} {shlex.quote(line)}"
    done = await remote.run(asking, seconds=SECONDS)
    if done.code:
        reason = " ".join(done.errors.split())[-200:] or f"exit code {done.code}"
        raise Refused(f"{socket}: {reason}")
    return done.out


Level = Literal["admin", "less"]


async def level(remote: Remote, socket: str) -> Level:
    """What the socket lets one do. Nothing is changed: what is asked for is not there, and of level admin alone."""
    said = await ask(remote, socket, f"enable server {_NOBODY}")
    return "less" if "permission denied" in said.lower() else "admin"


async def gates(remote: Remote, socket: str) -> list[Gate]:
    """All servers of all backends. Raises Refused for what is no HAProxy."""
    said = await ask(remote, socket, "show stat -1 4 -1")
    where = await ask(remote, socket, "show servers state")
    return parse(said, where)


def parse(said: str, where: str = "") -> list[Gate]:
    """The servers in what `show stat` says, with their addresses from `show servers state` (HAProxy 1.6 on) where it
    does not have them itself (before 1.7, or a socket of a low level)."""
    lines = [line for line in said.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# pxname"):
        raise Refused("what answers is no HAProxy")
    lines[0] = lines[0].removeprefix("# ")
    places = _places(where)
    found = []
    for row in csv.DictReader(lines):
        if row.get("type") != "2" and row.get("svname") in ("FRONTEND", "BACKEND"):
            continue
        backend, server = row["pxname"], row["svname"]
        host, _, port = (row.get("addr") or "").rpartition(":")
        address, number = (host.strip("[]"), int(port)) if port.isdigit() else places.get((backend, server), ("", 0))
        why = (row.get("check_status") or "").lstrip("* ")
        found.append(Gate(backend, server, address, number, row.get("status") or "", why))
    return found


def _places(said: str) -> dict[tuple[str, str], tuple[str, int]]:
    """Where servers are, by backend and name: the head of what is said names its columns."""
    columns: list[str] = []
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for line in said.splitlines():
        if line.startswith("# "):
            columns = line.removeprefix("# ").split()
        elif columns and len(words := line.split()) >= min(len(columns), 5):
            row = dict(zip(columns, words, strict=False))
            if "be_name" in row and "srv_name" in row:
                port = row.get("srv_port", "")
                found[row["be_name"], row["srv_name"]] = (row.get("srv_addr", ""), int(port) if port.isdigit() else 0)
    return found
