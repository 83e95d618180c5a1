"""The plan of one wave: each host emptied, its command run, its return proved, and given back.

Nothing of one host waits for another one, so that one which fails holds up nobody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from naru.actions import hosts as host_steps
from naru.messages import message, say
from naru.operate.drain import beside
from naru.operate.drain import planner as drain
from naru.operate.drain import steps as drain_steps
from naru.operate.drain.facts import Facts
from naru.operate.drain.guests import site_name
from naru.operate.drain.rules import Decision
from naru.operate.waves import acts, quiet, upkeep
from naru.operate.waves.work import Planned, Settings
from naru.operate.waves.world import Wave, World
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step
from naru.text import shortened

MODULES = [*drain.MODULES, host_steps.__name__, upkeep.__name__, acts.__name__, quiet.__name__]
BEFORE, RUN, REBOOT, BACK = "before", "run", "reboot", "back"
"""What steps are for, beside those of a drain; ids are HOST/PURPOSE."""
BOOT_SECONDS, PROOF_SECONDS = 180.0, 60.0
"""What a boot, and the proof that a host is back, are expected to take."""

TITLE = message(
    "waves.title", en="Wave {number:number}: {hosts:list} ({cloud})", ko="{number:number}차: {hosts:list}({cloud})"
)
_BEFORE = message("waves.title.before", en="what {host} is now is noted", ko="{host}의 현재 상태 기록")
_RUN = message("waves.title.run", en="on {host}: {line}", ko="{host}에서 실행: {line}")
_REBOOT = message("waves.title.reboot", en="{host} boots", ko="{host} 재부팅")
_BACK = message("waves.title.back", en="{host} is back", ko="{host} 복귀 확인")
AGAIN = message(
    "waves.finding.again",
    en="{number:number} servers go to hosts of later waves ({hosts:list}), and move once more: nothing else has room",
    ko="다른 곳에 자리가 없어 서버 {number:number}대는 다음 차수의 호스트({hosts:list})로 옮기고 나중에 다시 옮깁니다",
)
ABOUT = message(
    "waves.finding.about",
    en="{hosts:number} hosts in {waves:number} waves, {servers:number} moves: about {seconds:duration}",
    ko="호스트 {hosts:number}대, {waves:number}차, 이동 {servers:number}건: 약 {seconds:duration}",
)


def whole(world: World, wave: Wave, number: int, planned: Planned, plan_id: str) -> Plan:
    """The plan of the wave. `plan_id` is the id that its journal will have. Raises ValueError for a wave with servers
    that are to be asked about: they would be on a host that boots."""
    if not wave.is_possible:
        raise ValueError(f"servers on {', '.join(wave.hosts)} are to be asked about")
    settings = planned.settings
    limits = {drain.CLOUD: settings.drain.at_once, drain.HOST: len(wave.hosts), drain.PROOFS: 8}
    plan = Plan(
        title=TITLE(number=number, hosts=list(wave.hosts), cloud=settings.drain.cloud),
        modules=MODULES,
        settings=settings.drain.dump(),
        limits=limits,
    )
    for host in wave.hosts:
        facts, decisions = world.facts[host], wave.decisions[host]
        plan.findings += drain.findings(facts, decisions, settings.drain)
        last = drain.add_drain(plan, facts, decisions, settings.drain, planned.id, f"{host}/")
        last = _add_upkeep(plan, facts, settings, last, plan_id, drain.stays(facts, decisions), wave.hosts)
        args = {"cloud": facts.cloud, "host": host, "plan": planned.id}
        _add(plan, host, drain.ENABLE, "drain.enable", args, drain.ENABLE_TITLE(host=host), after=last)
    KINDS.check_arguments(plan)
    return plan


def _add_upkeep(
    plan: Plan, facts: Facts, settings: Settings, after: str, plan_id: str, left: Mapping[str, str], wave: Sequence[str]
) -> str:
    """Adds what is done to a host that is empty; the id of the last step, which proves that it is back. `left` are the
    servers that stay on it, with their status, `wave` all hosts of the wave."""
    host, upkeep_ = facts.host, settings.upkeep
    own: dict[str, Any] = {
        "host": site_name(settings.drain.site, host),
        "site": settings.drain.site,
        "patience": upkeep_.patience,
    }
    of_cloud = {**own, "cloud": facts.cloud, "compute": host}
    noted = _add(plan, host, BEFORE, "waves.before", of_cloud, _BEFORE(host=host), after=after)
    storage = beside.storages_of(settings.drain.site, host)
    parts = beside.Beside(plan, facts.cloud, host, settings.drain.site, storage, drain.HOST, f"{host}/")
    last = parts.off(plan_id, wave, after=noted)
    marked = ran = ""
    names = [site_name(settings.drain.site, one) for one in wave] if storage else []
    disabled = f"{host}/{drain.DISABLE}"
    still = {**of_cloud, "left": dict(left), "storage": list(storage), "together": names, "disabled": disabled}
    if upkeep_.command:
        marked = upkeep.mark(plan_id)
        args = {
            **still,
            "argv": upkeep.shell_line(upkeep_.command, plan_id),
            "check": ["test", "-e", marked],
            "repeat": upkeep_.repeat,
            "deadline": upkeep_.deadline,
        }
        title = _RUN(host=host, line=upkeep_.command)
        last = ran = _add(plan, host, RUN, "waves.run", args, title, after=last, also=[disabled])
    if upkeep_.reboot:
        args = {**still, "before": noted, "after": ran, "seconds": upkeep_.patience}
        title = _REBOOT(host=host)
        last = _add(plan, host, REBOOT, "waves.reboot", args, title, BOOT_SECONDS, after=last, also=[noted, disabled])
    args = {**of_cloud, "before": noted, "boots": upkeep_.boots, "mark": marked, "left": list(left)}
    args |= {"seconds": upkeep_.patience}
    last = _add(plan, host, BACK, "waves.back", args, _BACK(host=host), PROOF_SECONDS, after=last, also=[noted])
    return parts.back(plan_id, after=last)


def _add(
    plan: Plan,
    host: str,
    purpose: str,
    kind: str,
    args: dict[str, Any],
    title: Any,
    estimate: float = 0.0,
    *,
    after: str,
    also: Sequence[str] = (),
) -> str:
    step = Step(
        f"{host}/{purpose}",
        kind,
        args,
        host,
        (drain.HOST,),
        title=title,
        estimate=estimate,
        about=About("host", host, host),
        purpose=purpose,
    )
    return plan.add(step, after=dict.fromkeys([after, *also])).id


def in_the_way(facts: Facts, decisions: Sequence[Decision]) -> str:
    """Why the host cannot be emptied now, in one line; "" when it can."""
    service = facts.service
    if service["state"] != "up" or service.get("forced_down"):
        return f"its compute service is {'forced down' if service.get('forced_down') else service['state']}"
    asked = [f"{one.server.name} ({one.server.status}): {say(one.why)}" for one in decisions if one.action == "ask"]
    return "; ".join(shortened(asked, 3)) if asked else ""


def disabled(facts: Facts) -> str:
    """Why servers are not scheduled to the host; "" where they are."""
    service = facts.service
    return "" if service["status"] == "enabled" else str(service.get("disabled_reason") or "no reason is given")


def taken(facts: Facts, planned: Planned) -> str:
    """What is in the way of a host that somebody else does something to: it was disabled since it was planned, or
    another work directory empties it; "" for nothing."""
    why = disabled(facts)
    if not why or drain_steps.is_marked(why, planned.id):
        return ""
    if drain_steps.is_marked(why):
        return f"another work directory empties it ({why})"
    return "" if why == planned.disabled.get(facts.host) else f"somebody has disabled it since ({why})"


def moves_seconds(decisions: Sequence[Decision], settings: Settings) -> float:
    """What the moves of a host are expected to take."""
    return drain.duration(decisions, settings.drain)


def upkeep_seconds(settings: Settings) -> float:
    """What is expected of a host beside its moves, but for its command, of which nothing is known before it ran."""
    boots = settings.upkeep.reboot or settings.upkeep.boots
    return PROOF_SECONDS + (BOOT_SECONDS if boots else 0.0)


def findings(world: World, waves: Sequence[Wave], settings: Settings) -> list[Finding]:
    """What the reader of the waves must know: of each host what a drain of its own would say, of servers that move
    twice, and how long all takes."""
    found: list[Finding] = []
    moves, seconds = 0, 0.0
    for number, wave in enumerate(waves):
        for host in wave.hosts:
            found += [
                one
                for one in drain.findings(world.facts[host], wave.decisions[host], settings.drain)
                if one.severity != "info"
            ]
        later = {host for other in waves[number + 1 :] for host in other.hosts}
        going = [one for mine in wave.decisions.values() for one in mine if one.to]
        moves += len(going)
        again = sorted({one.to for one in going} & later)
        if again:
            told = AGAIN(number=sum(one.to in later for one in going), hosts=again)
            found.append(Finding("warning", told, about=", ".join(wave.hosts)))
        seconds += wave_seconds(wave, settings)
    hosts = sum(len(wave.hosts) for wave in waves)
    found.append(Finding("info", ABOUT(hosts=hosts, waves=len(waves), servers=moves, seconds=seconds)))
    return found


def wave_seconds(wave: Wave, settings: Settings) -> float:
    """What a wave is expected to take, without its command."""
    of_hosts = [drain.duration(mine, settings.drain) for mine in wave.decisions.values()]
    together = sum(drain.seconds(one) for mine in wave.decisions.values() for one in mine)
    return max([*of_hosts, together / settings.drain.at_once]) + upkeep_seconds(settings)
