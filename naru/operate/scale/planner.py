"""The plan of a growth: a function of what was read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naru.actions.hosts.command import Command as HostCommand
from naru.messages import message
from naru.operate.scale import canary, steps
from naru.operate.scale.kolla import ACTIONS
from naru.operate.scale.work import RUNS, Settings
from naru.plan.kinds import KINDS
from naru.plan.model import About, Finding, Plan, Step

MODULES = [steps.__name__, canary.__name__, "naru.actions.hosts"]
HEADERS = 28
"""Bytes of the headers of IPv4 and ICMP, which come to what ping sends."""
ALL = "all hosts"
MEMBERS = {
    *("control", "network", "loadbalancer", "haproxy", "hacluster", "keystone", "neutron-server"),
    *("mariadb", "rabbitmq", "outward-rabbitmq", "etcd", "zookeeper", "memcached", "redis", "valkey"),
    *("elasticsearch", "opensearch", "mongodb", "influxdb", "ceph-mon"),
    *("ovn-database", "ovn-nb-db", "ovn-sb-db", "ovn-sb-db-relay"),
}
"""Groups whose hosts are members of one cluster, or have a virtual address: a new member has to be deployed together
with all others, and never with --limit to itself alone."""

TITLE = message("scale.title", en="{hosts} come to {cloud}", ko="{cloud}에 호스트 추가: {hosts}")
_RUN = message("scale.title.run", en="kolla-ansible {action} on {hosts}", ko="{hosts}에 kolla-ansible {action} 실행")
_PROVE = message("scale.title.prove", en="{host} is as {like} is", ko="{host}이(가) {like}과(와) 같음을 확인")
_MTU = message(
    "scale.title.mtu",
    en="packets of {mtu:number} bytes go from {like} to {host}, whole",
    ko="{like}에서 {host}(으)로 {mtu:number}바이트 패킷이 나뉘지 않고 가는지 확인",
)
_AGGREGATE = message("scale.title.aggregate", en="{host} in the aggregate {name}", ko="{host}을(를) 집합 {name}에 추가")
_CANARY = message(
    "scale.title.canary",
    en="a canary server on {host}, to {like} and back",
    ko="{host}에 시험 서버 생성, {like} 왕복 이동",
)
_OPEN = message("scale.title.open", en="servers are scheduled to {host}", ko="{host}에 서버 배치 시작")
_FILE = message("scale.title.file", en="{file} with the new hosts", ko="{file}에 새 호스트 기록")
_THERE = message(
    "scale.finding.there",
    en="{cloud} has a compute service on {host} already ({status}, {state})",
    ko="{cloud}에 {host}의 컴퓨트 서비스가 이미 있습니다({status}, {state})",
)
_THERE_HINT = message(
    "scale.finding.there.hint",
    en="It was added before: nothing here keeps it out. Leave it out of the command, or delete the service of a host "
    "that is gone.",
    ko="이미 추가된 호스트이므로 여기서는 배치를 막지 않습니다. 명령에서 빼거나 없어진 호스트면 서비스를 지우세요.",
)
_LIKE = message(
    "scale.finding.like",
    en="the compute service of {like} is {state}: nothing can be compared with it",
    ko="{like}의 컴퓨트 서비스 상태가 {state}이므로 비교 대상이 될 수 없습니다",
)
_GROUPS = message(
    "scale.finding.groups",
    en="the inventory lacks {number:number} groups that this kolla-ansible knows: {names}",
    ko="인벤토리에 이 kolla-ansible이 아는 그룹 {number:number}개가 없습니다: {names}",
)
_GROUPS_HINT = message(
    "scale.finding.groups.hint",
    en="It may be of another release. Compare it with {file}.",
    ko="다른 릴리스의 인벤토리일 수 있습니다. {file}과(와) 비교하십시오.",
)
_MEMBER = message(
    "scale.finding.member",
    en="{like} is more than a compute host: its groups make it {names}, and the new hosts would become that as well",
    ko="{like}은(는) 컴퓨트 호스트 이상입니다. 그룹 때문에 {names}이기도 하며, 새 호스트도 그렇게 됩니다",
)
_MEMBER_HINT = message(
    "scale.finding.member.hint",
    en="kolla-ansible run on the new hosts alone would begin second clusters there, and take the virtual addresses. "
    "Name a host that is a compute host alone: --like HOST. Where there is none, write the new hosts into the "
    "inventory by hand, under [compute] alone, deploy them, and then write them into site.yaml.",
    ko="새 호스트만 대상으로 kolla-ansible을 실행하면 거기서 별도의 클러스터가 시작되고 가상 주소를 가져갑니다. "
    "컴퓨트 전용 호스트를 --like HOST로 지정하십시오. 없으면 인벤토리의 [compute]에만 새 호스트를 직접 적어 배포한 뒤 "
    "site.yaml에 적으십시오.",
)
_BEYOND = message(
    "scale.finding.beyond",
    en="{like} is in groups that no compute host of this kolla-ansible's own inventory is in, and the new hosts come "
    "to them, too: {names}",
    ko="{like}은(는) 이 kolla-ansible 기본 인벤토리의 컴퓨트 호스트에는 없는 그룹에 속하며 "
    "새 호스트도 들어갑니다: {names}",
)
_VARS = message(
    "scale.finding.vars",
    en="{file} has variables of {like}, and there are none for {host}",
    ko="{file}에 {like}의 변수가 있지만 {host}의 변수는 없습니다",
)
_NO_CANARY = message(
    "scale.finding.canary",
    en="no server is tried on the new hosts: --flavor and --image are not given",
    ko="--flavor와 --image가 없어 새 호스트에서 시험 서버를 만들지 않습니다",
)
_NO_MTU = message(
    "scale.finding.mtu",
    en="whether big packets reach the new hosts is not tried: --mtu is not given",
    ko="--mtu가 없어 새 호스트까지 큰 패킷이 가는지 확인하지 않습니다",
)


@dataclass(frozen=True)
class Seen:
    """What was read: compute services by host, groups that the inventory lacks, with the file that has them; variables
    of the like host in files of their own; the groups that it is in, and those of them that a compute host of the
    release's own inventory is not in."""

    services: Mapping[str, Mapping[str, Any]]
    lacking: Collection[str]
    multinode: Path
    variables: Sequence[Path]
    groups: Collection[str] = ()
    beyond: Collection[str] = ()


