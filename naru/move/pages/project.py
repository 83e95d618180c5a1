"""The page of a project: what its users have to know and do, the most pressing first."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from naru.messages import Template, message
from naru.move.outcome import Outcome, Project
from naru.move.pages import addresses, iac, tasks
from naru.move.pages.parts import LAST_PHASE, ROLLED_BACK, Part, count, differing, phase_of, unexplained
from naru.move.pages.tables import (
    KIND,
    NO_NAME,
    PHASES,
    content_table,
    difference_table,
    downtime_table,
    finding_table,
    in_order,
    item_table,
    label,
    table,
    thing,
)
from naru.report.blocks import Block, Code, Heading, List, Paragraph, Said, Table, code
from naru.report.names import shell
from naru.report.page import file_item

TITLE = message(
    "move.pages.project.title", en="{name}: moved from {old} to {new}", ko="{name} 프로젝트 이전 보고서 ({old} → {new})"
)
PROVISIONAL = message(
    "move.pages.project.provisional",
    en=(
        "The move is not finished. Ids, differences and tasks may still change; wait for the final report before "
        "you change anything that lasts."
    ),
    ko=(
        "이전 작업이 아직 끝나지 않았습니다. ID와 달라진 항목, 할 일은 바뀔 수 있으니 최종 보고서를 받으신 뒤에 "
        "코드나 설정을 변경해 주십시오."
    ),
)
ROLLED_BACK_NOTE = message(
    "move.pages.project.rolled_back",
    en=(
        "This move was rolled back. Your project is in use on the old cloud, as before. There is nothing for you to "
        "do; what follows is a record."
    ),
    ko=(
        "이번 이전은 취소되어 원래 상태로 되돌렸습니다. 프로젝트는 전과 같이 기존 클라우드에서 사용하시면 되며, "
        "따로 하실 일은 없습니다. 아래 내용은 기록으로 남긴 것입니다."
    ),
)
IN_SHORT = message(
    "move.pages.project.in_short",
    en=(
        "Things of this project: {items:number} (made anew {created:number}, already there {matched:number}, left "
        "behind {left:number}). Fields that differ: {differences:number}. Tasks for you: {tasks:number}."
    ),
    ko=(
        "이 프로젝트의 리소스 {items:number}개를 확인했습니다. 새로 생성 {created:number}개, 이미 있는 것 사용 "
        "{matched:number}개, 이전하지 않음 {left:number}개입니다. 달라진 항목은 {differences:number}개, 직접 "
        "하셔야 할 일은 {tasks:number}건입니다."
    ),
)
BAD_TITLE = message("move.pages.project.bad_title", en="Not as it should be", ko="정상이 아닌 항목")
BAD = message(
    "move.pages.project.bad",
    en="The following is not explained by any rule. It is an error of the move, and your operators are to correct it.",
    ko="아래 차이는 어떤 규칙으로도 설명되지 않는 이전 작업의 오류입니다. 운영자가 바로잡을 예정입니다.",
)
BAD_FINDINGS = message(
    "move.pages.project.bad_findings",
    en="The move has errors to report:",
    ko="이전 작업에서 다음 오류가 확인되었습니다.",
)
TASKS_TITLE = message("move.pages.project.tasks_title", en="What you have to do", ko="직접 하셔야 할 일")
TASKS_NONE = message("move.pages.project.tasks_none", en="Nothing.", ko="없습니다.")
DOWNTIME_TITLE = message("move.pages.project.downtime_title", en="Interruption", ko="서비스 중단 시간")
DOWNTIME = message(
    "move.pages.project.downtime",
    en=(
        "How long each server was off, from the beginning of its stop on the old cloud to the end of its start on "
        "the new one, beside what the plan expected. The measured time is told in parts: the stop, until the old "
        "cloud said that it was off; its volumes' last changes, carried and compared; waiting for addresses and "
        "for others; and the start."
    ),
    ko=(
        "서버별로 기존 클라우드에서 정지를 시작한 때부터 새 클라우드에서 시작이 끝난 때까지 걸린 시간입니다. "
        "계획에서 예상한 시간도 함께 표시합니다. 실제 시간은 기존 클라우드가 정지를 확인할 때까지(정지), 볼륨의 "
        "마지막 변경분을 옮기고 비교할 때까지 (데이터), 주소와 다른 서버를 기다린 시간(대기), 새 클라우드에서 "
        "시작이 끝날 때까지(시작)로 나누어 적었습니다."
    ),
)
CONTENT_TITLE = message("move.pages.project.content_title", en="Volumes' content", ko="볼륨 데이터 검증")
CONTENT = message(
    "move.pages.project.content",
    en=(
        "What each volume holds was compared by checksums when it was moved, while the server was off. The "
        "checksum is that of the whole content at that moment; ranges that differed were copied again and compared "
        "again."
    ),
    ko=(
        "볼륨마다 서버가 정지된 동안 옮긴 데이터를 체크섬으로 비교했습니다. 체크섬은 그 시점의 전체 데이터에 대한 "
        "값이며, 서로 다른 구간이 있으면 다시 복사한 뒤 다시 비교했습니다."
    ),
)
LEFT_TITLE = message("move.pages.project.left_title", en="What was left behind", ko="이전하지 않은 리소스")
LEFT = message(
    "move.pages.project.left",
    en="The following was not moved. It is on the old cloud as long as that is there.",
    ko="아래 리소스는 옮기지 않았습니다. 기존 클라우드가 운영되는 동안에는 그곳에 그대로 남아 있습니다.",
)
MAP_TITLE = message("move.pages.project.map_title", en="From old id to new id", ko="기존 ID와 새 ID")
MAP = message(
    "move.pages.project.map",
    en="Search for an old id to find what it became. The same is in the map files, for programs.",
    ko=(
        "기존 ID로 검색하시면 새 ID를 찾으실 수 있습니다. 프로그램에서 쓰실 수 있도록 같은 내용을 매핑 파일로도 "
        "제공합니다."
    ),
)
FINDINGS_TITLE = message("move.pages.project.findings_title", en="Further remarks", ko="그 밖의 안내")
FILES_TITLE = message("move.pages.project.files_title", en="Files of this report", ko="보고서 파일")
FILES: Mapping[str, Template] = {
    "html": message("move.pages.project.files.html", en="this report, for a browser", ko="이 보고서 (웹 브라우저용)"),
    "md": message("move.pages.project.files.md", en="this report, as Markdown", ko="이 보고서 (Markdown)"),
    "csv": message(
        "move.pages.project.files.csv", en="the map from old to new, as CSV", ko="기존 ID와 새 ID의 매핑 (CSV)"
    ),
    "json": message(
        "move.pages.project.files.json",
        en="the map from old to new, with every difference, as JSON",
        ko="기존 ID와 새 ID의 매핑과 달라진 항목 전체 (JSON)",
    ),
    "tf": message("move.pages.project.files.tf", en="Terraform `import` blocks", ko="Terraform `import` 블록"),
    "downtimes": message(
        "move.pages.project.files.downtimes",
        en="how long each server was off, in seconds, as CSV",
        ko="서버별 중단 시간(초), CSV",
    ),
}


def blocks(outcome: Outcome, part: Part, files: Sequence[tuple[str, str]], map_file: str) -> list[Block]:
    """The page. `files` are those beside it: (file, key of FILES); `map_file` is the JSON map among them."""
    name = code(part.project.name) or NO_NAME()
    result: list[Block] = [
        Heading(1, TITLE(name=name, old=outcome.old_cloud, new=outcome.new_cloud)),
        _facts(outcome, part.project),
    ]
    if (phase := phase_of(outcome, part.project)) != LAST_PHASE:
        result.append(Paragraph((ROLLED_BACK_NOTE if phase == ROLLED_BACK else PROVISIONAL)(), tone="note"))
    if phase != ROLLED_BACK:
        result.append(Paragraph(IN_SHORT(**vars(count(part.items)), tasks=len(part.tasks))))
    result += _bad(part)
    result += _access(outcome, part.project)
    result.append(Heading(2, TASKS_TITLE()))
    result += tasks.blocks(outcome, part.tasks)
    if not part.tasks:
        result.append(Paragraph(TASKS_NONE()))
    result += addresses.blocks(part)
    if part.downtimes:
        result += [Heading(2, DOWNTIME_TITLE()), Paragraph(DOWNTIME()), downtime_table(part.downtimes)]
    if part.contents:
        result += [Heading(2, CONTENT_TITLE()), Paragraph(CONTENT()), content_table(part.contents)]
    if left := [item for item in part.items if item.decision == "leave"]:
        rows = [(*thing(item), code(item.old_id), item.why) for item in in_order(left)]
        result += [Heading(2, LEFT_TITLE()), Paragraph(LEFT()), table(("kind", "name", "old_id", "why"), rows)]
    result += _differences(part)
    result += [Heading(2, MAP_TITLE()), Paragraph(MAP()), item_table(part.items)]
    result += iac.blocks(map_file)
    if further := [finding for finding in part.findings if finding.severity != "error"]:
        result += [Heading(2, FINDINGS_TITLE()), finding_table(further, part.items)]
    result.append(Heading(2, FILES_TITLE()))
    result.append(List(tuple(file_item(file, FILES[key]()) for file, key in files)))
    return result


# -- the project at a glance

CLOUDS = message("move.pages.facts.clouds", en="Moved", ko="이전 경로")
CLOUDS_VALUE = message("move.pages.facts.clouds_value", en="from `{old}` to `{new}`", ko="`{old}` → `{new}`")
PROJECT = message("move.pages.facts.project", en="Project", ko="프로젝트")
DOMAIN = message("move.pages.facts.domain", en="Domain", ko="도메인")
PROJECT_ID = message("move.pages.facts.project_id", en="Project id", ko="프로젝트 ID")
PROJECT_ID_VALUE = message("move.pages.facts.project_id_value", en="`{old}` became `{new}`", ko="`{old}` → `{new}`")
PROJECT_ID_OLD = message(
    "move.pages.facts.project_id_old",
    en="`{old}`, not made on the new cloud yet",
    ko="`{old}` (새 클라우드에는 아직 만들지 않았습니다)",
)
AUTH_URL = message("move.pages.facts.auth_url", en="Identity service", ko="인증 서비스 주소")
REGION = message("move.pages.facts.region", en="Region", ko="리전")
CHANGE_VALUE = message("move.pages.facts.change_value", en="`{old}` became `{new}`", ko="`{old}` → `{new}`")
PHASE = message("move.pages.facts.phase", en="State", ko="진행 상태")
MADE_AT = message("move.pages.facts.made_at", en="As of", ko="작성 시각")


def _facts(outcome: Outcome, project: Project) -> Table:
    def changed(old: str, new: str) -> Said:
        return code(old) if old == new else CHANGE_VALUE(old=old, new=new)

    if project.new_id:
        ids = PROJECT_ID_VALUE(old=project.old_id, new=project.new_id)
    else:
        ids = PROJECT_ID_OLD(old=project.old_id)
    rows: tuple[tuple[Said, Said], ...] = (
        (CLOUDS(), CLOUDS_VALUE(old=outcome.old_cloud, new=outcome.new_cloud)),
        (PROJECT(), code(project.name)),
        (DOMAIN(), code(project.domain)),
        (PROJECT_ID(), ids),
        (AUTH_URL(), changed(outcome.old_auth_url, outcome.new_auth_url)),
        (REGION(), changed(outcome.old_region, outcome.new_region)),
        (PHASE(), label(PHASES, phase_of(outcome, project))),
        (MADE_AT(), code(outcome.made_at)),
    )
    return Table(("", ""), rows)


def _bad(part: Part) -> Iterator[Block]:
    bad = unexplained(part.items)
    errors = [finding for finding in part.findings if finding.severity == "error"]
    if bad or errors:
        yield Heading(2, BAD_TITLE())
    if bad:
        yield Paragraph(BAD(), tone="bad")
        yield difference_table(bad, explained=False)
    if errors:
        yield Paragraph(BAD_FINDINGS(), tone="bad")
        yield finding_table(errors, part.items)


# -- how to reach the new cloud

ACCESS_TITLE = message("move.pages.project.access_title", en="How to reach the new cloud", ko="새 클라우드 접속 방법")
ACCESS = message(
    "move.pages.project.access",
    en=(
        "Put this into `~/.config/openstack/clouds.yaml`, with your own user name, and your user's domain where it "
        "is another one. The commands in this report use the two names in it. The password is asked for, so that "
        "it stands in no file."
    ),
    ko=(
        "아래 내용을 `~/.config/openstack/clouds.yaml` 파일에 넣고 사용자 이름을 본인의 것으로 바꿔 주십시오. "
        "사용자의 도메인이 다르다면 도메인도 함께 바꿔 주십시오. 이 보고서의 명령은 모두 이 파일에 적힌 클라우드 "
        "이름을 사용합니다. 비밀번호는 실행할 때 물어보므로 파일에 적지 않으셔도 됩니다."
    ),
)
ACCESS_OLD = message(
    "move.pages.project.access_old",
    en="The old cloud is reached as before, as long as it is there.",
    ko="기존 클라우드에는 운영이 끝날 때까지 지금까지와 같은 방법으로 접속하실 수 있습니다.",
)
ACCESS_CHECK = message(
    "move.pages.project.access_check", en="Whether it works:", ko="다음 명령으로 접속이 되는지 확인하실 수 있습니다."
)


def _access(outcome: Outcome, project: Project) -> Iterator[Block]:
    yield Heading(2, ACCESS_TITLE())
    yield Paragraph(ACCESS())
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
    yield Paragraph(ACCESS_OLD())
    yield Paragraph(ACCESS_CHECK())
    yield Code("sh", f"openstack --os-cloud {shell(outcome.new_cloud)} token issue -c project_id -c expires")


def _yaml(text: str) -> str:
    """A string of YAML's, which JSON's are."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


