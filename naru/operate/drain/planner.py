"""The plan of a drain, and of the way back: functions of what is known alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from naru.messages import Message, message, say
from naru.operate.drain import beside, steps
from naru.operate.drain.emptiness import OLD_DISK
from naru.operate.drain.facts import Facts, Server
from naru.operate.drain.mover import SILENT
from naru.operate.drain.rules import ACTIONS, MOVES, Decision, ways
from naru.operate.drain.work import Settings
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step

MODULES = [steps.__name__, *beside.MODULES]
DISABLE, MOVE, PROOF, EMPTY, ENABLE, SETTLE = "disable", "move", "prove", "empty", "enable", "settle"
"""What steps are for."""
CLOUD, HOST, PROOFS = "cloud", "host", "proofs"
"""Limit groups: all servers that move, what is done to the host itself, and proofs, which wait more than they ask."""
RATE = 400 << 20
"""Bytes a second that a server's memory and disk are expected to be copied with."""
SECONDS = {"live": 10.0, "cold": 20.0}
"""What a move takes beside that."""

PER_GIB = 20.0
"""Seconds that copying a GiB may take at worst."""

TITLE = message("drain.title", en="Drain of {host} ({cloud})", ko="{host} 호스트 비우기({cloud})")
BACK_TITLE = message("drain.title.back", en="Return of {host} ({cloud})", ko="{host} 호스트 되돌리기({cloud})")
_DISABLE = message("drain.title.disable", en="no more servers are scheduled to {host}", ko="{host}에 새 서버 배치 중지")
ENABLE_TITLE = message("drain.title.enable", en="servers are scheduled to {host} again", ko="{host}에 서버 배치 재개")
LIVE = message("drain.title.live", en="server {name} to {to}, live", ko="서버 {name}을(를) {to}(으)로 라이브 이동")
COLD = message("drain.title.cold", en="server {name} to {to}, cold", ko="서버 {name}을(를) {to}(으)로 콜드 이동")
SETTLE_TITLE = message("drain.title.settle", en="the move of server {name} ended", ko="서버 {name}의 이동 마무리")
_PROVE = message("drain.title.prove", en="server {name} has arrived", ko="서버 {name} 도착 확인")
_EMPTY = message("drain.title.empty", en="{host} is empty", ko="{host}이(가) 비었음을 확인")
_EMPTY_BUT = message(
    "drain.title.empty_but",
    en="{host} has no server but {number:number} that stay",
    ko="{host}에 남기로 한 서버 {number:number}대만 있음을 확인",
)
_ASK = message("drain.finding.ask", en="server {name} ({status}): {why}", ko="서버 {name}({status}): {why}")
_ASK_HINT = message(
    "drain.finding.ask.hint",
    en="Cure it, or say what is done with it: --answer NAME=live, =cold or =leave. Then plan again.",
    ko="원인을 해결하거나 처리 방법을 지정하십시오(--answer NAME=live, =cold, =leave). 그다음 다시 계획하십시오.",
)
_LEFT = message(
    "drain.finding.left",
    en="server {name} ({status}) stays on {host}: {why}",
    ko="서버 {name}({status})은(는) {host}에 남습니다: {why}",
)
_DOWN = message(
    "drain.finding.down",
    en="the compute service of {host} is {state}: Nova moves nothing away from it",
    ko="{host}의 컴퓨트 서비스 상태가 {state}이므로 서버를 옮길 수 없습니다",
)
_DOWN_HINT = message(
    "drain.finding.down.hint",
    en="Start it. Servers of a host that is dead are evacuated, not drained.",
    ko="서비스를 시작하십시오. 죽은 호스트의 서버는 비우기가 아니라 대피(evacuate) 대상입니다.",
)
_DISABLED = message(
    "drain.finding.disabled",
    en="scheduling to {host} is disabled already ({reason}): it stays so when the host is returned",
    ko="{host}의 배치가 이미 중지되어 있습니다({reason}). 호스트를 되돌려도 그대로 둡니다",
)
_OLD_HALF = message(
    "drain.finding.old_half",
    en="server {name} is elsewhere, and its old disk is on {host} until its resize is confirmed or reverted",
    ko="서버 {name}은(는) 다른 호스트에 있지만 크기 변경이 확정될 때까지 이전 디스크가 {host}에 있습니다",
)
_OLD_HALF_HINT = message(
    "drain.finding.old_half.hint",
    en="It stays: have its owner confirm or revert it, or see that the host comes back with its disks.",
    ko="그대로 둡니다. 소유자가 확정하거나 되돌리게 하거나, 호스트를 디스크와 함께 되살리십시오.",
)
_UNALLOCATED = message(
    "drain.finding.unallocated",
    en="server {name} has no allocation in Placement: its flavor's sizes are counted",
    ko="서버 {name}의 Placement 할당이 없어 플레이버 크기로 계산합니다",
)
_TIME = message(
    "drain.finding.time",
    en="{number:number} servers move, {memory:number} MiB of memory: about {seconds:duration}",
    ko="서버 {number:number}대, 메모리 {memory:number} MiB를 옮깁니다: 약 {seconds:duration}",
)
UNNAMED = message(
    "drain.finding.unnamed",
    en="server {name} is off, and this Nova takes no host for a cold migration: it stays on {to}",
    ko="서버 {name}은(는) 꺼져 있고 이 Nova는 콜드 이동의 대상을 지정할 수 없어 {to}에 남습니다",
)