def whole(seen: Seen, settings: Settings, plan_id: str, directory: Path, files: Mapping[str, str]) -> Plan:
    """The plan: prechecks, the new hosts deployed and kept out, proved, tried, written down, opened. `files` are those
    that grow, by their name under before/ and after/."""
    hosts = list(settings.hosts)
    names = ", ".join(hosts)
    plan = Plan(title=TITLE(hosts=names, cloud=settings.cloud), modules=MODULES, settings=settings.dump())
    plan.limits = {"kolla": 1, "proofs": 8, "canaries": 2}
    plan.findings = list(_findings(seen, settings))
    given: dict[str, Any] = {
        **{"hosts": hosts, "inventory": str(directory / "after" / Path(settings.inventory).name)},
        **{"kolla": settings.kolla, "config": settings.config, "directory": str(directory / RUNS)},
    }
    last: list[str] = []
    for action in ACTIONS:
        kind, args = "scale.run", {**given, "action": action}
        if action == "deploy":
            kind, args = "scale.deploy", {**args, "cloud": settings.cloud, "plan": plan_id}
        title = _RUN(action=action, hosts=names)
        plan.add(Step(action, kind, args, ALL, ("kolla",), title=title, purpose=action), after=last)
        last = [action]
    proved = [_proofs(plan, settings, host, plan_id) for host in hosts]
    written = []
    for name, file in files.items():
        args = {"file": file, "old": str(directory / "before" / name), "new": str(directory / "after" / name)}
        title = _FILE(file=file)
        step = Step(f"write/{name}", "scale.file", args, ALL, ("proofs",), title=title, purpose="write")
        written.append(plan.add(step, after=proved).id)
    for host, proof in zip(hosts, proved, strict=True):
        _opened(plan, settings, host, plan_id, [proof, *written])
    KINDS.check_arguments(plan)
    return plan


