"""The report of an upgrade: for operators what was done when, and for users what they noticed; English and Korean."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from naru.inventory.archive import Archive
from naru.messages import LANGUAGES, Text, message
from naru.report import page
from naru.report.blocks import BAD, Block, Figure, Figures, Heading, Paragraph, Said, Table, code
from naru.report.directory import write_directory
from naru.text import utc
from naru.upgrade.compare.guests import Record, record
from naru.upgrade.compare.verified import NOT_WELL, Verified
from naru.upgrade.compare.verify import ARCHIVE, versions
from naru.upgrade.history import History, Phase, history
from naru.upgrade.work import Work

OVERVIEW, USERS = "overview", "users"
SHOWN = 20
"""So many guests are in the report."""
UTC = message("upgrade.report.utc", en="All times are UTC.", ko="모든 시각은 UTC입니다.")
TOOK = message("upgrade.report.took", en="{seconds:duration}", ko="{seconds:duration}")
GOES_ON = message("upgrade.report.goes_on", en="goes on", ko="진행 중")
NOT_BEGUN = message("upgrade.report.not_begun", en="not begun", ko="시작 전")
NONE = message("upgrade.report.none", en="none", ko="없음")
IS_BACK = message(
    "upgrade.report.is_back",
    en="The upgrade was taken back: databases and services are as they were before the window.",
    ko="업그레이드를 되돌렸습니다. 데이터베이스와 서비스는 작업 시간 이전과 같습니다.",
)
NO_API = message("upgrade.report.no_api", en="no API", ko="API 중단")
WRITES = message("upgrade.report.writes", en="writes refused", ko="쓰기 차단")
REHEARSALS = message("upgrade.report.rehearsals", en="rehearsals", ko="예행연습")
FAILED = message("upgrade.report.failed", en="failed on the way", ko="도중 실패")
WRONG = message("upgrade.report.wrong", en="wrong after it", ko="비교 결과 이상")
NOT_COMPARED = message("upgrade.report.not_compared", en="not compared", ko="비교하지 않음")
PHASES = message("upgrade.report.phases", en="What was done", ko="진행 내역")
REMARKS = message("upgrade.report.remarks", en="What was recorded", ko="기록된 사항")
FAILURES = message("upgrade.report.failures", en="What failed on the way", ko="도중에 실패한 것")
COMPARED = message("upgrade.report.compared", en="Before and after, compared by the API", ko="API로 비교한 전후")
COMPARED_AT = message("upgrade.report.compared_at", en="Compared at {at}.", ko="{at}에 비교했습니다.")
EQUAL = message("upgrade.report.equal", en="There is no difference.", ko="차이가 없습니다.")
GUESTS = message("upgrade.report.guests", en="Guests that were asked all the time", ko="계속 확인한 게스트")
WORST = message(
    "upgrade.report.guests.worst",
    en="{all} guests were asked; those with the longest silence:",
    ko="게스트 {all}개를 확인했습니다. 응답이 가장 오래 끊긴 게스트:",
)
HEADS = {
    "guest": message("upgrade.report.head.guest", en="guest", ko="게스트"),
    "sent": message("upgrade.report.head.sent", en="asked", ko="확인 횟수"),
    "lost": message("upgrade.report.head.lost", en="no answer", ko="응답 없음"),
    "cut": message("upgrade.report.head.cut", en="connections cut", ko="끊어진 연결"),
    "longest": message("upgrade.report.head.longest", en="longest silence", ko="가장 긴 끊김"),
    "what": message("upgrade.report.head.what", en="what", ko="내용"),
    "began": message("upgrade.report.head.began", en="began", ko="시작"),
    "ended": message("upgrade.report.head.ended", en="ended", ko="종료"),
    "took": message("upgrade.report.head.took", en="took", ko="걸린 시간"),
    "rehearsed": message("upgrade.report.head.rehearsed", en="in rehearsals", ko="예행연습"),
    "at": message("upgrade.report.head.at", en="at", ko="시각"),
    "why": message("upgrade.report.head.why", en="why", ko="이유"),
    "judged": message("upgrade.report.head.judged", en="judged", ko="판단"),
    "kind": message("upgrade.report.head.kind", en="kind", ko="종류"),
    "change": message("upgrade.report.head.change", en="change", ko="변화"),
    "field": message("upgrade.report.head.field", en="field", ko="필드"),
    "number": message("upgrade.report.head.number", en="number", ko="개수"),
    "examples": message("upgrade.report.head.examples", en="examples", ko="예"),
    "service": message("upgrade.report.head.service", en="service", ko="서비스"),
    "before": message("upgrade.report.head.before", en="before", ko="이전"),
    "after": message("upgrade.report.head.after", en="after", ko="이후"),
}
FOR_USERS = message(
    "upgrade.report.users.title", en="Maintenance of the cloud {cloud}", ko="{cloud} 클라우드 점검 안내"
)
SERVERS = message(
    "upgrade.report.users.servers",
    en="Servers, volumes and networks went on all the time. What you could not do:",
    ko="서버와 볼륨, 네트워크는 내내 동작했습니다. 그동안 할 수 없던 일은 다음과 같습니다.",
)
COULD_NOT_WRITE = message(
    "upgrade.report.users.could_not_write",
    en="create, change or delete anything (answered with 503 and Retry-After)",
    ko="생성, 변경, 삭제 (503과 Retry-After로 응답)",
)
COULD_NOT_ASK = message(
    "upgrade.report.users.could_not_ask", en="use the APIs and the dashboard at all", ko="API와 대시보드 사용"
)
UNCHANGED = message(
    "upgrade.report.users.back",
    en="The upgrade was taken back, and nothing has changed.",
    ko="업그레이드를 되돌려 바뀐 것이 없습니다.",
)
LOST = message(
    "upgrade.report.users.lost",
    en="The upgrade was taken back. What you have made or changed since it began is gone.",
    ko="업그레이드를 되돌렸습니다. 그 뒤에 만들거나 바꾼 것은 사라졌습니다.",
)
VERSIONS = message("upgrade.report.users.versions", en="Versions of the APIs", ko="API 버전")


def write(upgrade: Work, directory: Path, languages: Sequence[str] = LANGUAGES) -> list[Path]:
    """Writes the report into the directory, in place of an earlier one; gives its files. Raises InputError for a
    directory with something else in it, or a language that there are no texts in."""
    page.check_languages(languages)
    wanted = tuple(dict.fromkeys(languages))
    written = write_directory(list(_files(upgrade, wanted)), directory, marker=f"{OVERVIEW}.{wanted[0]}.md")
    return sorted(written.iterdir())


def _files(upgrade: Work, languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    found = history(upgrade)
    apis = _versions(upgrade)
    for language in languages:
        yield from page.files(OVERVIEW, language, languages, [*_overview(found), *_guests(record(upgrade.directory))])
        yield from page.files(USERS, language, languages, _users(found, apis))


def _overview(found: History) -> Iterator[Block]:
    yield Heading(1, found.plan)
    if found.is_back:
        yield Paragraph(IS_BACK(), tone="note")
    yield _figures(found)
    yield Paragraph(UTC())
    yield Heading(2, PHASES())
    yield _table(
        ("what", "began", "ended", "took", "rehearsed"),
        [(*_row(one), _took(one.rehearsed)) for one in (*found.phases, *found.refused, *found.silent)],
    )
    if found.remarks:
        yield Heading(2, REMARKS())
        yield _table(("at", "what"), [(utc(one.at), one.detail) for one in found.remarks])
    if found.failures:
        yield Heading(2, FAILURES())
        rows = [(utc(one.at), one.step.title or one.step.id, one.error.get("summary", "")) for one in found.failures]
        yield _table(("at", "what", "why"), rows)
    if found.verified:
        yield Heading(2, COMPARED())
        yield Paragraph(COMPARED_AT(at=utc(found.verified["at"])))
        differences = [Verified(*one) for one in found.verified["found"]]
        if not differences:
            yield Paragraph(EQUAL())
            return
        heads = Verified._fields
        yield _table(heads, [(*one[:4], str(one.number), code("; ".join(one.examples))) for one in differences])


def _guests(found: Record) -> Iterator[Block]:
    if not found.guests:
        return
    yield Heading(2, GUESTS())
    yield Paragraph(WORST(all=len(found.guests)))
    worst = sorted(found.guests, key=lambda one: (-one.cut, -one.longest))[:SHOWN]
    yield _table(
        ("guest", "sent", "lost", "longest", "began", "cut"),
        [
            (
                one.guest,
                str(one.sent),
                _counted(one.lost),
                _took(one.longest),
                "" if one.since is None else utc(one.since),
                _counted(one.cut),
            )
            for one in worst
        ],
    )


def _figures(found: History) -> Figures:
    wrong = sum(one[0] in NOT_WELL for one in found.verified["found"]) if found.verified else None
    return Figures(
        (
            Figure(NO_API(), _all(found.silent)),
            Figure(WRITES(), _all(found.refused)),
            Figure(REHEARSALS(), str(len(found.rehearsals))),
            Figure(FAILED(), _counted(len(found.failures)), bool(found.failures)),
            Figure(WRONG(), NOT_COMPARED() if wrong is None else _counted(wrong), bool(wrong)),
        )
    )


def _users(found: History, apis: Sequence[tuple[str, str, str]]) -> Iterator[Block]:
    yield Heading(1, FOR_USERS(cloud=found.cloud))
    yield Paragraph(SERVERS())
    rows = [(COULD_NOT_WRITE(), *_row(one)[1:]) for one in found.refused if one.began]
    rows += [(COULD_NOT_ASK(), *_row(one)[1:]) for one in found.silent if one.began]
    yield _table(("what", "began", "ended", "took"), rows)
    yield Paragraph(UTC())
    if found.is_back:
        yield Paragraph(LOST() if any(one.detail.startswith("lost: ") for one in found.remarks) else UNCHANGED())
    elif apis:
        yield Heading(2, VERSIONS())
        yield _table(("service", "before", "after"), apis)


def _versions(upgrade: Work) -> list[tuple[str, str, str]]:
    """The versions of the APIs before and after, as far as both were read."""
    if not (upgrade.directory / ARCHIVE).exists():
        return []
    with Archive(upgrade.directory / ARCHIVE) as archive:
        return versions(upgrade, archive)


def _row(one: Phase) -> tuple[Said, Said, Said, Said]:
    if one.began is None:
        return one.what, NOT_BEGUN(), "", ""
    return one.what, utc(one.began), GOES_ON() if one.ended is None else utc(one.ended), _took(one.seconds)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Said]]) -> Table:
    return Table(tuple(HEADS[name]() for name in heads), tuple(tuple(row) for row in rows))


def _all(spans: Sequence[Phase]) -> Text:
    """How long they took together."""
    if any(one.began is not None and one.ended is None for one in spans):
        return GOES_ON()
    return _took(sum(one.seconds or 0.0 for one in spans)) if spans else NONE()


def _took(seconds: float | None) -> Text:
    return "" if seconds is None else TOOK(seconds=seconds)


def _counted(number: int) -> Text:
    return f"{BAD}{number}" if number else NONE()
