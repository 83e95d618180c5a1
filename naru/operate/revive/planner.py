"""What is in the way of bringing a hung server up elsewhere, and the plan of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from naru.actions import call, create
from naru.actions.arguments import ref
from naru.actions.call import Call
from naru.actions.create import Create, Find, Wait
from naru.actions.request import Action, Actor, Request
from naru.errors import InputError
from naru.messages import Text, message
from naru.operate import compute
from naru.operate.revive import steps
from naru.operate.revive.reading import Disk, Found, Item
from naru.plan.kinds import KINDS, load
from naru.plan.model import About, Finding, Plan, Step

MODULES = [create.__name__, call.__name__, steps.__name__]
GROUP = "revive"
ENTER, LOCK, OFF, ROOT, PORTS, SERVER, PROOF, LEAVE = (
    *("enter", "lock", "off", "root", "ports", "server", "prove"),
    "leave",
)
"""What steps are for; also their ids."""
MARK = "naru"
STATUSES = ("ACTIVE", "SHUTOFF")
OFF_STATUSES = (*STATUSES, "ERROR", "PAUSED", "REBOOT", "HARD_REBOOT", "UNKNOWN")
"""Those that a server may have of which the operator says that it is off."""

Data = Literal["move", "snapshot", "leave"]

TITLE = message("revive.title", en="Server {name} brought up elsewhere", ko="서버 {name}을(를) 다른 곳에서 되살리기")
_ENTER = message("revive.title.enter", en="a role in the server's project, for a while", ko="서버 프로젝트의 임시 역할")
_LEAVE = message("revive.title.leave", en="no role in the server's project any more", ko="임시 역할 회수")
_LOCK = message("revive.title.lock", en="nobody starts the hung server", ko="멈춘 서버 잠금")
_OFF = message("revive.title.off", en="the hung server is off", ko="멈춘 서버가 꺼졌음을 확인")
_ROOT = message("revive.title.root", en="a volume of snapshot {name} of {at}", ko="{at}의 스냅숏 {name}에서 볼륨 생성")
_DETACH = message("revive.title.detach", en="volume {name} is free", ko="볼륨 {name} 분리")
_PORTS = message("revive.title.ports", en="its ports are free, with their addresses", ko="주소를 유지한 채 포트 해제")
_SERVER = message("revive.title.server", en="server {name} from {source}", ko="{source}에서 서버 {name} 생성")
_PROOF = message("revive.title.proof", en="server {name} runs, with its addresses", ko="서버 {name} 실행과 주소 확인")

_STATUS = message(
    "revive.finding.status",
    en="server {name} is {status}{task}: it is not known what to do with one that is so",
    ko="서버 {name}의 상태가 {status}{task}이므로 처리할 수 없습니다",
)
_STATUS_HINT = message(
    "revive.finding.status.hint",
    en="Look at its guest. Reset its state when nothing is done to it; or give --is-off once its host is off.",
    ko="게스트를 확인하십시오. 상태를 되돌리거나, 호스트가 꺼진 것이 확실하면 --is-off를 주십시오.",
)
_HOST = message(
    "revive.finding.host",
    en="the compute service of its host {host} is {state}: Nova cannot switch it off",
    ko="호스트 {host}의 컴퓨트 서비스가 {state} 상태라 Nova가 서버를 끌 수 없습니다",
)
_HOST_HINT = message(
    "revive.finding.host.hint",
    en="Evacuate it, which keeps its disk; or make sure that the host is off, and give --is-off.",
    ko="디스크를 유지하는 대피(evacuate)를 쓰거나, 호스트가 꺼졌음을 확인하고 --is-off를 주십시오.",
)
_NOTHING = message(
    "revive.finding.nothing",
    en="server {name} has no snapshot of its root volume and no image: there is nothing to bring it up from",
    ko="서버 {name}의 루트 볼륨 스냅숏이나 이미지가 없어 되살릴 수 없습니다",
)
_NO_ROOT = message(
    "revive.finding.no_root",
    en="server {name} boots from a volume, and Nova does not say which of its volumes that is",
    ko="서버 {name}은(는) 볼륨으로 부팅하지만 어느 볼륨인지 Nova가 알려 주지 않습니다",
)
_NO_DATA = message(
    "revive.finding.no_data",
    en="volume {name} has no available snapshot: give --data move or leave",
    ko="볼륨 {name}의 스냅숏이 없습니다. --data move 또는 leave를 주십시오",
)
_FLAVOR = message("revive.finding.flavor", en="its flavor {name} is gone", ko="플레이버 {name}이(가) 없습니다")
_PORT = message(
    "revive.finding.port",
    en="port {port} is {what}: it is not handed over",
    ko="포트 {port}은(는) {what}이므로 넘겨줄 수 없습니다",
)
_OLD = message(
    "revive.finding.old",
    en="what was written to its root disk after {at} is not in the new server; it stays on the hung one",
    ko="{at} 이후 루트 디스크에 쓴 내용은 새 서버에 없으며 멈춘 서버에 남습니다",
)
_NEW = message(
    "revive.finding.new",
    en="the new server has another id, and neither key pair nor user data of its owner: cloud-init may run once more",
    ko="새 서버는 ID가 다르고 소유자의 키 페어와 user data가 없습니다. cloud-init이 다시 실행될 수 있습니다",
)


@dataclass(frozen=True)
class Options:
    """What the operator has said: what becomes of volumes with data, whether the hung server is known to be off, the id
    of a snapshot or image to take in place of the newest, and the site's file."""

    data: Data = "move"
    is_off: bool = False
    source: str = ""
    site: str = ""


