"""What is in the way of going down, and what has to be known: each finding by a rule of its own.

A cloud is taken down only while it is whole. What is broken before is broken after, and nobody knows any more since
when; and the way up compares with what was whole.
"""

from collections.abc import Iterator
from typing import Any

from naru.messages import message
from naru.operate.cluster import guests, members
from naru.operate.cluster.order import DATABASE, DATABASES, FLAGS, QUEUE, QUEUES, Placed, placed
from naru.operate.cluster.reading import Reading, is_on, is_there
from naru.operate.cluster.work import Settings
from naru.plan.model import Finding
from naru.site.model import Container, Database
from naru.site.site import Site

_HOST = message("cluster.finding.host", en="{host} does not answer: {why}", ko="{host}이(가) 응답하지 않습니다: {why}")
_HOST_HINT = message(
    "cluster.finding.host.hint",
    en="Bring it back, or take it out of the site: what nobody saw cannot be restored.",
    ko="복구하거나 사이트에서 빼십시오. 확인하지 못한 것은 되살릴 수 없습니다.",
)
_POWER = message(
    "cluster.finding.power",
    en="{host} has no power controller in the site: somebody has to be there to switch it on",
    ko="사이트에 {host}의 전원 컨트롤러가 없습니다. 켜려면 사람이 현장에 있어야 합니다",
)
_ABSENT = message("cluster.finding.absent", en="{service} is not on {host}", ko="{host}에 {service}이(가) 없습니다")
_ABSENT_HINT = message(
    "cluster.finding.absent.hint", en="Correct the site: naru site check.", ko="사이트를 고치십시오: naru site check."
)
_OFF = message(
    "cluster.finding.off",
    en="{service} on {host} does not run now: it stays so when all is up again",
    ko="{host}의 {service}이(가) 지금 실행 중이 아닙니다. 다시 올려도 그대로 둡니다",
)
_ALWAYS = message(
    "cluster.finding.always",
    en="the container of {service} on {host} has the restart policy always: a boot of the host starts it",
    ko="{host}의 {service} 컨테이너는 재시작 정책이 always라서 호스트가 부팅하면 시작됩니다",
)
_LEFT = message(
    "cluster.finding.left",
    en="{service} is left as it is on each host, and ends with that",
    ko="{service}은(는) 각 호스트에 그대로 두며 호스트와 함께 끝납니다",
)
_UNMANAGED = message(
    "cluster.finding.unmanaged",
    en="the site does not say what manages {service} on {host}",
    ko="{host}의 {service}을(를) 무엇이 관리하는지 사이트에 없습니다",
)
_UNMANAGED_HINT = message(
    "cluster.finding.unmanaged.hint",
    en='Add a line to services: name: {service}, release: "", its hosts, managed.',
    ko='services에 한 줄을 추가하십시오: name: {service}, release: "", hosts, managed.',
)
_DATABASE = message(
    "cluster.finding.database",
    en="the database {name} on {host}: {why}: there can be no backup that is right",
    ko="{host}의 데이터베이스 {name}: {why}. 올바른 백업을 만들 수 없습니다",
)
_DATABASE_HINT = message(
    "cluster.finding.database.hint",
    en="Mend the database first: every member Synced, of one cluster.",
    ko="먼저 데이터베이스를 고치십시오. 모든 멤버가 한 클러스터에서 Synced여야 합니다.",
)
_SCHEMAS = message(
    "cluster.finding.schemas",
    en="the database {name} has no schemas in the site: nothing of it would be dumped",
    ko="사이트의 데이터베이스 {name}에 schemas가 없어 덤프할 것이 없습니다",
)
_SCHEMAS_HINT = message("cluster.finding.schemas.hint", en="Add schemas: to it.", ko="schemas:를 적으십시오.")
_UNKNOWN = message(
    "cluster.finding.unknown",
    en="{what} has {number:number} members, and the site {wanted:number} hosts of it",
    ko="{what}의 멤버는 {number:number}개인데 사이트의 호스트는 {wanted:number}개입니다",
)
_UNKNOWN_HINT = message(
    "cluster.finding.unknown.hint",
    en="One that nobody stops may be the last, and the newest: add its host to the site.",
    ko="아무도 멈추지 않는 멤버가 마지막이자 최신이 될 수 있습니다. 호스트를 사이트에 추가하십시오.",
)
_BOOTSTRAP = message(
    "cluster.finding.bootstrap",
    en="the database {name} is in containers, and the site does not say how its first member is started, or how far "
    "one had come",
    ko="데이터베이스 {name}은(는) 컨테이너인데 첫 멤버를 시작하거나 진행 위치를 확인하는 방법이 사이트에 없습니다",
)
_BOOTSTRAP_HINT = message(
    "cluster.finding.bootstrap.hint",
    en="Add bootstrap: and recover: to it, command lines of each host.",
    ko="각 호스트의 명령인 bootstrap:과 recover:를 추가하십시오.",
)
_QUEUE = message("cluster.finding.queue", en="the queue {name}: {why}", ko="메시지 큐 {name}: {why}")
_QUEUE_HINT = message(
    "cluster.finding.queue.hint",
    en="Mend it first. It is asked by its management's API: management: of the site.",
    ko="먼저 고치십시오. 관리 API(사이트의 management:)로 확인합니다.",
)
_CEPH = message("cluster.finding.ceph", en="Ceph {name}: {why}", ko="Ceph {name}: {why}")
_CEPH_HINT = message(
    "cluster.finding.ceph.hint",
    en="Mend it first; or say why it may be so: --unhealthy-because TEXT.",
    ko="먼저 고치거나 그 이유를 지정하십시오: --unhealthy-because TEXT.",
)
_FLAGS = message(
    "cluster.finding.flags",
    en="Ceph {name} has {flags} set already: they stay when all is up again",
    ko="Ceph {name}에 {flags}이(가) 이미 설정되어 있습니다. 다시 올려도 그대로 둡니다",
)
_PAUSE = message(
    "cluster.finding.pause",
    en="pause and nodown are set on Ceph {name}: every client of it hangs, and OSDs that are dead look alive",
    ko="Ceph {name}에 pause와 nodown을 설정합니다. 모든 클라이언트가 멈추고 죽은 OSD가 살아 있는 것처럼 보입니다",
)
_NO_CLOUD = message(
    "cluster.finding.no_cloud",
    en="the site names no cloud: servers and the services' records are neither seen nor restored",
    ko="사이트에 cloud가 없어 서버와 서비스 기록을 확인하거나 되살리지 못합니다",
)
_CLOUD = message("cluster.finding.cloud", en="the cloud {name}: {why}", ko="클라우드 {name}: {why}")
_CLOUD_HINT = message(
    "cluster.finding.cloud.hint",
    en="Without it nobody knows which servers ran.",
    ko="확인하지 못하면 어떤 서버가 실행 중이었는지 알 수 없습니다.",
)
_ASK = message("cluster.finding.ask", en="server {name} ({status}): {why}", ko="서버 {name}({status}): {why}")
_ASK_HINT = message(
    "cluster.finding.ask.hint",
    en="See to it, or leave it as it is: --answer NAME=leave. Then plan again.",
    ko="조치하거나 그대로 두십시오(--answer NAME=leave). 그다음 다시 계획하십시오.",
)
_GUESTS = message(
    "cluster.finding.guests",
    en="servers are not stopped: their hosts end them, and Nova does not start them again",
    ko="서버를 정지하지 않습니다. 호스트가 꺼질 때 함께 꺼지며 Nova가 다시 시작하지 않습니다",
)
_WRITES = message(
    "cluster.finding.writes",
    en="users' calls are not refused before: tell them, or close the gates yourself; what they begin is cut off",
    ko="사용자 요청을 미리 막지 않습니다. 알리거나 직접 차단하십시오. 그사이 시작한 작업은 중단됩니다",
)
_WATCHERS = message(
    "cluster.finding.watchers",
    en="Masakari, watchdogs, alerts and whatever else repairs by itself is to be switched off by you, before",
    ko="Masakari, 워치독, 경보 등 스스로 복구하는 것은 미리 직접 꺼야 합니다",
)
_HOSTS = message(
    "cluster.finding.hosts",
    en="hosts are not switched off by the plan: do so when it is done, storage last, and on again, storage first",
    ko="계획은 호스트를 끄지 않습니다. 끝난 뒤 스토리지를 마지막에 끄고, 켤 때는 스토리지를 먼저 켜십시오",
)


