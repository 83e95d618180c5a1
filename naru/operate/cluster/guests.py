"""What becomes of servers when the whole cloud goes down, and in which order: decided from what the cloud says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from naru.messages import Message, message
from naru.operate.cluster.reading import GROUP, PRIORITY

USUAL = 500
"""The priority of a server whose owner says none; 1 to 1000, higher ones start first, as Instance HA has it."""
AMPHORA = "amphora-"

OFF = message("cluster.guest.off", en="it is off, and stays so", ko="꺼져 있어 그대로 둡니다")
STAYS = message("cluster.guest.stays", en="nothing of it runs", ko="실행 중인 것이 없습니다")
RUNS = message("cluster.guest.runs", en="stopped, and started again", ko="정지했다가 다시 시작합니다")
LAST = message(
    "cluster.guest.service",
    en="a service has made it for its users: stopped last",
    ko="서비스가 만든 서버: 마지막에 정지",
)
PAUSED = message(
    "cluster.guest.paused",
    en="its memory is lost with its host, and Nova stops none that is paused",
    ko="호스트와 함께 메모리가 사라지며 Nova는 일시 정지된 서버를 정지하지 않습니다",
)
BUSY = message("cluster.guest.busy", en="something is being done to it ({what})", ko="작업이 진행 중입니다({what})")
CANNOT = message(
    "cluster.guest.cannot", en="Nova stops none in this status", ko="이 상태의 서버는 Nova가 정지하지 않습니다"
)
ANSWERED = message("cluster.guest.answered", en="you have said so", ko="지정한 대로")

AT_REST = ("SHUTOFF", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED", "DELETED")
"""Of which nothing runs: a suspended one has its memory on its host's disk."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a server: it is stopped and started again (`stop`), left as it is (`leave`), or the operator is
    to say (`ask`). `wave` orders those that are stopped: the lowest number starts first and stops last."""

    server: Mapping[str, Any]
    action: Literal["stop", "leave", "ask"]
    why: Message
    wave: int = 0


def decide(
    servers: Iterable[Mapping[str, Any]], answers: Mapping[str, str], order: Sequence[Sequence[str]]
) -> list[Decision]:
    """Of each server what becomes of it, in the order in which they start. `answers` are by name or id, `order` the
    waves of names, patterns or ids that come before what owners say."""
    found = [_decide(one, answers) for one in servers]
    keys = _keys([one.server for one in found], order)
    numbers = {key: number for number, key in enumerate(sorted(set(keys.values())))}
    placed = [Decision(one.server, one.action, one.why, numbers[keys[one.server["id"]]]) for one in found]
    return sorted(placed, key=lambda one: (one.wave, one.server["name"], one.server["id"]))


def running(servers: Iterable[Mapping[str, Any]], answers: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The servers of which something runs, or is about to, but those that are answered to be left. One in ERROR is none
    that could be stopped."""
    found = [_decide(one, answers) for one in servers]
    return [one.server for one in found if one.action != "leave" and one.server["status"] != "ERROR"]


def _decide(server: Mapping[str, Any], answers: Mapping[str, str]) -> Decision:
    answer = answers.get(server["id"], answers.get(server["name"]))
    status, task = server["status"], server.get("OS-EXT-STS:task_state")
    if answer == "leave":
        return Decision(server, "leave", ANSWERED())
    if status in AT_REST and not task:
        return Decision(server, "leave", OFF() if status == "SHUTOFF" else STAYS())
    if task:
        return Decision(server, "ask", BUSY(what=str(task)))
    if status == "ACTIVE":
        return Decision(server, "stop", LAST() if server["name"].startswith(AMPHORA) else RUNS())
    return Decision(server, "ask", PAUSED() if status == "PAUSED" else CANNOT())


def _keys(servers: Sequence[Mapping[str, Any]], order: Sequence[Sequence[str]]) -> dict[str, tuple[int, int]]:
    """By id what a server is sorted by: the operator's wave; of others what services have made before all (they stop
    last), then the owner's priority, the highest of its group."""
    groups: dict[tuple[str, str], int] = {}
    for one in servers:
        group = _of(one, GROUP)
        if group:
            key = one["tenant_id"], group
            groups[key] = max(groups.get(key, 0), _priority(one))
    found = {}
    for one in servers:
        wave = next((number for number, names in enumerate(order) if _is_in(one, names)), None)
        if wave is not None:
            found[one["id"]] = (wave, 0)
            continue
        group = _of(one, GROUP)
        priority = groups[one["tenant_id"], group] if group else _priority(one)
        found[one["id"]] = (len(order), 0 if one["name"].startswith(AMPHORA) else 1 + 1000 - priority)
    return found


def _is_in(server: Mapping[str, Any], names: Sequence[str]) -> bool:
    return server["id"] in names or any(fnmatchcase(server["name"], name) for name in names)


def _of(server: Mapping[str, Any], key: str) -> str:
    return str(server.get("order", {}).get(key, ""))


def _priority(server: Mapping[str, Any]) -> int:
    text = _of(server, PRIORITY)
    return int(text) if text.isdigit() and 1 <= int(text) <= 1000 else USUAL
