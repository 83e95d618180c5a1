"""Nova's quotas of single users within a project.

Nova lists them nowhere. Asked for a user, it tells that user's whole quota, which is the project's wherever the user
has none: so each user with a role on a project is asked for, and kept is what differs from the project's.
"""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from naru.cloud.client import Cloud, CloudError
from naru.inventory.archive import Archive
from naru.inventory.kinds import BY_NAME
from naru.inventory.read import WORKERS, Reading, explain
from naru.inventory.rows import Row

KIND = BY_NAME["user compute quota"]
PROJECT_KIND = "compute quota"
_NO_VALUE = ("id", "project_id", "user_id")


def members(assignments: Iterable[Row], memberships: Iterable[Row]) -> set[tuple[str, str]]:
    """(project, user) of every role on a project that a user has directly or through a group."""
    groups: dict[str, set[str]] = {}
    for row in memberships:
        groups.setdefault(row.body["group_id"], set()).add(row.body["id"])
    found = set()
    for row in assignments:
        if row.project:
            body = row.body
            users = {body["user"]["id"]} if "user" in body else groups.get(body["group"]["id"], set())
            found |= {(row.project, user) for user in users}
    return found


def own(user: Row, project: Row | None) -> dict[str, int]:
    """What of the user's quota differs from that of the project."""
    general = project.body if project else {}
    return {
        name: value
        for name, value in user.body.items()
        if name not in _NO_VALUE and (name not in general or general[name] != value)
    }


def read_user_quotas(cloud: Cloud, archive: Archive, snapshot: int, projects: Collection[str]) -> Reading:
    """Adds the quotas of the users of `projects` (ids) to a snapshot that has all else, several at a time."""
    reading = Reading(KIND.name)
    if not cloud.has(KIND.service):
        reading.problem = f"no {KIND.service} service"
        return reading
    general = {row.id: row for row in archive.rows(snapshot, kind=PROJECT_KIND)}
    roles = members(
        (row for row in archive.rows(snapshot, kind="role assignment") if row.project in projects),
        archive.rows(snapshot, kind="group membership"),
    )

    def ask(pair: tuple[str, str]) -> list[Row] | CloudError:
        project, user = pair
        path = KIND.path.format(project=project, user=quote(user, safe=""))
        try:
            found: list[dict[str, Any]] = list(cloud.items(KIND.service, path, KIND.collection))
        except CloudError as error:
            return error
        rows = [Row.of(KIND, {**item, "project_id": project, "user_id": user}) for item in found]
        return [row for row in rows if own(row, general.get(project))]

    kept: list[Row] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for answer in pool.map(ask, sorted(roles)):
            if not isinstance(answer, CloudError):
                kept += answer
            elif answer.status != 404:  # the project was deleted meanwhile
                explain(reading, KIND, answer)
    archive.add(snapshot, kept)
    reading.count = len(kept)
    return reading
