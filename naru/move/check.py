"""What would go wrong, found before anything happens: every problem at once, as findings of the plan."""

import ipaddress
from typing import Any

from naru.inventory.capacity import resources
from naru.inventory.rows import Row
from naru.messages import Message, Text, message
from naru.move.called import name_of
from naru.move.dependencies import dependencies
from naru.move.draft import THING, Draft, thing
from naru.move.facts import boots_from_volume
from naru.move.kinds import KINDS, port
from naru.move.kinds.flavor import asked_of, flavor_id
from naru.move.kinds.neutron import is_services
from naru.move.mapping import SAME_BUT_CASE
from naru.plan.windows.needs import needed, together

UNDECIDED = message(
    "move.check.undecided",
    en="{section}: {key} is not decided: {why}",
    ko="{section}: {key} 항목이 정해지지 않았습니다. {why}",
)
OTHER_CASE = message(
    "move.check.other_case",
    en="{section}: {key} is taken for {name} of {cloud}; only upper and lower case differ",
    ko="{section}: {key} 항목은 {cloud} 클라우드의 {name}와(과) 대소문자만 다르므로 같은 것으로 봅니다",
)
IF_OTHERS = message(
    "move.check.if_others",
    en="If they are not the same, write another one into the map.",
    ko="서로 다른 것이라면 map.yaml에 다른 것을 적어 주십시오.",
)
USED_BY = message("move.check.used_by", en="used by {users:counts}", ko="사용하는 곳: {users:counts}")
WRITE_IT = message(
    "move.check.write_into_map",
    en="Write it into the map: naru move map --suggest makes one.",
    ko="map.yaml에 적어 주십시오. naru move map --suggest 명령이 초안을 만들어 줍니다.",
)
UNREAD = message(
    "move.check.unread",
    en="{kind:kind} of {cloud}: cannot be read, and is taken for unknown",
    ko="{cloud} 클라우드: 읽을 수 없어 알 수 없는 것으로 간주합니다({kind:kind})",
)
MEND = message(
    "move.check.mend_and_plan",
    en="Mend that service, then plan again.",
    ko="해당 서비스를 복구한 뒤 계획을 다시 세워 주십시오.",
)
PLACE_UNUSED = message(
    "move.check.place_unused",
    en="the place of the backend {name} of {cloud} is not used",
    ko="{cloud} 클라우드의 백엔드 {name}: 실행 위치(place)를 사용하지 않습니다",
)
PLACE_OF_THE_OLD = message(
    "move.check.place_of_the_old",
    en="Content is carried at the place of the backend that has the old volume.",
    ko="내용은 기존 볼륨이 있는 백엔드의 실행 위치(place)에서 옮깁니다.",
)
ADDRESS_IN_USE = message(
    "move.check.address_in_use",
    en="{thing}: its address {address} is in use on {cloud}",
    ko="{thing}: {cloud} 클라우드에서 이미 사용 중인 주소입니다({address})",
)
BY_PORT = message("move.check.by_port", en="by port {port} ({owner})", ko="사용하는 포트: {port} ({owner})")
BY_FREE_PORT = message(
    "move.check.by_free_port", en="by port {port} (no device)", ko="사용하는 포트: {port} (연결된 장치 없음)"
)
FREE_IT = message(
    "move.check.free_it",
    en="Free it there, then plan again.",
    ko="새 클라우드에서 그 주소를 비운 뒤 계획을 다시 세워 주십시오.",
)
MAC_IN_USE = message(
    "move.check.mac_in_use",
    en="{thing}: its MAC address is in use on {cloud}",
    ko="{thing}: {cloud} 클라우드에서 이미 사용 중인 MAC 주소입니다",
)
POOLS_OVERLAP = message(
    "move.check.pools_overlap",
    en="{thing}: both clouds give out {first} to {last}",
    ko="{thing}: 두 클라우드의 할당 범위가 겹칩니다({first} ~ {last})",
)
ON_BOTH = message(
    "move.check.on_both",
    en="One address may come to be used on both at once.",
    ko="같은 주소가 두 클라우드에서 동시에 사용될 수 있습니다.",
)
MAKE_DISJOINT = message(
    "move.check.make_disjoint",
    en="Make the allocation pools of the two clouds disjoint.",
    ko="두 클라우드의 할당 풀이 겹치지 않게 조정해 주십시오.",
)
ATTACHMENTS_DIFFER = message(
    "move.check.attachments_differ",
    en="{thing}: {one} says that it is attached to server {server}, {other} does not",
    ko="{thing}: 서버 {server}에 연결되어 있는지에 대해 두 서비스의 기록이 다릅니다({one}: 연결, {other}: 미연결)",
)
AS_NOVA_SAYS = message(
    "move.check.as_nova_says",
    en="On the new cloud both will say what Nova says now.",
    ko="새 클라우드에서는 두 서비스 모두 현재 Nova의 기록을 따릅니다.",
)
ATTACH_AGAIN = message(
    "move.check.attach_again",
    en="Detach and attach it on the old cloud if that is not what its users see, then plan again.",
    ko="실제 사용 상태와 다르다면 기존 클라우드에서 볼륨을 분리했다가 다시 연결한 뒤 계획을 다시 세워 주십시오.",
)
BOUND = message(
    "move.check.bound",
    en="projects {names} need one another",
    ko="서로 의존하는 프로젝트입니다: {names}",
)
TOGETHER = message(
    "move.check.together",
    en="Cut them over together. What they need of one another: naru move waves.",
    ko="함께 전환해 주십시오. 무엇에 의존하는지는 naru move waves 명령으로 확인하실 수 있습니다.",
)
NO_ROOM = message(
    "move.check.no_room",
    en="no host of {cloud} has room for flavor {flavor}",
    ko="Flavor {flavor}: {cloud} 클라우드에 수용할 수 있는 호스트가 없습니다",
)
ADD_HOSTS = message(
    "move.check.add_hosts",
    en="Add hosts, or map the flavor to another.",
    ko="호스트를 추가하거나 map.yaml에서 다른 Flavor를 지정해 주십시오.",
)
DISABLED = message("move.check.disabled", en="{thing} is disabled", ko="{thing}: 비활성화되어 있습니다")
OPEN_MEANWHILE = message(
    "move.check.open_meanwhile",
    en="It is enabled on the new cloud while its things are made, and disabled when they are.",
    ko="새 클라우드에서 리소스를 만드는 동안에는 활성화하고, 다 만든 뒤 다시 비활성화합니다.",
)
NO_RULE = message(
    "move.check.no_rule", en="no rule of the move is about it", ko="이 종류를 다루는 이전 규칙이 없습니다"
)


