"""The steps of the window: the running services stopped, their databases dumped and taken through the releases, the
services of the wanted release started. And those after it: compute services and agents, and the end of the way back.

The site says both: its services are what runs, those under `next:` what is built beside, on the same hosts or others.
The ones that run are stopped, masked and otherwise left as they are: they are the way back.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from naru.actions.hosts.switching import at_boot, switch
from naru.messages import message
from naru.plan.model import About, Finding, Plan, Step
from naru.releases import portable, release
from naru.site.model import Commands, Container, Service, Unit
from naru.site.site import Site
from naru.upgrade.agents import starting
from naru.upgrade.back import quiet, stale
from naru.upgrade.check import addresses
from naru.upgrade.facts import Facts
from naru.upgrade.window import apart, foreseen, hops, queue_steps, reached
from naru.upgrade.window.hops import Where
from naru.upgrade.window.placed import COMPUTE, Placed

PREPARE, WINDOW, AGENTS, FINALIZE = "prepare", "run", "agents", "finalize"
"""The gates before what is done ahead on hosts of compute services and agents, before the steps of the window, before
those of compute services and agents, and before those that give up the way back, as their commands."""
CLOUD, NEW, OLD, END = "cloud", "new computes", "old computes", "end"
"""The units: the services of controllers and the databases; compute services and agents that are started, and those
that are stopped; what gives up the way back. A host with a compute service or an agent that does not answer holds up
nothing but itself, there and back."""
UNITS = (CLOUD, NEW, OLD, END)
AHEAD = "ahead on computes"
"""The unit of what is prepared on hosts of compute services and agents, of which some do not answer: nothing waits for
it but their own services, and it is not done in the window, whose time it would take."""
HOSTS, COMPUTES, LOAD = "hosts", "computes", "load"
"""The limit groups of what is stopped and started: on all hosts, of compute services and agents, and of those of these
that are started, which follows the load (`naru.upgrade.agents.load`)."""
LIMITS = {HOSTS: 32, COMPUTES: 50, LOAD: 50}
FOUND, LINK, FORGET = "found", "link", "forget"
STOP_API, STOP, POINT, START, ANSWER = "stop API", "stop", "point", "start", "answer"
"""What the steps are for."""
COMPUTE_PATIENCE = 30.0
"""Seconds that a host with a compute service or an agent may not answer: of many some do not, and nobody waits."""
WAITS: dict[str, tuple[str, ...]] = {STOP_API: (POINT,), AGENTS: ()}
"""What of a rollback waits for what, where that is not all that was done after it: APIs were stopped first, so that
nothing new came in, and are started with all others, which wait for them when they start; and nothing waits for compute
services and agents."""
FIRST = "keystone"
"""What is started before the others: they ask it when they start."""

_BEGIN = message("upgrade.title.begin", en="the window begins", ko="작업 시간 시작")
_BEGIN_AGENTS = message("upgrade.title.begin_agents", en="compute services and agents", ko="컴퓨트 서비스와 에이전트")
_BEGIN_END = message("upgrade.title.begin_end", en="the way back is given up", ko="되돌리기 포기")
_DROP = message("upgrade.title.drop", en="the dumps on {host} removed", ko="{host}의 덤프 삭제")
_FORGET = message(
    "upgrade.title.forget", en="what {host} has for the way back removed", ko="{host}의 되돌리기 기록 삭제"
)
STOP_TITLE = message("upgrade.title.stop", en="stop {service} on {host}", ko="{host}의 {service} 중지")
_LINK = message(
    "upgrade.title.link", en="{link} on {host} leads to {release}", ko="{host}의 {link}: {release}(으)로 전환"
)
_START = message("upgrade.title.start", en="start the new {service} on {host}", ko="{host}의 새 {service} 시작")
_FOUND = message("upgrade.title.found", en="the new {service} is on {host}", ko="{host}에 새 {service}이(가) 있음")
_ENABLE = message(
    "upgrade.title.enable", en="{service} on {host} starts at each boot", ko="{host} 부팅 시 {service} 자동 시작"
)
_ANSWER = message("upgrade.title.answer", en="{service} on {host} answers", ko="{host}의 {service} 응답 확인")
_POINT = message("upgrade.title.point", en="dump of {database}, to go back to", ko="되돌릴 지점: {database} 덤프")
NO_GATE = message(
    "upgrade.finding.no_gate",
    en="no load balancer of the site has a write gate: users write until the services stop, and from their start on",
    ko="사이트의 로드 밸런서에 write_gate가 없어 서비스가 멈출 때까지, 그리고 시작된 뒤부터 사용자가 쓸 수 있습니다",
)
NO_GATE_HINT = message(
    "upgrade.finding.no_gate.hint",
    en="naru site gate rules has the lines that it needs. Then nothing that users do is lost on the way back.",
    ko="naru site gate rules에 설정에 넣을 줄이 있습니다. 그러면 되돌려도 사용자가 한 일이 사라지지 않습니다.",
)
NO_NEXT = message(
    "upgrade.finding.no_next",
    en="the site has no services of {goal} under next: the window is not planned",
    ko="사이트의 next:에 {goal} 서비스가 없어 작업 시간을 계획하지 않았습니다",
)
NO_NEXT_HINT = message(
    "upgrade.finding.no_next.hint",
    en="Build them beside the running ones, name them under next: and plan again. What is prepared and rehearsed does "
    "not need them.",
    ko="실행 중인 서비스 옆에 새로 만들고 next:에 적은 뒤 다시 계획하세요. 준비와 예행연습에는 필요하지 않습니다.",
)
WITHOUT = message(
    "upgrade.finding.without",
    en="{service} has no service of {goal} under next:",
    ko="next:에 {goal}의 {service}이(가) 없습니다",
)
WITHOUT_HINT = message(
    "upgrade.finding.without.hint",
    en="It is stopped for the upgrade, and stays so: nothing takes its place.",
    ko="업그레이드할 때 중지되고, 대신할 것이 없어 그대로 남습니다.",
)
MISSING = message(
    "upgrade.finding.missing",
    en="{service} of {goal} is not under next:, and since {since} it has to run: {why}",
    ko="next:에 {goal}의 {service}이(가) 없습니다. {since}부터 실행되어야 합니다: {why}",
)
MISSING_HINT = message(
    "upgrade.finding.missing.hint",
    en="Build it beside the others, name it under next: and plan again.",
    ko="다른 서비스와 함께 구축하고 next:에 적은 뒤 다시 계획하세요.",
)


def findings(facts: Facts) -> Iterator[Finding]:
    """What is wrong with the services that are to come."""
    if not any(one.write_gate for one in facts.site.part.load_balancers):
        yield Finding("warning", NO_GATE(), hint=NO_GATE_HINT())
    later = list(_next(facts))
    if not later:
        yield Finding("warning", NO_NEXT(goal=facts.span.goal), hint=NO_NEXT_HINT())
        return
    names = {placed.service.name for placed in later}
    yield from foreseen.findings(list(_running(facts)), later, facts.span.goal)
    for name in dict.fromkeys(placed.service.name for placed in _running(facts)):
        if name not in names:
            yield Finding("warning", WITHOUT(service=name, goal=facts.span.goal), hint=WITHOUT_HINT())
    projects = {placed.service.project for placed in later}
    for one in (process for way in facts.ways if way.service.name in projects for process in way.service.processes):
        if facts.span.passes(one.since) and one.name not in names:
            words = {"service": one.name, "goal": facts.span.goal, "since": one.since, "why": one.why}
            yield Finding("warning", MISSING(**words), hint=MISSING_HINT())


def prove(plan: Plan, facts: Facts, common: dict[str, Any]) -> list[str]:
    """Adds steps that see, days ahead, whether the services that are to start are there, and the Python that they are
    said to have, and that give their message queue what they need; gives the ids of those without which nothing
    begins."""
    ids = []
    later = list(_next(facts))
    if later:
        plan.gates.append(PREPARE)
    for one in later:
        argv = _looks(one.service)
        if argv and not (one.of_computes and one.service.environment):  # which is tried with its unit
            args = {"site": common["site"], "next": True, "host": one.host, "argv": argv, "repeat": True}
            args |= {"patience": COMPUTE_PATIENCE} if one.of_computes else {}
            title = _FOUND(service=one.service.name, host=one.host)
            about = About("service", f"{one.service.name}@{one.host}", one.service.name)
            name = f"found/{one.service.name}@{one.host}"
            unit, gate = (AHEAD, PREPARE) if one.of_computes else (FOUND, "")
            step = Step(name, "host.command", args, unit, (HOSTS,), title=title, about=about, purpose=FOUND, gate=gate)
            plan.add(step)
            ids += [] if one.of_computes else [name]
    if later:
        plan.limits |= LIMITS
        ids += queue_steps.add_users(plan, facts, common, [])
    return ids


def _looks(service: Service) -> list[str]:
    """The command that ends well where a service is; [] where none can tell."""
    looks = [f"test -x {shlex.quote(service.python)}"] if service.python else []
    match service.managed:
        case Unit(unit=unit):
            looks.append(f"systemctl cat {shlex.quote(unit)} >/dev/null")
        case Container(container=container, engine=engine):
            engines = [engine] if engine else ["podman", "docker"]
            looks.append(" || ".join(f"{one} inspect {shlex.quote(container)} >/dev/null" for one in engines))
        case Commands():
            pass
    return ["sh", "-c", " && ".join(f"({look})" for look in looks)] if looks else []


def add(
    plan: Plan, facts: Facts, common: dict[str, Any], directory: str, *, after: Sequence[str], ready: Mapping[str, str]
) -> None:
    """Adds the window behind its gate, and what comes after it behind another; nothing where nothing is to come. What
    is `ready`, by host, is waited for by services that have an environment there."""
    if not list(_next(facts)):
        return
    plan.limits |= LIMITS
    plan.gates += [WINDOW, AGENTS]
    site = {"site": common["site"]}
    begin = plan.add(Step("window", "noop", unit=CLOUD, limits=(), gate=WINDOW, title=_BEGIN()), after=after).id
    # without the controllers' services they write nothing
    stopping = {one.host: list[str]() for one in _running(facts)}
    using: dict[tuple[str, str | None], list[str]] = {}
    beside = foreseen.by_host(_next(facts))
    for one in _running(facts):
        if one.of_computes:
            laid = _quieten(plan, site, one, beside.get(one.host, ()), after)
            stopping[one.host].append(_stop(plan, site, one, STOP, laid or after, gate="" if laid else WINDOW))
            using.setdefault((one.host, one.service.environment), []).append(stopping[one.host][-1])
    apis = [one for one in _running(facts) if one.service.port and not one.of_computes]
    others = [one for one in _running(facts) if not one.service.port and not one.of_computes]
    asked = reached.add(plan, facts, common, CLOUD, [begin], before=True)
    stopped = [_stop(plan, site, one, STOP_API, [asked]) for one in apis]
    stopped += [_stop(plan, site, one, STOP, stopped[: len(apis)] or [asked]) for one in others]
    homes = facts.homes()
    points = []
    for name, schemas in homes.items():
        args = {**common, "database": name, "schemas": schemas, "directory": f"{directory}/{name}", "quiet": True}
        step = Step(
            f"{name}/point", "database.point", args, CLOUD, (facts.host,), title=_POINT(database=name), purpose=POINT
        )
        points.append(plan.add(step, after=stopped or [begin]).id)
    points += stale.add(plan, facts, site, CLOUD, points)
    where = Where(facts, common, directory, {name: {"database": name} for name in homes}, unit=CLOUD)
    last = queue_steps.add_cells(plan, where, hops.add(plan, where, after=points))
    last += queue_steps.add_users(plan, facts, common, [begin], unit=CLOUD)
    last = apart.add_records(plan, where, last)
    later = [one for one in _next(facts) if not one.of_computes]
    last = apart.add_addresses(plan, where, last, [*dict.fromkeys((facts.host, *(one.host for one in later)))])
    first = [one for one in later if one.service.project == FIRST]
    links = _Links(plan, site, facts.span.goal, ready, using)
    started = [end for one in first for end in _start(plan, site, one, links.before(one, last))]
    rest = [
        end for one in later if one not in first for end in _start(plan, site, one, links.before(one, started or last))
    ]
    ends = [*started, *rest] or last
    ends = [*ends, *apart.add_proofs(plan, where, ends)]
    ends.append(reached.add(plan, facts, common, CLOUD, [asked, *ends], before=False))
    step = Step("agents", "noop", unit=NEW, limits=(), gate=AGENTS, title=_BEGIN_AGENTS(), purpose=AGENTS)
    begin = plan.add(step, after=ends).id
    for one in later:  # when users are served again
        _enable(plan, site, one, ends)
    for one in _next(facts):
        if one.of_computes:
            before = links.before(one, [begin, *stopping.get(one.host, ())])
            _enable(plan, site, one, _start(plan, site, one, before))
    _finalize(plan, facts, common, directory, after=ends)


def _finalize(plan: Plan, facts: Facts, common: dict[str, Any], directory: str, *, after: Sequence[str]) -> None:
    """Adds the steps that give up the way back: the dumps, and what each host has for it. What was stopped stays so."""
    plan.gates.append(FINALIZE)
    step = Step(FINALIZE, "noop", unit=END, limits=(), gate=FINALIZE, title=_BEGIN_END())
    begin = plan.add(step, after=after).id
    args = {**common, "argv": ["rm", "-rf", "--", directory], "repeat": True}
    title = _DROP(host=facts.host)
    step = Step(f"dumps@{facts.host}", "host.command", args, END, (HOSTS,), title=title, purpose=FORGET)
    dropped = plan.add(step, after=[begin]).id
    running = {one.host: False for one in _running(facts)}
    fronts = {host: True for one in addresses.going(facts.site) for host in (*one.from_hosts, *one.to_hosts)}
    later = {one.host: one.host not in running for one in _next(facts)}
    hosts = {facts.host: False, **fronts, **later, **running}
    for host, is_next in hosts.items():
        args = {"site": common["site"], "host": host, "next": is_next, "patience": COMPUTE_PATIENCE}
        title, about = _FORGET(host=host), About("host", host, host)
        step = Step(f"forget@{host}", "host.forget", args, END, (HOSTS,), title=title, about=about, purpose=FORGET)
        plan.add(step, after=[dropped])


def _running(facts: Facts) -> Iterator[Placed]:
    """The services that run and are of those that are upgraded."""
    yield from _placed(facts.site, facts.site.content.services, facts)


def _next(facts: Facts) -> Iterator[Placed]:
    """Those that are to come."""
    site = Site(facts.site.content, facts.site.file, next_part=True)
    yield from _placed(site, facts.site.coming(facts.span.goal), facts)


def environments(facts: Facts) -> dict[str, list[Placed]]:
    """By host those that are to come and have their environment of `naru upgrade prepare`."""
    found: dict[str, list[Placed]] = {}
    for one in _next(facts):
        if one.service.environment:
            found.setdefault(one.host, []).append(one)
    return found


def _placed(site: Site, services: Sequence[Service], facts: Facts) -> Iterator[Placed]:
    names = {way.service.name for way in facts.ways}
    if "nova" in names:
        names.add("placement")  # a part of Nova, as long as its own way has not begun
    for service in services:
        if service.release != "" and service.project in names:
            yield from (Placed(service, host.name) for host in site.named(service.hosts))


def _stop(plan: Plan, site: dict[str, Any], one: Placed, purpose: str, after: Sequence[str], *, gate: str = "") -> str:
    """Stopped so that no boot starts it."""
    kind, args = switch(one.service.managed, on=False)
    title = STOP_TITLE(service=one.service.name, host=one.host)
    return _added(plan, one, purpose, kind, {**site, "host": one.host, **args}, title, after, gate=gate)


def _start(plan: Plan, site: dict[str, Any], one: Placed, after: Sequence[str]) -> list[str]:
    """Started, and where it has a port, until it answers; gives the last steps."""
    args = {**site, "host": one.host, "next": True}
    words = {"service": one.service.name, "host": one.host}
    kind, more = switch(one.service.managed, on=True)
    if one.of_computes:
        kind, more = starting.KINDS.get(kind, starting.COMMAND), {**more, "program": one.service.name}
    started = _added(plan, one, START, kind, {**args, **more}, _START(**words), after)
    if not one.service.port:
        return [started]
    answer = {**args, "port": one.service.port}
    return [_added(plan, one, ANSWER, "upgrade.answers", answer, _ANSWER(**words), [started])]


def _quieten(
    plan: Plan, site: dict[str, Any], one: Placed, beside: Sequence[Service], after: Sequence[str]
) -> list[str]:
    """Lets an old compute service leave guests as they are when it is started on the way back, where it can be told
    to, `beside` those that are to come to its host; gives the step."""
    if one.service.name != COMPUTE or not quiet.file_of(one.service, beside):
        return []
    args = {**site, "host": one.host, "patience": COMPUTE_PATIENCE, "file": one.service.config[-1]}
    title, about = quiet.TITLE(service=COMPUTE, host=one.host), About("service", f"{COMPUTE}@{one.host}", COMPUTE)
    name, limits = f"{quiet.QUIET}/{COMPUTE}@{one.host}", (HOSTS, COMPUTES)
    more: dict[str, Any] = {"gate": WINDOW, "title": title, "about": about, "purpose": quiet.QUIET}
    return [plan.add(Step(name, "upgrade.quiet", args, OLD, limits, **more), after=after).id]


class _Links:
    """The links under which services find their environments: each is switched once on a host, when nothing runs there
    any more that is upgraded, and switched back by the way back. Of controllers' own an agent of before beside them may
    be `using` it, too: the steps that stop those, by host and link."""

    def __init__(
        self,
        plan: Plan,
        site: dict[str, Any],
        goal: str,
        ready: Mapping[str, str],
        using: Mapping[tuple[str, str | None], Sequence[str]],
    ) -> None:
        self._plan, self._site, self._goal, self._ready, self._using = plan, site, goal, ready, using
        self._made: dict[tuple[str, str], str] = {}

    def before(self, one: Placed, after: Sequence[str]) -> list[str]:
        """What the start of a service waits for: what is given, and its link, if it has one."""
        link = one.service.environment
        loaded = release.load(self._goal)
        place = str(portable.place(loaded))
        if not link or link == place:
            return [*after, *([self._ready[one.host]] if link else [])]
        key = one.host, link
        if key not in self._made:
            # without an archive: it is there, and what was packed here days ago may be gone
            args = {**self._site, "host": one.host, "next": True, "path": place, "link": link}
            title = _LINK(link=link, host=one.host, release=self._goal)
            made = _of(one, f"link{link}@{one.host}", "host.tree", args, LINK, title)
            before = dict.fromkeys((*after, self._ready[one.host], *self._using.get(key, ())))
            self._made[key] = self._plan.add(made, after=list(before)).id
        return [*after, self._made[key]]


def _enable(plan: Plan, site: dict[str, Any], one: Placed, after: Sequence[str]) -> None:
    """Started at each boot from then on, where systemd manages it."""
    if isinstance(one.service.managed, Unit):
        args = {**site, "host": one.host, "next": True, **at_boot(one.service.managed.unit)}
        title = _ENABLE(service=one.service.name, host=one.host)
        _added(plan, one, "enable", "host.command", args, title, after)


def _added(
    plan: Plan,
    one: Placed,
    purpose: str,
    kind: str,
    args: dict[str, Any],
    title: Any,
    after: Sequence[str],
    *,
    gate: str = "",
) -> str:
    name = purpose.replace(" ", "-").lower()
    made = _of(one, f"{name}/{one.service.name}@{one.host}", kind, args, purpose, title, gate=gate)
    return plan.add(made, after=after).id


def _of(one: Placed, id: str, kind: str, args: dict[str, Any], purpose: str, title: Any, *, gate: str = "") -> Step:
    """A step for a service, in its unit and its limit groups."""
    about = About("service", f"{one.service.name}@{one.host}", one.service.name)
    more: dict[str, Any] = {"title": title, "about": about, "purpose": purpose, "gate": gate}
    unit, limits = CLOUD, [HOSTS]
    if one.of_computes:
        unit, limits, args = OLD if purpose == STOP else NEW, [HOSTS, COMPUTES], {**args, "patience": COMPUTE_PATIENCE}
        limits += [LOAD] if purpose == START else []
    return Step(id, kind, args, unit, tuple(limits), **more)