def plan(cloud: str, found: Found, options: Options, plan_id: str) -> Plan:
    """The plan. Raises InputError for a source that is none of the server's."""
    load(MODULES)
    source = _source(found, options)
    made = Plan(title=TITLE(name=found.server["name"]), modules=MODULES, limits={GROUP: 4})
    made.findings = list(_findings(found, options, source))
    if any(one.severity == "error" for one in made.findings):
        return made
    assert source
    _Maker(made, cloud, found, options, plan_id).make(source)
    KINDS.check_arguments(made)
    return made


class _Maker:
    def __init__(self, plan: Plan, cloud: str, found: Found, options: Options, plan_id: str) -> None:
        self.plan, self.cloud, self.found, self.options = plan, cloud, found, options
        self.plan_id = plan_id
        self.server = found.server
        self.id, self.name = str(found.server["id"]), str(found.server["name"])
        self.project = str(found.server["tenant_id"])
        self.after = [self._enter()] if found.role else []

    def make(self, source: Item) -> None:
        """All steps: what can be made beforehand is made while the hung server is being switched off."""
        root = self._volume(ROOT, source) if self.found.root else ""
        data = [self._volume(f"data/{disk.id}", disk.snapshots[0]) for disk in self._data("snapshot")]
        before = [] if self.server.get("locked") else [self._lock()]
        off = self._off(before)
        freed = [self._detach(disk, off) for disk in self._data("move")]
        ports = self._own(
            *(PORTS, "revive.ports", {"ports": [str(one["id"]) for one in self.found.ports]}, _PORTS()), after=[off]
        )
        made = self._server(source, root, data, after=[*filter(None, [root]), *data, off, *freed, ports])
        addresses = {one["id"]: [ip["ip_address"] for ip in one["fixed_ips"]] for one in self.found.ports}
        args = {"cloud": self.cloud, "made": made, "ports": addresses}
        last = self._add(PROOF, "revive.proof", args, _PROOF(name=self.name), after=[made])
        if self.found.role:
            request = Request(method="DELETE", path=self._role_path(), ok=[404])
            self._request(LEAVE, Call(cloud=self.cloud, service="identity", requests=[request]), _LEAVE(), [last])

    def _data(self, what: Data) -> Sequence[Disk]:
        return self.found.data if self.options.data == what else ()

    def _enter(self) -> str:
        path = self._role_path()
        request, undo = Request(method="PUT", path=path), Request(method="DELETE", path=path, ok=[404])
        action = Call(cloud=self.cloud, service="identity", requests=[request], undo=[undo])
        return self._request(ENTER, action, _ENTER(), [])

    def _role_path(self) -> str:
        return f"/projects/{self.project}/users/{self.found.user}/roles/{self.found.role}"

    def _lock(self) -> str:
        path = f"/servers/{self.id}/action"
        if self.found.can_reason:
            body: dict[str, Any] = {"lock": {"locked_reason": f"naru revive {self.plan_id}"}}
            request = Request(method="POST", path=path, body=body, version="2.73")
        else:
            request = Request(method="POST", path=path, body={"lock": None})
        undo = Request(method="POST", path=path, body={"unlock": None}, ok=[404])
        action = Call(cloud=self.cloud, service="compute", requests=[request], undo=[undo])
        return self._request(LOCK, action, _LOCK(), [])

    def _off(self, after: Sequence[str]) -> str:
        args = {
            **{"host": str(self.server[compute.HOST]), "status": str(self.server["status"])},
            **{"is_off": self.options.is_off, "site": self.options.site},
        }
        return self._own(OFF, "revive.off", args, _OFF(), after=after)

    def _volume(self, step: str, snapshot: Item) -> str:
        mark = f"revive:{self.plan_id}:{snapshot['id']}"
        action = Create(
            cloud=self.cloud,
            service="block-storage",
            path="/volumes",
            wrap="volume",
            body={
                **{"snapshot_id": snapshot["id"], "size": snapshot["size"]},
                **{"name": self._volume_name(snapshot), "metadata": {MARK: mark}},
            },
            find=Find(path="/volumes/detail?all_tenants=1", collection="volumes", where={f"metadata.{MARK}": mark}),
            wait=Wait(field="status", until=["available", "in-use"], fail=["error"]),
            gone=True,
            **self._actor(),
        )
        title = _ROOT(name=snapshot.get("name") or snapshot["id"], at=str(snapshot["created_at"]))
        return self._request(step, action, title, self.after)

    def _volume_name(self, snapshot: Item) -> str:
        disks = [*([self.found.root] if self.found.root else []), *self.found.data]
        volume = next((one.volume for one in disks if one.id == snapshot["volume_id"]), {})
        return str(volume.get("name") or self.name)

    def _detach(self, disk: Disk, off: str) -> str:
        args = {"volume": disk.id, "device": disk.device}
        return self._own(
            f"free/{disk.id}", "revive.detach", args, _DETACH(name=disk.volume.get("name") or disk.id), [off]
        )

    def _server(self, source: Item, root: str, data: Sequence[str], after: Sequence[str]) -> str:
        mark = f"revive:{self.plan_id}"
        disks: list[dict[str, Any]] = []
        if root:
            disks.append({"uuid": ref(root), "boot_index": 0})
        disks += [{"uuid": disk.id, "boot_index": -1} for disk in self._data("move")]
        disks += [{"uuid": ref(one), "boot_index": -1} for one in data]
        if not root and disks:
            image = {"uuid": source["id"], "boot_index": 0, "source_type": "image", "destination_type": "local"}
            disks.insert(0, {**image, "delete_on_termination": True})
        whole = {"source_type": "volume", "destination_type": "volume", "delete_on_termination": False}
        body: dict[str, Any] = {
            "name": self.name,
            "flavorRef": self.found.flavor,
            "networks": [{"port": one["id"]} for one in self.found.ports] or "none",
            "metadata": {**self.server.get("metadata", {}), MARK: mark},
            **({"block_device_mapping_v2": [{**whole, **one} for one in disks]} if disks else {}),
            **({} if root else {"imageRef": source["id"]}),
            **({"config_drive": True} if self.server.get("config_drive") else {}),
        }
        zone = self.server.get("OS-EXT-AZ:availability_zone")
        body |= {"availability_zone": zone} if zone else {}
        more: dict[str, Any] = self._actor()
        if self.found.group:
            more["beside"] = {"os:scheduler_hints": {"group": self.found.group}}
        if not self.found.ports:
            more["version"] = "2.37"
        path = f"/servers/detail?all_tenants=1&project_id={self.project}"
        action = Create(
            cloud=self.cloud,
            service="compute",
            path="/servers",
            wrap="server",
            body=body,
            find=Find(path=path, collection="servers", where={f"metadata.{MARK}": mark}),
            wait=Wait(field="status", until=["ACTIVE"], fail=["ERROR"]),
            gone=True,
            **more,
        )
        title = _SERVER(name=self.name, source=source.get("name") or source["id"])
        return self._request(SERVER, action, title, [*self.after, *after])

    def _actor(self) -> dict[str, Any]:
        return {"actor": Actor(project=self.project)}

    def _own(self, step: str, kind: str, args: Mapping[str, Any], title: Text, after: Sequence[str]) -> str:
        return self._add(step, kind, {"cloud": self.cloud, "server": self.id, **args}, title, after)

    def _request(self, step: str, action: Action, title: Text, after: Sequence[str]) -> str:
        return self._add(step, action.step_kind, action.arguments(), title, after)

    def _add(self, step: str, kind: str, args: Mapping[str, Any], title: Text, after: Sequence[str]) -> str:
        about = About("server", self.id, self.name)
        purpose = step.partition("/")[0]
        found = Step(step, kind, args, f"server {self.name}", (GROUP,), title=title, about=about, purpose=purpose)
        return self.plan.add(found, after=dict.fromkeys(after)).id


