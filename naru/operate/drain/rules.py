"""What becomes of each server on the host: the first of `RULES` that has something to say decides.

live   migrated while it runs
cold   migrated while it is off, and confirmed before the host goes down
leave  stays, and is as it was when the host comes back
ask    a human decides: nothing is done before that (`--answer`)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from naru.errors import InputError
from naru.messages import Text, message
from naru.operate.drain.facts import Facts, Server
from naru.operate.drain.room import Placed, place

Action = Literal["live", "cold", "leave", "ask"]
ACTIONS: tuple[Action, ...] = ("live", "cold", "leave", "ask")
MOVES = ("live", "cold")
LIVE_STATUS, COLD_STATUS = ("ACTIVE", "PAUSED"), ("ACTIVE", "SHUTOFF")
"""The statuses in which Nova takes a server for a live and for a cold migration."""
TRAIN = "2.79"
"""Nova's newest microversion in Train, whose computes move pinned CPUs, NUMA cells and SR-IOV ports."""


@dataclass(frozen=True)
class Options:
    """What the operator has said: `answers` by a server's id or name, hosts that alone may take servers, and whether
    servers that are off stay where they are."""

    answers: Mapping[str, str]
    only: Sequence[str] = ()
    leave_stopped: bool = False


@dataclass(frozen=True)
class Decision:
    """What is done with a server, why, where it fits ("" for one that stays). `is_homeless` is one that would move, and
    fits nowhere: it is asked about for that."""

    server: Server
    action: Action
    why: Text
    to: str = ""
    is_homeless: bool = False


Rule = Callable[[Server, Facts, Options], tuple[Action, Text] | None]

_BUSY = message("drain.why.busy", en="something is being done to it ({what})", ko="작업이 진행 중입니다({what})")
_DELETED = message("drain.why.deleted", en="it is deleted, and may be restored", ko="삭제되었으며 복원될 수 있습니다")
_SUSPENDED = message(
    "drain.why.suspended",
    en="its memory lies on this host: resume it, or leave it here",
    ko="메모리 이미지가 이 호스트에 있습니다. 재개하거나 그대로 두십시오",
)
_RESCUED = message(
    "drain.why.rescued",
    en="Nova moves no server in rescue: unrescue it",
    ko="복구 모드인 서버는 옮길 수 없습니다. 복구 모드를 끝내십시오",
)
_ERROR = message(
    "drain.why.error",
    en="it is in ERROR; a guest may still run well: look, and reset its state, or leave it",
    ko="ERROR 상태입니다. 게스트는 정상일 수 있으니 확인 후 상태를 되돌리거나 그대로 두십시오",
)
_RESIZED = message(
    "drain.why.resized",
    en="its owner has not confirmed or reverted its resize",
    ko="소유자가 크기 변경을 확정하거나 되돌리지 않았습니다",
)
_SHELVED = message(
    "drain.why.shelved", en="it is shelved: offload it", ko="보류(shelve) 상태입니다. 호스트에서 내리십시오(offload)"
)
_STATUS = message(
    "drain.why.status", en="Nova moves no server that is {status}", ko="{status} 상태의 서버는 옮길 수 없습니다"
)
_AMPHORA = message(
    "drain.why.amphora",
    en="it is Octavia's: have that fail over (openstack loadbalancer amphora failover)",
    ko="Octavia의 서버입니다. 장애 조치를 실행하십시오(openstack loadbalancer amphora failover)",
)
_DEVICE = message(
    "drain.why.device",
    en="it has a part of this host that does not move while it runs ({what}): cold, if its owner agrees",
    ko="실행 중에는 옮길 수 없는 호스트 장치를 사용합니다({what}). 소유자가 동의하면 cold로 옮기십시오",
)
_TIED = message(
    "drain.why.tied",
    en="it is tied to this host ({what}): neither live nor cold, leave it or ask its owner",
    ko="이 호스트에 묶여 있습니다({what}). 옮길 수 없으니 그대로 두거나 소유자와 협의하십시오",
)
_PINNED = message(
    "drain.why.pinned",
    en="this Nova moves no guest with CPUs or memory of its own while it runs ({what}): cold, if its owner agrees",
    ko="이 Nova는 전용 CPU나 메모리를 쓰는 게스트를 실행 중에 옮기지 못합니다({what}). 동의를 얻어 cold로 옮기십시오",
)
_TOGETHER = message(
    "drain.why.together",
    en="its group {group} wants all its servers on one host: Nova moves none of them",
    ko="서버 그룹 {group}의 서버는 한 호스트에 함께 있어야 하므로 옮길 수 없습니다",
)
_OFF = message("drain.why.off", en="it is off", ko="꺼져 있습니다")
_OFF_STAYS = message(
    "drain.why.off_stays", en="it is off, and stays (--leave-stopped)", ko="꺼져 있어 그대로 둡니다(--leave-stopped)"
)
_RUNS = message("drain.why.runs", en="it runs ({disks})", ko="실행 중입니다({disks})")
_DISKS = {
    True: message(
        "drain.disks.image", en="its disk is copied where hosts do not share it", ko="공유되지 않은 디스크는 복사됩니다"
    ),
    False: message("drain.disks.volumes", en="its disks are volumes", ko="디스크는 볼륨입니다"),
}
_LOCKED = message("drain.why.locked", en="{why}; locked, and stays so", ko="{why}; 잠겨 있으며 잠금은 유지됩니다")
_ANSWERED = message("drain.why.answered", en="the operator says so: {why}", ko="운영자의 결정: {why}")
_NO_ROOM = message("drain.why.no_room", en="{why}, and it fits nowhere: {room}", ko="{why}. 옮길 곳이 없습니다: {room}")


