"""Servers: made from their empty volumes on their ports, booted once, stopped; started at the cut-over."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from naru.actions.arguments import ref
from naru.actions.create import Wait
from naru.actions.power import Power
from naru.inventory.rows import Row
from naru.messages import Text, clauses, message
from naru.move.accepts import compute
from naru.move.acting import actor, entered, owner_changes
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, kept, thing
from naru.move.facts import Facts, Side, boots_from_volume, disks
from naru.move.kind import Kind, Mapped
from naru.move.kinds import flavor, guest, image, neutron, texts, volume
from naru.move.kinds.flavor import flavor_id
from naru.move.kinds.rbac_policy import Shares
from naru.move.kinds.zones import zone
from naru.move.mapping import Section, Use, zone_match
from naru.move.marks import MARK, mark, marked_in_metadata
from naru.move.server_state import STATES

ZONE = "compute availability zone"


def nics(side: Side, row: Row) -> list[Row]:
    """The server's ports, in the order of its interfaces: as Nova lists its addresses, those without any at the end."""
    order: dict[str, int] = {}
    for addresses in (row.body.get("addresses") or {}).values():
        for address in addresses:
            order.setdefault(str(address.get("OS-EXT-IPS-MAC:mac_addr")).lower(), len(order))
    ports = [port for port in side.attached(row.id) if str(port.body.get("device_owner")).startswith("compute:")]
    return sorted(
        ports,
        key=lambda port: (
            order.get(port.body["mac_address"].lower(), 1 << 30),
            port.body.get("created_at") or "",
            port.id,
        ),
    )


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    attached = [(mapped("volume", found.id), entry) for found, entry in disks(side, row)]
    return {
        "metadata": volume.unmarked(row),
        "config_drive": _config_drive(row),
        "volumes": [[found, bool(entry.get("delete_on_termination"))] for found, entry in attached],
        "ports": [mapped("port", port.id) for port in nics(side, row)],
        "flavor": mapped("flavor", (row.body.get("flavor_link") or {}).get("id")),
        "key_name": row.body.get("key_name"),
        "image": mapped("image", (row.body.get("image") or {}).get("id")),
    }


def _config_drive(row: Row) -> bool:
    """Whether it has a config drive, which Nova says in one word or another."""
    return str(row.body.get("config_drive")).lower() == "true"


def _after_cutover(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"status": row.status}


def _arrives(row: Row) -> dict[str, Any]:
    return {"status": "ACTIVE" if runs(row) else "SHUTOFF"}


