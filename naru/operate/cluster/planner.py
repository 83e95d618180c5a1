"""The plan of the way down: a function of the site, of what was seen, and of the settings."""

from collections.abc import Sequence
from typing import Any

from naru.actions.hosts.switching import switch
from naru.messages import message, say
from naru.operate.cluster import galera_steps, guest_steps, guests, rules, steps
from naru.operate.cluster.order import DATABASES, FLAGS, QUEUES, STORAGE, WHY, Placed, placed
from naru.operate.cluster.reading import Reading
from naru.operate.cluster.work import DOWN, WAY, Settings
from naru.plan.kinds import KINDS, load
from naru.plan.model import About, Plan, Step
from naru.site.site import Site
from naru.text import shortened

MODULES = ["naru.actions.hosts", "naru.actions.databases", steps.__name__, galera_steps.__name__, guest_steps.__name__]
RECORD, BACKUP, READ_BACK, GUEST, STOP, LEFT, FLAG, PROOF = (
    "record",
    "backup",
    "read back",
    "stop guest",
    "stop",
    "left",
    "set flags",
    "prove down",
)
"""What steps are for."""
HOSTS, GUESTS = "hosts", "guests"
"""Limit groups: what is done on hosts, and servers that stop or start."""

TITLE = message("cluster.title", en="{site} down", ko="{site} 전체 내리기")
_RECORD = message("cluster.title.record", en="what runs is recorded", ko="실행 중인 것을 기록")
_BACKUP = message("cluster.title.backup", en="database {name} dumped on {host}", ko="{host}에 데이터베이스 {name} 덤프")
_READ = message("cluster.title.read_back", en="the dump of {name} read back", ko="{name} 덤프 다시 읽기")
_GUEST = message("cluster.title.guest", en="stop server {name}", ko="서버 {name} 정지")
_STOP = message("cluster.title.stop", en="stop {service} on {host}", ko="{host}의 {service} 중지")
_LEFT = message(
    "cluster.title.left",
    en="how far {name} on {host} has come, by its disk",
    ko="{host} 디스크에 남은 {name}의 위치 확인",
)
GROUP_TITLE = message("cluster.title.group", en="{group}: down", ko="{group}: 중지됨")
WAVE_TITLE = message("cluster.title.wave", en="servers of wave {number} are off", ko="{number}차 서버 정지됨")
_FLAGS = message("cluster.title.flags", en="Ceph {name}: {flags} set", ko="Ceph {name}: {flags} 설정")
_PROOF = message("cluster.title.proof", en="nothing runs any more", ko="모두 멈췄음을 확인")

_WHY_BACKUP = message(
    "cluster.why.backup", en="while all is whole; read back at once", ko="모두 온전할 때 만들고 바로 다시 읽습니다"
)
_WHY_GUESTS = message(
    "cluster.why.guests",
    en="by their own systems, those first that start last",
    ko="각자의 운영체제로 정지하며, 나중에 시작할 것부터 정지합니다",
)
SHOWN = 12
"""Names that a row of the table has."""
READ = """cd "$1" && sum=$(sed -n 's/^sha256=//p' complete) && data=$(sed -n 's/^data=//p' complete) &&
[ "$(sha256sum <"$data" | cut -d ' ' -f 1)" = "$sum" ] || { echo "the dump is damaged"; exit 1; }
case $data in *.zst) zstd -qdc "$data" ;; *.gz) gzip -dc "$data" ;; *) cat "$data" ;; esac | tail -n 1 |
grep -q '^-- Dump completed' || { echo "the dump has no end"; exit 1; }"""
"""Reads a dump back (`$1`, see naru/actions/databases/scripts/dump.sh): its digest, and its end when unpacked."""