def undecided(draft: Draft) -> None:
    """Whatever the map leaves open."""
    for choice in draft.choices.values():
        if choice.target is None:
            draft.report(
                "error",
                UNDECIDED(section=choice.need.section, key=choice.need.key, why=choice.why),
                detail=USED_BY(users=dict(choice.need.users)),
                about=f"map {choice.need.section}",
                hint=WRITE_IT(),
            )


def other_case(draft: Draft) -> None:
    """What the map takes for the same although upper and lower case differ."""
    for choice in draft.choices.values():
        if choice.target and isinstance(choice.why, Message) and choice.why.id == SAME_BUT_CASE.id:
            said = OTHER_CASE(section=choice.need.section, key=choice.need.key, name=choice.target, cloud=draft.new)
            draft.report("warning", said, about=f"map {choice.need.section}", hint=IF_OTHERS())


def unread(draft: Draft) -> None:
    """What could not be read, where a plan can be made without it: see `naru.move.reading`."""
    for side in (draft.facts.old, draft.facts.new):
        for kind, problem in side.unread.items():
            draft.report("warning", UNREAD(kind=kind, cloud=side.cloud), detail=problem, hint=MEND())


def unused_places(draft: Draft) -> None:
    """Places that say nothing: where a new volume will be is not known yet, so the old one's backend decides."""
    for name, backend in sorted(draft.storages[1].backends.items()) if draft.options.storage else ():
        if backend.place:
            draft.report(
                "info",
                PLACE_UNUSED(name=name, cloud=draft.new),
                about=f"backend {name}",
                hint=PLACE_OF_THE_OLD(),
            )


def addresses(draft: Draft) -> None:
    """Addresses and MAC addresses that are to appear on a shared network and are in use on the new cloud already;
    allocation pools from which either cloud could give out what the other one has."""
    taken: dict[tuple[str, str], Row] = {}
    macs: dict[tuple[str, str], Row] = {}
    for used in draft.facts.new.all("port").values():
        for address in used.body.get("fixed_ips", []):
            taken[used.body["network_id"], address["ip_address"]] = used
        macs[used.body["network_id"], str(used.body["mac_address"]).lower()] = used
    for row, network, address in _wanted(draft):
        if other := taken.get((network, address)):
            draft.report(
                "error",
                ADDRESS_IN_USE(thing=thing(row), address=address, cloud=draft.new),
                detail=_user(other),
                about=row.id,
                hint=FREE_IT(),
            )
    for row in draft.facts.owned("port"):
        network = draft.ref("network", row.body["network_id"])
        if isinstance(network, str) and (other := macs.get((network, row.body["mac_address"].lower()))):
            summary = MAC_IN_USE(thing=thing(row), cloud=draft.new)
            draft.report("error", summary, detail=other.id, about=row.id)
    _pools(draft)


def _user(taken: Row) -> Text:
    """The port that has an address."""
    owner = taken.body.get("device_owner")
    return BY_PORT(port=taken.id, owner=owner) if owner else BY_FREE_PORT(port=taken.id)


