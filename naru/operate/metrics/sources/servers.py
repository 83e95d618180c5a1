"""Servers by status, task, host and project. All of them are read once, and after that only those that changed: a
cloud of 50,000 servers is asked for the few that did something in the last minute."""

import time
from collections import Counter
from typing import Any, NamedTuple

from naru.cloud.client import Cloud, next_page
from naru.operate.compute import HOST, TASK
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known, date, seconds

PAGE = 1000
WHOLE = 6 * 3600.0
"""Seconds after which all are read again, though what changed is known: rows that somebody corrected by hand."""
OVERLAP = 120.0
"""Seconds that are asked for twice: a change is written before it is committed, and clocks differ."""
PROJECTS = 20


class Server(NamedTuple):
    """What is kept of a server."""

    status: str
    task: str
    host: str
    project: str
    changed: str
    fault: str


class Reading:
    def __init__(self, known: Known) -> None:
        self._known = known
        self._servers: dict[str, Server] = {}
        self._whole = self._asked = 0.0

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None:
            raise NothingThere("the site names no cloud")
        began = time.monotonic()
        if not self._whole or began - self._whole > WHOLE:
            found: dict[str, Server] = {}
            asked = _read(cloud, "", found)
            self._servers, self._whole = found, began
        else:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._asked - OVERLAP))
            asked = _read(cloud, since, self._servers)
        self._asked = asked
        self._known.servers = frozenset(self._servers)
        self._count(samples)

    def _count(self, samples: Samples) -> None:
        servers = self._servers.values()
        for status, count in Counter(one.status for one in servers).items():
            samples.add("naru_servers", count, status)
        busy = [one for one in servers if one.task]
        for task, count in Counter(one.task for one in busy).items():
            samples.add("naru_servers_by_task", count, task)
            oldest = min(one.changed for one in busy if one.task == task)
            samples.add("naru_server_task_since_timestamp_seconds", seconds(oldest), task)
        failed = Counter(one.fault for one in servers if one.status == "ERROR")
        for reason in REASONS:  # with 0 as well: of a series that begins with 5 nobody sees that they are new
            samples.add("naru_servers_failed", failed[reason], reason)
        on = Counter(one.host for one in servers if one.host)
        for host in {*on, *self._known.nodes.values()}:
            samples.add("naru_host_servers", on[host], host)
        for project, count in Counter(one.project for one in servers).most_common(PROJECTS):
            samples.add("naru_project_servers", count, project)


def _read(cloud: Cloud, since: str, into: dict[str, Server]) -> float:
    """Puts the servers that changed since a time (all, without one) into `into`, takes out those that are gone, and
    says when Nova was asked, by Nova's own clock."""
    asked = 0.0
    path = f"/servers/detail?all_tenants=1&limit={PAGE}" + (f"&changes-since={since}" if since else "")
    following: str | None = path
    while following:
        answer = cloud.request("compute", "GET", following)
        asked = asked or date(answer.headers.get("Date", ""))
        page = answer.json()
        for one in page["servers"]:
            if one["status"] == "DELETED":
                into.pop(one["id"], None)
            else:
                into[one["id"]] = _server(one)
        following = next_page(page, "servers", path)
    return asked


def _server(row: dict[str, Any]) -> Server:
    fault = fault_class(str((row.get("fault") or {}).get("message") or "")) if row["status"] == "ERROR" else ""
    return Server(
        row["status"], row.get(TASK) or "", row.get(HOST) or "", row["tenant_id"], row.get("updated") or "", fault
    )


_FAULTS = (
    ("no valid host", "no_valid_host"),
    ("exceeded maximum number of retries", "no_valid_host"),
    ("exhausted all hosts", "no_valid_host"),
    ("quota", "quota"),
    ("vif", "network"),
    ("port", "network"),
    ("network", "network"),
    ("ip addresses", "network"),
    ("volume", "volume"),
    ("block device", "volume"),
    ("image", "image"),
    ("messaging", "message_queue"),
    ("timed out", "timeout"),
    ("timeout", "timeout"),
    ("libvirt", "hypervisor"),
    ("hypervisor", "hypervisor"),
)
REASONS = tuple(dict.fromkeys([*(word for _, word in _FAULTS), "other", "unsaid"]))
"""All of these words."""


def fault_class(message: str) -> str:
    """One of a few words for what Nova noted of a server that is in ERROR: its own words hold ids and names."""
    text = message.lower()
    if not text:
        return "unsaid"
    return next((word for part, word in _FAULTS if part in text), "other")
