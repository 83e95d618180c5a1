"""What sources share: the cloud and the site that they read, and what one of them has found out that another needs."""

import calendar
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from naru.cloud.client import Cloud
from naru.operate.metrics.since import Since
from naru.site.site import Host, Site
from naru.site.ssh import Fleet


@dataclass
class Known:
    """`check` is called now and then by what waits, and raises what is to end the waiting. `servers` are the ids of all
    servers, None while they have not been read whole; `moving` are the ids of migrations that have not ended, which
    hold allocations of their own; `open` are the hosts that take servers, `zones` the availability zone of each host,
    `nodes` the host of each resource provider."""

    cloud: Cloud | None
    site: Site
    fleet: Fleet | None
    since: Since
    check: Callable[[], None] = lambda: None
    servers: frozenset[str] | None = None
    moving: frozenset[str] | None = None
    open: frozenset[str] = frozenset()
    zones: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_short = {_short(name): host for name, host in self.site.hosts.items()}

    def place(self, host: str) -> tuple[str, str, str]:
        """A host's name, zone and rack; Nova and the site may call it by a short name or a whole one."""
        return host, self.zones.get(host, ""), found.rack if (found := self.on_site(host)) else ""

    def on_site(self, host: str) -> Host | None:
        """The host of the site that Nova calls so."""
        return self.site.hosts.get(host) or self._by_short.get(_short(host))


def _short(name: str) -> str:
    return name.partition(".")[0].lower()


def seconds(text: str) -> float:
    """A time as OpenStack writes it, with or without Z and parts of seconds, in seconds since 1970 (UTC)."""
    whole = text.rstrip("Z").partition(".")[0].partition("+")[0]
    return float(calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")))


def date(text: str) -> float:
    """The time of an answer's header Date: that of the service's clock, by which it stamps what changes; that of the
    clock here where it says none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return time.time()