def _wanted(draft: Draft) -> list[tuple[Row, str, str]]:
    """(thing, network on the new cloud, address) of all that is to appear on networks that are there already."""
    found = []
    for row in draft.facts.owned("floating IP"):
        found.append((row, row.body["floating_network_id"], row.body["floating_ip_address"]))
    for row in draft.facts.owned("router"):
        info = row.body.get("external_gateway_info") or {}
        found += [(row, info["network_id"], item["ip_address"]) for item in info.get("external_fixed_ips", [])]
    for row in draft.facts.owned("port"):
        if not str(row.body.get("device_owner")).startswith("network:"):
            found += [(row, row.body["network_id"], item["ip_address"]) for item in row.body.get("fixed_ips", [])]
    targets = [(row, draft.ref("network", network), address) for row, network, address in found]
    return [(row, network, address) for row, network, address in targets if isinstance(network, str)]


def _pools(draft: Draft) -> None:
    for decision in list(draft.decisions.values()):
        if decision.kind != "subnet" or decision.decision != "match":
            continue
        old, new = draft.facts.old.all("subnet")[decision.id], draft.facts.new.all("subnet")[decision.new]
        for ours in _ranges(old):
            for theirs in _ranges(new):
                if ours[0] <= theirs[1] and theirs[0] <= ours[1]:
                    draft.report(
                        "warning",
                        POOLS_OVERLAP(
                            thing=thing(old),
                            first=str(max(ours[0], theirs[0])),
                            last=str(min(ours[1], theirs[1])),
                        ),
                        detail=ON_BOTH(),
                        about=old.id,
                        hint=MAKE_DISJOINT(),
                    )


def _ranges(row: Row) -> list[tuple[Any, Any]]:
    return [
        (ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"]))
        for pool in row.body.get("allocation_pools", [])
    ]


def attachments(draft: Draft) -> None:
    """Whether Nova and Cinder agree which volumes are attached to which servers: a request that was lost long ago may
    have left one of them behind."""
    nova = {
        (entry["id"], row.id)
        for row in draft.facts.owned("server")
        if row.status != "SHELVED_OFFLOADED"  # whose volumes Cinder only reserves
        for entry in row.body.get("os-extended-volumes:volumes_attached") or []
    }
    cinder = {
        (row.id, item["server_id"])
        for row in draft.facts.owned("volume")
        for item in row.body.get("attachments") or []
        if item["server_id"]
    }
    for one, other, found in (("Nova", "Cinder", nova - cinder), ("Cinder", "Nova", cinder - nova)):
        for volume, server in sorted(found):
            row = draft.facts.old.all("volume").get(volume)
            draft.report(
                "warning",
                ATTACHMENTS_DIFFER(
                    thing=thing(row) if row else THING(kind="volume", name=volume),
                    one=one,
                    server=name_of(draft.facts.old, "server", server),
                    other=other,
                ),
                detail=AS_NOVA_SAYS(),
                about=volume,
                hint=ATTACH_AGAIN(),
            )


def bound(draft: Draft) -> None:
    """Projects that need one another: one is not cut over without the others."""
    needs = needed(dependencies(draft.facts.old, draft.facts.projects))
    for group in together(draft.facts.projects, needs):
        if len(group) > 1:
            draft.report(
                "info",
                BOUND(names=", ".join(draft.facts.projects[project].name for project in group)),
                hint=TOGETHER(),
            )


def capacity(draft: Draft) -> None:
    """Whether the new cloud has a host for each flavor that servers will have there, the old one or what the map makes
    of it: by Placement's own candidates, of what it was asked. A server that boots from a volume needs less."""
    room = draft.facts.new.all("allocation candidates")
    servers = {(flavor_id(draft.facts.old, row), _by_volume(draft, row)): row for row in draft.facts.owned("server")}
    for (identity, by_volume), server in sorted(servers.items(), key=lambda item: item[0]):
        decision = draft.decisions.get(("flavor", identity))
        if decision is None:
            continue
        name, (fields, specs) = decision.name, asked_of(draft.facts.old, server)
        if decision.new:
            there = draft.facts.new.all("flavor")[decision.new]
            name, fields, specs = there.name, there.body, draft.facts.new.extra_specs(there.id)
        wanted = resources(fields, specs, from_volume=by_volume)
        if wanted in room and not room[wanted].body["candidates"]:
            summary = NO_ROOM(cloud=draft.new, flavor=name)
            draft.report("error", summary, detail=wanted, about=identity, hint=ADD_HOSTS())


def _by_volume(draft: Draft, server: Row) -> bool:
    return boots_from_volume(draft.facts.old, server)


def disabled(draft: Draft) -> None:
    """Projects and users that are disabled: enabled for the move, disabled again."""
    for rows in (draft.facts.projects, draft.facts.users):
        for row in rows.values():
            if not row.body.get("enabled", True):
                draft.report(
                    "info",
                    DISABLED(thing=thing(row)),
                    detail=OPEN_MEANWHILE(),
                    about=row.id,
                )


def forgotten(draft: Draft) -> None:
    """Whatever the projects own and no rule has decided about."""
    for kind in KINDS:
        if not kind.owned:
            continue
        for row in draft.facts.owned(kind.name):
            if (kind.name, row.id) not in draft.decisions and not (kind is port.KIND and is_services(row)):
                draft.leave(row, NO_RULE())
