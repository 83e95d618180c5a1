"""The plan that switches notifications on: a function of what was read. Its rollback switches them off."""

import itertools
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from naru.actions.hosts.command import Command as HostCommand
from naru.actions.hosts.container import Container as HostContainer
from naru.actions.hosts.file import File
from naru.actions.hosts.place import HostAction
from naru.actions.hosts.unit import Unit as HostUnit
from naru.messages import message
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step
from naru.site.model import Commands, Container, Managed, Service, Unit
from naru.watch.switch.reading import PROGRAMS, Config, Seen, digest
from naru.watch.switch.work import Settings, source

MODULES = ["naru.actions.hosts"]
FILES, CONTROL, COMPUTES = "files", "restarts", "restarts of nova-compute"
"""Limit groups: files written, and services started anew, at a time."""
COMPUTE = "nova-compute"

TITLE = message("notifications.title", en="{site} sends notifications", ko="{site}의 알림 켜기")
_FILE = message("notifications.title.file", en="{path} of {host}: {options} set", ko="{host}의 {path}: {options} 설정")
_KEEP = message(
    "notifications.title.keep",
    en="on the way back {service} on {host} is started anew",
    ko="되돌릴 때 {host}의 {service} 재시작",
)
_RESTART = message("notifications.title.restart", en="{service} on {host} started anew", ko="{host}의 {service} 재시작")
_FAILED = message(
    "notifications.finding.failed", en="{host} cannot be read: {why}", ko="{host}을(를) 읽을 수 없습니다: {why}"
)
_FAILED_HINT = message(
    "notifications.finding.failed.hint",
    en="Cure that, or leave it out: --service NAME names those that are changed.",
    ko="고치거나, --service NAME으로 바꿀 서비스를 골라 제외하십시오.",
)
_UNKNOWN = message(
    "notifications.finding.unknown",
    en="{services}: the site does not say where its configuration is; it is left as it is",
    ko="{services}: 사이트에 설정 파일이 적혀 있지 않아 그대로 둡니다",
)
_UNKNOWN_HINT = message(
    "notifications.finding.unknown.hint", en="Give services[].config.", ko="services[].config를 적으십시오."
)
_ON = message("notifications.finding.on", en="sends them already: {services}", ko="이미 알림을 보냅니다: {services}")
_NO_URL = message(
    "notifications.finding.url",
    en="no service's configuration has a transport_url, and {path} of {host} needs one",
    ko="어느 서비스 설정에도 transport_url이 없는데 {host}의 {path}에 필요합니다",
)
_QUEUES = message(
    "notifications.finding.queues",
    en="each service fills queues of its own with what it sends, also when nobody reads them: they grow without end, "
    "unless a policy bounds them",
    ko="서비스는 읽는 쪽이 없어도 자기 큐를 알림으로 채웁니다. 정책으로 제한하지 않으면 끝없이 커집니다",
)
_QUEUES_HINT = message(
    "notifications.finding.queues.hint",
    en="Unless ceilometer or another reads them, on the broker, for each virtual host: rabbitmqctl set_policy -p VHOST "
    "--apply-to queues naru-notifications '^(versioned_)?notifications\\.' "
    '\'{"message-ttl":3600000,"max-length":1000,"overflow":"drop-head"}\'',
    ko="ceilometer 등이 읽지 않는다면 브로커에서 가상 호스트마다 실행하십시오: rabbitmqctl set_policy -p VHOST "
    "--apply-to queues naru-notifications '^(versioned_)?notifications\\.' "
    '\'{"message-ttl":3600000,"max-length":1000,"overflow":"drop-head"}\'',
)
_RESTARTS = message(
    "notifications.finding.restarts",
    en="{number:number} services are started anew, one after another, and {computes:number} nova-compute, several at a "
    "time; an API that has one host does not answer meanwhile",
    ko="서비스 {number:number}개를 하나씩, nova-compute {computes:number}개를 여럿씩 재시작합니다. "
    "호스트가 하나뿐인 API는 그동안 응답하지 않습니다",
)