def _proofs(plan: Plan, settings: Settings, host: str, plan_id: str) -> str:
    """Adds what proves one host; the id of the last step."""
    about = About("host", host, host)
    args = {"cloud": settings.cloud, "host": host, "like": settings.like, "plan": plan_id}
    title = _PROVE(host=host, like=settings.like)
    proof = Step(f"{host}/prove", "scale.prove", args, host, ("proofs",), title=title, about=about, purpose="prove")
    last = plan.add(proof, after=["deploy"]).id
    if settings.mtu:
        size = str(settings.mtu - HEADERS)
        argv = ["ping", "-M", "do", "-c", "3", "-W", "2", "-s", size, settings.hosts[host] or host]
        action = HostCommand(site=settings.site, host=settings.like, patience=60, argv=argv, repeat=True, deadline=120)
        title = _MTU(mtu=settings.mtu, host=host, like=settings.like)
        step = Step(f"{host}/mtu", action.step_kind, action.arguments(), host, ("proofs",), title=title, about=about)
        last = plan.add(step, after=[last]).id
    return last


def _opened(plan: Plan, settings: Settings, host: str, plan_id: str, after: Sequence[str]) -> None:
    about = About("host", host, host)
    common = {"cloud": settings.cloud, "host": host}
    like = {"like": settings.like, "plan": plan_id}
    last = list(after)
    for name in settings.aggregates:
        args = {**common, "aggregate": name}
        title = _AGGREGATE(host=host, name=name)
        step = Step(f"{host}/aggregate/{name}", "scale.aggregate", args, host, ("proofs",), title=title, about=about)
        last = [plan.add(step, after=last).id]
    if settings.flavor:
        what = {"flavor": settings.flavor, "image": settings.image, "network": settings.network}
        title = _CANARY(host=host, like=settings.like)
        args = {**common, **like, **what}
        step = Step(f"{host}/canary", "scale.canary", args, host, ("canaries",), title=title, about=about)
        last = [plan.add(step, after=last).id]
    args = {**common, **like}
    step = Step(f"{host}/open", "scale.open", args, host, ("proofs",), title=_OPEN(host=host), about=about)
    plan.add(step, after=last)


def _findings(seen: Seen, settings: Settings) -> Any:
    for host in settings.hosts:
        if service := seen.services.get(host):
            words = {"status": service["status"], "state": service["state"]}
            yield Finding("error", _THERE(cloud=settings.cloud, host=host, **words), hint=_THERE_HINT(), about=host)
    like = seen.services.get(settings.like)
    if like is None or like["state"] != "up":
        state = "missing" if like is None else str(like["state"])
        yield Finding("error", _LIKE(like=settings.like, state=state), about=settings.like)
    if members := sorted(MEMBERS.intersection(seen.groups)):
        yield Finding(
            "error", _MEMBER(like=settings.like, names=", ".join(members)), hint=_MEMBER_HINT(), about=settings.like
        )
    elif seen.beyond:
        yield Finding("warning", _BEYOND(like=settings.like, names=", ".join(sorted(seen.beyond))), about=settings.like)
    if seen.lacking:
        names = sorted(seen.lacking)
        told = _GROUPS(number=len(names), names=", ".join(names[:10]))
        yield Finding("warning", told, hint=_GROUPS_HINT(file=str(seen.multinode)))
    for file in seen.variables:
        for host in settings.hosts:
            if not (file.parent / f"{host}{file.suffix}").exists():
                yield Finding("warning", _VARS(file=str(file), like=settings.like, host=host), about=host)
    if not settings.flavor:
        yield Finding("warning", _NO_CANARY())
    if not settings.mtu:
        yield Finding("warning", _NO_MTU())
