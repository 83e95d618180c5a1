"""The map from old to new for programs: CSV and JSON. Names are in both exactly as they are, texts in English."""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import asdict, replace
from typing import Any

from naru.messages import say
from naru.move.outcome import PARTS, ContentResult, Downtime, Item, Outcome, Project
from naru.report import tables

FORMAT = 1
COLUMNS = ("kind", "old_id", "new_id", "decision", "project", "name", "why")
DOWNTIMES = ("server_old_id", "server_name", "expected_s", "measured_s", "stopped_at", "started_at", *PARTS)


def as_csv(items: Iterable[Item]) -> str:
    """A row for each thing, under COLUMNS; UTF-8, RFC 4180."""
    return tables.as_csv(COLUMNS, items)


def downtimes_as_csv(downtimes: Iterable[Downtime]) -> str:
    """A row for each server, under DOWNTIMES; seconds, empty where nothing was measured."""
    return tables.as_csv(DOWNTIMES, downtimes)


def as_json(
    outcome: Outcome,
    projects: Sequence[Project],
    items: Sequence[Item],
    downtimes: Sequence[Downtime],
    contents: Sequence[ContentResult],
) -> str:
    """Everything about each thing, its differences too, whole; how long each server was off, and how each volume's
    content was compared."""
    of_all = ("old_cloud", "new_cloud", "old_auth_url", "new_auth_url", "old_region", "new_region", "made_at", "phase")
    body: dict[str, Any] = {"naru_report": FORMAT, **{name: getattr(outcome, name) for name in of_all}}
    # `back` is what `rolled_back` was called before
    body["projects"] = [{**asdict(project), "back": project.rolled_back} for project in projects]
    known = {project.old_id for project in projects}  # one project's users are not to know of the others
    body["items"] = [_item(item, known) for item in items]
    body["downtimes"] = [{name: getattr(downtime, name) for name in DOWNTIMES} for downtime in downtimes]
    body["contents"] = [asdict(content) for content in contents]
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _item(item: Item, projects: Set[str]) -> dict[str, Any]:
    differences = tuple(
        {"field": one.field, "old": one.old, "new": one.new, "rule": say(one.why)} for one in item.differences
    )
    used_by = tuple(identity for identity in item.used_by if identity in projects)
    why, reason = say(item.why), say(item.reason)
    return {**asdict(replace(item, why=why, reason=reason, used_by=used_by)), "differences": differences}