# -- what differs

DIFFERENCES_TITLE = message("move.pages.project.differences_title", en="What differs, and why", ko="달라진 점과 이유")
DIFFERENCES = message(
    "move.pages.project.differences",
    en="Everything that is not named here is as it was.",
    ko="여기에 없는 항목은 모두 기존과 같습니다.",
)
DIFFERENCES_NONE = message("move.pages.project.differences_none", en="Nothing differs.", ko="달라진 점이 없습니다.")
DIFFERENCES_RULES = message(
    "move.pages.project.differences_rules", en="By reason:", ko="이유별로 묶으면 다음과 같습니다."
)
DIFFERENCES_EACH = message("move.pages.project.differences_each", en="One by one:", ko="항목별 내용은 다음과 같습니다.")


def _differences(part: Part) -> Iterator[Block]:
    yield Heading(2, DIFFERENCES_TITLE())
    found = [(item, difference) for item, difference in differing(part.items) if difference.why]
    if not found:
        yield Paragraph(DIFFERENCES_NONE())
        return
    yield Paragraph(DIFFERENCES())
    rules = Counter((item.kind, difference.field, difference.why) for item, difference in found)
    if len(rules) < len(found):
        yield Paragraph(DIFFERENCES_RULES())
        counted = sorted(rules.items(), key=lambda pair: (-pair[1], *map(str, pair[0])))
        rows = ((KIND(kind=kind), code(field), rule, f"{number:,}") for (kind, field, rule), number in counted)
        yield table(("kind", "field", "rule", "count"), rows)
        yield Paragraph(DIFFERENCES_EACH())
    yield difference_table(found)
