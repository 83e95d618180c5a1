"""Migrations: those that have not ended and since when, those that ended, and evacuation records of hosts."""

import time
from collections import Counter
from typing import Any

from naru.cloud.client import Cloud
from naru.operate.compute import UNDER_WAY, newest
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known, seconds

DAY = 86400.0
OVERLAP = 120.0
RECORDS = ("accepted", "pre-migrating", "done")
"""The statuses in which an evacuation has the guests of its source host removed when that host's nova-compute starts:
nova/compute/manager.py, `_destroy_evacuated_instances`."""

Row = dict[str, Any]


class Reading:
    """From 2.59 on (Rocky) those that changed are asked for; before that those in each of the statuses in which one is
    that has not ended, and what ended is not known."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._rows: dict[Any, Row] = {}
        self._asked = 0.0

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None:
            raise NothingThere("the site names no cloud")
        version = newest(cloud, "2.59", "2.23")
        told_changes = version == "2.59"
        if told_changes:
            self._read_changed(cloud)
        else:
            self._rows = _in_statuses(cloud, version)
        self._count(samples, told_changes)

    def _read_changed(self, cloud: Cloud) -> None:
        now = time.time()
        if not self._asked:
            self._rows = _in_statuses(cloud, "2.59")
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((self._asked or now - DAY) - OVERLAP))
        path = f"/os-migrations?limit=1000&changes-since={since}"
        self._rows |= {one["id"]: one for one in cloud.items("compute", path, "migrations", "2.59")}
        self._asked = now
        self._rows = {key: one for key, one in self._rows.items() if _counts(one) or now - _changed(one) < DAY}

    def _count(self, samples: Samples, ended: bool) -> None:
        servers = self._known.servers
        rows = list(self._rows.values())
        # those of servers that were deleted stay as they were for ever
        going = [
            one for one in rows if one["status"] in UNDER_WAY and (servers is None or one["instance_uuid"] in servers)
        ]
        self._known.moving = frozenset(str(one.get("uuid")) for one in going)
        for (kind, status), count in Counter(map(_key, going)).items():
            samples.add("naru_migrations", count, kind, status)
            oldest = min(str(one["created_at"]) for one in going if _key(one) == (kind, status))
            samples.add("naru_migration_since_timestamp_seconds", seconds(oldest), kind, status)
        if ended:
            over = [one for one in rows if one["status"] not in UNDER_WAY and time.time() - _changed(one) < DAY]
            for (kind, status), count in Counter(map(_key, over)).items():
                samples.add("naru_migrations_ended", count, kind, status)
        records = Counter((str(one["source_compute"]), one["status"]) for one in rows if _is_record(one))
        for (host, status), count in records.items():
            samples.add("naru_evacuation_records", count, host, status)


def _in_statuses(cloud: Cloud, version: str) -> dict[Any, Row]:
    found = {}
    for status in dict.fromkeys((*UNDER_WAY, *RECORDS)):
        path = f"/os-migrations?status={status}" + ("&limit=1000" if version == "2.59" else "")
        found.update({one["id"]: one for one in cloud.items("compute", path, "migrations", version)})
    return {key: one for key, one in found.items() if _counts(one)}


def _is_record(row: Row) -> bool:
    return row.get("migration_type") == "evacuation" and row["status"] in RECORDS


def _counts(row: Row) -> bool:
    """Whether it counts however old it is."""
    return row["status"] in UNDER_WAY or _is_record(row)


def _changed(row: Row) -> float:
    return seconds(str(row.get("updated_at") or row["created_at"]))


def _key(row: Row) -> tuple[str, str]:
    return str(row.get("migration_type") or "unknown"), str(row["status"])