def plan(site: Site, found: Reading, settings: Settings, plan_id: str) -> Plan:
    """The plan that the work directory has: what runs recorded, the databases dumped, all stopped in order, proved."""
    made = _empty(site, settings)
    made.findings = list(rules.findings(site, found, settings))
    common = {"site": settings.site}
    record = Step(RECORD, "cluster.record", common, limits=(), title=_RECORD(), purpose=RECORD)
    last = _backups(made, site, settings, plan_id, made.add(record).id)
    _down(made, site, found, settings, last)
    KINDS.check_arguments(made)
    return made


def again(site: Site, record: Reading, settings: Settings) -> Plan:
    """The plan of a further way down, after one up that was begun: what the record has is stopped once more."""
    made = _empty(site, settings)
    made.settings[WAY] = DOWN
    _down(made, site, record, settings, [])
    KINDS.check_arguments(made)
    return made


def _empty(site: Site, settings: Settings) -> Plan:
    load(MODULES)
    limits = {HOSTS: 32, GUESTS: settings.at_once}
    return Plan(title=TITLE(site=site.content.name), modules=MODULES, settings=settings.dump(), limits=limits)


def _backups(made: Plan, site: Site, settings: Settings, plan_id: str, record: str) -> list[str]:
    """Adds the dumps, while all is whole; the last steps."""
    last = [record]
    for database in site.content.databases:
        host = settings.backup_host or site.named(database.hosts)[0].name
        directory = f"{settings.backup}/{plan_id}/{database.name}"
        args = {"site": settings.site, "host": host}
        about = About("database", database.name, database.name)
        dump = {**args, "database": database.name, "schemas": list(database.schemas), "directory": directory}
        title = _BACKUP(name=database.name, host=host)
        name = f"{BACKUP}/{database.name}"
        step = Step(name, "database.dump", dump, host, (HOSTS,), title=title, about=about, purpose=BACKUP)
        made.add(step, after=[record])
        read = {**args, "argv": ["sh", "-c", READ, "naru", directory], "repeat": True}
        title = _READ(name=database.name)
        name = f"{READ_BACK.replace(' ', '-')}/{database.name}"
        step = Step(name, "host.command", read, host, (HOSTS,), title=title, about=about, purpose=READ_BACK)
        last.append(made.add(step, after=[f"{BACKUP}/{database.name}"]).id)
    return last


def _down(made: Plan, site: Site, found: Reading, settings: Settings, last: list[str]) -> None:
    last = _guests(made, site, found, settings, last)
    groups = placed(site)
    for group in settings.profile.down:
        these = [one for one in groups[group] if "error" not in found["services"].get(one.id, {})]
        if group == QUEUES:
            last = _one_by_one(made, settings, these[::-1], last)
        elif group == DATABASES:
            last = _databases(made, site, found, settings, these, last)
        elif these:
            ends = [_stop(made, settings, one, last) for one in these]
            last = [_joint(made, group, ends)]
    flags = FLAGS.get(settings.flags, ())
    for name in found["ceph"] if flags else ():
        args = {"site": settings.site, "ceph": name, "flags": list(flags)}
        title, about = _FLAGS(name=name, flags=", ".join(flags)), About("ceph", name, name)
        step = Step(f"flags/{name}", "cluster.flags", args, limits=(), title=title, about=about, purpose=FLAG)
        last = [made.add(step, after=last).id]
    step = Step(PROOF.replace(" ", "-"), "cluster.down", {"site": settings.site}, limits=(), title=_PROOF())
    made.add(step, after=last)


def _guests(made: Plan, site: Site, found: Reading, settings: Settings, last: list[str]) -> list[str]:
    """Adds the stops of servers, those first that start last; a wave after the other."""
    cloud = found["cloud"]
    if not cloud or "error" in cloud or settings.guests == "leave" or not site.content.cloud:
        return last
    decisions = [
        one for one in guests.decide(cloud["servers"], settings.answers, settings.order) if one.action == "stop"
    ]
    for wave in sorted({one.wave for one in decisions}, reverse=True):
        ends = []
        for one in decisions:
            if one.wave == wave:
                args = {"cloud": site.content.cloud, "server": one.server["id"], "to": "SHUTOFF"}
                about = About("server", one.server["id"], one.server["name"])
                name, title = f"stop-guest/{one.server['id']}", _GUEST(name=one.server["name"])
                more: dict[str, Any] = {"title": title, "about": about, "purpose": GUEST}
                step = Step(name, "cluster.guest", args, one.server["id"], (GUESTS,), **more)
                ends.append(made.add(step, after=last).id)
        name = f"guests/{wave + 1}"
        last = [made.add(Step(name, "noop", limits=(), title=WAVE_TITLE(number=wave + 1)), after=ends).id]
    return last


