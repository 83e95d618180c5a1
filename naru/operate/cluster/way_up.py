"""The plan of the way up: made from what the way down has recorded, each step looking at what is there before it does
something. So it is right after a way down that ended, one that was cut off, and a power loss of everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from naru.actions.hosts.switching import switch
from naru.messages import message
from naru.operate.cluster import guests, members
from naru.operate.cluster.lost import has_osds, without
from naru.operate.cluster.order import DATABASES, FRONT, KEYSTONE, QUEUES, REPAIR, STORAGE, UP, Placed, placed
from naru.operate.cluster.planner import GUESTS, HOSTS, MODULES
from naru.operate.cluster.reading import Reading, is_on
from naru.operate.cluster.work import UP as WAY_UP
from naru.operate.cluster.work import WAY, Settings
from naru.operate.compute import HOST
from naru.plan.kinds import KINDS, load
from naru.plan.model import About, Plan, Step
from naru.site.hostnames import named
from naru.site.model import Unit
from naru.site.site import Site

REACH, BEGIN, JOIN, START, WHOLE, ANSWER, RELEASE, RECORDS, GUEST, UNFLAG, CLEAN, SAME = (
    "reach",
    "begin",
    "join",
    "start",
    "whole",
    "answer",
    "release",
    "records",
    "start guest",
    "unset flags",
    "clean",
    "same",
)
"""What steps are for."""

TITLE = message("cluster.up.title", en="{site} up", ko="{site} 전체 올리기")
_REACH = message("cluster.up.reach", en="{host} answers", ko="{host} 응답 확인")
_BEGIN = message("cluster.up.begin", en="the newest member of {name} begins it", ko="{name}의 최신 멤버부터 시작")
_JOIN = message("cluster.up.join", en="{name} on {host} answers, Synced", ko="{host}의 {name} 응답, Synced 확인")
_START = message("cluster.up.start", en="start {service} on {host}", ko="{host}의 {service} 시작")
_RELEASE = message(
    "cluster.up.release",
    en="{service} on {host} did not run: it may be started again",
    ko="{host}의 {service}은(는) 실행 중이 아니었음: 다시 시작할 수 있게 함",
)
_WHOLE = message("cluster.up.whole", en="the queue {name} is whole", ko="메시지 큐 {name} 전체 확인")
_ANSWER = message("cluster.up.answer", en="{service} on {host} answers", ko="{host}의 {service} 응답 확인")
_GROUP = message("cluster.up.group", en="{group}: up", ko="{group}: 시작됨")
_RECORDS = message("cluster.up.records", en="services report as they did", ko="서비스가 전과 같이 보고하는지 확인")
_WAVE = message("cluster.up.wave", en="servers of wave {number} run", ko="{number}차 서버 시작됨")
_GUEST = message("cluster.up.guest", en="start server {name}", ko="서버 {name} 시작")
_OSDS = message("cluster.up.osds", en="Ceph {name}: {up} OSDs are up", ko="Ceph {name}: OSD {up}개 확인")
_UNFLAG = message("cluster.up.unflag", en="Ceph {name}: {flags} taken away", ko="Ceph {name}: {flags} 해제")
_CLEAN = message("cluster.up.clean", en="Ceph {name}: active+clean", ko="Ceph {name}: active+clean 확인")
_SAME = message("cluster.up.same", en="all is as it was recorded", ko="모두 기록과 같은지 확인")


@dataclass(frozen=True)
class Known:
    """What the ways before have come to: the `record`, how far members of databases had come when they stopped (`left`,
    by `SERVICE@HOST`, in the order in which they did), which Ceph `flags` were set by them, and what the operator has
    given up: `lost` hosts, and with `behind` writes that were seen before. `whole` is the record with lost hosts."""

    record: Reading
    left: dict[str, dict[str, Any]]
    flags: dict[str, list[str]]
    lost: tuple[str, ...] = ()
    behind: bool = False
    whole: Reading = field(default_factory=dict)


def plan(site: Site, known: Known, settings: Settings) -> Plan:
    """All that the record has, in order."""
    load(MODULES)
    known = replace(known, record=without(known.record, known.lost), whole=known.record)
    record = known.record
    made = Plan(
        title=TITLE(site=site.content.name),
        modules=MODULES,
        settings={**settings.dump(), WAY: WAY_UP},
        limits={HOSTS: 32, GUESTS: settings.at_once},
    )
    add = _Adding(made, site, known, settings)
    last = add.hosts()
    groups = placed(site)
    for group in UP:
        these = [one for one in groups[group] if one.id in record["services"]]
        if group == STORAGE:
            last = add.storage(last)
        elif group == DATABASES:
            last = add.databases(these, last)
        elif group == QUEUES:
            last = add.queues(these, last)
        else:
            last = add.group(group, these, last)
    last = add.records(last)
    last, left = add.guests(last)
    # what repairs by itself would take servers that do not run yet for broken ones
    last = add.group(REPAIR, [one for one in groups[REPAIR] if one.id in record["services"]], last)
    args = {"site": settings.site, "record": record, "left": left}
    made.add(Step(SAME, "cluster.same", args, limits=(), title=_SAME(), purpose=SAME), after=last)
    KINDS.check_arguments(made)
    return made


class _Adding:
    """The parts of a plan, in the order in which they are added."""

    def __init__(self, made: Plan, site: Site, known: Known, settings: Settings) -> None:
        self._made, self._site, self._known, self._settings = made, site, known, settings
        self._file = {"site": settings.site}

    def hosts(self) -> list[str]:
        """Each host of the record answers."""
        ends = []
        for host in self._known.record["hosts"]:
            about = About("host", host, host)
            step = Step(f"reach/{host}", "cluster.reach", {**self._file, "host": host}, host, (HOSTS,))
            ends.append(self._added(step, _REACH(host=host), about, REACH, []))
        return ends

    def storage(self, last: list[str]) -> list[str]:
        """Ceph: as many OSDs as before, our flags taken away, clean."""
        for name, one in self._known.whole["ceph"].items():
            ours, about = self._known.flags.get(name, []), About("ceph", name, name)
            args = {**self._file, "ceph": name, "up": one["up"], "lost": list(self._known.lost)}
            step = Step(f"osds/{name}", "cluster.storage", args, limits=())
            last = [self._added(step, _OSDS(name=name, up=one["up"]), about, STORAGE, last)]
            if ours:
                step = Step(f"unflag/{name}", "cluster.unflag", {**self._file, "ceph": name, "flags": ours}, limits=())
                last = [self._added(step, _UNFLAG(name=name, flags=", ".join(ours)), about, UNFLAG, last)]
            # without a host's OSDs, placement groups may have nowhere to be whole
            if one["health"] == "HEALTH_OK" and not has_osds(self._site, name, self._known.lost):
                step = Step(f"clean/{name}", "cluster.storage", {**args, "clean": True}, limits=())
                last = [self._added(step, _CLEAN(name=name), about, CLEAN, last)]
        return last

    def databases(self, these: Sequence[Placed], last: list[str]) -> list[str]:
        """Each database: of a cluster the newest member first, then the others one by one."""
        ends: list[str] = []
        for database in self._site.content.databases:
            found = self._known.record["databases"].get(database.name)
            if found is None:
                continue  # it came into the site since: nobody has stopped it
            mine = [one for one in these if one.host in found["members"]]
            after, galera = last, database.kind == "galera"
            if galera and mine:
                args = {**self._file, "host": mine[0].host, **self._begin(database.name)}
                step = Step(f"begin/{database.name}", "cluster.begin", args, limits=())
                about = About("database", database.name, database.name)
                after = [self._added(step, _BEGIN(name=database.name), about, BEGIN, after)]
            for one in mine:
                args = {**self._file, "host": one.host, "database": database.name, "galera": galera}
                step = Step(f"join/{one.id}", "cluster.join", args, one.host, (HOSTS,))
                about, title = About("member", one.id, one.name), _JOIN(name=database.name, host=one.host)
                after = [self._added(step, title, about, JOIN, after)]
            ends += after
        return ends or last

    def _begin(self, name: str) -> dict[str, Any]:
        """What is known of a cluster that was, for who begins it."""
        mine = {id.partition("@")[2]: one for id, one in self._known.left.items() if one["database"] == name}
        found = self._known.whole["databases"][name]  # a member that is lost has been seen as well
        seen = [int(one.get("seqno", -1)) for one in found["members"].values()]
        stopped = [int(one["seqno"]) for one in mine.values()]
        return {
            "database": name,
            "members": {host: one["directory"] for host, one in found["members"].items()},
            "uuid": members.uuid_of(found),
            "floor": -1 if self._known.behind else max([*seen, *stopped], default=-1),
            "last": next(reversed(mine), ""),
            "lost": [host for host in found["members"] if host in self._known.lost],
        }

    def queues(self, these: Sequence[Placed], last: list[str]) -> list[str]:
        """The nodes of each queue at once, the one that stopped last before the others: each waits for those that it
        has seen running when it stopped."""
        ends = [end for one in these for end in self._start(one, last)] or last
        for queue in self._site.content.queues:
            if queue.name not in self._known.record["queues"]:
                continue  # as above
            nodes = self._known.record["queues"][queue.name].get("nodes", {})
            names = [name for name, runs in nodes.items() if runs]
            args = {**self._file, "queue": queue.name, "nodes": names}
            step = Step(f"whole/{queue.name}", "cluster.queue", args, limits=())
            about = About("queue", queue.name, queue.name)
            ends = [self._added(step, _WHOLE(name=queue.name), about, WHOLE, ends)]
        return ends

    def group(self, group: str, these: Sequence[Placed], last: list[str]) -> list[str]:
        """The services of a group at once."""
        ends = [end for one in these for end in self._start(one, last, answers=group in (KEYSTONE, FRONT))]
        if not ends:
            return last
        step = Step(f"up/{group}", "noop", limits=())
        return [self._added(step, _GROUP(group=group), None, "", ends)]

    def _start(self, one: Placed, after: Sequence[str], *, answers: bool = False) -> list[str]:
        state = self._known.record["services"][one.id]
        about, words = About("service", one.id, one.name), {"service": one.name, "host": one.host}
        args: dict[str, Any] = {**self._file, "host": one.host}
        if not is_on(state):
            if not isinstance(one.managed, Unit):
                return []
            args |= {"unit": one.managed.unit, "do": "release"}
            step = Step(f"release/{one.id}", "host.unit", args, one.host, (HOSTS,))
            return [self._added(step, _RELEASE(**words), about, RELEASE, after)]
        kind, more = switch(one.managed, on=True, hold=True)
        step = Step(f"start/{one.id}", kind, {**args, **more}, one.host, (HOSTS,))
        started = self._added(step, _START(**words), about, START, after)
        if not (answers and one.port):
            return [started]
        step = Step(f"answer/{one.id}", "cluster.answers", {**args, "port": one.port}, one.host, (HOSTS,))
        return [self._added(step, _ANSWER(**words), about, ANSWER, [started])]

    def records(self, last: list[str]) -> list[str]:
        """Services report as they did."""
        cloud = self._known.record["cloud"]
        if not cloud or "error" in cloud or not self._site.content.cloud:
            return last
        args = {**self._file, "cloud": self._site.content.cloud, "services": cloud["services"]}
        step = Step(RECORDS, "cluster.records", args, limits=())
        return [self._added(step, _RECORDS(), None, RECORDS, last)]

    def guests(self, last: list[str]) -> tuple[list[str], list[str]]:
        """The servers that ran, wave after wave; the last steps, and the servers (ids) that are left to their owners:
        of these nobody knows what their hosts' end has made of them."""
        cloud, settings = self._known.record["cloud"], self._settings
        if not cloud or "error" in cloud or not self._site.content.cloud:
            return last, []
        every = guests.decide(cloud["servers"], settings.answers, settings.order)
        mine = [one for one in every if one.action == "stop" and settings.guests == "stop"]
        kept = {one.server["id"] for one in mine}
        kept |= {one.server["id"] for one in every if one.server["status"] in guests.AT_REST}
        left = [one["id"] for one in cloud["servers"] if one["id"] not in kept]
        for wave in sorted({one.wave for one in mine}):
            ends = []
            for one in mine:
                if one.wave == wave:
                    server, name = one.server["id"], one.server["name"]
                    args = {"cloud": self._site.content.cloud, "server": server, "to": "ACTIVE"}
                    args |= {**self._file, "boots": self._boot(one.server)}
                    step = Step(f"start-guest/{server}", "cluster.guest", args, server, (GUESTS,))
                    about = About("server", server, name)
                    ends.append(self._added(step, _GUEST(name=name), about, GUEST, last))
            step = Step(f"guests/{wave + 1}", "noop", limits=())
            last = [self._added(step, _WAVE(number=wave + 1), None, "", ends)]
        return last, left

    def _boot(self, server: Mapping[str, Any]) -> dict[str, str]:
        """By the host that a server was on, which boot that had."""
        host = named(str(server.get(HOST) or ""), self._known.record["hosts"])
        boot = self._known.record["hosts"].get(host, {}).get("boot")
        return {host: boot} if boot else {}

    def _added(self, step: Step, title: Any, about: About | None, purpose: str, after: Sequence[str]) -> str:
        whole = Step(step.id, step.kind, step.args, step.unit, step.limits, title=title, about=about, purpose=purpose)
        return self._made.add(whole, after=after).id