def whole(
    facts: Facts, decisions: Sequence[Decision], settings: Settings, plan_id: str, storage: Sequence[str] = ()
) -> Plan:
    """The plan that the work directory has: scheduling disabled, the servers moved, each proved, the host proved
    empty; then its agents and OSDs. `storage` are the Ceph clusters that it has a part of."""
    plan = Plan(title=TITLE(host=facts.host, cloud=facts.cloud), modules=MODULES, settings=settings.dump())
    plan.limits = _limits(settings)
    plan.findings = list(findings(facts, decisions, settings))
    last = add_drain(plan, facts, decisions, settings, plan_id)
    parts = beside.Beside(plan, facts.cloud, facts.host, settings.site, storage, HOST)
    parts.off(plan_id, [facts.host], after=last)
    KINDS.check_arguments(plan)
    return plan


def add_drain(
    plan: Plan, facts: Facts, decisions: Sequence[Decision], settings: Settings, mark: str, prefix: str = ""
) -> str:
    """Adds the steps that empty the host of these facts; the id of the last, which proves that it is empty. `mark` is
    the id that scheduling is disabled with, `prefix` what the ids of the host's own steps begin with."""
    common = {"cloud": facts.cloud, "host": facts.host}
    about = About("host", facts.host, facts.host)
    args = {**common, "plan": mark, "reason": settings.reason}
    title = _DISABLE(host=facts.host)
    first = prefix + DISABLE
    plan.add(Step(first, "drain.disable", args, facts.host, (HOST,), title=title, about=about, purpose=DISABLE))
    proofs = [_move(plan, facts, one, settings, after=[first]) for one in decisions if one.action in MOVES]
    left = stays(facts, decisions)
    title = _EMPTY_BUT(host=facts.host, number=len(left)) if left else _EMPTY(host=facts.host)
    seen: dict[str, Any] = {"left": left, "known": [one.server.id for one in decisions], **_seen(facts, settings)}
    args = {**common, **seen}
    last = Step(prefix + EMPTY, "drain.empty", args, facts.host, (HOST,), title=title, about=about, purpose=EMPTY)
    return plan.add(last, after=[first, *proofs]).id


def stays(facts: Facts, decisions: Sequence[Decision]) -> dict[str, str]:
    """What stays on the host by id: servers with their status, and the old disks of those that wait for a confirmation
    elsewhere."""
    servers = {one.server.id: one.server.status for one in decisions if one.action not in MOVES}
    return {**dict.fromkeys(facts.old_halves, OLD_DISK), **servers}


def _limits(settings: Settings) -> dict[str, int]:
    return {CLOUD: settings.at_once, HOST: 1, PROOFS: 8}


def _seen(facts: Facts, settings: Settings) -> dict[str, Any]:
    return {"nodes": facts.nodes, "site": settings.site}


