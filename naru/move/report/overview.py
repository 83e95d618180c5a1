"""The page over all projects, for operators."""

from collections import Counter
from collections.abc import Sequence

from naru.move.outcome import Outcome
from naru.move.report import tasks
from naru.move.report.blocks import Block, Heading, Paragraph, Table, code, link, plain
from naru.move.report.pages import (
    Part,
    content_table,
    count,
    difference_table,
    differing,
    downtime_table,
    file_list,
    finding_table,
    item_table,
)
from naru.move.report.texts import Texts


def blocks(
    texts: Texts, outcome: Outcome, parts: Sequence[Part], reports: dict[str, str], files: Sequence[tuple[str, str]]
) -> list[Block]:
    """The page. `reports` is each project's page (by old id), `files` are the maps: (file, key of `overview.files`)."""
    unexplained = [(item, found) for item, found in differing(outcome.items) if not found.rule]
    counts = {**count(outcome.items), "unexplained": len(unexplained), "tasks": len(outcome.tasks)}
    result: list[Block] = [
        Heading(1, texts.say("overview.title", old=outcome.old_cloud, new=outcome.new_cloud)),
        Paragraph(
            (
                *texts.say("facts.phase"),
                *plain(": " + texts.label("phase", outcome.phase) + ", "),
                *code(outcome.made_at),
            )
        ),
        Paragraph(texts.say("overview.in_short", projects=len(parts), **counts)),
        Heading(2, texts.say("overview.bad_title")),
        difference_table(texts, unexplained, explained=False)
        if unexplained
        else Paragraph(texts.say("overview.bad_none")),
        Heading(2, texts.say("overview.findings_title")),
        finding_table(texts, outcome.findings, outcome.items)
        if outcome.findings
        else Paragraph(texts.say("overview.findings_none")),
        Heading(2, texts.say("overview.projects_title")),
        _projects(texts, parts, reports),
    ]
    if back := [part.project.name or part.project.old_id for part in parts if part.project.back]:
        result.append(Paragraph(texts.say("overview.back", projects=", ".join(back))))
    if outcome.tasks:
        names = {part.project.old_id: part.project.name for part in parts}
        kinds = Counter((task.project, task.kind) for task in outcome.tasks)
        rows = tuple(
            (plain(names.get(project, project)), plain(tasks.title(texts, kind)), plain(f"{number:,}"))
            for (project, kind), number in sorted(kinds.items(), key=lambda pair: (names.get(pair[0][0], ""), pair[0]))
        )
        result += [Heading(2, texts.say("overview.tasks_title")), Paragraph(texts.say("overview.tasks"))]
        result.append(Table(tuple(texts.word(f"columns.{key}") for key in ("project", "tasks", "count")), rows))
    if outcome.downtimes:
        result += [Heading(2, texts.say("overview.downtime_title")), downtime_table(texts, outcome.downtimes)]
    if outcome.contents:
        result += [Heading(2, texts.say("overview.content_title")), content_table(texts, outcome.contents)]
    if shared := [item for item in outcome.items if item.project not in reports]:
        result += [Heading(2, texts.say("overview.shared_title")), item_table(texts, shared)]
    result.append(Heading(2, texts.say("overview.files_title")))
    result.append(file_list(texts, "overview", files))
    return result


def _projects(texts: Texts, parts: Sequence[Part], reports: dict[str, str]) -> Table:
    numbers = ("created", "matched", "left", "differences", "unexplained", "tasks")
    rows = []
    for part in parts:
        project, counts = part.project, count(part.items)
        counts["unexplained"] = sum(1 for _, found in differing(part.items) if not found.rule)
        counts["tasks"] = len(part.tasks)
        name = plain(project.name or texts.word("no_name"))
        told = (link(reports[project.old_id], name), plain(project.domain), code(project.old_id), code(project.new_id))
        rows.append((*told, *(plain(f"{counts[key]:,}") for key in numbers)))
    heads = ("project", "domain", "old_id", "new_id", *numbers)
    return Table(tuple(texts.word(f"columns.{key}") for key in heads), tuple(rows))
