"""The ports of load balancers' VIPs. Octavia makes and removes such a port by itself; here it is made before, so that
it has its addresses and its MAC address, and is Octavia's again when the load balancer is there."""

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.kinds import octavia

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
