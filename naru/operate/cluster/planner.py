"""The plan of the way down: a function of the site, of what was seen, and of the settings."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from naru.actions.hosts.switching import switch
from naru.messages import message, say
from naru.operate.cluster import galera_steps, guest_steps, guests, rules, steps, storage_steps
from naru.operate.cluster.lost import without
from naru.operate.cluster.order import DATABASES, FLAGS, QUEUES, REPAIR, STORAGE, WHY, Placed, placed
from naru.operate.cluster.reading import Reading
from naru.operate.cluster.work import DOWN, WAY, Settings
from naru.plan.kinds import KINDS, load
from naru.plan.model import About, Finding, Plan, Step
from naru.site.site import Site
from naru.text import shortened

MODULES = [
    "naru.actions.hosts",
    "naru.actions.databases",
    *(one.__name__ for one in (steps, galera_steps, guest_steps, storage_steps)),
]
RECORD, BACKUP, READ_BACK, GUEST, QUIET, STOP, LEFT, FLAG, PROOF = (
    "record",
    "backup",
    "read back",
    "stop guest",
    "quiet",
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
_QUIET = message(
    "cluster.title.quiet", en="no server runs but those that are left", ko="남겨 두기로 한 것 외에 실행 중인 서버 없음"
)
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

_NO_BACKUP = message(
    "cluster.finding.no_backup",
    en="the database {name} is off, and there is no backup of it",
    ko="데이터베이스 {name}이(가) 꺼져 있고 백업이 없습니다",
)
_NO_BACKUP_HINT = message(
    "cluster.finding.no_backup.hint",
    en="Its disks have all there is: look after them. For a backup give naru cluster up, and plan anew.",
    ko="디스크에 있는 것이 전부이니 잘 보관하십시오. 백업하려면 naru cluster up을 실행하고 다시 계획하십시오.",
)
_NO_NOVA = message(
    "cluster.finding.no_nova",
    en="Nova does not answer: {number:number} servers that may run are not stopped, and end with their hosts",
    ko="Nova가 응답하지 않습니다. 실행 중일 수 있는 서버 {number:number}개를 정지하지 못하며 호스트와 함께 꺼집니다",
)
_NO_NOVA_HINT = message(
    "cluster.finding.no_nova.hint",
    en="Before a host is switched off, stop them there by libvirt: virsh shutdown.",
    ko="호스트를 끄기 전에 그 호스트에서 libvirt로 정지하십시오: virsh shutdown.",
)
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


@dataclass(frozen=True)
class Since:
    """What has become of a cloud since its record, for a further way down: the servers (ids) that are `stopped`
    already, databases that are `saved` in a backup and those that are `off`, whether Nova `answers`, and hosts that are
    `lost`."""

    stopped: Collection[str] = ()
    saved: Collection[str] = ()
    off: Collection[str] = ()
    answers: bool = True
    lost: tuple[str, ...] = ()


def plan(site: Site, found: Reading, settings: Settings, plan_id: str) -> Plan:
    """The plan that the work directory has: what runs recorded, the databases dumped, all stopped in order, proved."""
    made = _empty(site, settings)
    made.findings = list(rules.findings(site, found, settings))
    common = {"site": settings.site}
    record = made.add(Step(RECORD, "cluster.record", common, limits=(), title=_RECORD(), purpose=RECORD)).id
    names = [one.name for one in site.content.databases]
    last = [record, *_backups(made, site, settings, plan_id, names, [record])]
    _down(made, site, found, settings, last, Since())
    KINDS.check_arguments(made)
    return made


def again(site: Site, record: Reading, settings: Settings, plan_id: str, since: Since) -> Plan:
    """The plan of a further way down, after one up that was begun: what the record has is stopped once more. Databases
    of which no backup was read back are dumped before, if they run."""
    made = _empty(site, settings)
    made.settings[WAY] = DOWN
    names = [one.name for one in site.content.databases if one.name not in since.saved]
    off = [name for name in names if name in since.off]
    made.findings += [Finding("warning", _NO_BACKUP(name=name), hint=_NO_BACKUP_HINT(), about=name) for name in off]
    mine = [name for name in names if name not in off]
    last = _backups(made, site, settings, plan_id, mine, [], since.lost)
    _down(made, site, without(record, since.lost), settings, last, since)
    KINDS.check_arguments(made)
    return made


def _empty(site: Site, settings: Settings) -> Plan:
    load(MODULES)
    limits = {HOSTS: 32, GUESTS: settings.at_once}
    return Plan(title=TITLE(site=site.content.name), modules=MODULES, settings=settings.dump(), limits=limits)


def _backups(
    made: Plan,
    site: Site,
    settings: Settings,
    plan_id: str,
    names: Collection[str],
    after: Sequence[str],
    lost: Collection[str] = (),
) -> list[str]:
    """Adds the dumps of databases, while all is whole; the last steps."""
    last = []
    for database in site.content.databases:
        hosts = [settings.backup_host, *(host.name for host in site.named(database.hosts))]
        host = next((one for one in hosts if one and one not in lost), "")
        if database.name not in names or not host:
            continue
        directory = f"{settings.backup}/{plan_id}/{database.name}"
        args = {"site": settings.site, "host": host}
        about = About("database", database.name, database.name)
        dump = {**args, "database": database.name, "schemas": list(database.schemas), "directory": directory}
        title = _BACKUP(name=database.name, host=host)
        name = f"{BACKUP}/{database.name}"
        step = Step(name, "database.dump", dump, host, (HOSTS,), title=title, about=about, purpose=BACKUP)
        made.add(step, after=after)
        read = {**args, "argv": ["sh", "-c", READ, "naru", directory], "repeat": True}
        title = _READ(name=database.name)
        name = f"{READ_BACK.replace(' ', '-')}/{database.name}"
        step = Step(name, "host.command", read, host, (HOSTS,), title=title, about=about, purpose=READ_BACK)
        last.append(made.add(step, after=[f"{BACKUP}/{database.name}"]).id)
    return last


def _down(made: Plan, site: Site, found: Reading, settings: Settings, last: list[str], since: Since) -> None:
    groups = placed(site)
    for group in settings.profile.down:
        mine = [one for one in groups[group] if one.host not in since.lost]
        these = [one for one in mine if "error" not in found["services"].get(one.id, {})]
        if group == QUEUES:
            last = _one_by_one(made, settings, these[::-1], last)
        elif group == DATABASES:
            last = _databases(made, site, found, settings, these, last)
        elif these:
            ends = [_stop(made, settings, one, last) for one in these]
            last = [_joint(made, group, ends)]
        if group == REPAIR:  # servers stop as soon as nothing repairs them
            last = _guests(made, site, found, settings, last, since)
    flags = FLAGS.get(settings.flags, ())
    for name in found["ceph"] if flags else ():
        args = {"site": settings.site, "ceph": name, "flags": list(flags)}
        title, about = _FLAGS(name=name, flags=", ".join(flags)), About("ceph", name, name)
        step = Step(f"flags/{name}", "cluster.flags", args, limits=(), title=title, about=about, purpose=FLAG)
        last = [made.add(step, after=last).id]
    args = {"site": settings.site, "lost": list(since.lost)}
    step = Step(PROOF.replace(" ", "-"), "cluster.down", args, limits=(), title=_PROOF(), purpose=PROOF)
    made.add(step, after=last)


def _guests(made: Plan, site: Site, found: Reading, settings: Settings, last: list[str], since: Since) -> list[str]:
    """Adds the stops of servers, those first that start last; a wave after the other; then the proof that no other one
    runs. Without Nova nobody can stop one: a finding says how many."""
    cloud = found["cloud"]
    if not cloud or "error" in cloud or settings.guests == "leave" or not site.content.cloud:
        return last
    every = guests.decide(cloud["servers"], settings.answers, settings.order)
    decisions = [one for one in every if one.action == "stop"]  # each looks first: one that is off stays so
    if not since.answers:
        number = len([one for one in decisions if one.server["id"] not in since.stopped])
        if number:
            told = _NO_NOVA(number=number)
            made.findings.append(Finding("warning", told, hint=_NO_NOVA_HINT(), about=site.content.cloud))
        return last
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
    args = {"cloud": site.content.cloud, "answers": dict(settings.answers), "lost": list(since.lost)}
    step = Step(QUIET, "cluster.quiet", args, limits=(), title=_QUIET(), purpose=QUIET)
    return [made.add(step, after=last).id]


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
    groups = placed(site)
    for group in settings.profile.down:
        names = [one.id for one in groups[group]]
        names = names[::-1] if group in (QUEUES, DATABASES) else names
        if names:
            rows.append((group, _named(names), say(WHY[group])))
        if group == REPAIR:
            rows += _waves(found, settings)
    flags = FLAGS.get(settings.flags, ())
    rows += [(STORAGE, f"{name}: {', '.join(flags)}", say(WHY[STORAGE])) for name in found["ceph"] if flags]
    return [(number, *row) for number, row in enumerate(rows, 1)]


def _waves(found: Reading, settings: Settings) -> Iterator[tuple[str, str, str]]:
    cloud = found["cloud"] or {}
    every = guests.decide(cloud.get("servers", []), settings.answers, settings.order)
    mine = [one for one in every if one.action == "stop" and settings.guests == "stop"]
    for wave in sorted({one.wave for one in mine}, reverse=True):
        names = [one.server["name"] for one in mine if one.wave == wave]
        yield f"servers, wave {wave + 1}", _named(names), say(_WHY_GUESTS())


def _named(names: Sequence[str]) -> str:
    return ", ".join(shortened(names, SHOWN))
