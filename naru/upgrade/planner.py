"""The plan of an upgrade: what is prepared, and how a rehearsal goes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from naru.actions.databases.restore import BESIDE, FRESH
from naru.messages import message
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step
from naru.plan.timings import Timings, with_estimates
from naru.releases import portable, release
from naru.text import size
from naru.upgrade.agents import starting
from naru.upgrade.back import quiet, stale
from naru.upgrade.facts import Facts
from naru.upgrade.window import apart_steps, hops, queue_steps, reached, shipped, steps, window
from naru.upgrade.window.hops import Where

MODULES = [
    *("naru.actions.hosts", "naru.actions.databases"),
    *(one.__name__ for one in (steps, queue_steps, apart_steps, quiet, reached, shipped, stale, starting)),
]
HERE = "here"
"""The limit group of what is done on this machine."""
ROOT = "/var/lib/naru/upgrade"
SCRATCH = "/var/lib/naru-scratch"
"""Where hosts have dumps, and servers of copies: a directory for each plan."""
DUMP, COPY, LOAD, BACK = "dump", "copy", "load", "back"
"""What the other steps of a rehearsal are for."""

TITLE = message(
    "upgrade.title", en="Upgrade of {cloud} from {start} to {goal}", ko="{cloud} 업그레이드: {start} → {goal}"
)
REHEARSAL = message(
    "upgrade.rehearsal.title",
    en="Rehearsal {number} of the upgrade of {cloud} from {start} to {goal}",
    ko="{cloud} 업그레이드({start} → {goal}) 예행연습 {number}회차",
)
_PACK = message("upgrade.title.pack", en="environment of {release}, packed", ko="{release} 환경 패키징")
_DUMP = message("upgrade.title.dump", en="dump of {database}", ko="{database} 덤프")
_COPY = message("upgrade.title.copy", en="a database server for the copy", ko="사본용 데이터베이스 서버")
_LOAD = message("upgrade.title.load", en="copy of {database}", ko="{database} 사본")
_CELLS = message("upgrade.title.cells", en="Nova's cells in the copy", ko="사본의 Nova 셀")
_BACK = message("upgrade.title.back", en="the way back of {database}", ko="{database} 되돌리기")
BLOCKS = message(
    "upgrade.finding.blocks", en="{what}: {number:number} in {where}", ko="{what}: {where}에 {number:number}개"
)
TOLD = message("upgrade.finding.told", en="{what} ({where})", ko="{what} ({where})")
UNKNOWN = message("upgrade.finding.unknown", en="not known: {what} ({where})", ko="확인하지 못함: {what} ({where})")
PASSED_OVER = message(
    "upgrade.finding.passed_over",
    en="{service} {release}: the online data migration {name} is left out",
    ko="{service} {release}: 온라인 데이터 마이그레이션 {name}은(는) 실행하지 않습니다",
)
FILLED = message(
    "upgrade.finding.filled",
    en="{service} {release}: {what} are filled by one statement, before {name} would do so row by row",
    ko="{service} {release}: {what}을(를) {name}이(가) 한 행씩 채우기 전에 한 문장으로 채웁니다",
)
SAME_DISK = message(
    "upgrade.finding.same_host",
    en="dumps and the copy of rehearsals are on {host}, a host of the database: they take its disk and its time",
    ko="덤프와 예행연습용 사본이 데이터베이스 호스트인 {host}에 있어 그 디스크와 성능을 함께 씁니다",
)
SAME_DISK_HINT = message(
    "upgrade.finding.same_host.hint",
    en="--on HOST names another one, with MariaDB's server and client installed.",
    ko="--on HOST로 MariaDB 서버와 클라이언트가 설치된 다른 호스트를 지정하세요.",
)
SIZE = message(
    "upgrade.finding.size",
    en="{database}: {bytes} in {number} schemas are dumped, and restored for each rehearsal",
    ko="{database}: 스키마 {number}개, {bytes}를 덤프하고 예행연습마다 복원합니다",
)


def whole(facts: Facts, settings: dict[str, Any], plan_id: str, directory: Path) -> Plan:
    """The plan that the work directory has: what is made days ahead, without any effect on the cloud; then, each behind
    its gate, the window, and what comes after it. `directory` is where it will be, with the cap on what is shipped."""
    plan = _plan(facts, TITLE(cloud=facts.site.content.name, start=facts.span.start, goal=facts.span.goal))
    plan.settings = settings
    plan.findings = [*_findings(facts), *window.findings(facts)]
    proved = []
    host, work = facts.host, str(directory.absolute())
    for name in facts.releases:
        loaded = release.load(name)
        place, words = str(portable.place(loaded)), {"release": name, "host": host}
        about = About("release", name, name)
        pack = plan.add(
            Step(
                f"{name}/pack", "upgrade.pack", {"release": name}, name, (HERE,), title=_PACK(release=name), about=about
            )
        )
        args = {**_common(facts), "archive": str(portable.archive_path(loaded)), "path": place, "work": work}
        ship = Step(
            f"{name}/{host}/ship", "host.tree", args, name, (host,), title=shipped.SHIP_TITLE(**words), about=about
        )
        plan.add(ship, after=[pack.id])
        modules = [way.service.manage for way in facts.ways if any(hop.release == name for hop in way.hops)]
        # one service's options are in another's way
        line = f'for one; do {place}/bin/python -c "import pymysql, $one" || exit; done'
        argv = ["sh", "-c", line, "prove", *modules]
        proof = {**_common(facts), "argv": argv, "repeat": True, "deadline": 600.0}
        prove = Step(
            f"{name}/{host}/prove", "host.command", proof, name, (host,), title=shipped.RUNS_TITLE(**words), about=about
        )
        proved.append(plan.add(prove, after=[ship.id]).id)
    ahead = shipped.add(plan, facts, _common(facts), work, packed=f"{facts.span.goal}/pack")
    proved += [*window.prove(plan, facts, _common(facts)), *ahead.needed]
    window.add(plan, facts, _common(facts), f"{ROOT}/{plan_id}/window", after=proved, ready=ahead.ready)
    KINDS.check_arguments(plan)
    return plan


def rehearsal(facts: Facts, number: int, plan_id: str, megabytes: int, earlier: Sequence[Timings]) -> Plan:
    """A round: the databases dumped and copied to a server of their own, all hops on the copy, and the way back."""
    words = {"cloud": facts.site.content.name, "start": facts.span.start, "goal": facts.span.goal}
    plan = _plan(facts, REHEARSAL(number=number, **words))
    directory, scratch = f"{ROOT}/{plan_id}/rehearsal-{number}", f"{SCRATCH}/{plan_id}-{number}"
    common, on_copy = _common(facts), {"scratch": scratch}
    limits = (facts.host,)
    homes = facts.homes()

    def add(id: str, kind: str, args: dict[str, Any], title: Any, purpose: str, after: Sequence[str]) -> str:
        return plan.add(Step(id, kind, {**common, **args}, limits=limits, title=title, purpose=purpose), after=after).id

    first = facts.servers[next(iter(homes))]
    more = {"megabytes": megabytes, "charset": first.charset, "collation": first.collation}
    copy = add("copy", "database.scratch", {"directory": scratch, **more}, _COPY(), COPY, [])
    loaded = []
    for name, schemas in homes.items():
        dump = {"database": name, "schemas": schemas, "directory": f"{directory}/{name}"}
        dumped = add(f"{name}/dump", "database.dump", dump, _DUMP(database=name), DUMP, [])
        load = {**on_copy, "directory": f"{directory}/{name}", "way": FRESH}
        loaded.append(add(f"{name}/load", "database.restore", load, _LOAD(database=name), LOAD, [copy, dumped]))
    if any("nova_api" in schemas for schemas in homes.values()):
        loaded = [add("cells", "upgrade.cells", on_copy, _CELLS(), LOAD, loaded)]
    where = Where(facts, common, directory, dict.fromkeys(homes, on_copy), checked=True)
    last = hops.add(plan, where, after=loaded)
    for name in homes:
        back = {**on_copy, "directory": f"{directory}/{name}", "way": BESIDE}
        add(f"{name}/back", "database.restore", back, _BACK(database=name), BACK, last)
    KINDS.check_arguments(plan)
    return with_estimates(plan, KINDS, earlier)


def _plan(facts: Facts, title: Any) -> Plan:
    return Plan(title=title, modules=MODULES, limits={facts.host: hops.CHAINS, HERE: 1})


def _common(facts: Facts) -> dict[str, Any]:
    return {"host": facts.host, "site": str(facts.site.file.absolute())}


def _findings(facts: Facts) -> list[Finding]:
    found = []
    for one in facts.findings:
        words = {"what": f"{one.service} {one.release}: {one.what}", "where": one.where}
        if one.state == "blocks":
            detail = ", ".join(one.examples)
            found.append(Finding("error", BLOCKS(number=one.number, **words), detail, one.cure, one.where))
        elif one.state in ("warns", "on the way"):
            level: Literal["warning", "info"] = "warning" if one.state == "warns" else "info"
            detail = ", ".join(one.examples)
            found.append(Finding(level, TOLD(**words), detail, one.cure, one.where))
        elif one.state == "unknown":
            found.append(Finding("warning", UNKNOWN(**words), hint=one.cure, about=one.where))
    for service, name, left in hops.passed_over(facts):
        found.append(Finding("info", PASSED_OVER(service=service, release=name, name=left.name), left.why))
    for service, name, fill in hops.filled(facts):
        said = FILLED(service=service, release=name, what=fill.what, name=fill.name)
        found.append(Finding("info", said, fill.statement))
    homes = facts.homes()
    for database in facts.site.part.databases:
        if database.name not in homes:
            continue
        if facts.host in [host.name for host in facts.site.named(database.hosts)]:
            found.append(Finding("warning", SAME_DISK(host=facts.host), hint=SAME_DISK_HINT()))
        mine = homes[database.name]
        total = sum(facts.servers[database.name].bytes.get(schema, 0) for schema in mine)
        found.append(Finding("info", SIZE(database=database.name, bytes=size(total), number=len(mine))))
    return found
