"""Migrations: those that have not ended and since when, those that ended, and evacuation records of hosts."""

import time
from collections import Counter
from typing import Any

from naru.cloud.client import Cloud, next_page
from naru.operate.compute import UNDER_WAY, newest
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known, date, seconds

DAY = 86400.0
OVERLAP = 120.0
WHOLE = 6 * 3600.0
"""Seconds after which what ended is read again as well."""
RECORDS = ("accepted", "pre-migrating", "done")
"""The statuses in which an evacuation has the guests of its source host removed when that host's nova-compute starts:
nova/compute/manager.py, `_destroy_evacuated_instances`."""

Row = dict[str, Any]


class Reading:
    """From 2.59 on (Rocky) those that changed are asked for, besides those in each of the statuses in which one is that
    has not ended; before that these alone, and what ended is not known.

    The statuses are read each time: what somebody deletes from the database changes nothing, and of a migration that
    was only begun Nova does not say when it changed, so that no question for changes has it in the answer.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._rows: dict[Any, Row] = {}
        # by Nova's clock, when it was asked last; by that of this machine, when for all that ended
        self._asked = self._whole = 0.0

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None:
            raise NothingThere("the site names no cloud")
        version = newest(cloud, "2.59", "2.23")
        told_changes = version == "2.59"
        if told_changes:
            self._read_changed(cloud)
        else:
            self._rows, self._asked = _in_statuses(cloud, version)
        self._count(samples, told_changes)

    def _read_changed(self, cloud: Cloud) -> None:
        began = time.monotonic()
        is_whole = not self._whole or began - self._whole > WHOLE
        going, asked = _in_statuses(cloud, "2.59")
        begin = (asked - DAY if is_whole else self._asked) - OVERLAP
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin))
        changed, _ = _listed(cloud, f"/os-migrations?limit=1000&changes-since={since}", "2.59")
        ended = {} if is_whole else {key: one for key, one in self._rows.items() if not _counts(one)}
        rows = ended | going | {one["id"]: one for one in changed}
        self._rows = {key: one for key, one in rows.items() if _counts(one) or asked - _changed(one) < DAY}
        self._asked = asked
        self._whole = began if is_whole else self._whole

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
            over = [one for one in rows if one["status"] not in UNDER_WAY and self._asked - _changed(one) < DAY]
            for (kind, status), count in Counter(map(_key, over)).items():
                samples.add("naru_migrations_ended", count, kind, status)
        records = Counter((str(one["source_compute"]), one["status"]) for one in rows if _is_record(one))
        for (host, status), count in records.items():
            samples.add("naru_evacuation_records", count, host, status)


def _in_statuses(cloud: Cloud, version: str) -> tuple[dict[Any, Row], float]:
    """The migrations that count however old they are, and when Nova was asked first."""
    found: dict[Any, Row] = {}
    first = 0.0
    for status in dict.fromkeys((*UNDER_WAY, *RECORDS)):
        path = f"/os-migrations?status={status}" + ("&limit=1000" if version == "2.59" else "")
        rows, asked = _listed(cloud, path, version)
        first = first or asked
        found.update({one["id"]: one for one in rows})
    return {key: one for key, one in found.items() if _counts(one)}, first


def _listed(cloud: Cloud, path: str, version: str) -> tuple[list[Row], float]:
    """The migrations at the path, page after page, and when Nova was asked for them, by Nova's own clock."""
    found: list[Row] = []
    asked = 0.0
    following: str | None = path
    while following:
        answer = cloud.request("compute", "GET", following, version=version)
        asked = asked or date(answer.headers.get("Date", ""))
        page = answer.json()
        found += page["migrations"]
        following = next_page(page, "migrations", path)
    return found, asked


def _is_record(row: Row) -> bool:
    return row.get("migration_type") == "evacuation" and row["status"] in RECORDS


def _counts(row: Row) -> bool:
    """Whether it counts however old it is."""
    return row["status"] in UNDER_WAY or _is_record(row)


def _changed(row: Row) -> float:
    return seconds(str(row.get("updated_at") or row["created_at"]))


def _key(row: Row) -> tuple[str, str]:
    return str(row.get("migration_type") or "unknown"), str(row["status"])
