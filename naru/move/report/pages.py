"""The page of a project: what its users have to know and do, the most pressing first."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from naru import messages
from naru.move.outcome import Content, Difference, Downtime, Item, Outcome, Project, Task
from naru.move.report import tasks
from naru.move.report.blocks import Block, Code, Heading, List, Paragraph, Table, Words, code, link, plain
from naru.move.report.names import shell
from naru.move.report.sentences import Thing, say
from naru.move.report.terraform import from_state
from naru.move.report.texts import Texts
from naru.plan.model import Finding
from naru.plan.text import size

LAST_PHASE = "finalize"
TAKEN_BACK = "rollback"
_LONG = 300  # characters of a value that a table shows: user data may be 64 KiB


@dataclass(frozen=True)
class Part:
    """What of an outcome one project is concerned with."""

    project: Project
    items: Sequence[Item]
    tasks: Sequence[Task]
    downtimes: Sequence[Downtime]
    contents: Sequence[Content]
    findings: Sequence[Finding]


def phase_of(outcome: Outcome, project: Project) -> str:
    """The last phase that was done of the project."""
    return TAKEN_BACK if project.back else outcome.phase


def differing(items: Iterable[Item]) -> Iterator[tuple[Item, Difference]]:
    """Each difference with its thing."""
    return ((item, difference) for item in items for difference in item.differences)


def count(items: Iterable[Item]) -> dict[str, int]:
    """How many were created, matched and left, and how many fields differ, by the names of the texts' placeholders."""
    items = list(items)
    decisions = Counter(item.decision for item in items)
    named = {"created": decisions["create"], "matched": decisions["match"], "left": decisions["leave"]}
    return {"items": len(items), **named, "differences": sum(1 for _ in differing(items))}


def blocks(texts: Texts, outcome: Outcome, part: Part, files: Sequence[tuple[str, str]], map_file: str) -> list[Block]:
    """The page. `files` are those beside it: (file, key of `project.files`); `map_file` is the JSON map among them."""
    name = code(part.project.name) or plain(texts.word("no_name"))
    result: list[Block] = [
        Heading(1, texts.say("project.title", name=name, old=outcome.old_cloud, new=outcome.new_cloud)),
        _facts(texts, outcome, part.project),
    ]
    if (phase := phase_of(outcome, part.project)) != LAST_PHASE:
        key = "project.rolled_back" if phase == TAKEN_BACK else "project.provisional"
        result.append(Paragraph(texts.say(key), tone="note"))
    result.append(Paragraph(texts.say("project.in_short", **count(part.items), tasks=len(part.tasks))))
    result += _bad(texts, part)
    result += _access(texts, outcome, part.project)
    result.append(Heading(2, texts.say("project.tasks_title")))
    result += tasks.blocks(texts, outcome, part.tasks)
    if not part.tasks:
        result.append(Paragraph(texts.say("project.tasks_none")))
    if part.downtimes:
        result += [Heading(2, texts.say("project.downtime_title")), Paragraph(texts.say("project.downtime"))]
        result.append(downtime_table(texts, part.downtimes))
    if part.contents:
        result += [Heading(2, texts.say("project.content_title")), Paragraph(texts.say("project.content"))]
        result.append(content_table(texts, part.contents))
    if left := [item for item in part.items if item.decision == "leave"]:
        result += [Heading(2, texts.say("project.left_title")), Paragraph(texts.say("project.left"))]
        rows = tuple((*_thing(texts, item), code(item.old_id), plain(say(texts, item.why))) for item in _sorted(left))
        result.append(Table(_heads(texts, "kind", "name", "old_id", "why"), rows))
    result += _differences(texts, part)
    result += [Heading(2, texts.say("project.map_title")), Paragraph(texts.say("project.map"))]
    result.append(item_table(texts, part.items))
    result += _iac(texts, map_file)
    if further := [finding for finding in part.findings if finding.severity != "error"]:
        result += [Heading(2, texts.say("project.findings_title")), finding_table(texts, further, part.items)]
    result.append(Heading(2, texts.say("project.files_title")))
    result.append(file_list(texts, "project", files))
    return result


# -- sections


