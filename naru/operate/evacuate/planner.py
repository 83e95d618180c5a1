"""The plan of an evacuation: a function of what is known alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from naru.messages import message, say
from naru.operate.drain.facts import Facts
from naru.operate.evacuate import steps
from naru.operate.evacuate.rules import Decision
from naru.operate.evacuate.work import MARK, Settings, mark
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step

MODULES = [steps.__name__]
FENCE, RECORD, EVACUATE, PROOF, END = "fence", "record", "evacuate", "prove", "end"
"""What steps are for."""
CLOUD, HOST, PROOFS = "cloud", "host", "proofs"
SECONDS = 20.0
"""What an evacuation is expected to take."""

TITLE = message("evacuate.title", en="Evacuation of {host} ({cloud})", ko="{host} 호스트 대피({cloud})")
_FENCE = message("evacuate.title.fence", en="{host} is off, and proved so", ko="{host} 전원 차단과 확인")
_RECORD = message("evacuate.title.record", en="Nova takes {host} for down", ko="Nova에 {host} 중지 기록")
_SERVER = message("evacuate.title.server", en="server {name} brought up elsewhere", ko="서버 {name} 대피")
_PROVE = message("evacuate.title.prove", en="server {name} is up", ko="서버 {name} 확인")
_END = message("evacuate.title.end", en="what is left on {host}", ko="{host}에 남은 서버 확인")
_UP = message("evacuate.finding.up", en="Nova says that {host} is up", ko="Nova에 따르면 {host}은(는) 작동 중입니다")
_UP_HINT = message(
    "evacuate.finding.up.hint",
    en="A host that is up is drained (naru host plan). One that hangs: switch it off first.",
    ko="작동 중인 호스트는 비우기(naru host plan)를 사용하고, 멈춘 호스트는 먼저 전원을 끄십시오.",
)
_OTHER = message(
    "evacuate.finding.other",
    en="{host} is evacuated by another plan: {reason}",
    ko="{host}은(는) 다른 계획으로 대피 중입니다: {reason}",
)
_OTHER_HINT = message("evacuate.finding.other.hint", en="Go on with that one.", ko="그 계획을 계속하십시오.")
_THEIRS = message(
    "evacuate.finding.theirs",
    en="somebody has disabled {host} ({reason}): it stays so when it returns",
    ko="누군가 {host}을(를) 중지했습니다({reason}). 돌아와도 그대로 둡니다",
)
_POWER = message(
    "evacuate.finding.power",
    en="the site has no power controller of {host}: it cannot be proved off",
    ko="사이트에 {host}의 전원 제어기가 없어 꺼졌음을 확인할 수 없습니다",
)
_POWER_HINT = message(
    "evacuate.finding.power.hint",
    en="Add power: to its host in the site; or see it off, so that it stays off, and give --off WHO.",
    ko="사이트의 호스트에 power:를 추가하거나, 꺼져 있고 그대로 유지됨을 확인한 뒤 --off WHO를 지정하십시오.",
)
_STAYS = message(
    "evacuate.finding.stays",
    en="server {name} ({status}) stays: {why}",
    ko="서버 {name}({status})은(는) 남습니다: {why}",
)
_STAYS_HINT = message(
    "evacuate.finding.stays.hint",
    en="Decide it with --answer NAME=evacuate or =leave; the others do not wait for it.",
    ko="--answer NAME=evacuate 또는 =leave로 결정하십시오. 다른 서버는 기다리지 않습니다.",
)


def whole(
    facts: Facts,
    decisions: Sequence[Decision],
    settings: Settings,
    plan_id: str,
    *,
    earlier: list[Any],
    has_power: bool,
) -> Plan:
    """The host off, Nova told, the servers evacuated in their order, each proved, and what is left said."""
    host = facts.host
    plan = Plan(title=TITLE(host=host, cloud=facts.cloud), modules=MODULES, settings=settings.dump())
    plan.limits = {CLOUD: settings.at_once, HOST: 1, PROOFS: 8}
    plan.findings = list(_findings(facts, decisions, settings, plan_id, has_power))
    about = About("host", host, host)
    args = of_host(settings, plan_id)
    first = Step(FENCE, "evacuate.fence", args, host, (HOST,), title=_FENCE(host=host), about=about, purpose=FENCE)
    plan.add(first)
    told = Step(RECORD, "evacuate.record", args, host, (HOST,), title=_RECORD(host=host), about=about, purpose=RECORD)
    plan.add(told, after=[FENCE])
    proofs = [_server(plan, one, args, earlier) for one in decisions if one.action == "evacuate"]
    left = [one.server.id for one in decisions if one.action != "evacuate"]
    title = _END(host=host)
    last = Step(END, "evacuate.end", {**args, "left": left}, host, (HOST,), title=title, about=about, purpose=END)
    plan.add(last, after=[RECORD, *proofs])
    KINDS.check_arguments(plan)
    return plan


def of_host(settings: Settings, plan_id: str) -> dict[str, Any]:
    """The arguments that say which host is meant and how it is proved off."""
    names = ("cloud", "host", "site", "trust", "off", "settle", "guard", "by_hand", "reason")
    return {"plan": plan_id, **{name: getattr(settings, name) for name in names}}


def _server(plan: Plan, decision: Decision, args: dict[str, Any], earlier: list[Any]) -> str:
    """Adds the steps of one server; the id of the last."""
    server = decision.server
    about, unit = About("server", server.id, server.name), f"server {server.name}"
    limits = [CLOUD]
    if server.group:
        limits.append(f"group {server.group.name}")  # from Queens on Nova fails one whose like arrives beside it
        plan.limits[limits[-1]] = 1
    first = Step(
        f"{server.id}/evacuate",
        "evacuate.server",
        {**args, "server": server.id, "status": server.status, "earlier": earlier},
        unit,
        tuple(limits),
        title=_SERVER(name=server.name),
        # what is longest begins first: so do, by a little, those that come first
        estimate=SECONDS + decision.priority / 100,
        about=about,
        purpose=EVACUATE,
    )
    plan.add(first, after=[RECORD])
    seen = {
        **{"cloud": args["cloud"], "host": args["host"], "server": server.id, "status": server.status},
        **{"evacuated": first.id, "locked": server.is_locked, "volumes": server.volumes},
        "ports": [port["id"] for port in server.ports if port["status"] == "ACTIVE"],
    }
    last = Step(
        f"{server.id}/prove",
        "evacuate.proof",
        seen,
        unit,
        (PROOFS,),
        title=_PROVE(name=server.name),
        estimate=2.0,
        about=about,
        purpose=PROOF,
    )
    return plan.add(last, after=[first.id]).id


def _findings(
    facts: Facts, decisions: Sequence[Decision], settings: Settings, plan_id: str, has_power: bool
) -> Iterator[Finding]:
    service, host = facts.service, facts.host
    reason = str(service.get("disabled_reason") or "")
    if service["state"] == "up" and not service.get("forced_down"):
        yield Finding("error", _UP(host=host), hint=_UP_HINT(), about=host)
    if reason.startswith(MARK) and not reason.startswith(mark(plan_id)):
        yield Finding("error", _OTHER(host=host, reason=reason), hint=_OTHER_HINT(), about=host)
    elif service["status"] == "disabled":
        yield Finding("warning", _THEIRS(host=host, reason=reason or "-"), about=host)
    if not has_power and not settings.off:
        yield Finding("error", _POWER(host=host), hint=_POWER_HINT(), about=host)
    for one in decisions:
        if one.action != "evacuate":
            words = {"name": one.server.name, "status": one.server.status, "why": one.why}
            yield Finding("warning", _STAYS(**words), hint=_STAYS_HINT(), about=one.server.id)


def table(decisions: Sequence[Decision]) -> list[tuple[str, ...]]:
    """Per server: id, name, project, status, what is done, when it comes, why."""
    return [
        (
            *(one.server.id, one.server.name, one.server.project, one.server.status, one.action),
            *(str(one.priority), say(one.why)),
        )
        for one in decisions
    ]
