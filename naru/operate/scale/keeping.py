"""Compute services that come up while hosts are deployed, kept out of scheduling: those of the new hosts, and any other
that is new, for a host may be called otherwise by Nova than by whoever adds it."""

import contextlib
import time
from typing import Any

from naru.actions.clouds import polling
from naru.cloud.client import Cloud, Unavailable
from naru.errors import NaruError
from naru.operate import compute
from naru.plan.context import Context

MARK = "naru scale"
NEW = "New compute service disabled"
"""What the reason begins with that Nova gives a new service where its configuration has enable_new_services=false."""


def mark(plan: str) -> str:
    """What the reason of a service begins with that the plan with this id keeps out."""
    return f"{MARK} {plan}"


class Misnamed(NaruError):
    """Nova has a new compute service whose host is none of those that are added."""


class Keeping:
    """The services of the new `hosts`, kept out with the mark of the `plan`. `earlier` is what an attempt before has
    recorded: services that were there before the first deployment began are nobody's business, and so is one that this
    plan has disabled as a stranger and that somebody has enabled since."""

    def __init__(self, client: Cloud, hosts: list[str], plan: str, earlier: dict[str, Any] | None) -> None:
        self._client = client
        self._hosts = hosts
        self._mark = mark(plan)
        earlier = earlier or {}
        self.kept: dict[str, str] = {}
        self.strangers: list[str] = []
        services = compute.services(client)
        accepted = [one["host"] for one in services if one["status"] == "enabled"]
        known = set(earlier.get("before", [one["host"] for one in services]))
        self._before = known | set(accepted).intersection(earlier.get("strangers", ()))

    def record(self) -> dict[str, Any]:
        """What is known, as a step's result."""
        return {"kept out": dict(self.kept), "strangers": list(self.strangers), "before": sorted(self._before)}

    def missing(self) -> list[str]:
        """The new hosts of which Nova has no compute service yet."""
        return sorted(set(self._hosts) - set(self.kept))

    def look(self) -> None:
        """Disables the new services that are there by now. Raises Misnamed where one is of none of the hosts, and
        Unavailable."""
        for one in compute.services(self._client):
            host = one["host"]
            if host in self._hosts and host not in self.kept:
                self.kept[host] = self._keep_out(one, "until it is proved")
            elif host not in self._hosts and host not in self._before and host not in self.strangers:
                self._keep_out(one, f"new, and none of {', '.join(self._hosts)}")
                self.strangers.append(host)
        if self.strangers:
            raise Misnamed(
                f"{self._client.name} has a new compute service on {', '.join(self.strangers)}, "
                f"which is none of {', '.join(self._hosts)}: it is disabled",
                hint="Is it a new host under another name? Delete that service (openstack compute service delete), "
                "roll this back, and plan again with the name that Nova has. Is it another host, added by somebody "
                "else? Enable it. Then give the command again.",
            )

    def wait(self, context: Context, seconds: float) -> None:
        """Looks until all hosts have been seen, for so long at most."""
        end = time.monotonic() + seconds
        for _ in polling(context):
            with contextlib.suppress(Unavailable):
                self.look()
            if not self.missing() or time.monotonic() >= end:
                return

    def _keep_out(self, found: compute.Item, why: str) -> str:
        """What was done of it. One that somebody else has disabled keeps their reason; that of Nova's configuration is
        nobody's."""
        reason = found.get("disabled_reason") or ""
        if found["status"] == "disabled" and not reason.startswith(NEW):
            return "before" if reason.startswith(self._mark) else f"by others: {reason}"
        compute.disable(self._client, found, f"{self._mark}: {why}")
        return "now" if found["status"] == "enabled" else "by Nova's configuration"
