"""Networks: those of the projects are made anew, external and shared ones of others are matched by the map."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from naru.actions.arguments import ref
from naru.actions.clouds import RETRY, deadline
from naru.actions.create import Create
from naru.actions.create import make as made_as
from naru.cloud.client import CloudError
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import Facts, Side
from naru.move.kind import Kind
from naru.move.kinds.neutron import SERVICE, make, policy
from naru.move.kinds.qos_policy import has_default
from naru.move.mapping import ABSENT_BUT, Match, Need, Section, Use, known, of_others, same_name
from naru.plan.context import Context
from naru.plan.kinds import step

_TUNNELS = ("vxlan", "geneve", "gre")


def _adjusted(field: str, old: Any, new: Any) -> Text:
    return MTU_LIMITED() if field == "mtu" and new and old and new < old else ""


OF_THE_NETWORK = message(
    "move.network.own_property",
    en="is a property of the new cloud's network",
    ko="새 클라우드의 네트워크에 따라 정해지는 속성입니다",
)
KIND = Kind(
    "network",
    path="/networks",
    wrap="network",
    sent=(
        *(
            "name",
            "description",
            "admin_state_up",
            "mtu",
            "port_security_enabled",
            "dns_domain",
            "qos_policy_id",
            "qinq",
        ),
    ),
    extensions={
        "mtu": "net-mtu-writable",
        "port_security_enabled": "port-security",
        "dns_domain": "dns-integration",
        "qos_policy_id": "qos",
        "qinq": "qinq",
    },
    harmless={"port_security_enabled": (True,), "qinq": (False,)},
    handled=frozenset(("tags",)),
    not_kept={
        "provider:segmentation_id": message(
            "move.network.segment", en="the new cloud gives its own", ko="새 클라우드가 새로 부여합니다"
        )(),
        "vlan_transparent": OF_THE_NETWORK(),
        "availability_zone_hints": message(
            "move.network.agent_zones",
            en="zones of network agents differ",
            ko="네트워크 에이전트의 가용 영역이 서로 다릅니다",
        )(),
    },
    derived=frozenset(
        (
            *("subnets", "router:external", "ipv4_address_scope", "ipv6_address_scope", "availability_zones"),
            *("provider:network_type", "provider:physical_network", "shared", "is_default", "l2_adjacency"),
        )
    ),
    dispensable=("body.qos_policy_id",),
    adjusted=_adjusted,
    owned=True,
    terraform="openstack_networking_network_v2",
    used_by=showing.shared_or("port", "network_id"),
)

MTU_LARGEST = message(
    "move.network.mtu_largest",
    en="networks there have at most {largest}; it is made with the largest that is allowed",
    ko="새 클라우드 네트워크의 MTU는 최대 {largest}입니다. 허용되는 가장 큰 값으로 만듭니다",
)
MTU_LIMITED = message(
    "move.network.mtu_limited",
    en="the new cloud allows no larger one",
    ko="새 클라우드에서 허용하는 가장 큰 값입니다",
)
MTU_UNKNOWN = message(
    "move.network.mtu_unknown",
    en="{cloud} has no network that would tell its largest MTU ({count} networks with up to {largest} are moved)",
    ko="{cloud} 클라우드에 최대 MTU를 알 수 있는 네트워크가 없습니다(이전하는 네트워크 {count}개, 최대 {largest})",
)
MTU_TRIED = message(
    "move.network.mtu_tried",
    en="Each is made with its own, or with the largest that is allowed where that is less. To know before: make a"
    " network there, and plan again.",
    ko="각각 기존 값으로 만들고, 허용되지 않으면 허용되는 가장 큰 값으로 만듭니다. 미리 알고 싶으시면 새 클라우드에"
    " 네트워크를 하나 만든 뒤 계획을 다시 세워 주십시오.",
)
MTU_LOWER = message(
    "move.network.mtu_lower",
    en="{thing}: its MTU of {mtu} is larger than the new cloud has: {why}",
    ko="{thing}: MTU {mtu}이(가) 새 클라우드의 값보다 큽니다. {why}",
)
MTU_OF_GUESTS = message(
    "move.network.mtu_of_guests",
    en="Guests that have the MTU written down lose large packets: set it there to the new one, or raise the new cloud's"
    " (global_physnet_mtu, path_mtu).",
    ko="MTU를 직접 설정한 게스트에서는 큰 패킷이 유실됩니다. 게스트의 값을 새 값으로 바꾸거나 새 클라우드의 값을 올려"
    " 주십시오(global_physnet_mtu, path_mtu).",
)
SAME_CIDR = message("move.network.same_cidr", en="same CIDR", ko="CIDR이 같습니다")
NO_SUBNET = message(
    "move.network.no_subnet",
    en="network {network} has no subnet {cidr}",
    ko="새 클라우드에서 대응하는 네트워크({network})에 서브넷이 없습니다({cidr})",
)
SHARED_SAME_NAME = message(
    "move.network.shared_same_name", en="shared, same name", ko="공유 네트워크이며 이름이 같습니다"
)
SAME_NAME_AND_CIDR = message("move.network.same_name_and_cidr", en="same name and CIDR", ko="이름과 CIDR이 같습니다")
SAME_NAME_WITHOUT = message(
    "move.network.same_name_without",
    en="same name, but without {cidrs}",
    ko="이름은 같지만 다음 서브넷이 없습니다: {cidrs}",
)
SAME_PHYSICAL = message(
    "move.network.same_physical",
    en="the new cloud has one of that name",
    ko="새 클라우드에 같은 이름의 물리 네트워크가 있습니다",
)
UNKNOWN_PHYSICAL = message(
    "move.network.unknown_physical",
    en="physical network {name}: no network or agent of {cloud} names it",
    ko="물리 네트워크 {name}: {cloud}의 네트워크나 에이전트 중 그 이름을 쓰는 것이 없습니다",
)
KNOWN_PHYSICAL = message(
    "move.network.known_physical",
    en="Named are: {names:list}. Neutron refuses one that its configuration does not have.",
    ko="쓰이는 이름: {names:list}. Neutron은 설정에 없는 물리 네트워크를 거부합니다.",
)
NONE_PHYSICAL = message(
    "move.network.none_physical",
    en="None is named. Neutron refuses one that its configuration does not have.",
    ko="쓰이는 이름이 없습니다. Neutron은 설정에 없는 물리 네트워크를 거부합니다.",
)
CORRECT_PHYSICAL = message(
    "move.network.correct_physical",
    en="If it is misspelled, correct physical_networks in the map.",
    ko="이름을 잘못 적었다면 맵의 physical_networks를 고치십시오.",
)
NO_PHYSICAL = message(
    "move.network.no_physical",
    en="no network or agent of the new cloud names it",
    ko="새 클라우드의 네트워크나 에이전트 중 그 이름을 쓰는 것이 없습니다",
)


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    """External networks are the cloud's, whoever owns them."""
    for kind in ("router", "port", "floating IP"):
        for row in facts.owned(kind):
            for _, target, identity in row.references():
                if target == "network":
                    yield from of_others(facts, "network", identity, kind)
                    if (own := facts.old.all("network").get(identity)) and own.project in facts.projects:
                        yield from _external(own, kind)
    for row in facts.owned("network"):
        yield from _external(row, "project")


