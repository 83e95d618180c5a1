"""The tables that several pages have, and what stands in them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from naru.messages import Template, Text, clauses, message, word
from naru.move.outcome import ContentResult, Difference, Downtime, Item
from naru.plan.findings import Group, grouped
from naru.plan.model import Finding
from naru.report.blocks import Said, Table, Words, code
from naru.text import size

_LONG = 300  # characters of a value that a table shows: user data may be 64 KiB

COLUMNS: Mapping[str, Template] = {
    "kind": message("move.pages.column.kind", en="Kind", ko="종류"),
    "name": message("move.pages.column.name", en="Name", ko="이름"),
    "old_id": message("move.pages.column.old_id", en="Old id", ko="기존 ID"),
    "new_id": message("move.pages.column.new_id", en="New id", ko="새 ID"),
    "decision": message("move.pages.column.decision", en="What became of it", ko="처리"),
    "why": message("move.pages.column.why", en="Why", ko="이유"),
    "field": message("move.pages.column.field", en="Field", ko="항목"),
    "old": message("move.pages.column.old", en="Before", ko="기존 값"),
    "new": message("move.pages.column.new", en="Now", ko="새 값"),
    "rule": message("move.pages.column.rule", en="Explanation", ko="설명"),
    "count": message("move.pages.column.count", en="How many", ko="개수"),
    "server": message("move.pages.column.server", en="Server", ko="서버"),
    "expected": message("move.pages.column.expected", en="Expected", ko="예상"),
    "measured": message("move.pages.column.measured", en="Measured", ko="실제"),
    "stopped": message("move.pages.column.stopped", en="Stopped", ko="중지 시각"),
    "started": message("move.pages.column.started", en="Started", ko="시작 시각"),
    "stop": message("move.pages.column.stop", en="Stop", ko="정지"),
    "content": message("move.pages.column.content", en="Content", ko="데이터"),
    "wait": message("move.pages.column.wait", en="Waiting", ko="대기"),
    "start": message("move.pages.column.start", en="Start", ko="시작"),
    "volume": message("move.pages.column.volume", en="Volume", ko="볼륨"),
    "size": message("move.pages.column.size", en="Size", ko="크기"),
    "compared": message("move.pages.column.compared", en="Compared", ko="비교한 양"),
    "way": message("move.pages.column.way", en="How", ko="비교 방식"),
    "repaired": message("move.pages.column.repaired", en="Ranges repaired", ko="다시 복사한 구간"),
    "digest": message("move.pages.column.digest", en="Checksum", ko="체크섬"),
    "compared_at": message("move.pages.column.compared_at", en="When", ko="비교 시각"),
    "project": message("move.pages.column.project", en="Project", ko="프로젝트"),
    "domain": message("move.pages.column.domain", en="Domain", ko="도메인"),
    "created": message("move.pages.column.created", en="Created", ko="새로 생성"),
    "matched": message("move.pages.column.matched", en="Matched", ko="기존 것 사용"),
    "left": message("move.pages.column.left", en="Left", ko="이전하지 않음"),
    "differences": message("move.pages.column.differences", en="Differences", ko="달라진 항목"),
    "unexplained": message("move.pages.column.unexplained", en="Unexplained", ko="설명 없음"),
    "tasks": message("move.pages.column.tasks", en="Tasks", ko="할 일"),
    "severity": message("move.pages.column.severity", en="Severity", ko="심각도"),
    "summary": message("move.pages.column.summary", en="What", ko="내용"),
    "detail": message("move.pages.column.detail", en="Detail", ko="상세"),
    "hint": message("move.pages.column.hint", en="What to do", ko="조치"),
    "user": message("move.pages.column.user", en="User", ko="사용자"),
    "old_url": message("move.pages.column.old_url", en="Old address", ko="기존 주소"),
    "new_url": message("move.pages.column.new_url", en="New address", ko="새 주소"),
    "state": message("move.pages.column.state", en="State", ko="상태"),
    "ahead": message("move.pages.column.ahead", en="Copied ahead", ko="사전 복사"),
    "window": message("move.pages.column.window", en="In the window", ko="전환 중"),
    "all": message("move.pages.column.all", en="Together", ko="합계"),
    "about": message("move.pages.column.about", en="About", ko="대상"),
}
DECISIONS: Mapping[str, Template] = {
    "create": message("move.pages.decision.create", en="made anew", ko="새로 생성"),
    "match": message("move.pages.decision.match", en="already there", ko="이미 있는 것 사용"),
    "leave": message("move.pages.decision.leave", en="left behind", ko="이전하지 않음"),
}
SEVERITIES: Mapping[str, Template] = {
    "error": message("move.pages.severity.error", en="error", ko="오류"),
    "warning": message("move.pages.severity.warning", en="warning", ko="경고"),
    "info": message("move.pages.severity.info", en="note", ko="참고"),
}
WAYS: Mapping[str, Template] = {
    "whole": message("move.pages.way.whole", en="everything", ko="전체"),
    "changes": message(
        "move.pages.way.changes", en="what changed since everything was compared", ko="전체 비교 이후 변경된 부분"
    ),
    "image": message("move.pages.way.image", en="everything, by an image", ko="전체 (이미지로 이전)"),
    "clone": message("move.pages.way.clone", en="a clone of the old volume", ko="기존 볼륨의 클론"),
    "reflink": message("move.pages.way.reflink", en="a reflink of the old volume", ko="기존 볼륨의 리플링크"),
}
PHASES: Mapping[str, Template] = {
    "plan": message(
        "move.pages.phase.plan", en="planned, nothing done yet", ko="계획 단계이며 아직 아무것도 바뀌지 않았습니다"
    ),
    "prepare": message(
        "move.pages.phase.prepare",
        en="prepared; the old cloud is still in use",
        ko="준비 완료, 아직 기존 클라우드를 사용 중입니다",
    ),
    "cutover": message("move.pages.phase.cutover", en="changed over to the new cloud", ko="새 클라우드로 전환했습니다"),
    "finalize": message("move.pages.phase.finalize", en="finished", ko="이전이 모두 끝났습니다"),
    "rollback": message(
        "move.pages.phase.rollback",
        en="rolled back; the old cloud is in use",
        ko="이전을 되돌려 기존 클라우드를 사용 중입니다",
    ),
}
STATES: Mapping[str, Template] = {
    "plan": message("move.pages.state.plan", en="planned", ko="계획됨"),
    "prepare": message("move.pages.state.prepare", en="prepared", ko="준비됨"),
    "cutover": message("move.pages.state.cutover", en="cut over", ko="전환됨"),
    "finalize": message("move.pages.state.finalize", en="finished", ko="완료"),
    "rollback": message("move.pages.state.rollback", en="rolled back", ko="되돌림"),
}
"""Phases in a word."""
KIND = message("move.pages.kind", en="{kind:kind}", ko="{kind:kind}")
NO_NAME = message("move.pages.no_name", en="(no name)", ko="(이름 없음)")
SHORTENED = message(
    "move.pages.shortened",
    en="{text} … ({count:number} characters in all, whole in the map)",
    ko="{text} … (전체 {count:number}자, 전문은 매핑 파일 참고)",
)
NAMED = message("move.pages.named", en="{kind:kind} {name}", ko="{kind:kind} {name}")
OF = message("move.pages.of", en="{name}: {said}", ko="{name}: {said}")
NUMBER = message("move.pages.number", en="{number:number}", ko="{number:number}")
DURATION = message("move.pages.duration", en="{seconds:duration}", ko="{seconds:duration}")

# those of `Item.kind` that are not `naru.inventory.kinds`
word("kind", "security group rule", ko="보안 그룹 규칙")
word("kind", "router interface", ko="라우터 인터페이스")
word("kind", "volume attachment", ko="볼륨 연결")


# -- tables


def table(columns: Iterable[str], rows: Iterable[tuple[Said, ...]]) -> Table:
    """Under the heads of the columns (keys of COLUMNS)."""
    return Table(tuple(COLUMNS[column]() for column in columns), tuple(rows))


def item_table(items: Iterable[Item]) -> Table:
    """What became of each thing."""
    rows = (
        (
            *thing(item),
            code(item.old_id),
            code(item.new_id),
            DECISIONS[item.decision](),
            item.why,
        )
        for item in in_order(items)
    )
    return table(("kind", "name", "old_id", "new_id", "decision", "why"), rows)


def difference_table(found: Iterable[tuple[Item, Difference]], *, explained: bool = True) -> Table:
    """Field by field. Values are shown as JSON, so that "0", 0 and nothing are told apart."""
    rows = []
    for item, difference in sorted(found, key=lambda pair: (pair[0].kind, pair[0].name, pair[0].old_id, pair[1].field)):
        values = (_value(difference.old), _value(difference.new))
        last = difference.why if explained else code(item.new_id)
        rows.append((*thing(item), code(difference.field), *values, last))
    return table(("kind", "name", "field", "old", "new", "rule" if explained else "new_id"), rows)


def downtime_table(downtimes: Iterable[Downtime]) -> Table:
    """The longest first."""
    rows = []
    for downtime in sorted(downtimes, key=lambda one: (-(one.measured_s or 0), -one.expected_s, one.server_name)):
        measured = downtime.measured_s
        rows.append(
            (
                code(downtime.server_name) or code(downtime.server_old_id),
                DURATION(seconds=downtime.expected_s),
                "" if measured is None else DURATION(seconds=measured),
                code(downtime.stopped_at),
                code(downtime.started_at),
                *("" if part is None else DURATION(seconds=part) for part in downtime.parts),
            )
        )
    heads = ("server", "expected", "measured", "stopped", "started", "stop", "content", "wait", "start")
    return table(heads, rows)


def content_table(contents: Iterable[ContentResult]) -> Table:
    """By name."""
    rows = (
        (
            code(content.volume_name) or code(content.volume_old_id),
            size(content.size),
            size(content.compared),
            label(WAYS, content.way),
            f"{content.repaired:,}",
            code(f"{content.algorithm}:{content.digest}" if content.digest else ""),
            code(content.at),
        )
        for content in sorted(contents, key=lambda one: (one.volume_name, one.volume_old_id))
    )
    return table(("volume", "size", "compared", "way", "repaired", "digest", "compared_at"), rows)


def finding_table(findings: Iterable[Finding], items: Iterable[Item]) -> Table:
    """Those of one kind together, errors first. They are about things, whose names are those of the items."""
    called = {item.old_id: NAMED(kind=item.kind, name=item.name) for item in items if item.name}
    rows = (
        (
            label(SEVERITIES, group.severity),
            f"{len(group.findings):,}",
            group.summary,
            clauses(group.names),
            clauses(_details(group)),
            clauses(_hints(group)),
        )
        for group in grouped(findings, called)
    )
    return table(("severity", "count", "summary", "about", "detail", "hint"), rows)


def _details(group: Group) -> Iterator[Text]:
    if group.detail:
        yield group.detail
    yield from (_of(one.name, one.detail) for one in group.findings if one.detail)


def _hints(group: Group) -> Iterator[Text]:
    if group.hint:
        yield group.hint
    yield from (_of(one.name, one.hint) for one in group.findings if one.hint)


def _of(name: Text, said: Text) -> Text:
    return OF(name=name, said=said) if name else said


# -- what stands in them


def label(names: Mapping[str, Template], name: str) -> Text:
    """What a severity, way or phase is called; its own name when it has no other."""
    return names[name]() if name in names else name


def thing(item: Item) -> tuple[Text, Text]:
    """Its kind and its name."""
    return KIND(kind=item.kind), item.name or NO_NAME()


def name_of(name: str) -> Said:
    """A name as code."""
    return code(name) or NO_NAME()


def in_order(items: Iterable[Item]) -> list[Item]:
    """By kind and name."""
    return sorted(items, key=lambda item: (item.kind, item.name, item.old_id))


def _value(value: Any) -> Words:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return code(SHORTENED(text=text[:_LONG], count=len(text)) if len(text) > _LONG else text)
