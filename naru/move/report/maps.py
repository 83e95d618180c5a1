"""The map from old to new for programs: CSV and JSON. Names are in both exactly as they are."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from naru.move.outcome import PARTS, Content, Downtime, Item, Outcome, Project

FORMAT = 1
COLUMNS = ("kind", "old_id", "new_id", "decision", "project", "name", "why")
DOWNTIMES = ("server_old_id", "server_name", "expected_s", "measured_s", "stopped_at", "started_at", *PARTS)


def as_csv(items: Iterable[Item]) -> str:
    """A row for each thing, under COLUMNS; UTF-8, RFC 4180."""
    return _csv(COLUMNS, items)


def downtimes_as_csv(downtimes: Iterable[Downtime]) -> str:
    """A row for each server, under DOWNTIMES; seconds, empty where nothing was measured."""
    return _csv(DOWNTIMES, downtimes)


def _csv(columns: Sequence[str], rows: Iterable[object]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([getattr(row, column) for column in columns] for row in rows)
    return text.getvalue()


def as_json(
    outcome: Outcome,
    projects: Sequence[Project],
    items: Sequence[Item],
    downtimes: Sequence[Downtime],
    contents: Sequence[Content],
) -> str:
    """Everything about each thing, its differences too, whole; how long each server was off, and how each volume's
    content was compared."""
    of_all = ("old_cloud", "new_cloud", "old_auth_url", "new_auth_url", "old_region", "new_region", "made_at", "phase")
    body: dict[str, Any] = {"naru_report": FORMAT, **{name: getattr(outcome, name) for name in of_all}}
    body["projects"] = [asdict(project) for project in projects]
    told = {project.old_id for project in projects}  # one project's users are not to know of the others
    used_by = ([identity for identity in item.used_by if identity in told] for item in items)
    body["items"] = [{**asdict(item), "used_by": ids} for item, ids in zip(items, used_by, strict=True)]
    body["downtimes"] = [{name: getattr(downtime, name) for name in DOWNTIMES} for downtime in downtimes]
    body["contents"] = [asdict(content) for content in contents]
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"