def _external(row: Row, user: str) -> Iterator[Use]:
    if row.body.get("router:external"):
        yield Use(user, row)


def _match(facts: Facts, need: Need) -> Match:
    assert need.row
    external = need.row.body.get("router:external")
    found = [row for row in same_name(facts, "network", need) if row.body.get("router:external") == external]
    ours = _cidrs(need.row, facts.old.all("subnet").values())
    if not found:
        same = [
            row for row in facts.new.all("network").values() if ours & _cidrs(row, facts.new.all("subnet").values())
        ]
        if external and len(same) == 1:
            return same[0].name, SAME_CIDR()
        return None, ABSENT_BUT(known=known(facts, "network"))
    target = found[0].name if len(found) == 1 else found[0].id
    if not external:
        return target, SHARED_SAME_NAME()
    missing = ours - _cidrs(found[0], facts.new.all("subnet").values())
    return target, SAME_NAME_WITHOUT(cidrs=", ".join(sorted(missing))) if missing else SAME_NAME_AND_CIDR()


def _cidrs(network: Row, subnets: Iterable[Row]) -> set[str]:
    return {str(ipaddress.ip_network(row.body["cidr"])) for row in subnets if row.body["network_id"] == network.id}


def _physical_uses(facts: Facts) -> Iterator[Use]:
    for row in facts.owned("network"):
        if physical := row.body.get("provider:physical_network"):
            yield Use("network", name=physical)


