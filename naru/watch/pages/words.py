"""What the page says, in both languages."""

from naru.messages import Template, message
from naru.watch import request
from naru.watch.change import differences


def _all(of: str, texts: dict[str, tuple[str, str]]) -> dict[str, Template]:
    made = {}
    for name, (en, ko) in texts.items():
        made[name] = message(f"watch.report.{of}.{name.replace(' ', '_')}", en=en, ko=ko)
    return made


TITLE = message("watch.report.title", en="Errors of the cloud: {name}", ko="클라우드 오류: {name}")
PERIOD = message(
    "watch.report.period",
    en="Warnings and errors from {begin} to {end}, read up to {read}. All times are UTC.",
    ko="{begin}부터 {end}까지의 경고와 오류입니다. 로그는 {read}까지 읽었습니다. 모든 시각은 UTC입니다.",
)
IN_DOUBT = message(
    "watch.report.in_doubt",
    en="The watch itself is in doubt, so groups may be missing or wrong: see the last section.",
    ko="감시 자체에 문제가 있어 빠지거나 잘못된 그룹이 있을 수 있습니다. 마지막 절을 보십시오.",
)
NONE = message("watch.report.none", en="There is none.", ko="없습니다.")
GROUPS = message("watch.report.groups", en="Groups", ko="그룹")
CHANGES = message("watch.report.changes", en="Changes", ko="변경")
EACH = message("watch.report.each", en="Group by group", ko="그룹별 내용")
ITSELF = message("watch.report.itself", en="The watch itself", ko="감시 자체의 상태")
MORE_GROUPS = message(
    "watch.report.more_groups",
    en="Of the groups that are neither muted nor resolved, the first {shown} are below; {more} more are in the table.",
    ko="음소거나 해결 상태가 아닌 그룹 가운데 앞의 {shown}개를 아래에 적었습니다. 나머지 {more}개는 표에 있습니다.",
)
EXAMPLE = message("watch.report.example", en="Example: {time} on {host}. {context}", ko="예: {time}, {host}. {context}")
REQUEST = message(
    "watch.report.request",
    en="What request {id} left in all services ({number} records):",
    ko="요청 {id}이(가) 모든 서비스에 남긴 기록 ({number}개):",
)
MORE_RECORDS = message(
    "watch.report.more_records",
    en="{more} more records: `naru watch request DIR {id}`",
    ko="기록 {more}개 더 있음: `naru watch request DIR {id}`",
)
NOT_READ = message(
    "watch.report.not_read", en="Its request could not be read: {why}", ko="요청 기록을 읽지 못했습니다: {why}"
)
CHANGE = message("watch.report.change", en="{what}: from {begin} to {end}", ko="{what}: {begin}부터 {end}까지")
GOES_ON = message("watch.report.goes_on", en="now, it goes on", ko="현재(진행 중)")
NO_CHANGE = message(
    "watch.report.no_change",
    en="No group is new, gone, or much more or less frequent since.",
    ko="이후 새로 생기거나 사라진 그룹, 빈도가 크게 달라진 그룹이 없습니다.",
)
RATE_TITLE = message("watch.report.rate_title", en="Records over time, by group", ko="그룹별 시간에 따른 기록 수")
RATE_SAYS = message(
    "watch.report.rate_says",
    en="Each bar is {slot:duration}; each row has a scale of its own, and its number is that of all its records. "
    "Dashed lines are changes of the cloud.",
    ko="막대 하나는 {slot:duration}입니다. 행마다 눈금이 다르고, 오른쪽 숫자는 전체 기록 수입니다. 점선은 클라우드 "
    "변경입니다.",
)
HOSTS_TITLE = message("watch.report.hosts_title", en="Records over time, by host", ko="호스트별 시간에 따른 기록 수")
RATE_TIP = message(
    "watch.report.rate_tip",
    en="{name}: {all:number} records, at most {most:number} within {slot:duration}, at {when}",
    ko="{name}: 기록 {all:number}개, {slot:duration} 동안 최대 {most:number}개({when})",
)
MORE_ROWS = message(
    "watch.report.more_rows",
    en="and {count:number} more, {all:number} records",
    ko="그 밖에 {count:number}개, 기록 {all:number}개",
)
NUMBER = message("watch.report.number", en="{n:number}", ko="{n:number}")
CAME_WITH = message("watch.report.came_with", en="{kind}, since {what}", ko="{kind}, {what} 이후")
OF = message("watch.report.state_class", en="{state}, {kind}", ko="{state}, {kind}")
UNTIL = message("watch.report.until", en="{state}, until {until}", ko="{state}, {until}까지")

