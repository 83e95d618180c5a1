"""The plan of new OSDs: a function of what was read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from naru.messages import message
from naru.operate.scale import steps as growing
from naru.operate.scale.osd import orchestrating, playing, steps
from naru.operate.scale.osd.work import Settings
from naru.operate.scale.work import RUNS
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step

MODULES = [growing.__name__, steps.__name__, orchestrating.__name__, playing.__name__]
ALL = "all hosts"

TITLE = message(
    "scale.osd.title",
    en="{number:number} OSDs on {hosts} come to {storage}",
    ko="{storage}에 OSD {number:number}개 추가: {hosts}",
)
_CHECK = message("scale.osd.title.check", en="what is in the way, again", ko="방해되는 것이 없는지 다시 확인")
_NOTE = message("scale.osd.title.note", en="how Ceph is set, and how fast it is", ko="Ceph의 현재 설정과 속도를 기록")
_HOLD = message(
    "scale.osd.title.hold", en="no data moves, new OSDs weigh nothing", ko="데이터 이동 정지, 새 OSD 가중치 0"
)
_KEY = message(
    "scale.osd.title.key", en="the orchestrator may log in on {host}", ko="오케스트레이터의 {host} 로그인 허용"
)
_HOST = message(
    "scale.osd.title.host", en="{host} becomes a host of the orchestrator", ko="오케스트레이터에 {host} 추가"
)
_APPLY = message(
    "scale.osd.title.apply",
    en="the orchestrator makes {number:number} OSDs",
    ko="오케스트레이터가 OSD {number:number}개 생성",
)
_PLAY = message(
    "scale.osd.title.play", en="ceph-ansible's {playbook} on {hosts}", ko="{hosts}에 ceph-ansible {playbook} 실행"
)
_PROVE = message(
    "scale.osd.title.prove",
    en="the OSDs of {host} are up, and where they belong",
    ko="{host}의 OSD가 올라와 제 위치에 있음을 확인",
)
_FILE = message("scale.osd.title.file", en="{file} with what is new", ko="{file}에 새 내용 기록")
_FREE = message("scale.osd.title.free", en="data may move again", ko="데이터 이동 허용")
_WEIGHT = message(
    "scale.osd.title.weight",
    en="share {number:number} of {steps:number} of the data, and all of it is there",
    ko="데이터 {steps:number}분의 {number:number} 이동, 완료 대기",
)
_RELEASE = message(
    "scale.osd.title.release", en="balancer, autoscaler and limits as before", ko="밸런서, 자동 조정, 한도를 원래대로"
)


def whole(
    settings: Settings,
    new: Sequence[str],
    known: Sequence[int],
    plan_id: str,
    directory: Path,
    files: Mapping[str, str],
    findings: Sequence[Finding],
) -> Plan:
    """The plan: prechecks, data held, OSDs made, proved, written down, their weight raised in steps, all put back.
    `new` are the hosts that the site lacks, `known` the OSDs that are on the hosts already, `files` those that grow,
    by their name under before/ and after/."""
    hosts = list(settings.hosts)
    count = sum(map(len, settings.disks.values()))
    plan = Plan(
        title=TITLE(number=count, hosts=", ".join(hosts), storage=settings.storage),
        modules=MODULES,
        settings=settings.dump(),
    )
    plan.limits = {"ceph": 1, "hosts": 8}
    plan.findings = list(findings)
    common: dict[str, Any] = {
        "site": settings.site,
        "grown": str(directory / "after" / Path(settings.site).name) if new else settings.site,
        "storage": settings.storage,
        "hosts": hosts,
        "known": sorted(known),
        "disks": {name: list(paths) for name, paths in settings.disks.items()},
    }

    def add(ident: str, kind: str, title: Any, after: Sequence[str], group: str = "ceph", **more: Any) -> str:
        host = more.get("host", "")
        step = Step(
            id=ident,
            kind=kind,
            args={**common, **more},
            unit=host or ALL,
            limits=(group,),
            title=title,
            about=About("host", host, host) if host else None,
            purpose=kind.rpartition(".")[2],
        )
        return plan.add(step, after=after).id

    given: dict[str, Any] = {"new": list(new), "like": settings.like, "deployed_by": settings.deployed_by}
    last = [add("check", "scale.osd.check", _CHECK(), [], **given)]
    last = [add("note", "scale.osd.note", _NOTE(), last, backfills=settings.backfills)]
    last = [add("hold", "scale.osd.hold", _HOLD(), last, note="note")]
    if settings.deployed_by == "cephadm":
        places: dict[str, Any] = {"labels": list(settings.labels), "location": dict(settings.location)}
        came = []
        for host in new:
            key = add(f"{host}/key", "scale.osd.key", _KEY(host=host), last, "hosts", host=host)
            came.append(add(f"{host}/host", "scale.osd.host", _HOST(host=host), [key], host=host, **places))
        made = {"plan": plan_id, "device_class": settings.device_class}
        last = [add("make", "scale.osd.apply", _APPLY(number=count), [*last, *came], **made)]
    else:
        play = {"directory": settings.directory, "playbook": settings.playbook, "runs": str(directory / RUNS)}
        inventory = str(directory / "after" / Path(settings.inventory).name)
        title = _PLAY(playbook=settings.playbook, hosts=", ".join(hosts))
        last = [add("make", "scale.osd.play", title, last, **play, inventory=inventory)]
    where: dict[str, Any] = {"device_class": settings.device_class, "location": dict(settings.location)}
    last = [
        add(f"{host}/prove", "scale.osd.prove", _PROVE(host=host), last, "hosts", host=host, **where) for host in hosts
    ]
    last = [_written(plan, directory, name, file, last) for name, file in files.items()] or last
    last = [add("free", "scale.osd.free", _FREE(), [*last, "hold"], hold="hold")]
    pace: dict[str, Any] = {"steps": settings.steps, "every": settings.every, "patience": settings.patience}
    for number in range(1, settings.steps + 1):
        title = _WEIGHT(number=number, steps=settings.steps)
        last = [add(f"weight/{number}", "scale.osd.weight", title, [*last, "note"], note="note", number=number, **pace)]
    add("release", "scale.osd.release", _RELEASE(), [*last, "hold"], hold="hold")
    KINDS.check_arguments(plan)
    return plan


def _written(plan: Plan, directory: Path, name: str, file: str, after: Sequence[str]) -> str:
    args = {"file": file, "old": str(directory / "before" / name), "new": str(directory / "after" / name)}
    step = Step(f"write/{name}", "scale.file", args, ALL, ("hosts",), title=_FILE(file=file), purpose="write")
    return plan.add(step, after=after).id