def findings(site: Site, found: Reading, settings: Settings) -> Iterator[Finding]:
    """What keeps the plan from running, then what its reader has to know."""
    groups = placed(site)
    for host, state in found["hosts"].items():
        if "error" in state:
            yield Finding("error", _HOST(host=host, why=state["error"]), hint=_HOST_HINT(), about=host)
    for group, these in groups.items():
        if group:
            yield from _services(these, found)
    yield from _databases(site, groups[DATABASES], found)
    yield from _queues(site, groups[QUEUES], found)
    for name, one in found["ceph"].items():
        yield from _ceph(name, one, settings)
    yield from _cloud(site, found, settings)
    for host in site.hosts.values():
        if host.power is None:
            yield Finding("warning", _POWER(host=host.name), about=host.name)
    for name in dict.fromkeys(one.name for one in groups[""]):
        yield Finding("info", _LEFT(service=name), about=name)
    yield Finding("warning", _WRITES())
    yield Finding("warning", _WATCHERS())
    yield Finding("info", _HOSTS())


def _services(these: list[Placed], found: Reading) -> Iterator[Finding]:
    for one in these:
        state = found["services"].get(one.id, {})
        words = {"service": one.name, "host": one.host}
        if "error" in state:
            continue  # its host has a finding
        if not is_there(state):
            yield Finding("error", _ABSENT(**words), hint=_ABSENT_HINT(), about=one.id)
        elif not is_on(state):
            yield Finding("info", _OFF(**words), about=one.id)
        elif state.get("Restart") == "always":
            yield Finding("warning", _ALWAYS(**words), about=one.id)