def _facts(texts: Texts, outcome: Outcome, project: Project) -> Table:
    def changed(old: str, new: str) -> Words:
        return code(old) if old == new else texts.say("facts.change_value", old=old, new=new)

    if project.new_id:
        ids = texts.say("facts.project_id_value", old=project.old_id, new=project.new_id)
    else:
        ids = texts.say("facts.project_id_old", old=project.old_id)
    rows: list[tuple[str, Words]] = [
        ("clouds", texts.say("facts.clouds_value", old=outcome.old_cloud, new=outcome.new_cloud)),
        ("project", code(project.name)),
        ("domain", code(project.domain)),
        ("project_id", ids),
        ("auth_url", changed(outcome.old_auth_url, outcome.new_auth_url)),
        ("region", changed(outcome.old_region, outcome.new_region)),
        ("phase", plain(texts.label("phase", phase_of(outcome, project)))),
        ("made_at", code(outcome.made_at)),
    ]
    return Table(_heads(texts, "fact", "value"), tuple((texts.say(f"facts.{key}"), value) for key, value in rows))


def _bad(texts: Texts, part: Part) -> Iterator[Block]:
    unexplained = [(item, found) for item, found in differing(part.items) if not found.rule]
    errors = [finding for finding in part.findings if finding.severity == "error"]
    if unexplained or errors:
        yield Heading(2, texts.say("project.bad_title"))
    if unexplained:
        yield Paragraph(texts.say("project.bad"), tone="bad")
        yield difference_table(texts, unexplained, explained=False)
    if errors:
        yield Paragraph(texts.say("project.bad_findings"), tone="bad")
        yield finding_table(texts, errors, part.items)


def _access(texts: Texts, outcome: Outcome, project: Project) -> Iterator[Block]:
    yield Heading(2, texts.say("project.access_title"))
    yield Paragraph(texts.say("project.access"))
    lines = ["clouds:"]
    sides = (
        (outcome.old_cloud, outcome.old_auth_url, outcome.old_region),
        (outcome.new_cloud, outcome.new_auth_url, outcome.new_region),
    )
    for cloud, auth_url, region in sides:
        lines += [f"  {_yaml(cloud)}:", "    auth:", f"      auth_url: {_yaml(auth_url)}"]
        lines += ['      username: "YOUR-NAME"', f"      user_domain_name: {_yaml(project.domain)}"]
        lines += [f"      project_name: {_yaml(project.name)}", f"      project_domain_name: {_yaml(project.domain)}"]
        lines += [f"    region_name: {_yaml(region)}"] if region else []
    yield Code("yaml", "\n".join(lines))
    yield Paragraph(texts.say("project.access_old"))
    yield Paragraph(texts.say("project.access_check"))
    yield Code("sh", f"openstack --os-cloud {shell(outcome.new_cloud)} token issue -c project_id -c expires")


def _differences(texts: Texts, part: Part) -> Iterator[Block]:
    yield Heading(2, texts.say("project.differences_title"))
    found = [(item, difference) for item, difference in differing(part.items) if difference.rule]
    if not found:
        yield Paragraph(texts.say("project.differences_none"))
        return
    yield Paragraph(texts.say("project.differences"))
    rules = Counter((item.kind, difference.field, difference.rule) for item, difference in found)
    if len(rules) < len(found):
        yield Paragraph(texts.say("project.differences_rules"))
        rows = tuple(
            (plain(texts.label("kinds", kind)), code(field), plain(say(texts, rule)), plain(f"{number:,}"))
            for (kind, field, rule), number in sorted(rules.items(), key=lambda pair: (-pair[1], pair[0]))
        )
        yield Table(_heads(texts, "kind", "field", "rule", "count"), rows)
        yield Paragraph(texts.say("project.differences_each"))
    yield difference_table(texts, found)


_BY_NAME = """\
data "openstack_networking_network_v2" "public" {
  name = "public"
}

data "openstack_images_image_v2" "debian" {
  name        = "debian-12"
  most_recent = true
}

resource "openstack_compute_instance_v2" "web" {
  name        = "web"
  flavor_name = "m1.small"
  image_id    = data.openstack_images_image_v2.debian.id
  network {
    name = data.openstack_networking_network_v2.public.name
  }
}"""


def _iac(texts: Texts, map_file: str) -> Iterator[Block]:
    yield Heading(2, texts.say("project.iac_title"))
    yield Paragraph(texts.say("iac.advice"))
    yield Paragraph(texts.say("iac.example"))
    yield Code("hcl", _BY_NAME)
    yield Paragraph(texts.say("iac.state"))
    steps = zip(("pull", "make", "remove", "plan", "apply"), from_state(shell(map_file)), strict=True)
    for number, (key, command) in enumerate(steps, start=1):
        yield List((texts.say(f"iac.{key}"),), first=number)
        yield Code("sh", command)
    yield Paragraph(texts.say("iac.not_importable"))
    yield Paragraph(texts.say("iac.fresh"))
    yield Code("sh", "terraform plan -generate-config-out=generated.tf")
    yield Paragraph(texts.say("iac.others"))