def _joint(made: Plan, group: str, ends: Sequence[str]) -> str:
    return made.add(Step(f"down/{group}", "noop", limits=(), title=GROUP_TITLE(group=group)), after=ends).id


def _stop(made: Plan, settings: Settings, one: Placed, after: Sequence[str]) -> str:
    kind, args = switch(one.managed, on=False, hold=True)
    about = About("service", one.id, one.name)
    args = {"site": settings.site, "host": one.host, **args}
    title = _STOP(service=one.name, host=one.host)
    step = Step(f"stop/{one.id}", kind, args, one.host, (HOSTS,), title=title, about=about, purpose=STOP)
    return made.add(step, after=after).id


def _one_by_one(made: Plan, settings: Settings, these: Sequence[Placed], last: list[str]) -> list[str]:
    for one in these:
        last = [_stop(made, settings, one, last)]
    return last


def _databases(
    made: Plan, site: Site, found: Reading, settings: Settings, these: Sequence[Placed], last: list[str]
) -> list[str]:
    """Adds the stops of databases: members of a cluster one by one, the site's first one last, and after each how far
    its own disk says that it had come."""
    ends: list[str] = []
    for database in site.content.databases:
        after = last
        hosts = [host.name for host in site.named(database.hosts)]
        for one in reversed([one for one in these if one.host in hosts]):
            after = [_stop(made, settings, one, after)]
            if database.kind == "galera":
                seen = found["databases"][database.name]["members"].get(one.host, {})
                args = {"site": settings.site, "host": one.host, "database": database.name}
                args["directory"] = seen.get("directory", "")
                title, about = _LEFT(name=database.name, host=one.host), About("member", one.id, database.name)
                step = Step(f"left/{one.id}", "cluster.left", args, one.host, (HOSTS,), title=title, about=about)
                after = [made.add(step, after=after).id]
        ends += after
    return list(dict.fromkeys(ends)) or last


def table(site: Site, found: Reading, settings: Settings) -> list[tuple[int, str, str, str]]:
    """The order for people: its number, the group, what is in it, and why there."""
    rows: list[tuple[str, str, str]] = []
    for database in site.content.databases:
        host = settings.backup_host or site.named(database.hosts)[0].name
        rows.append((BACKUP, f"{database.name} on {host}", say(_WHY_BACKUP())))
    cloud = found["cloud"] or {}
    if settings.guests == "stop":
        every = guests.decide(cloud.get("servers", []), settings.answers, settings.order)
        for wave in sorted({one.wave for one in every if one.action == "stop"}, reverse=True):
            names = [one.server["name"] for one in every if one.action == "stop" and one.wave == wave]
            rows.append((f"servers, wave {wave + 1}", _named(names), say(_WHY_GUESTS())))
    groups = placed(site)
    for group in settings.profile.down:
        names = [one.id for one in groups[group]]
        names = names[::-1] if group in (QUEUES, DATABASES) else names
        if names:
            rows.append((group, _named(names), say(WHY[group])))
    flags = FLAGS.get(settings.flags, ())
    rows += [(STORAGE, f"{name}: {', '.join(flags)}", say(WHY[STORAGE])) for name in found["ceph"] if flags]
    return [(number, *row) for number, row in enumerate(rows, 1)]


def _named(names: Sequence[str]) -> str:
    return ", ".join(shortened(names, SHOWN))
