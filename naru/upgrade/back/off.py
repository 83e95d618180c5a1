"""Hosts of next controllers that are off when an upgrade is taken back: the operator says so, and nothing there is
waited for.

What starts there at the next boot is what the upgrade has started: the operator is told how it is kept from that.
"""

from collections.abc import Collection
from typing import NamedTuple

from naru.errors import InputError
from naru.plan import control
from naru.plan.journal import Journal
from naru.plan.queries import StepRow, reading
from naru.upgrade.window.window import START

REASON = "the operator says that {host} is off"
LEFT = ("waiting", "held", "failed")


class Off(NamedTuple):
    """A host that is off: how many steps are not waited for any more, and the commands that stop there what the upgrade
    has started, for when it is on again."""

    host: str
    steps: int
    commands: list[str]


def check(journal: Journal, hosts: Collection[str]) -> None:
    """Raises InputError for a host that is none of a next service."""
    known = {host for step in _steps(journal) if (host := _next_host(step))}
    for host in hosts:
        if host not in known:
            raise InputError(
                f"--off {host}: nothing was to start on a host of that name",
                hint=f"These are to come: {', '.join(sorted(known)) or 'none'}",
            )


def leave(journal: Journal, hosts: Collection[str]) -> list[Off]:
    """Lets nothing wait any more for what is to be undone of next services on these hosts. What waits by itself is
    unchanged: where they have databases as well, these are restored or not, and that is told."""
    steps = _steps(journal)
    by_number = {step.n: step for step in steps}
    found = []
    for host in hosts:
        of_host = [
            step.id
            for step in steps
            if step.undoes and step.state in LEFT and _next_host(by_number[step.undoes]) == host
        ]
        if of_host:
            control.skip(journal, REASON.format(host=host), steps=of_host)
        found.append(Off(host, len(of_host), _commands([step for step in steps if _next_host(step) == host])))
    return found


def waiting(journal: Journal) -> list[str]:
    """The hosts on which a next service could not be stopped."""
    steps = _steps(journal)
    by_number = {step.n: step for step in steps}
    failed = (by_number[step.undoes] for step in steps if step.undoes and step.state == "failed")
    return sorted({host for step in failed if (host := _next_host(step))})


def _steps(journal: Journal) -> list[StepRow]:
    with reading(journal) as now:
        return now.steps(args=True, result=True, rollbacks=True)


def _next_host(step: StepRow) -> str:
    """The host of the next services that a step is on; "" for any other, and for what undoes one."""
    return str(step.args.get("host", "")) if step.undoes is None and step.args.get("next") else ""


def _commands(steps: Collection[StepRow]) -> list[str]:
    """What stops that of it which was begun, and keeps units from being started at boot."""
    begun = [step for step in steps if step.attempt and step.purpose == START]
    units = sorted({step.args["unit"] for step in begun if "unit" in step.args})
    found = [f"systemctl disable --now {' '.join(units)}"] if units else []
    for step in begun:
        if "container" in step.args:
            engine = step.args.get("engine") or (step.result or {}).get("engine") or "docker"
            found.append(f"{engine} stop {step.args['container']}")
        elif "argv" in step.args:
            found.append(str(step.args["undo"][-1]))
    return found