def _move(plan: Plan, facts: Facts, decision: Decision, settings: Settings, after: Sequence[str]) -> str:
    """Adds the steps of one server; the id of the last."""
    server = decision.server
    groups = {f"from {facts.host}": settings.per_source, f"to {decision.to}": settings.per_target}
    if server.group:
        groups[f"group {server.group.name}"] = 1  # Nova checks a group when each member arrives
    plan.limits |= groups
    common = {"cloud": facts.cloud, "host": facts.host, "server": server.id}
    args = {
        **common,
        **{"status": server.status, "to": decision.to, "ways": ways(decision, facts, settings.options)},
        **{"stuck": settings.stuck, "complete": settings.complete, "silent": patience(server)},
    }
    told = (LIVE if decision.action == "live" else COLD)(name=server.name, to=decision.to)
    seen = {
        **{**common, "move": f"{server.id}/move", "locked": server.is_locked, "volumes": server.volumes},
        "ports": [port["id"] for port in server.ports if port["status"] == "ACTIVE"],
        "bindings": facts.has_bindings,
        **_seen(facts, settings),
    }
    return add_move(
        plan, About("server", server.id, server.name), args, told, (CLOUD, *groups), seconds(decision), seen, after
    )


def add_move(
    plan: Plan,
    about: About,
    move: dict[str, Any],
    title: Message,
    limits: tuple[str, ...],
    estimate: float,
    proof: dict[str, Any],
    after: Sequence[str],
) -> str:
    """Adds the steps that move a server and prove it, with these arguments; the id of the last."""
    unit = f"server {about.name}"
    first = Step(
        f"{about.id}/move",
        "drain.move",
        move,
        unit,
        limits,
        title=title,
        estimate=estimate,
        about=about,
        purpose=MOVE,
    )
    plan.add(first, after=after)
    title = _PROVE(name=about.name)
    last = Step(
        f"{about.id}/prove",
        "drain.proof",
        proof,
        unit,
        (PROOFS,),
        title=title,
        estimate=2.0,
        about=about,
        purpose=PROOF,
    )
    return plan.add(last, after=[first.id]).id


def patience(server: Server) -> float:
    """Seconds after which a move of which nothing new is seen has failed: of a disk that is copied while its server is
    off nothing is seen before the end."""
    return SILENT + (PER_GIB * server.disk if server.is_from_image else 0.0)


def seconds(decision: Decision) -> float:
    """How long a move is expected to take."""
    if decision.action not in MOVES:
        return 0.0
    server = decision.server
    copied = server.memory << 20 if decision.action == "live" else 0
    copied += server.disk << 30 if server.is_from_image else 0
    return round(SECONDS[decision.action] + copied / RATE, 1)


def findings(facts: Facts, decisions: Sequence[Decision], settings: Settings) -> Iterator[Finding]:
    """What the reader of a plan must know of one host."""
    service, host = facts.service, facts.host
    if service["state"] != "up" or service.get("forced_down"):
        state = "forced down" if service.get("forced_down") else str(service["state"])
        yield Finding("error", _DOWN(host=host, state=state), hint=_DOWN_HINT(), about=host)
    if service["status"] != "enabled":
        yield Finding("warning", _DISABLED(host=host, reason=service.get("disabled_reason") or "-"), about=host)
    for one in decisions:
        words = {"name": one.server.name, "status": one.server.status, "why": one.why}
        if one.action == "ask":
            yield Finding("error", _ASK(**words), hint=_ASK_HINT(), about=one.server.id)
        elif one.action == "leave":
            yield Finding("warning", _LEFT(host=host, **words), about=one.server.id)
        if not one.server.is_allocated:
            yield Finding("warning", _UNALLOCATED(name=one.server.name), about=one.server.id)
    for identity in facts.old_halves:
        yield Finding("warning", _OLD_HALF(name=identity, host=host), hint=_OLD_HALF_HINT(), about=identity)
    moving = [one for one in decisions if one.action in MOVES]
    whole = duration(moving, settings)
    memory = sum(one.server.memory for one in moving)
    yield Finding("info", _TIME(number=len(moving), memory=memory, seconds=whole))


def duration(decisions: Sequence[Decision], settings: Settings) -> float:
    """Seconds that the moves of one host are expected to take."""
    return sum(map(seconds, decisions)) / max(1, min(settings.at_once, settings.per_source))


def counted(decisions: Sequence[Decision]) -> dict[str, int]:
    """How many servers each action is for."""
    return {action: sum(one.action == action for one in decisions) for action in ACTIONS}


def table(decisions: Sequence[Decision]) -> list[tuple[str, ...]]:
    """Per server: id, name, project, status, what is done, where to, why, seconds."""
    return [
        (
            *(one.server.id, one.server.name, one.server.project, one.server.status, one.action, one.to),
            *(say(one.why), f"{seconds(one):g}"),
        )
        for one in decisions
    ]
