"""Marks: what has no natural key bears one until all of its project is made, so that it is found again after a kill.

The mark of a thing is `naru:` and its old id, in its description or its metadata. When all of a project is made, what a
service made twice all the same is deleted (`move.sweep`), and the marks are removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from naru.actions.arguments import UrlPath, available, ref, resolve, url
from naru.actions.clouds import DEADLINE, RETRY, cloud, remove
from naru.actions.request import Action, Part
from naru.inventory.kinds import BY_NAME, values
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.draft import Draft
from naru.move.kind import Kind
from naru.plan.context import Context
from naru.plan.kinds import step

MARK = "naru"
SWEPT = message("move.title.swept", en="delete duplicates in {project}", ko="{project}: 중복으로 만들어진 리소스 삭제")
UNMARKED = message("move.title.unmark", en="remove {count} marks", ko="표시 {count}개 제거")


class Listing(Part):
    """Where things with a mark are listed; `field` is where that stands, `item` what the path of each begins with."""

    service: str
    path: UrlPath
    collection: str
    item: str
    wrap: str
    field: str
    version: str = ""


@dataclass(frozen=True)
class Marked:
    """A thing that bears a mark: the step that makes it, where things of its kind are listed, and the request (to its
    own path) that removes the mark."""

    mark: str
    step: str
    listing: Listing
    unmark: Mapping[str, Any]


@dataclass
class Marks:
    """By project: what bears a mark."""

    by_project: dict[str, list[Marked]] = field(default_factory=dict)


def mark(row: Row) -> str:
    """The mark by which a thing that was made for `row` is found again."""
    return f"{MARK}:{row.id}"


def marked(
    draft: Draft, kind: Kind, row: Row, step: str, *, field: str, unmark: Mapping[str, Any], version: str = ""
) -> None:
    """The thing that the step makes bears `mark(row)` in `field`, until the request `unmark` has removed it."""
    read = BY_NAME[row.kind]
    listing = Listing(
        service=read.service,
        path=[read.path, "&" if "?" in read.path else "?", "project_id=", draft.ref("project", row.project)],
        collection=read.collection,
        item=f"{kind.path}/",
        wrap=kind.wrap,
        field=field,
        version=version,
    )
    mine = Marked(mark(row), step, listing, unmark)
    draft.note(Marks).by_project.setdefault(row.project, []).append(mine)


def marked_in_metadata(draft: Draft, kind: Kind, row: Row, step: str) -> None:
    """As `marked`, by the key `naru` of its metadata."""
    unmark = {"method": "DELETE", "path": "/metadata/naru", "ok": [404]}
    marked(draft, kind, row, step, field="metadata.naru", unmark=unmark)


def removal(draft: Draft, project: str, after: str) -> str:
    """The steps, after the step `after`, that delete duplicates and remove the marks; the last of them."""
    marks = draft.note(Marks).by_project.get(project, [])
    if not marks:
        return after
    lists = {entry.listing.wrap: entry.listing for entry in marks}
    swept = draft.step(
        f"sweep {project}",
        Sweep(
            cloud=draft.new,
            service="network",
            lists=list(lists.values()),
            made={entry.mark: ref(entry.step) for entry in marks},
        ),
        SWEPT(project=draft.facts.projects[project].name),
        project=project,
        after=[after],
    )
    return _unmark(draft, project, marks, swept)


def _unmark(draft: Draft, project: str, marks: list[Marked], after: str) -> str:
    for service in sorted({entry.listing.service for entry in marks}):
        requests = [
            {
                **entry.unmark,
                "path": [entry.listing.item, ref(entry.step), entry.unmark.get("path", "")],
                "optional": True,
            }
            for entry in marks
            if entry.listing.service == service
        ]
        title = UNMARKED(count=len(requests))
        after = draft.call(f"unmark {service} {project}", service, requests, title, project=project, after=[after])
    return after


# -- the step


class Sweep(Action):
    """What has one of the marks in `made` and is not what its step made (the id of each mark) is deleted."""

    step_kind: ClassVar[str] = "move.sweep"

    lists: list[Listing]
    made: dict[str, Any]


@step("move.sweep", args=Sweep, no_undo="what it deletes was never wanted", retry=RETRY, deadline=DEADLINE)
def sweep(context: Context) -> dict[str, Any]:
    """Deletes what has one of the move's marks and is not what its step made: a process was killed while it asked, and
    asked again. `lists`: service, path, collection, item, wrap, field; `made`: the id of each mark; those of steps that
    were skipped are left alone."""
    results = context.results()
    made = {mark: identity for mark, identity in context.args["made"].items() if available(identity, results)}
    args = resolve({**context.args, "made": made}, results, context)
    admin = cloud(context, args["cloud"])
    deleted = []
    for listing in args["lists"]:
        version = listing.get("version", "")
        for item in admin.items(listing["service"], url(listing["path"]), listing["collection"], version):
            for mark in values(item, listing["field"]):
                wanted = args["made"].get(mark)
                if wanted and item["id"] != wanted:
                    path = f"{listing['item']}{item['id']}"
                    remove(context, admin, listing["service"], path, listing["wrap"], version, gone=True)
                    deleted.append(item["id"])
    return {"deleted": deleted}