def whole(seen: Seen, settings: Settings, site: str, directory: Path) -> Plan:
    """The plan: on each host what the way back needs, the files, the services anew; of all hosts one service after
    another in the order of `PROGRAMS`."""
    plan = Plan(title=TITLE(site=site), modules=MODULES, settings=settings.dump())
    plan.limits = {FILES: 20, CONTROL: 1, COMPUTES: 10}
    plan.findings = list(_findings(seen))
    restarts: list[tuple[int, Step, list[str]]] = []
    for config in seen.configs:
        about = About("host", config.host, config.host)
        common: dict[str, Any] = {"site": settings.site, "host": config.host}
        keeps = []
        for service in config.services:
            kind, args = _way_back(service.managed, common)
            title = _KEEP(service=service.name, host=config.host)
            named = f"{config.host}/{service.name}"
            step = Step(f"{named}/keep", kind, args, config.host, (FILES,), title=title, about=about, purpose="keep")
            keeps.append(plan.add(step).id)
            kind, args = _anew(service.managed, common)
            title = _RESTART(service=service.name, host=config.host)
            limit = COMPUTES if service.name == COMPUTE else CONTROL
            restart = Step(
                *(f"{named}/restart", kind, args, config.host, (limit,)), title=title, about=about, purpose="restart"
            )
            restarts.append((PROGRAMS.index(service.name), restart, [f"{config.host}{config.path}"]))
        action = File(
            **common,
            path=config.path,
            source=str(source(directory, config.host, config.path)),
            sha256=digest(config.after),
        )
        title = _FILE(path=config.path, host=config.host, options=", ".join(config.options))
        args = action.arguments()
        named = f"{config.host}{config.path}"
        step = Step(named, action.step_kind, args, config.host, (FILES,), title=title, about=about, purpose="file")
        plan.add(step, after=keeps)
    before: list[str] = []
    for _, together in itertools.groupby(sorted(restarts, key=lambda one: one[0]), key=lambda one: one[0]):
        last = before
        before = [plan.add(restart, after=[*files, *last]).id for _, restart, files in together]
    KINDS.check_arguments(plan)
    return plan


def _anew(managed: Managed, common: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    action: HostAction
    match managed:
        case Unit(unit=unit):
            action = HostUnit(**common, unit=unit, do="restart")
        case Container(container=container, engine=engine):
            action = HostContainer(**common, container=container, do="restart", engine=engine)
        case Commands() as lines:
            action = HostCommand(**common, argv=["sh", "-c", _both(lines)], repeat=True, deadline=600)
    return action.step_kind, action.arguments()


def _way_back(managed: Managed, common: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A step that does nothing, before the files are changed: its undo, which comes when they are back, starts the
    service anew."""
    action: HostAction
    match managed:
        case Unit(unit=unit):
            action = HostUnit(**common, unit=unit, do="keep", restart_back=True)
        case Container(container=container, engine=engine):
            engines, name = engine or "podman docker", shlex.quote(container)
            line = (
                f"for engine in {engines}; do $engine container inspect {name} >/dev/null 2>&1 && "
                f"exec $engine restart {name}; done; echo no container {name} >&2; exit 1"
            )
            action = HostCommand(**common, argv=["true"], undo=["sh", "-c", line], repeat=True, deadline=600)
        case Commands() as lines:
            action = HostCommand(**common, argv=["true"], undo=["sh", "-c", _both(lines)], repeat=True, deadline=600)
    return action.step_kind, action.arguments()


def _both(lines: Commands) -> str:
    return f"{lines.stop}\n{lines.start}"


def _findings(seen: Seen) -> Iterator[Finding]:
    for host, why in seen.failed.items():
        yield Finding("error", _FAILED(host=host, why=why), hint=_FAILED_HINT(), about=host)
    for config in seen.configs:
        if _needs_url(config):
            yield Finding("error", _NO_URL(path=config.path, host=config.host), about=config.host)
    if seen.unknown:
        yield Finding("warning", _UNKNOWN(services=", ".join(seen.unknown)), hint=_UNKNOWN_HINT())
    if seen.on:
        yield Finding("info", _ON(services=", ".join(seen.on)))
    if seen.configs:
        every: list[Service] = [service for config in seen.configs for service in config.services]
        computes = sum(one.name == COMPUTE for one in every)
        yield Finding("warning", _QUEUES(), hint=_QUEUES_HINT())
        yield Finding("info", _RESTARTS(number=len(every) - computes, computes=computes))


def _needs_url(config: Config) -> bool:
    """Whether a transport_url is needed that nobody has."""
    return "transport_url = \n" in config.after and "transport_url = \n" not in config.before