def _databases(site: Site, managed: list[Placed], found: Reading) -> Iterator[Finding]:
    for database in site.content.databases:
        name, these = database.name, found["databases"][database.name]["members"]
        yield from _unmanaged(DATABASE, list(these), managed)
        for host, one in these.items():
            if why := _lacks(database, one):
                words = {"name": name, "host": host, "why": why}
                yield Finding("error", _DATABASE(**words), hint=_DATABASE_HINT(), about=name)
        if len({one["uuid"] for one in these.values() if "uuid" in one}) > 1:
            words = {"name": name, "host": ", ".join(these), "why": "its members are of several clusters"}
            yield Finding("error", _DATABASE(**words), hint=_DATABASE_HINT(), about=name)
        if not database.schemas:
            yield Finding("error", _SCHEMAS(name=name), hint=_SCHEMAS_HINT(), about=name)
        size = max((one.get("size", 0) for one in these.values()), default=0)
        if size > len(these):
            told = _UNKNOWN(what=name, number=size, wanted=len(these))
            yield Finding("error", told, hint=_UNKNOWN_HINT(), about=name)
        boxed = any(isinstance(one.managed, Container) for one in managed if one.host in these)
        if database.kind == "galera" and boxed and not (database.bootstrap and database.recover):
            yield Finding("error", _BOOTSTRAP(name=name), hint=_BOOTSTRAP_HINT(), about=name)


def _lacks(database: Database, one: dict[str, Any]) -> str:
    if "error" in one:
        return str(one["error"])
    if database.kind == "galera" and not members.is_synced(one):
        return f"it is {one.get('state', 'no member')}, {one.get('component', 'of no cluster')}"
    return ""


def _queues(site: Site, managed: list[Placed], found: Reading) -> Iterator[Finding]:
    for queue in site.content.queues:
        name, one = queue.name, found["queues"][queue.name]
        hosts = [host.name for host in site.named(queue.hosts)]
        yield from _unmanaged(QUEUE, hosts, managed)
        if "error" in one:
            yield Finding("error", _QUEUE(name=name, why=one["error"]), hint=_QUEUE_HINT(), about=name)
            continue
        for node, runs in one["nodes"].items():
            if not runs:
                told = _QUEUE(name=name, why=f"{node} does not run")
                yield Finding("error", told, hint=_QUEUE_HINT(), about=name)
        if one["split"]:
            told = _QUEUE(name=name, why=f"{', '.join(one['split'])} see a partition")
            yield Finding("error", told, hint=_QUEUE_HINT(), about=name)
        if len(one["nodes"]) > len(hosts):
            told = _UNKNOWN(what=name, number=len(one["nodes"]), wanted=len(hosts))
            yield Finding("error", told, hint=_UNKNOWN_HINT(), about=name)


def _unmanaged(service: str, hosts: list[str], managed: list[Placed]) -> Iterator[Finding]:
    for host in hosts:
        if not any(one.name == service and one.host == host for one in managed):
            told = _UNMANAGED(service=service, host=host)
            yield Finding("error", told, hint=_UNMANAGED_HINT(service=service), about=host)


def _ceph(name: str, one: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    if "error" in one:
        yield Finding("error", _CEPH(name=name, why=one["error"]), hint=_CEPH_HINT(), about=name)
        return
    if one["health"] != "HEALTH_OK":
        why = f"{one['health']} {' '.join(one['checks'])}".strip()
        severity = "warning" if settings.unhealthy else "error"
        yield Finding(severity, _CEPH(name=name, why=why), hint=_CEPH_HINT(), about=name)  # type: ignore[arg-type]
    ours = FLAGS.get(settings.flags, ())
    already = [flag for flag in ours if flag in is_set(one["flags"])]
    if already:
        yield Finding("info", _FLAGS(name=name, flags=", ".join(already)), about=name)
    if "pause" in ours:
        yield Finding("warning", _PAUSE(name=name), about=name)


def is_set(flags: list[str]) -> set[str]:
    """Of Ceph's flags as its map has them those that somebody sets: `pause` is two there."""
    found = set(flags)
    return found | {"pause"} if {"pauserd", "pausewr"} <= found else found


def _cloud(site: Site, found: Reading, settings: Settings) -> Iterator[Finding]:
    cloud = found["cloud"]
    if cloud is None:
        yield Finding("warning", _NO_CLOUD())
        return
    if "error" in cloud:
        told = _CLOUD(name=str(site.content.cloud), why=cloud["error"])
        yield Finding("error", told, hint=_CLOUD_HINT())
        return
    if settings.guests == "leave":
        yield Finding("warning", _GUESTS())
        return
    for one in guests.decide(cloud["servers"], settings.answers, settings.order):
        if one.action == "ask":
            words = {"name": one.server["name"], "status": one.server["status"], "why": one.why}
            yield Finding("error", _ASK(**words), hint=_ASK_HINT(), about=one.server["id"])
