"""The VIPs of load balancers, and their ports. Octavia makes and removes such a port by itself; here it is made before,
so that it has its addresses and its MAC address, and is Octavia's again when the load balancer is there."""

from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.kinds import octavia
from naru.move.steps.load_balancer import Vip

ADDITIONAL, GROUPS = "2.26", "2.29"
"""Since which version of Octavia's API a VIP has further addresses, and security groups."""

OCTAVIAS_NAME = message(
    "move.vip.name",
    en="Octavia names it by the id of its load balancer",
    ko="Octavia가 로드 밸런서의 ID로 이름을 짓습니다",
)
OCTAVIAS_GROUP = message(
    "move.vip.group",
    en="Octavia gives it a security group of its own, made of its listeners",
    ko="Octavia가 리스너에 맞춰 만든 자체 보안 그룹을 붙입니다",
)
NEW_VIP_ADDRESS = message(
    "move.load_balancer.new_address",
    en="its VIP's port gets another address on the new cloud",
    ko="새 클라우드에서 VIP 포트의 주소가 바뀝니다",
)
NO_SUBNET = message(
    "move.load_balancer.no_subnet",
    en="that subnet is not on the new cloud",
    ko="그 서브넷이 새 클라우드에 없습니다",
)
NO_GROUP = message(
    "move.load_balancer.no_group",
    en="that security group is not moved",
    ko="그 보안 그룹을 이전하지 않습니다",
)


def balancer(draft: Draft, port: Row) -> Row | None:
    """The load balancer of a project that is moved whose VIP is on the port; None where the new cloud can have none."""
    found = octavia.balancer_of(draft.facts.old, port)
    if found is None or found.project not in draft.facts.projects or not octavia.has_octavia(draft.facts.new):
        return None
    return found


def changes(draft: Draft, port: Row, balancer: Row, found: list[FieldChange]) -> list[FieldChange]:
    """What is not kept of the port, with what Octavia itself sets."""
    groups = draft.facts.old.all("security group")
    own = {one for one in port.body.get("security_groups") or [] if one not in groups or _is_its(groups[one], balancer)}
    kept = [one for one in found if one.field != "security_groups" or one.old not in own]
    kept += [FieldChange("security_groups", one, None, OCTAVIAS_GROUP()) for one in sorted(own)]
    if port.name == f"octavia-lb-{balancer.id}":
        kept.append(FieldChange("name", port.name, "octavia-lb-ID", OCTAVIAS_NAME()))
    return kept


def _is_its(group: Row, balancer: Row) -> bool:
    return group.name == f"lb-{balancer.id}"


# -- the VIP of a load balancer


def address(draft: Draft, row: Row, body: dict[str, Any], changes: list[FieldChange]) -> dict[str, Any] | None:
    """Puts the VIP into the body; by what the load balancer is found again. None where it can have none."""
    said = row.body.get("vip_address")
    if more := [one for one in row.body.get("additional_vips") or [] if isinstance(one, dict)]:
        _additional(draft, more, body, changes)
    port = draft.ref("port", row.body.get("vip_port_id"))
    if port is not None:
        body["vip_port_id"] = port
        if not _lost(draft, row, str(said)):
            body["vip_address"] = said
        else:
            changes.append(FieldChange("vip_address", said, None, NEW_VIP_ADDRESS()))
        return {"vip_port_id": port}
    subnet = draft.ref("subnet", row.body.get("vip_subnet_id"))
    if subnet is None:
        return None
    body |= {"vip_subnet_id": subnet, "vip_address": said}
    return {"vip_subnet_id": subnet, "vip_address": said}


def _lost(draft: Draft, row: Row, address: str) -> bool:
    """Whether the VIP's port has another address on the new cloud."""
    decision = draft.decisions["port", str(row.body["vip_port_id"])]
    lost = [change.old for change in decision.changes if change.field == "fixed_ips"]
    return any(isinstance(one, dict) and one.get("ip_address") == address for one in lost)


def _additional(draft: Draft, more: list[dict[str, Any]], body: dict[str, Any], changes: list[FieldChange]) -> None:
    """Further addresses of its VIP: they are on the same port."""
    if not draft.facts.new.supports(octavia.SERVICE, ADDITIONAL):
        changes.append(
            FieldChange("additional_vips", more, None, octavia.NO_VERSION(cloud=draft.new, version=ADDITIONAL))
        )
        return
    body["additional_vips"] = []
    for one in more:
        subnet = draft.ref("subnet", one.get("subnet_id"))
        if subnet is None:
            changes.append(FieldChange("additional_vips", one, None, NO_SUBNET()))
        else:
            body["additional_vips"].append({"subnet_id": subnet, "ip_address": one.get("ip_address")})


def groups(draft: Draft, row: Row, body: dict[str, Any], changes: list[FieldChange]) -> None:
    """Puts the security groups of its VIP into the body, as far as they are moved."""
    asked = row.body.get("vip_sg_ids") or []
    if asked and not draft.facts.new.supports(octavia.SERVICE, GROUPS):
        changes.append(FieldChange("vip_sg_ids", asked, None, octavia.NO_VERSION(cloud=draft.new, version=GROUPS)))
        return
    found = [(group, draft.ref("security group", group)) for group in asked]
    if here := [there for _, there in found if there is not None]:
        body["vip_sg_ids"] = here
    changes += [FieldChange("vip_sg_ids", group, None, NO_GROUP()) for group, there in found if there is None]


def owned(draft: Draft, row: Row) -> Vip | None:
    """The VIP's port, where it is Octavia's own: then that removes it with the load balancer."""
    port = draft.facts.old.all("port").get(str(row.body.get("vip_port_id")))
    if port is None or not str(port.body.get("device_owner") or "") or draft.ref("port", port.id) is None:
        return None
    named = port.name == f"octavia-lb-{row.id}"
    return Vip(port=draft.ref("port", port.id), owner=port.body["device_owner"], named=named)
