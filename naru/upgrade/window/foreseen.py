"""What is known before of compute services and agents, and of what they look after."""

from collections.abc import Iterable, Iterator, Sequence

from naru.messages import message
from naru.plan.model import Finding
from naru.site.discover.ranges import fold_names
from naru.site.model import Service
from naru.upgrade.back import quiet
from naru.upgrade.window.placed import COMPUTE, Placed

LOUD = message(
    "upgrade.finding.loud",
    en="on the way back the old nova-compute on {hosts} stops, marks and destroys guests by what the dump says of them",
    ko="되돌릴 때 {hosts}의 이전 nova-compute가 덤프에 적힌 상태에 맞춰 게스트를 중지, 표시, 삭제합니다",
)
LOUD_HINT = message(
    "upgrade.finding.loud.hint",
    en="Name its configuration (config:) in the site, a file that the next one does not read, and that of the next "
    "one, and plan again.",
    ko="사이트에 설정 파일(config:)을 적으세요. 다음 서비스가 읽지 않는 파일이어야 하며, 다음 서비스의 config:도 "
    "적어야 합니다. 그런 다음 다시 계획하세요.",
)
NOT_THERE = message(
    "upgrade.finding.not_there",
    en="{service} runs on {hosts}, where next: has none of {goal}",
    ko="{hosts}에서 {service}이(가) 실행 중이지만 next:에는 그 호스트의 {goal} 서비스가 없습니다",
)
NOT_THERE_HINT = message(
    "upgrade.finding.not_there.hint",
    en="It is stopped there, and stays so. What it looks after there (servers, or routers and networks of agents) does "
    "not go to another host by itself.",
    ko="그 호스트에서 중지된 채로 남습니다. 담당하던 서버나 라우터, 네트워크는 다른 호스트로 저절로 옮겨지지 않습니다.",
)


def findings(running: Sequence[Placed], later: Sequence[Placed], goal: str) -> Iterator[Finding]:
    """Those that run where none is to come, and those that would touch guests on the way back."""
    beside = by_host(later)
    mine = [one for one in running if one.service.name == COMPUTE]
    loud = [one.host for one in mine if not quiet.file_of(one.service, beside.get(one.host, ()))]
    if loud:
        yield Finding("warning", LOUD(hosts=", ".join(fold_names(loud))), hint=LOUD_HINT())
    taken, names = {(one.service.name, one.host) for one in later}, {one.service.name for one in later}
    lost: dict[str, list[str]] = {}
    for one in running:
        if one.of_computes and one.service.name in names and (one.service.name, one.host) not in taken:
            lost.setdefault(one.service.name, []).append(one.host)
    for name, hosts in lost.items():
        words = {"service": name, "goal": goal, "hosts": ", ".join(fold_names(hosts))}
        yield Finding("warning", NOT_THERE(**words), hint=NOT_THERE_HINT())


def by_host(placed: Iterable[Placed]) -> dict[str, list[Service]]:
    """The services of each host."""
    found: dict[str, list[Service]] = {}
    for one in placed:
        found.setdefault(one.host, []).append(one.service)
    return found