def _source(found: Found, options: Options) -> Item | None:
    """The snapshot, or of a server that does not boot from a volume the image, to bring it up from."""
    known = found.root.snapshots if found.root else found.images
    if not options.source:
        return known[0] if known else None
    mine = next((one for one in known if options.source in (one["id"], one.get("name"))), None)
    if mine is None:
        what = "snapshot of its root volume" if found.root else "image of it"
        listed = ", ".join(f"{one.get('name') or '-'} ({one['id']})" for one in known[:10]) or "none"
        raise InputError(f"--from {options.source}: it is no available {what}", hint=f"There are: {listed}.")
    return mine


def _findings(found: Found, options: Options, source: Item | None) -> Iterator[Finding]:
    server, name = found.server, str(found.server["name"])
    task = server.get(compute.TASK)
    fitting = OFF_STATUSES if options.is_off else STATUSES
    if server["status"] not in fitting or (task and not options.is_off):
        said = _STATUS(name=name, status=server["status"], task=f" ({task})" if task else "")
        yield Finding("error", said, hint=_STATUS_HINT(), about=str(server["id"]))
    if found.host_state != "up" and not options.is_off:
        yield Finding(
            "error", _HOST(host=str(server[compute.HOST]), state=found.host_state), hint=_HOST_HINT(), about=name
        )
    if not server.get("image") and found.root is None:
        yield Finding("error", _NO_ROOT(name=name), about=name)
    elif source is None:
        yield Finding("error", _NOTHING(name=name), about=name)
    else:
        yield Finding("warning", _OLD(at=str(source["created_at"])), about=name)
        yield Finding("warning", _NEW(), about=name)
    if not found.flavor:
        yield Finding("error", _FLAVOR(name=str(server["flavor"].get("original_name", "-"))), about=name)
    for disk in found.data if options.data == "snapshot" else ():
        if not disk.snapshots:
            yield Finding("error", _NO_DATA(name=disk.volume.get("name") or disk.id), about=name)
    for port in found.ports:
        what = "the parent of a trunk" if port.get("trunk_details") else ""
        if port.get("binding:vnic_type", "normal") != "normal":
            what = f"of type {port['binding:vnic_type']}"
        if what:
            yield Finding("error", _PORT(port=str(port["id"]), what=what), about=name)