FIGURES = _all(
    "figure",
    {
        "groups": ("groups", "그룹"),
        "new": ("new", "신규"),
        "escalating": ("escalating", "급증"),
        "regressed": ("come back", "재발"),
        "muted": ("muted", "음소거"),
        "records": ("records", "기록"),
        "hour": ("in the last hour", "최근 1시간"),
        "doubts": ("doubts about the watch", "감시 이상"),
    },
)
HEADS = _all(
    "head",
    {
        "group": ("group", "그룹"),
        "program": ("program", "프로그램"),
        "what": ("what", "내용"),
        "where": ("where", "위치"),
        "class": ("class", "분류"),
        "state": ("state", "상태"),
        "count": ("records", "기록 수"),
        "hour": ("last hour", "최근 1시간"),
        "hosts": ("hosts", "호스트"),
        "first": ("first", "처음"),
        "last": ("last", "마지막"),
        "level": ("level", "수준"),
        "host": ("host", "호스트"),
        "most": ("most in a bar", "막대 최대"),
        "when": ("when", "시각"),
        "time": ("time", "시각"),
        "reason": ("why it belongs", "포함 이유"),
        "message": ("message", "메시지"),
        "kind": ("what became of it", "변화"),
        "before": ("an hour, before", "이전(시간당)"),
        "after": ("an hour, since", "이후(시간당)"),
        "by": ("by", "처리자"),
        "why": ("reason", "사유"),
        "since": ("change", "변경"),
        "request": ("request", "요청"),
    },
)
STATES = _all(
    "state",
    {
        "new": ("new", "신규"),
        "open": ("open", "열림"),
        "escalating": ("escalating", "급증"),
        "regressed": ("come back", "재발"),
        "muted": ("muted", "음소거"),
        "resolved": ("resolved", "해결"),
    },
)
CLASSES = _all(
    "class",
    {
        "client": ("client's mistake", "호출자 실수"),
        "deprecation": ("deprecation", "사용 중단 예고"),
        "retry": ("retry", "재시도"),
        "unknown": ("unknown", "미분류"),
    },
)
KINDS = _all(
    "kind",
    {
        differences.NEW_CODE: ("new, by new code", "신규(새 코드)"),
        differences.NEW_BEHAVIOUR: ("new, by code that was there", "신규(기존 코드)"),
        differences.NEW: ("new", "신규"),
        differences.DURING: ("while it went on, and not since", "변경 중에만"),
        differences.CARRIED: ("carried over", "이어짐"),
        differences.GONE: ("gone", "사라짐"),
        differences.MORE: ("more", "증가"),
        differences.LESS: ("less", "감소"),
    },
)
REASONS = _all(
    "reason",
    {
        request.OWN: ("its request id", "요청 ID"),
        request.GLOBAL: ("its global request id", "전역 요청 ID"),
        request.CAME: ("the global id that came with it", "함께 온 전역 ID"),
        request.FOUND: ("a request that it made", "이 요청이 만든 요청"),
        request.SERVER: ("about its server, meanwhile", "그동안의 서버 관련 기록"),
        request.NOT_TRUSTED: ("after its end: not trusted", "종료 뒤 기록: 신뢰 불가"),
    },
)
HEALTH = _all(
    "health",
    {
        "files": ("files", "파일"),
        "lines": ("lines", "줄"),
        "records": ("records, of all levels", "기록(모든 수준)"),
        "warnings and worse": ("warnings and worse", "경고 이상"),
        "groups": ("groups", "그룹"),
        "lines not understood": ("lines of no known format", "형식을 알 수 없는 줄"),
        "records without statement": ("warnings and errors that fit no statement", "구문을 찾지 못한 경고와 오류"),
        "times lines were lost": ("times that lines were gone before they were read", "읽기 전에 줄이 사라진 횟수"),
        "read up to": ("read up to", "읽은 시각"),
        "unreachable": ("hosts that could not be read", "읽지 못한 호스트"),
        "unread": ("files with many lines of no known format", "형식을 알 수 없는 줄이 많은 파일"),
        "unmatched": ("files whose records fit no statement", "구문에 맞지 않는 파일"),
    },
)
