"""Services of hosts stopped and started, whatever manages them: as arguments of steps."""

from typing import Any

from naru.site.model import Commands, Container, Managed, Unit


def at_boot(unit: str) -> dict[str, Any]:
    """The arguments of the step by which a unit starts at each boot from then on, a `host.command`."""
    return {
        "argv": ["systemctl", "enable", unit],
        "check": ["systemctl", "is-enabled", "-q", unit],
        "undo": ["systemctl", "disable", unit],
        "repeat": True,
    }


def switch(managed: Managed, *, on: bool, hold: bool = False) -> tuple[str, dict[str, Any]]:
    """The kind and the arguments of the step that starts a service, or stops it so that no boot starts it. A unit is
    masked, which the step's undo takes back, or with `hold` held, which any later step can take back: the one that
    starts it with `hold`."""
    match managed:
        case Unit(unit=unit):
            return "host.unit", {
                "unit": unit,
                "do": ("resume" if on else "hold") if hold else "start" if on else "mask",
            }
        case Container(container=container, engine=engine):
            return "host.container", {"container": container, "do": "start" if on else "stop", "engine": engine}
        case Commands() as lines:
            do, undo = (lines.start, lines.stop) if on else (lines.stop, lines.start)
            return "host.command", {"argv": ["sh", "-c", do], "undo": ["sh", "-c", undo], "repeat": True}