FROM_IMAGE = message("move.server.from_image", en="follows from the image", ko="이미지에 따라 정해집니다")
KIND = Kind(
    "server",
    path="/servers",
    wrap="server",
    item="/servers/",
    sent=("accessIPv4", "accessIPv6", "OS-DCF:diskConfig"),
    handled=frozenset(
        (
            *("name", "description", "metadata", "tags", "config_drive", "OS-EXT-SRV-ATTR:user_data"),
            *("OS-EXT-SRV-ATTR:hostname", "locked"),
        )
    ),
    not_kept={
        "OS-EXT-SRV-ATTR:kernel_id": FROM_IMAGE(),
        "OS-EXT-SRV-ATTR:ramdisk_id": FROM_IMAGE(),
        "trusted_image_certificates": message(
            "move.server.certificates",
            en="certificates are in Barbican, which only users may read",
            ko="인증서는 사용자만 읽을 수 있는 Barbican에 있습니다",
        )(),
        "personality": message(
            "move.server.personality", en="no cloud's API returns it", ko="어느 클라우드에서도 다시 읽을 수 없습니다"
        )(),
    },
    derived=frozenset(
        (
            *("hostId", "host_status", "progress", "key_name", "flavor", "flavor_link", "image", "addresses", "fault"),
            *("security_groups", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state"),
            *("OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:hypervisor_hostname"),
            *("OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "os-extended-volumes:volumes_attached"),
            *("OS-EXT-SRV-ATTR:reservation_id", "OS-EXT-SRV-ATTR:launch_index", "OS-EXT-SRV-ATTR:root_device_name"),
            *("OS-EXT-AZ:availability_zone", "pinned_availability_zone", "server_groups", "scheduler_hints"),
            "locked_reason",
        )
    ),
    not_compared=frozenset(("locked", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:ramdisk_id")),
    ordered=frozenset(("volumes",)),  # in the order of the guest's devices
    compared=_compared,
    after_cutover=_after_cutover,
    arrives=_arrives,
    dispensable=("beside.os:scheduler_hints.group",),
    owned=True,
    terraform="openstack_compute_instance_v2",
)


STATE = message("move.server.state", en="{thing}: {state}", ko="{thing}: {state}")
STATUS = message("move.server.status", en="it is {status}", ko="현재 상태: {status}")
STATUS_AND_TASK = message(
    "move.server.status_and_task",
    en="it is {status}, {task}",
    ko="현재 상태: {status}, 진행 중인 작업: {task}",
)
WAIT = message(
    "move.server.wait",
    en="Wait until that is over (a resize has to be confirmed or reverted); then plan again.",
    ko="작업이 끝난 뒤(크기 변경은 확정하거나 되돌린 뒤) 계획을 다시 세워 주십시오.",
)
RESCUED_IMAGE = message(
    "move.server.rescued_image",
    en="it is being rescued, and its own disk cannot be read meanwhile",
    ko="복구 모드(RESCUE)이며 그동안에는 원래 디스크를 읽을 수 없습니다",
)
END_RESCUE = message(
    "move.server.end_rescue",
    en="End the rescue, then plan again.",
    ko="복구 모드를 끝낸 뒤 계획을 다시 세워 주십시오.",
)
MEND = message(
    "move.server.mend",
    en="Delete or repair it on the old cloud, then plan again.",
    ko="기존 클라우드에서 삭제하거나 복구한 뒤 계획을 다시 세워 주십시오.",
)
NO_SERVER = message("move.server.not_moved", en="its server is not moved", ko="연결된 서버를 이전하지 않습니다")
NO_FLAVOR = message(
    "move.server.no_flavor", en="its flavor is not on the new cloud", ko="Flavor가 새 클라우드에 없습니다"
)
NO_IMAGE = message(
    "move.server.no_image",
    en="its image {image} is not on the new cloud",
    ko="이미지가 새 클라우드에 없습니다(ID {image})",
)
NOT_ASKED_FOR = message(
    "move.server.not_asked_for",
    en="it boots from its volume, and that image cannot be asked for on the new cloud",
    ko="볼륨으로 부팅하는 서버이며, 그 이미지는 새 클라우드에서 지정할 수 없습니다",
)
NO_FIELD = message(
    "move.server.no_field",
    en="the Nova of {cloud} has no such field",
    ko="{cloud} 클라우드의 Nova에 없는 항목입니다",
)
NO_PORT = message("move.server.no_port", en="its port {port} is not moved", ko="포트를 이전하지 않습니다(ID {port})")
NO_VOLUME = message(
    "move.server.no_volume", en="its volume {volume} is not moved", ko="볼륨을 이전하지 않습니다(ID {volume})"
)
NO_DISK = message(
    "move.server.no_disk",
    en="it has neither an image nor a volume to boot from",
    ko="부팅할 이미지나 볼륨이 없습니다",
)
CORRECT = message(
    "move.server.correct",
    en="Correct the map, or what is said of these things above.",
    ko="map.yaml을 고치거나 위에 적힌 리소스의 문제를 먼저 해결해 주십시오.",
)
NO_KEY_PAIR = message(
    "move.server.no_key_pair",
    en="that key pair is not the user's on the new cloud; the disk has the key",
    ko="그 키 페어는 새 클라우드에서 이 사용자의 것이 아닙니다. 키는 서버의 디스크에 들어 있습니다",
)
NO_INTERFACE_TAGS = message(
    "move.server.no_interface_tags",
    en="the old release does not tell the tags of interfaces",
    ko="기존 릴리스에서는 인터페이스의 태그를 알 수 없습니다",
)
BOOT = message("move.title.boot", en="boot {thing} once, on empty disks", ko="빈 디스크로 {thing} 한 번 부팅")
STOP = message("move.title.stop_empty", en="stop {thing}: its disks are empty", ko="{thing} 중지(디스크가 비어 있음)")
NOT_BOOTABLE = message(
    "move.title.not_bootable",
    en="the root volume of {thing} says that it is not bootable, as it did",
    ko="{thing}의 루트 볼륨을 기존과 같이 부팅할 수 없는 것으로 표시",
)
DNS_NAMES = message("move.title.dns_names", en="DNS names of the ports of {thing}", ko="{thing}의 포트 DNS 이름")
LOCK = message("move.title.lock", en="lock {thing}", ko="{thing} 잠금")


def _zones(facts: Facts) -> Iterator[Use]:
    for row in facts.owned(KIND.name):
        if name := row.body.get("OS-EXT-AZ:availability_zone"):
            yield Use(KIND.name, name=name)


ZONES = Section("compute_zones", ZONE, "where servers are", _zones, zone_match(ZONE), mentioned=True)


# -- rules


def servers(draft: Draft) -> None:
    """Every server that can be moved, as its user. One that something is being done with is waited for."""
    for row in draft.facts.owned(KIND.name):
        state = STATES.get(row.status)
        task = row.body.get("OS-EXT-STS:task_state")
        if state is None or (task and row.status != "RESCUE"):
            why = STATUS_AND_TASK(status=row.status, task=task) if task else STATUS(status=row.status)
            draft.leave(row, why, severity="error", hint=WAIT())
        elif row.status == "RESCUE" and not boots_from_volume(draft.facts.old, row):
            draft.leave(row, RESCUED_IMAGE(), hint=END_RESCUE())
        elif not state.movable:
            draft.leave(row, state.note, hint=MEND())
        else:
            if state.note:
                draft.report("warning", STATE(thing=thing(row), state=state.note), about=row.id)
            _server(draft, row)


def stranded(draft: Draft) -> None:
    """Ports of servers that are left: Nova gives a port its DNS name, and here there is none that would."""
    for row in draft.facts.owned(KIND.name):
        if draft.ref(KIND.name, row.id) is not None:
            continue
        for port in nics(draft.facts.old, row):
            if port.body.get("dns_name") and draft.ref("port", port.id) is not None:
                draft.change(port, FieldChange("dns_name", port.body["dns_name"], "", NO_SERVER()))


def runs(row: Row) -> bool:
    """Whether the server runs on the new cloud after the move."""
    return STATES[row.status].runs


def unit(row: Row) -> str:
    """The unit of a server's own steps."""
    return f"server {row.name} {row.id[:8]}"


def sharing(draft: Draft, attached: Row) -> list[str]:
    """The steps that boot servers with the volume, of those planned so far. The next one comes after them: while Cinder
    is attaching a volume it refuses it to every other server, though its type allows several."""
    return draft.makers(KIND.name, volume.holders(draft.facts.old, attached))


@dataclass
class _Request:
    """The request for a server in the making: its `body`, the `changes` of its fields, the steps that it comes `after`,
    and the `problems` for which it cannot be made."""

    draft: Draft
    row: Row
    body: dict[str, Any] = field(default_factory=dict)
    changes: list[FieldChange] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    problems: list[Text] = field(default_factory=list)

    def add_fields(self) -> None:
        """What it says of itself."""
        row = self.row
        metadata, refused = texts.pairs(self.draft, row, "metadata", row.body.get("metadata") or {})
        self.body |= {"name": row.name, "metadata": {**metadata, MARK: mark(row)}}
        self.changes += refused
        self.changes += owner_changes(self.draft, row)
        self.body |= {name: row.body[name] for name in KIND.sent if row.body.get(name)}
        for name in ("description", "tags"):
            if row.body.get(name) and not self.draft.facts.new.supports(KIND.service, compute.FIELDS[name]):
                self.changes.append(FieldChange(name, row.body[name], None, NO_FIELD(cloud=self.draft.new)))
            elif row.body.get(name) or (name == "description" and row.body.get(name) is not None):
                self.body[name] = row.body[name]
        rules = {"name": compute.NAME, "description": compute.DESCRIPTION}
        self.changes += texts.mend(self.draft, row, self.body, rules)
        if row.body.get("OS-EXT-SRV-ATTR:user_data"):
            self.body["user_data"] = self.draft.private(row, "OS-EXT-SRV-ATTR:user_data")
        if _config_drive(row):
            self.body["config_drive"] = True
        self.changes += guest.hostname(self.draft, row, self.body)
        place, changes = zone(self.draft, ZONES.name, ZONE, row.body.get("OS-EXT-AZ:availability_zone"))
        self.changes += changes
        if place:
            self.body["availability_zone"] = place

    def add_flavor(self) -> None:
        """Its flavor."""
        identity = flavor_id(self.draft.facts.old, self.row)
        self.body["flavorRef"] = self.draft.ref("flavor", identity)
        if self.body["flavorRef"] is None:
            self.problems.append(NO_FLAVOR())
        usable = self.draft.note(flavor.Usable)
        self.after += [usable.ready.get(identity, ""), usable.access.get((self.row.project, identity), "")]

    def add_key_pair(self) -> None:
        """The name of its key pair."""
        name = self.row.body.get("key_name")
        if not name:
            return
        decision = self.draft.decisions.get(("key pair", f"{self.row.body['user_id']}/{name}"))
        if decision is None or decision.decision == "leave" or owner_changes(self.draft, self.row):
            self.changes.append(FieldChange("key_name", name, None, NO_KEY_PAIR()))
            return
        self.body["key_name"] = name
        self.after.append(decision.step)

    def add_ports(self) -> None:
        """Its ports, after the steps that share their networks and make their trunks."""
        found = []
        for port in nics(self.draft.facts.old, self.row):
            new = self.draft.ref("port", port.id)
            if new is None:
                self.problems.append(NO_PORT(port=port.id))
                continue
            found.append({"port": new})
            for user in ("*", self.row.project):
                self.after += self.draft.note(Shares).steps.get((port.body["network_id"], user), [])
            trunks = self.draft.facts.old.by("trunk", "port_id", port.id)
            self.after += self.draft.makers("trunk", (trunk.id for trunk in trunks))
        if len(found) > 1:
            self.changes.append(FieldChange("interface tags", None, None, NO_INTERFACE_TAGS()))
        self.body["networks"] = found or "none"

    def add_disks(self) -> None:
        """Its image and its volumes, the one that it is booted from first."""
        mapping: list[dict[str, Any]] = []
        by_volume = root = boots_from_volume(self.draft.facts.old, self.row)
        if identity := (self.row.body.get("image") or {}).get("id"):
            self._add_image(identity, needed=not by_volume)
        for attached, entry in disks(self.draft.facts.old, self.row):
            new = self.draft.ref("volume", attached.id)
            if new is None:
                self.problems.append(NO_VOLUME(volume=attached.id))
                continue
            disk = {"uuid": new, "source_type": "volume", "destination_type": "volume", "boot_index": 0 if root else -1}
            mapping.append({**disk, "delete_on_termination": bool(entry.get("delete_on_termination"))})
            root = False
            self.after += [volume.properties_step(attached), *sharing(self.draft, attached)]
        if mapping:
            if not by_volume:
                image = self.body["imageRef"]
                local = {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0}
                mapping.insert(0, {**local, "delete_on_termination": True})
            self.body["block_device_mapping_v2"] = mapping
        elif by_volume:
            self.problems.append(NO_DISK())

    def _add_image(self, identity: str, *, needed: bool) -> None:
        """The image that it was asked for with; a server that boots from a volume does without."""
        usable = self.draft.note(image.Usable)
        found = None if identity in usable.not_booted else self.draft.ref("image", identity)
        if found is None and not needed:
            self.changes.append(FieldChange("image", identity, None, NOT_ASKED_FOR()))
            return
        self.body["imageRef"] = found
        if found is None:
            self.problems.append(NO_IMAGE(image=identity))
        self.after += [usable.ready.get(identity, ""), usable.access.get((self.row.project, identity), "")]


def _server(draft: Draft, row: Row) -> None:
    """The steps that make it, boot it once and stop it."""
    made = _Request(draft, row)
    for part in (made.add_fields, made.add_flavor, made.add_key_pair, made.add_ports, made.add_disks):
        part()
    if made.problems:
        draft.leave(row, clauses(made.problems), severity="error", hint=CORRECT())
        return
    made.changes += guest.empty_disks(draft, row)
    beside = {"os:scheduler_hints": {"group": group}} if (group := _group(draft, row)) else {}
    who = actor(draft, row)
    creation = KIND.creation(
        draft.new,
        made.body,
        listing=["/servers/detail?all_tenants=1&project_id=", draft.ref("project", row.project)],
        where={"metadata.naru": mark(row)},
        wait=Wait(field="status", until=["ACTIVE", "SHUTOFF"], fail=["ERROR"]),
        gone=True,
        version=draft.facts.new.version(KIND.service, compute.NEWEST),
        beside=beside,
        actor=who,
    )
    title = BOOT(thing=thing(row))
    after = [*made.after, entered(draft, row)]
    step = draft.create(row, creation, title=title, changes=made.changes, after=after, unit=unit(row))
    marked_in_metadata(draft, KIND, row, step)
    _afterwards(draft, row, step)


def _group(draft: Draft, row: Row) -> Any:
    """The counterpart of the server group that the server is in."""
    groups = draft.facts.old.by("server group", "members.*", row.id)
    return draft.ref("server group", groups[0].id) if groups else None


def stopped_step(row: Row) -> str:
    """The step after which the new server is off, until the cut-over."""
    return f"server/{row.id} stopped"


def _afterwards(draft: Draft, row: Row, step: str) -> None:
    """What comes when the server has booted: stopped, its ports' DNS names, its lock."""
    name = thing(row)
    stopped = draft.step(
        stopped_step(row),
        Power(cloud=draft.new, service=KIND.service, server=ref(step), to="SHUTOFF"),
        STOP(thing=name),
        about=row,
        project=row.project,
        unit=unit(row),
    )

    def call(what: str, service: str, requests: list[dict[str, Any]], title: Text) -> None:
        own, after = unit(row), [stopped]
        draft.call(f"{step} {what}", service, requests, title, about=row, project=row.project, unit=own, after=after)

    volumes = disks(draft.facts.old, row)
    if boots_from_volume(draft.facts.old, row) and volumes and not volume.is_bootable(volumes[0][0]):
        path = ["/volumes/", draft.ref("volume", volumes[0][0].id), "/action"]
        flag = {"method": "POST", "path": path, "body": {"os-set_bootable": {"bootable": False}}}
        call("not bootable", volume.SERVICE, [flag], NOT_BOOTABLE(thing=name))
    names: list[dict[str, Any]] = []
    known = draft.facts.new.extensions(neutron.SERVICE)
    for port in nics(draft.facts.old, row):
        if port.body.get("dns_name") and "dns-integration" in known:
            path = ["/ports/", draft.ref("port", port.id)]
            names.append({"method": "PUT", "path": path, "body": {"port": kept(port, ("dns_name",))}})
    if names:
        call("DNS names", neutron.SERVICE, names, DNS_NAMES(thing=name))
    if row.body.get("locked"):
        lock: dict[str, Any] = {"method": "POST", "path": ["/servers/", ref(step), "/action"], "body": {"lock": None}}
        if (reason := row.body.get("locked_reason")) and draft.facts.new.supports(KIND.service, compute.LOCK_REASON):
            lock |= {"body": {"lock": {"locked_reason": reason}}, "version": compute.LOCK_REASON}
        call("locked", KIND.service, [lock], LOCK(thing=name))