def deleted(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """A deleted server that may be restored keeps its disk here.
    Nova moves none of them; the reclaim takes it."""
    return ("leave", _DELETED()) if server.status in ("SOFT_DELETED", "DELETED") else None


def busy(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """Something is being done to it, and it has not ended while the reading waited.
    Nova takes no server with a task; what the task leaves is not known."""
    what = str(server.row.get("OS-EXT-STS:task_state") or server.status)
    return ("ask", _BUSY(what=what)) if server.is_busy and server.status != "SHELVED_OFFLOADED" else None


def status(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """Statuses in which Nova moves nothing, or in which a move would lose what the status means.
    Who resets them is somebody who has looked."""
    known = {
        "SUSPENDED": _SUSPENDED(),
        "RESCUE": _RESCUED(),
        "ERROR": _ERROR(),
        "VERIFY_RESIZE": _RESIZED(),
        "SHELVED": _SHELVED(),
    }
    if server.status in ("ACTIVE", "PAUSED", "SHUTOFF"):
        return None
    return "ask", known.get(server.status) or _STATUS(status=server.status)


def amphora(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """Octavia's own servers: it replaces one faster than Nova moves it, and takes one that pauses for dead.
    They are known by their names, which Octavia gives."""
    return ("ask", _AMPHORA()) if server.name.startswith("amphora-") else None


def tied(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """Accelerators, shares and persistent memory: Nova refuses both ways.
    A vTPM's key follows to no other host in most releases, though the API does not refuse it."""
    what = server.wants("accel:device_profile", "hw:pmem", "hw:tpm_version", "resources:VTPM")
    accelerated = any((port.get("binding:profile") or {}).get("arq_uuid") for port in server.ports)
    if not what and accelerated:
        what = "a port with an accelerator"
    return ("ask", _TIED(what=what)) if what else None


def device(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """PCI devices, vGPUs, encrypted memory and, before Train, SR-IOV ports: not while it runs.
    A server that is off takes its like on another host, if Nova finds one."""
    if server.status == "SHUTOFF":
        return None
    what = server.wants("pci_passthrough:alias", "resources:VGPU", "hw:mem_encryption")
    direct = {str(port.get("binding:vnic_type")) for port in server.ports} - {"normal", "None"}
    whole = direct & {"direct-physical", "vdpa"}
    if not what and (whole or (direct and not (facts.supports(TRAIN) and facts.has_bindings))):
        what = f"port of type {sorted(whole or direct)[0]}"
    return ("ask", _DEVICE(what=what)) if what else None


def pinned(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """Guests with CPUs, NUMA cells or huge pages of their own: before Train Nova refuses, or, by a workaround that is
    never used here, puts them onto CPUs that others have."""
    if server.status == "SHUTOFF" or facts.supports(TRAIN):
        return None
    what = server.wants("hw:numa_nodes", "hw:mem_page_size")
    policy = server.wants("hw:cpu_policy")
    what = what or (policy if policy and not policy.endswith("=shared") else "")
    return ("ask", _PINNED(what=what)) if what else None


def together(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """Servers that are to be on one host: the scheduler's filter passes no other one for any of them.
    That includes the last of a group, for its own host is the group's."""
    if server.group and server.group.policy == "affinity":
        return "ask", _TOGETHER(group=server.group.name)
    return None


def off(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """A server that is off moves cold: what Nova then calls a resize is confirmed at once, since the host that is going
    down holds the old disk until then."""
    if server.status != "SHUTOFF":
        return None
    return ("leave", _OFF_STAYS()) if options.leave_stopped else ("cold", _OFF())


def runs(server: Server, facts: Facts, options: Options) -> tuple[Action, Text] | None:
    """What runs, or is paused, moves live.
    Whether its disk is copied along Nova finds out by itself."""
    return "live", _RUNS(disks=_DISKS[server.is_from_image]())


RULES: list[Rule] = [deleted, busy, status, amphora, tied, device, pinned, together, off, runs]


def decide(facts: Facts, options: Options) -> list[Decision]:
    """What is done with each server of the host, by name. Raises InputError for an answer that cannot be."""
    given = _answers(facts, options)
    found = [judged(server, facts, options, given.get(server.id)) for server in facts.servers]
    room = place([one.server for one in found if one.action in MOVES], facts.targets, options.only)
    return [with_room(one, room.get(one.server.id)) for one in found]


def ways(decision: Decision, facts: Facts, options: Options) -> dict[str, str]:
    """How the server is moved by the status that it has then, since users go on switching their servers on and off: one
    that is to go in no way while it runs does not go so when its owner has started it meanwhile."""
    found: dict[str, str] = {"SHUTOFF": "cold", decision.server.status: decision.action}
    running = replace(decision.server, row={**decision.server.row, "status": "ACTIVE"})
    by_rule = judged(running, facts, options, None).action
    if by_rule == "live":
        found = {**dict.fromkeys(LIVE_STATUS, "live"), **found}
    return found


def judged(server: Server, facts: Facts, options: Options, answer: Action | None) -> Decision:
    """What the rules, or the answer of the operator, say of a server, before it is looked where it fits."""
    action, why = next(found for rule in RULES if (found := rule(server, facts, options)))
    if answer and answer != action:
        action, why = answer, _ANSWERED(why=why)
    if server.is_locked:
        why = _LOCKED(why=why)
    return Decision(server, action, why)


def with_room(decision: Decision, placed: Placed | None) -> Decision:
    """The decision with the host that was found for it; without one it is asked about."""
    if placed is None or placed.host:
        return Decision(decision.server, decision.action, decision.why, placed.host if placed else "")
    return Decision(decision.server, "ask", _NO_ROOM(why=decision.why, room=placed.why), is_homeless=True)


def _answers(facts: Facts, options: Options) -> dict[str, Action]:
    return answered(facts.servers, facts.host, options)


def answered(servers: Sequence[Server], where: str, options: Options) -> dict[str, Action]:
    """The answers by the id of their server, of those that are on `where`. Raises InputError for one that cannot be."""
    found: dict[str, Action] = {}
    for named, answer in options.answers.items():
        mine = [one for one in servers if named in (one.id, one.name)]
        if len(mine) != 1:
            what = f"no server {named!r}" if not mine else f"{len(mine)} servers {named!r}"
            ids = ", ".join(one.id for one in mine)
            hint = f"Give its id: {ids}" if mine else "naru host plan lists them."
            raise InputError(f"--answer {named}={answer}: {where} has {what}", hint=hint)
        action = next((one for one in ACTIONS if one == answer and one != "ask"), None)
        if action is None:
            raise InputError(f"--answer {named}={answer}: give live, cold or leave")
        (server,) = mine
        fitting = {"live": LIVE_STATUS, "cold": COLD_STATUS}.get(action)
        if fitting and (server.status not in fitting or server.is_busy):
            raise InputError(
                f"--answer {named}={answer}: it is {server.status}",
                hint=f"Nova does that with a server that is {' or '.join(fitting)}, and to which nothing else is done.",
            )
        found[server.id] = action
    return found