def _physical_match(facts: Facts, need: Need) -> Match:
    return (need.key, SAME_PHYSICAL()) if need.key in _physical(facts.new) else (None, NO_PHYSICAL())


def _physical(side: Side) -> set[str]:
    """The physical networks that anything of a cloud names: its networks, and its agents. There may be more: what
    Neutron accepts stands in its configuration, which no API shows."""
    found = {str(row.body["provider:physical_network"]) for row in side.all(KIND.name).values() if _lies_on(row)}
    for agent in side.all("network agent").values():
        told = agent.body.get("configurations") or {}
        for name in ("bridge_mappings", "interface_mappings", "device_mappings"):  # Open vSwitch, Linux bridge, SR-IOV
            found |= set(told.get(name) or ())
        # OVN's is text, as in "physnet1:br-ex,physnet2:br-2"
        pairs = str(told.get("bridge-mappings") or "").split(",")
        found |= {name for name, colon, _ in (pair.strip().partition(":") for pair in pairs) if colon and name}
    return found


def _lies_on(row: Row) -> str:
    return str(row.body.get("provider:physical_network") or "")


SECTION = Section("networks", "network", "of others: external and shared ones", _uses, _match)
PHYSICAL = Section("physical_networks", "", "that networks of the projects lie on", _physical_uses, _physical_match)
NO_POLICY = message(
    "move.title.no_policy",
    en="{thing} has no QoS policy, not even the project's default",
    ko="{thing}: 프로젝트의 기본 QoS 정책을 적용하지 않음",
)


# -- rules


def mapped(draft: Draft) -> None:
    """External and shared networks of others are matched by the map, with their subnets by CIDR."""
    for choice in [choice for (section, _), choice in draft.choices.items() if section == SECTION.name]:
        row = choice.need.row
        if row is None or choice.target is None:
            continue
        target = draft.target(SECTION.name, KIND.name, row)
        if target is None:
            continue
        draft.match(row, target, choice.why)
        theirs = draft.facts.new.by("subnet", "network_id", target)
        for subnet in draft.facts.old.by("subnet", "network_id", row.id):
            same = [other for other in theirs if other.body["cidr"] == subnet.body["cidr"]]
            if same:
                draft.match(subnet, same[0].id, SAME_CIDR())
            else:
                draft.leave(subnet, NO_SUBNET(network=choice.target, cidr=subnet.body["cidr"]), severity="info")


def networks(draft: Draft) -> None:
    """Networks of the projects. They get whatever segment the new cloud gives them, but VLAN and flat networks keep
    theirs where the map names the physical network."""
    _check_physical(draft)
    for row in draft.facts.owned(KIND.name):
        if row.body.get("router:external"):
            continue  # the cloud's, by the map
        body, changes = draft.sent(KIND, row)
        policy(draft, body, changes)
        if not body.get("qinq"):
            body.pop("qinq", None)
        physical = row.body.get("provider:physical_network")
        if physical:
            choice = draft.choice(PHYSICAL.name, None, physical)
            if choice and choice.target:
                body["provider:network_type"] = row.body["provider:network_type"]
                body["provider:physical_network"] = choice.target
                if row.body.get("provider:segmentation_id") is not None:
                    body["provider:segmentation_id"] = row.body["provider:segmentation_id"]
                if choice.target != physical:
                    changes.append(FieldChange("provider:physical_network", physical, choice.target, choice.why))
        made = make(draft, KIND, row, body, changes, action=_mtu(draft, row, body, changes))
        if "qos_policy_id" not in body and has_default(draft, row.project):
            none = {KIND.wrap: {"qos_policy_id": None}}
            request = {"method": "PUT", "path": [f"{KIND.path}/", ref(made)], "body": none}
            title = NO_POLICY(thing=thing(row))
            draft.call(f"{made} no policy", SERVICE, [request], title, about=row, project=row.project)

    if mtus := draft.note(Untold).mtus:
        summary = MTU_UNKNOWN(cloud=draft.new, count=len(mtus), largest=max(mtus))
        draft.report("info", summary, detail=MTU_TRIED())