# -- what the overview has as well


def file_list(texts: Texts, section: str, files: Iterable[tuple[str, str]]) -> List:
    """Files beside the page, by (file, key of the section's `files`)."""
    return List(
        tuple((*link(file, code(file)), *plain(": "), *texts.say(f"{section}.files.{key}")) for file, key in files)
    )


def item_table(texts: Texts, items: Iterable[Item]) -> Table:
    """What became of each thing."""
    rows = tuple(
        (
            *_thing(texts, item),
            code(item.old_id),
            code(item.new_id),
            plain(texts.word(f"decision.{item.decision}")),
            plain(say(texts, item.why)),
        )
        for item in _sorted(items)
    )
    return Table(_heads(texts, "kind", "name", "old_id", "new_id", "decision", "why"), rows)


def difference_table(texts: Texts, found: Iterable[tuple[Item, Difference]], *, explained: bool = True) -> Table:
    """Field by field. Values are shown as JSON, so that "0", 0 and nothing are told apart."""
    rows = []
    for item, difference in sorted(found, key=lambda pair: (pair[0].kind, pair[0].name, pair[0].old_id, pair[1].field)):
        values = (_value(texts, difference.old), _value(texts, difference.new))
        last = plain(say(texts, difference.rule)) if explained else code(item.new_id)
        rows.append((*_thing(texts, item), code(difference.field), *values, last))
    last_head = "rule" if explained else "new_id"
    return Table(_heads(texts, "kind", "name", "field", "old", "new", last_head), tuple(rows))


def downtime_table(texts: Texts, downtimes: Iterable[Downtime]) -> Table:
    """The longest first."""
    rows = []
    for downtime in sorted(downtimes, key=lambda one: (-(one.measured_s or 0), -one.expected_s, one.server_name)):
        measured = downtime.measured_s
        rows.append(
            (
                code(downtime.server_name) or code(downtime.server_old_id),
                plain(texts.duration(downtime.expected_s)),
                plain("" if measured is None else texts.duration(measured)),
                code(downtime.stopped_at),
                code(downtime.started_at),
                *(plain("" if part is None else texts.duration(part)) for part in downtime.parts),
            )
        )
    heads = ("server", "expected", "measured", "stopped", "started", "stop", "content", "wait", "start")
    return Table(_heads(texts, *heads), tuple(rows))


def content_table(texts: Texts, contents: Iterable[Content]) -> Table:
    """By name."""
    rows = tuple(
        (
            code(content.volume_name) or code(content.volume_old_id),
            plain(size(content.size)),
            plain(size(content.compared)),
            plain(texts.label("way", content.way)),
            plain(f"{content.repaired:,}"),
            code(f"{content.algorithm}:{content.digest}" if content.digest else ""),
            code(content.at),
        )
        for content in sorted(contents, key=lambda one: (one.volume_name, one.volume_old_id))
    )
    heads = ("volume", "size", "compared", "way", "repaired", "digest", "compared_at")
    return Table(_heads(texts, *heads), rows)


def finding_table(texts: Texts, findings: Iterable[Finding], items: Iterable[Item]) -> Table:
    """Errors first. `items` are the things that findings are about."""
    order = ("error", "warning", "info")
    things: dict[str, tuple[Thing, ...]] = {}
    for item in items:
        things[item.old_id] = (*things.get(item.old_id, ()), (item.kind, item.name or item.old_id))
    rows = tuple(
        (
            plain(texts.label("severity", finding.severity)),
            plain(say(texts, messages.say(finding.summary), things.get(finding.about, ()))),
            *(plain(say(texts, messages.say(text))) for text in (finding.detail, finding.hint)),
            code(finding.about),
        )
        for finding in sorted(findings, key=lambda one: order.index(one.severity))
    )
    return Table(_heads(texts, "severity", "summary", "detail", "hint", "about"), rows)


def _thing(texts: Texts, item: Item) -> tuple[Words, Words]:
    return plain(texts.label("kinds", item.kind)), plain(item.name or texts.word("no_name"))


def _heads(texts: Texts, *keys: str) -> tuple[str, ...]:
    return tuple(texts.word(f"columns.{key}") for key in keys)


def _sorted(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.kind, item.name, item.old_id))


def _value(texts: Texts, value: Any) -> Words:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) > _LONG:
        text = texts.word("shortened", text=text[:_LONG], count=len(text))
    return code(text)


def _yaml(text: str) -> str:
    """A string of YAML's, which JSON's are."""
    return json.dumps(text, ensure_ascii=not text.isprintable())
