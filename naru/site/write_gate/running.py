"""How the write gates are on one host of a load balancer: in its files, and in what runs."""

import shlex
from importlib.resources import files
from typing import NamedTuple

from naru.site import haproxy
from naru.site.model import LoadBalancer, WriteGate
from naru.site.ssh import Remote
from naru.site.write_gate.forms import PROGRAMS
from naru.site.write_gate.haproxy import MAP

STOPPED = "stopped"
SECONDS = 30.0
LAG = 2
"""Seconds that the beginning of a process is not known to."""
_SCRIPT = (files("naru.site.write_gate") / "gates.sh").read_text()
_RULES = "naru site gate rules"


class Gates(NamedTuple):
    """Each service's gate as it is in the files, and in what runs: OPEN, CLOSED, `stopped` where nothing runs, "" or no
    entry where the gate is in none. `why` says why something is missing."""

    file: dict[str, str]
    running: dict[str, str]
    why: str


async def gates(remote: Remote, balancer: LoadBalancer, gate: WriteGate) -> Gates:
    """Asks a host. Nothing is changed. Raises as `Remote.run` does."""
    if balancer.socket:
        return await _haproxy(remote, balancer.socket, gate)
    seen = gate.seen_as or gate.directory
    words = (gate.directory, seen, " ".join(PROGRAMS[balancer.kind]), *balancer.files)
    done = await remote.run(["sh", "-c", _SCRIPT, "gates", *words], seconds=SECONDS)
    return judged(done.out, balancer, gate)


def judged(said: str, balancer: LoadBalancer, gate: WriteGate) -> Gates:
    """What the script has said of an nginx or Apache: a gate that no configuration has, or that was written after the
    newest process began, is not in what runs."""
    rows = [line.split() for line in said.splitlines()]
    file = {row[1]: row[2] for row in rows if row[0] == "gate"}
    if not file:
        return Gates({}, {}, f"there is no {gate.directory}/SERVICE.conf: {_RULES}")
    times = {kind: [int(row[1]) for row in rows if row[0] == kind] for kind in ("started", "changed")}
    if not times["started"]:
        return Gates(file, dict.fromkeys(file, STOPPED), "")
    named, seen = ", ".join(balancer.files), gate.seen_as or gate.directory
    if ["common", "yes"] not in rows:
        return Gates(file, {}, f"{named}: nothing includes {seen}/naru.conf: {_RULES}")
    if max(times["changed"], default=0) > max(times["started"]) + LAG:
        return Gates(file, {}, f"{balancer.kind} has not read its configuration since that was changed: reload it")
    running = {row[1]: row[2] for row in rows if row[0] == "gate" and row[3] == "yes"}
    missing = ", ".join(f"{seen}/{name}.conf" for name in file if name not in running)
    return Gates(file, running, f"{named}: nothing includes {missing}: {_RULES}" if missing else "")


async def _haproxy(remote: Remote, socket: str, gate: WriteGate) -> Gates:
    file = _lines((await remote.run(f"cat {shlex.quote(f'{gate.directory}/{MAP}')}")).out, columns=2)
    why = ""
    try:
        said = await haproxy.ask(remote, socket, f"show map {gate.seen_as or gate.directory}/{MAP}")
        running = _lines(said, columns=3)
        if not running:
            why = f"HAProxy has no map {gate.seen_as or gate.directory}/{MAP}: {_RULES}"
    except haproxy.Refused as error:
        running, why = {}, error.summary
        if (await remote.run("grep -qx haproxy /proc/[0-9]*/comm 2>/dev/null")).code:
            running, why = dict.fromkeys(file, STOPPED), ""
    if not file and not running:
        why = why or f"there is no {gate.directory}/{MAP}: {_RULES}"
    return Gates(file, running, why)


def _lines(said: str, columns: int) -> dict[str, str]:
    """The gates in a map's lines, by service: the last two of so many columns."""
    rows = (line.split() for line in said.splitlines())
    return {row[-2]: row[-1] for row in rows if len(row) == columns}
