"""How much is told one by one: so many alerts an hour, and what is more in one digest an hour. Nothing is dropped: what
has to wait waits for the next digest."""

from naru.watch.times import passed

ALERTS = 20
"""Alerts an hour that a sink is sent."""
HOUR = 3600.0
EACH, TOGETHER, WAIT = "each", "together", "wait"
"""One by one; all in one digest; not now, for there was a digest within the hour."""


def way(news: int, alerts: int, digest: float, now: float) -> str:
    """How to tell so many news when so many alerts were sent within the hour, and the last digest at a moment (0:
    never)."""
    if news <= ALERTS - alerts:
        return EACH
    return TOGETHER if passed(digest, now, HOUR) else WAIT
