"""What becomes of each server of a host that has failed: the first of `RULES` that has something to say decides.

evacuate  Nova builds it anew on another host, with the same disks and ports
leave     stays, and is as it was when the host comes back
ask       a human decides: `--answer`. The others are not kept waiting for that
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from naru.errors import InputError
from naru.messages import Text, message
from naru.operate import compute
from naru.operate.drain.facts import Facts, Server
from naru.operate.drain.room import place

Action = Literal["evacuate", "leave", "ask"]
PRIORITY, GROUP = "naru:evacuate_priority", "naru:evacuate_group"
"""The metadata of a server that says when it comes, 1 to 1000, the higher first, and with which others."""
USUAL = 500
TAKEN = ("ACTIVE", "SHUTOFF", "ERROR")
"""The statuses in which Nova takes a server."""

_DELETED = message("evacuate.why.deleted", en="it is deleted", ko="삭제된 서버입니다")
_TASK = message(
    "evacuate.why.task",
    en="something was being done to it when the host failed ({what}): see what it came to, reset its state",
    ko="호스트 장애 시 작업 중이었습니다({what}). 결과를 확인하고 상태를 재설정하십시오",
)
_STATUS = message(
    "evacuate.why.status",
    en="Nova evacuates no server that is {status}; to reset its state would lose what that means",
    ko="{status} 상태의 서버는 대피할 수 없습니다. 상태를 재설정하면 그 의미를 잃습니다",
)
_ERROR = message(
    "evacuate.why.error",
    en="it was in ERROR before, and would come up running",
    ko="이전부터 ERROR 상태였으며 대피하면 실행 상태로 올라옵니다",
)
_AMPHORA = message("evacuate.why.amphora", en="Octavia replaces it by itself", ko="Octavia가 스스로 교체합니다")
_TIED = message(
    "evacuate.why.tied",
    en="it is tied to its host ({what}): Nova evacuates none such",
    ko="호스트에 묶여 있어({what}) 대피할 수 없습니다",
)
_TOGETHER = message(
    "evacuate.why.together",
    en="its group {group} wants all its servers on one host: a try would only turn it to ERROR",
    ko="서버 그룹 {group}은(는) 한 호스트를 요구합니다. 시도하면 ERROR가 될 뿐입니다",
)
_DISK = message(
    "evacuate.why.disk",
    en="its disk may have been on the host alone: built anew from its image it would lose all that was written",
    ko="디스크가 이 호스트에만 있었을 수 있습니다. 이미지로 다시 만들면 기록된 데이터를 잃습니다",
)
_DISKS = message("evacuate.why.disks", en="its disks are elsewhere", ko="디스크가 다른 곳에 있습니다")
_ANSWERED = message("evacuate.why.answered", en="the operator says so: {why}", ko="운영자의 결정: {why}")
_NO_ROOM = message(
    "evacuate.why.no_room", en="{why}; as it looks it fits nowhere: {room}", ko="{why}. 자리 없음: {room}"
)


@dataclass(frozen=True)
class Decision:
    """What is done with a server, why, and when it comes (the higher first)."""

    server: Server
    action: Action
    why: Text
    priority: int


Rule = Callable[[Server, Facts, bool], tuple[Action, Text] | None]


def deleted(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """What its owner has deleted stays so."""
    gone = server.status in ("DELETED", "SOFT_DELETED") or server.row.get(compute.TASK) in ("deleting", "soft-deleting")
    return ("leave", _DELETED()) if gone else None


def task(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """What was under way may have ended anywhere: a server that was migrating may run on the other side."""
    what = server.row.get(compute.TASK)
    return ("ask", _TASK(what=str(what))) if what else None


def status(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """Nova takes what is ACTIVE, SHUTOFF or in ERROR."""
    if server.status == "ERROR":
        return "ask", _ERROR()
    return None if server.status in TAKEN else ("ask", _STATUS(status=server.status))


def amphora(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """Octavia's own servers, known by their names."""
    return ("leave", _AMPHORA()) if server.name.startswith("amphora-") else None


def tied(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """vTPM, accelerators, persistent memory: Nova refuses."""
    what = server.wants("hw:tpm_version", "accel:device_profile", "hw:pmem")
    return ("ask", _TIED(what=what)) if what else None


def together(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """The filter of a hard affinity group passes no host but the dead one."""
    if server.group and server.group.policy == "affinity":
        return "ask", _TOGETHER(group=server.group.name)
    return None


def disk(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """A disk that hosts do not share is built anew from the image: data is lost, and Nova says nothing of it."""
    return ("ask", _DISK()) if server.is_from_image and not shared else None


def others(server: Server, facts: Facts, shared: bool) -> tuple[Action, Text] | None:
    """Volumes, or disks that hosts share."""
    return "evacuate", _DISKS()


RULES: list[Rule] = [deleted, task, status, amphora, tied, together, disk, others]


def decide(facts: Facts, answers: Mapping[str, str], shared: bool) -> list[Decision]:
    """What is done with each server of the host, in the order in which they come. Raises InputError for an answer that
    cannot be."""
    given = _answers(facts, answers)
    levels = _priorities(facts.servers)
    found = []
    for server in facts.servers:
        action, why = next(said for rule in RULES if (said := rule(server, facts, shared)))
        answer = given.get(server.id)
        if answer and answer != action:
            action, why = answer, _ANSWERED(why=why)
        found.append(Decision(server, action, why, levels[server.id]))
    found.sort(key=lambda one: (-one.priority, one.server.name, one.server.id))
    room = place([one.server for one in found if one.action == "evacuate"], facts.targets)
    # the scheduler has the last word: what does not fit on paper is tried, and said
    return [
        one
        if one.action != "evacuate" or room[one.server.id].host
        else Decision(one.server, one.action, _NO_ROOM(why=one.why, room=room[one.server.id].why), one.priority)
        for one in found
    ]


def _priorities(servers: Sequence[Server]) -> dict[str, int]:
    """By server when it comes; a group comes with the first of its members."""
    own, groups = {}, {}
    for one in servers:
        said = one.row.get("evacuate") or {}
        text = str(said.get(PRIORITY, ""))
        own[one.id] = int(text) if text.isdigit() and 1 <= int(text) <= 1000 else USUAL
        groups[one.id] = str(said.get(GROUP, ""))
    best: dict[str, int] = {}
    for identity, group in groups.items():
        best[group] = max(best.get(group, 0), own[identity])
    return {identity: best[group] if group else own[identity] for identity, group in groups.items()}


def _answers(facts: Facts, answers: Mapping[str, str]) -> dict[str, Action]:
    found: dict[str, Action] = {}
    for named, answer in answers.items():
        mine = [one for one in facts.servers if named in (one.id, one.name)]
        if len(mine) != 1:
            what = f"no server {named!r}" if not mine else f"{len(mine)} servers {named!r}"
            hint = f"Give its id: {', '.join(one.id for one in mine)}" if mine else "--dry-run lists them."
            raise InputError(f"--answer {named}={answer}: {facts.host} has {what}", hint=hint)
        if answer not in ("evacuate", "leave"):
            raise InputError(f"--answer {named}={answer}: give evacuate or leave")
        (server,) = mine
        if answer == "evacuate" and (server.status not in TAKEN or server.row.get(compute.TASK)):
            raise InputError(
                f"--answer {named}=evacuate: it is {server.row.get(compute.TASK) or server.status}",
                hint="Nova takes one that is ACTIVE, SHUTOFF or in ERROR, without a task. Reset its state first.",
            )
        found[server.id] = "evacuate" if answer == "evacuate" else "leave"
    return found
