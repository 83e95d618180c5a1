"""Networks: those of the projects are made anew, external and shared ones of others are matched by the map."""

import ipaddress
from collections.abc import Iterable, Iterator

from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.kind import Kind
from naru.move.kinds.neutron import make, policy
from naru.move.mapping import ABSENT_BUT, Match, Need, Section, Use, known, of_others, same_name

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
        "l2_adjacency": OF_THE_NETWORK(),
        "availability_zone_hints": message(
            "move.network.agent_zones",
            en="zones of network agents differ",
            ko="네트워크 에이전트의 가용 영역이 서로 다릅니다",
        )(),
    },
    derived=frozenset(
        (
            *("subnets", "router:external", "ipv4_address_scope", "ipv6_address_scope", "availability_zones"),
            *("provider:network_type", "provider:physical_network", "shared", "is_default"),
        )
    ),
    dispensable=("body.qos_policy_id",),
    owned=True,
    terraform="openstack_networking_network_v2",
    used_by=showing.shared_or("port", "network_id"),
)

EXTERNAL = message(
    "move.network.external",
    en="external networks are the cloud's, not a project's",
    ko="외부 네트워크는 프로젝트가 아니라 클라우드에 속합니다",
)
MAKE_EXTERNAL = message(
    "move.network.make_external",
    en="Make one on the new cloud, and name it in the map under networks.",
    ko="새 클라우드에 외부 네트워크를 만들고 map.yaml의 networks 항목에 적어 주십시오.",
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
    en="a network on the new cloud uses the same",
    ko="새 클라우드의 다른 네트워크가 같은 물리 네트워크를 사용합니다",
)
NO_PHYSICAL = message(
    "move.network.no_physical",
    en="no network on the new cloud uses one of that name",
    ko="새 클라우드에 그 이름의 물리 네트워크를 사용하는 네트워크가 없습니다",
)


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    for kind in ("router", "port", "floating IP"):
        for row in facts.owned(kind):
            for _, target, identity in row.references():
                if target == "network":
                    yield from of_others(facts, "network", identity, kind)


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
    used = {row.body.get("provider:physical_network") for row in facts.new.all("network").values()} - {None}
    return (need.key, SAME_PHYSICAL()) if need.key in used else (None, NO_PHYSICAL())


SECTION = Section("networks", "network", "of others: external and shared ones", _uses, _match)
PHYSICAL = Section("physical_networks", "", "that networks of the projects lie on", _physical_uses, _physical_match)


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
    for row in draft.facts.owned(KIND.name):
        if row.body.get("router:external"):
            draft.leave(row, EXTERNAL(), severity="error", hint=MAKE_EXTERNAL())
            continue
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
        make(draft, KIND, row, body, changes)
