"""The page over all projects, for operators."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from naru.messages import Template, message
from naru.move.outcome import Outcome
from naru.move.pages import tasks
from naru.move.pages.parts import ROLLED_BACK, Part, count, missing, phase_of, standing, unexplained
from naru.move.pages.pictures import data, interruptions
from naru.move.pages.project import PHASE
from naru.move.pages.tables import (
    DURATION,
    NO_NAME,
    NUMBER,
    PHASES,
    STATES,
    content_table,
    difference_table,
    downtime_table,
    finding_table,
    item_table,
    label,
    table,
)
from naru.move.pages.timeline import timelines, windows
from naru.report.blocks import Block, Figure, Figures, Heading, List, Paragraph, Said, Table, code, link
from naru.report.page import file_item
from naru.text import size

TITLE = message(
    "move.pages.overview.title",
    en="Move from {old} to {new}: all projects",
    ko="전체 프로젝트 이전 보고서 ({old} → {new})",
)
STATE = message("move.pages.overview.state", en="{state}: {phase}, {at}", ko="{state}: {phase}, {at}")
PROJECTS_FIGURE = message("move.pages.overview.figure.projects", en="Projects", ko="프로젝트")
MOVED = message("move.pages.overview.figure.moved", en="Things moved", ko="이전한 리소스")
TO_MOVE = message("move.pages.overview.figure.to_move", en="Things to be moved", ko="이전할 리소스")
DIFFER = message("move.pages.overview.figure.differ", en="Unexplained differences", ko="설명되지 않은 차이")
LEFT = message("move.pages.overview.figure.left", en="Left behind", ko="이전하지 않음")
TASKS_FIGURE = message("move.pages.overview.figure.tasks", en="Tasks for users", ko="사용자가 할 일")
LONGEST = message("move.pages.overview.figure.longest", en="Longest interruption", ko="가장 긴 중단")
LONGEST_EXPECTED = message(
    "move.pages.overview.figure.longest_expected", en="Longest interruption, expected", ko="가장 긴 예상 중단"
)
CARRIED = message("move.pages.overview.figure.carried", en="Data carried", ko="옮긴 데이터")
PROOFS = message("move.pages.overview.figure.proofs", en="Volumes proven equal", ko="동일함을 확인한 볼륨")
OF_ALL = message(
    "move.pages.overview.figure.of_all", en="{count:number} of {all:number}", ko="{all:number}개 중 {count:number}개"
)
WINDOWS_TITLE = message("move.pages.overview.windows_title", en="The windows", ko="전환")
WINDOWS_MORE = message(
    "move.pages.overview.windows_more",
    en="The {shown:number} longest of {all:number} windows. The table of interruptions below has all servers.",
    ko="전환 {all:number}회 중 가장 긴 {shown:number}회입니다. 모든 서버는 아래 중단 시간 표에 있습니다.",
)
DATA_TITLE = message("move.pages.overview.data_title", en="Data", ko="데이터")
DOWNTIME_EACH = message(
    "move.pages.overview.downtime_each", en="Interruptions, server by server", ko="서버별 중단 시간"
)
PROJECTS_TITLE = message("move.pages.overview.projects_title", en="Projects", ko="프로젝트")
BACK = message(
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
        _figures(outcome),
        *_pictures(outcome),
        Heading(2, BAD_TITLE()),
        difference_table(bad, explained=False) if bad else Paragraph(BAD_NONE()),
        Heading(2, FINDINGS_TITLE()),
        finding_table(outcome.findings, outcome.items) if outcome.findings else Paragraph(FINDINGS_NONE()),
        Heading(2, PROJECTS_TITLE()),
        _projects(outcome, parts, reports),
    ]
    if back := [part.project.name or part.project.old_id for part in parts if part.project.rolled_back]:
        result.append(Paragraph(BACK(projects=", ".join(back))))
    if outcome.tasks:
        result += [Heading(2, TASKS_TITLE()), Paragraph(TASKS()), _tasks(outcome, parts)]
    if outcome.downtimes:
        result += [Heading(2, DOWNTIME_EACH()), downtime_table(outcome.downtimes)]
    if outcome.contents:
        result += [Heading(2, CONTENT_TITLE()), content_table(outcome.contents)]
    if shared := [item for item in outcome.items if item.project not in reports]:
        result += [Heading(2, SHARED_TITLE()), item_table(shared)]
    result.append(Heading(2, FILES_TITLE()))
    result.append(List(tuple(file_item(file, FILES[key]()) for file, key in files)))
    return result


def _figures(outcome: Outcome) -> Figures:
    """The answer in one line."""
    items = standing(outcome)
    bad = len(unexplained(items))
    moved = [item for item in items if item.decision != "leave" and not missing(item)]
    known = [seconds for one in outcome.downtimes if (seconds := one.measured_s) is not None]
    expected = max((one.expected_s for one in outcome.downtimes), default=0.0)
    proven, volumes = len(outcome.contents), sum(item.kind == "volume" and item.decision == "create" for item in items)
    back = sum(phase_of(outcome, project) == ROLLED_BACK for project in outcome.projects)
    projects = len(outcome.projects)
    return Figures(
        (
            Figure(PROJECTS_FIGURE(), OF_ALL(count=projects - back, all=projects) if back else NUMBER(number=projects)),
            Figure(TO_MOVE() if outcome.phase == "plan" else MOVED(), NUMBER(number=len(moved))),
            Figure(DIFFER(), NUMBER(number=bad), bad > 0),
            Figure(LEFT(), NUMBER(number=sum(item.decision == "leave" for item in items))),
            Figure(TASKS_FIGURE(), NUMBER(number=len(outcome.tasks))),
            Figure(LONGEST(), DURATION(seconds=max(known)))
            if known
            else Figure(LONGEST_EXPECTED(), DURATION(seconds=expected)),
            Figure(CARRIED(), size(sum(one.written for one in outcome.carried))),
            Figure(PROOFS(), OF_ALL(count=proven, all=max(proven, volumes))),
        )
    )


def _pictures(outcome: Outcome) -> Iterator[Block]:
    """The windows, the interruptions, the data: as far as there is anything of them."""
    if found := list(timelines(outcome)):
        yield Heading(2, WINDOWS_TITLE())
        yield from found
        if len(found) < (all_windows := len(windows(outcome))):
            yield Paragraph(WINDOWS_MORE(shown=len(found), all=all_windows))
    if outcome.downtimes:
        yield Heading(2, DOWNTIME_TITLE())
        yield interruptions(outcome.downtimes)
    if outcome.carried:
        yield Heading(2, DATA_TITLE())
        yield data(outcome.carried)


def _projects(outcome: Outcome, parts: Sequence[Part], reports: Mapping[str, str]) -> Table:
    rows: list[tuple[Said, ...]] = []
    for part in parts:
        project, phase = part.project, phase_of(outcome, part.project)
        items = [] if phase == ROLLED_BACK else part.items  # nothing of it is there
        counts = count(items)
        numbers = (
            *(counts.created, counts.matched, counts.left),
            *(counts.differences, len(unexplained(items)), len(part.tasks)),
        )
        name = link(reports[project.old_id], project.name or NO_NAME())
        ids = (code(project.old_id), code(project.new_id))
        rows.append((name, project.domain, label(STATES, phase), *(f"{number:,}" for number in numbers), *ids))
    heads = ("project", "domain", "state", "created", "matched", "left", "differences", "unexplained", "tasks")
    return table((*heads, "old_id", "new_id"), rows)


def _tasks(outcome: Outcome, parts: Sequence[Part]) -> Table:
    """How many of each kind each project has."""
    names = {part.project.old_id: part.project.name for part in parts}
    kinds = Counter((task.project, task.kind) for task in outcome.tasks)
    rows = (
        (names.get(project, project), tasks.title(kind), f"{number:,}")
        for (project, kind), number in sorted(kinds.items(), key=lambda pair: (names.get(pair[0][0], ""), pair[0]))
    )
    return table(("project", "tasks", "count"), rows)