def _check_physical(draft: Draft) -> None:
    """What the map names and the new cloud does not may be misspelled: nothing tells what Neutron accepts. The old
    cloud's own name is none that somebody invented."""
    known = _physical(draft.facts.new)
    chosen = [choice for (section, _), choice in draft.choices.items() if section == PHYSICAL.name]
    for choice in sorted(chosen, key=lambda one: one.need.key):
        if not choice.target or choice.target in known:
            continue
        draft.report(
            "info" if choice.target == choice.need.key else "warning",
            UNKNOWN_PHYSICAL(name=choice.target, cloud=draft.new),
            detail=KNOWN_PHYSICAL(names=sorted(known)) if known else NONE_PHYSICAL(),
            hint=CORRECT_PHYSICAL(),
        )


# -- MTU


@dataclass
class Untold:
    """The MTUs of networks of which it is not known whether the new cloud allows them."""

    mtus: list[int] = field(default_factory=list)


_TOO_BIG = re.compile(r"MTU is too big, maximum is (\d+)")
"""What Neutron has said of an MTU that it refuses since Pike."""


class Largest(Create):
    """A network that is made with the largest MTU that Neutron allows, where it refuses the one in `body`."""

    step_kind: ClassVar[str] = "move.network"


@step("move.network", args=Largest, undo="cloud.delete", retry=RETRY, deadline=deadline)
def make_network(context: Context) -> dict[str, Any]:
    """As `cloud.create`; an MTU that is too large becomes the largest."""
    try:
        return made_as(context)
    except CloudError as error:
        largest = _TOO_BIG.search(f"{error.summary} {error.detail}") if error.status == 400 else None
        if largest is None:
            raise
        return made_as(context, lambda args: {"mtu": int(largest[1])})


def _mtu(draft: Draft, row: Row, body: dict[str, Any], changes: list[FieldChange]) -> type[Create]:
    """How the network is made, by its MTU: Neutron tells no limit, but networks that are there have it."""
    mtu = body.get("mtu")
    if not mtu:
        return Create
    largest = _largest(draft, body)
    if largest is None:
        draft.note(Untold).mtus.append(mtu)
        return Largest
    if mtu <= largest:
        return Create
    why = MTU_LARGEST(largest=largest)
    changes.append(FieldChange("mtu", mtu, largest, why))
    summary = MTU_LOWER(thing=thing(row), mtu=mtu, why=why)
    draft.report("warning", summary, about=row.id, hint=MTU_OF_GUESTS())
    return Largest


def _largest(draft: Draft, body: Mapping[str, Any]) -> int | None:
    """The largest MTU that networks of the new cloud have that are as this one will be: on the same physical network,
    or else over tunnels, where it has such networks of projects; None where none tells."""
    networks = [row.body for row in draft.facts.new.all(KIND.name).values() if row.body.get("mtu")]
    if physical := body.get("provider:physical_network"):
        alike = [one for one in networks if one.get("provider:physical_network") == physical]
    else:
        inner = [one for one in networks if not one.get("router:external")]
        alike = [one for one in inner if one.get("provider:network_type") in _TUNNELS]
        alike = alike or [one for one in inner if one.get("provider:network_type") == "vlan"]
    return max((int(one["mtu"]) for one in alike), default=None)
