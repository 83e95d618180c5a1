"""The page over all projects, for operators."""

from collections import Counter
from collections.abc import Mapping, Sequence

from naru.messages import Template, message
from naru.move.outcome import Outcome
from naru.move.pages import tasks
from naru.move.pages.parts import Part, count, unexplained
from naru.move.pages.project import PHASE
from naru.move.pages.tables import (
    NO_NAME,
    PHASES,
    content_table,
    difference_table,
    downtime_table,
    finding_table,
    item_table,
    label,
    table,
)
from naru.report.blocks import Block, Heading, List, Paragraph, Said, Table, code, link
from naru.report.page import file_item

TITLE = message(
    "move.pages.overview.title",
    en="Move from {old} to {new}: all projects",
    ko="전체 프로젝트 이전 보고서 ({old} → {new})",
)
STATE = message("move.pages.overview.state", en="{state}: {phase}, {at}", ko="{state}: {phase}, {at}")
IN_SHORT = message(
    "move.pages.overview.in_short",
    en=(
        "Projects: {projects:number}. Things: {items:number} (made anew {created:number}, already there "
        "{matched:number}, left behind {left:number}). Fields that differ: {differences:number}, unexplained: "
        "{unexplained:number}. Tasks for users: {tasks:number}."
    ),
    ko=(
        "프로젝트 {projects:number}개, 리소스 {items:number}개입니다. 새로 생성 {created:number}개, 이미 있는 것 "
        "사용 {matched:number}개, 이전하지 않음 {left:number}개입니다. 달라진 항목은 {differences:number}개이고 "
        "그중 설명되지 않은 것은 {unexplained:number}개입니다. 사용자가 할 일은 {tasks:number}건입니다."
    ),
)
PROJECTS_TITLE = message("move.pages.overview.projects_title", en="Projects", ko="프로젝트")
ROLLED_BACK = message(
    "move.pages.overview.rolled_back",
    en="Rolled back: {projects}. They are in use on the old cloud, as before.",
    ko="이전을 되돌린 프로젝트: {projects}. 이전과 같이 기존 클라우드에서 사용 중입니다.",
)
FINDINGS_TITLE = message("move.pages.overview.findings_title", en="Findings", ko="확인된 사항")
FINDINGS_NONE = message("move.pages.overview.findings_none", en="None.", ko="없습니다.")
BAD_TITLE = message("move.pages.overview.bad_title", en="Unexplained differences", ko="설명되지 않은 차이")
BAD_NONE = message(
    "move.pages.overview.bad_none",
    en="None. Every difference is explained by a rule.",
    ko="없습니다. 모든 차이를 규칙으로 설명할 수 있습니다.",
)
DOWNTIME_TITLE = message("move.pages.overview.downtime_title", en="Interruptions", ko="서비스 중단 시간")
CONTENT_TITLE = message("move.pages.overview.content_title", en="Volumes' content", ko="볼륨 데이터 검증")
TASKS_TITLE = message("move.pages.overview.tasks_title", en="Tasks of users", ko="사용자가 할 일")
TASKS = message(
    "move.pages.overview.tasks",
    en="How many of each kind. What they are in detail stands in the project's report.",
    ko="종류별 건수입니다. 자세한 내용은 각 프로젝트의 보고서에 있습니다.",
)
SHARED_TITLE = message(
    "move.pages.overview.shared_title",
    en="What belongs to none of the projects",
    ko="어느 프로젝트에도 속하지 않는 리소스",
)
FILES_TITLE = message("move.pages.overview.files_title", en="Files", ko="파일")
FILES: Mapping[str, Template] = {
    "csv": message("move.pages.overview.files.csv", en="the map of everything, as CSV", ko="전체 매핑 (CSV)"),
    "json": message(
        "move.pages.overview.files.json",
        en="the map of everything, with every difference, as JSON",
        ko="전체 매핑과 달라진 항목 전체 (JSON)",
    ),
    "downtimes": message(
        "move.pages.overview.files.downtimes",
        en="how long each server was off, in seconds, as CSV",
        ko="서버별 중단 시간(초), CSV",
    ),
}


def blocks(
    outcome: Outcome, parts: Sequence[Part], reports: Mapping[str, str], files: Sequence[tuple[str, str]]
) -> list[Block]:
    """The page. `reports` is each project's page (by old id), `files` are the maps: (file, key of FILES)."""
    bad = unexplained(outcome.items)
    result: list[Block] = [
        Heading(1, TITLE(old=outcome.old_cloud, new=outcome.new_cloud)),
        Paragraph(STATE(state=PHASE(), phase=label(PHASES, outcome.phase), at=code(outcome.made_at))),
        Paragraph(
            IN_SHORT(
                projects=len(parts),
                unexplained=len(bad),
                tasks=len(outcome.tasks),
                **vars(count(outcome.items)),
            )
        ),
        Heading(2, BAD_TITLE()),
        difference_table(bad, explained=False) if bad else Paragraph(BAD_NONE()),
        Heading(2, FINDINGS_TITLE()),
        finding_table(outcome.findings) if outcome.findings else Paragraph(FINDINGS_NONE()),
        Heading(2, PROJECTS_TITLE()),
        _projects(parts, reports),
    ]
    if back := [part.project.name or part.project.old_id for part in parts if part.project.rolled_back]:
        result.append(Paragraph(ROLLED_BACK(projects=", ".join(back))))
    if outcome.tasks:
        result += [Heading(2, TASKS_TITLE()), Paragraph(TASKS()), _tasks(outcome, parts)]
    if outcome.downtimes:
        result += [Heading(2, DOWNTIME_TITLE()), downtime_table(outcome.downtimes)]
    if outcome.contents:
        result += [Heading(2, CONTENT_TITLE()), content_table(outcome.contents)]
    if shared := [item for item in outcome.items if item.project not in reports]:
        result += [Heading(2, SHARED_TITLE()), item_table(shared)]
    result.append(Heading(2, FILES_TITLE()))
    result.append(List(tuple(file_item(file, FILES[key]()) for file, key in files)))
    return result


def _projects(parts: Sequence[Part], reports: Mapping[str, str]) -> Table:
    rows: list[tuple[Said, ...]] = []
    for part in parts:
        project, counts = part.project, count(part.items)
        numbers = (
            *(counts.created, counts.matched, counts.left),
            *(counts.differences, len(unexplained(part.items)), len(part.tasks)),
        )
        name = link(reports[project.old_id], project.name or NO_NAME())
        rows.append(
            (name, project.domain, code(project.old_id), code(project.new_id), *(f"{number:,}" for number in numbers))
        )
    heads = ("project", "domain", "old_id", "new_id", "created", "matched", "left", "differences", "unexplained")
    return table((*heads, "tasks"), rows)


def _tasks(outcome: Outcome, parts: Sequence[Part]) -> Table:
    """How many of each kind each project has."""
    names = {part.project.old_id: part.project.name for part in parts}
    kinds = Counter((task.project, task.kind) for task in outcome.tasks)
    rows = (
        (names.get(project, project), tasks.title(kind), f"{number:,}")
        for (project, kind), number in sorted(kinds.items(), key=lambda pair: (names.get(pair[0][0], ""), pair[0]))
    )
    return table(("project", "tasks", "count"), rows)
