"""Load balancers of Octavia, each made with all that is in it by one request, and found again by its VIP's port: that
is made before, with its address and MAC address. The new one is made while the old one runs. On networks that were
there it is off until the cut-over, for two load balancers with one address on one wire disturb each other."""

from collections.abc import Iterator
from typing import Any

from naru.actions.create import Wait
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import lb_places, listener, octavia, pool, vip
from naru.move.kinds.neutron import policy
from naru.move.kinds.octavia import SERVICE, STATE, Part
from naru.move.off import Off
from naru.move.steps.load_balancer import Inside, InsideListener, InsidePool, LoadBalancer, Policy, Rule


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """Pike says that it has no flavor by "", newer ones by null."""
    flavor = row.body.get("flavor_id")
    return {"flavor_id": mapped(lb_places.FLAVOR, flavor) if flavor else None}


def _after_cutover(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """On networks that were there it is off until then."""
    return {"admin_state_up": row.body.get("admin_state_up")}


KIND = Kind(
    "load balancer",
    path="/lbaas/loadbalancers",
    wrap="loadbalancer",
    sent=("name", "description", "admin_state_up", "vip_qos_policy_id", "tags"),
    harmless={"vip_vnic_type": ("normal",)},
    handled=frozenset(
        (
            *("vip_address", "vip_port_id", "vip_subnet_id", "vip_network_id", "vip_sg_ids", "additional_vips"),
            *("provider", "flavor_id", "availability_zone"),
        )
    ),
    derived=STATE | {"listeners", "pools", "vip_vnic_type"},  # the last follows from its flavor
    not_compared=frozenset(("admin_state_up",)),
    compared=_compared,
    after_cutover=_after_cutover,
    dispensable=("body.vip_qos_policy_id", "body.vip_sg_ids.*"),
    owned=True,
    terraform="openstack_lb_loadbalancer_v2",
)
PARTS = (
    *(listener.LISTENER.name, pool.POOL.name, pool.MEMBER.name, pool.MONITOR.name),
    *(listener.POLICY.name, listener.RULE.name),
)
"""The kinds of what is in one."""
SINCE = {"tags": "2.5"}
KUBERNETES = "kube_service_"
KNOWN_BY = ("type", "compare_type", "key", "value", "invert")
"""The fields of a rule that no two of a policy have to have."""

NO_OCTAVIA = lb_places.NO_OCTAVIA
MAKE_ROOM = message(
    "move.load_balancer.make_room",
    en="Install Octavia on the new cloud, then plan again; or balance by other means and tell its users.",
    ko="새 클라우드에 Octavia를 설치한 뒤 계획을 다시 세우거나, 다른 방법으로 부하를 분산하고 사용자에게 알려"
    " 주십시오.",
)
WITH_BALANCER = message(
    "move.load_balancer.with_it", en="its load balancer is not moved", ko="로드 밸런서를 이전하지 않습니다"
)
NO_VIP = message(
    "move.load_balancer.no_vip",
    en="neither its VIP's port nor the subnet of its VIP is on the new cloud",
    ko="VIP의 포트도 서브넷도 새 클라우드에 없습니다",
)
MAP_NETWORK = message(
    "move.load_balancer.map_network",
    en="Name the network of its VIP in the map.",
    ko="VIP의 네트워크를 map.yaml에 적어 주십시오.",
)
NOT_ACTIVE = message(
    "move.load_balancer.not_active",
    en="{thing} is {status} on the old cloud: what was read of it may not be what it does",
    ko="{thing}: 기존 클라우드에서 {status} 상태이므로 읽은 설정과 실제 동작이 다를 수 있습니다",
)
MEND_IT = message(
    "move.load_balancer.mend_it",
    en="Have Octavia make it whole (openstack loadbalancer failover), then plan again.",
    ko="Octavia에서 복구(openstack loadbalancer failover)한 뒤 계획을 다시 세워 주십시오.",
)
OF_KUBERNETES = message(
    "move.load_balancer.of_kubernetes",
    en="{thing} is that of a service of a Kubernetes cluster",
    ko="{thing}: 쿠버네티스 클러스터의 서비스가 쓰는 로드 밸런서입니다",
)
FOUND_BY_NAME = message(
    "move.load_balancer.found_by_name",
    en="It is made as it is, with its name and tags, by which the cluster's cloud provider finds it.",
    ko="클러스터의 클라우드 제공자가 찾을 수 있도록 이름과 태그를 그대로 만듭니다.",
)
MEND_CLUSTER = message(
    "move.load_balancer.mend_cluster",
    en="After the cut-over give the cluster's cloud.conf the new cloud's endpoint and ids (subnet, floating network),"
    " and replace the id in the annotation loadbalancer.openstack.org/load-balancer-id of services that have it.",
    ko="전환 뒤 클러스터의 cloud.conf에 새 클라우드의 주소와 ID(서브넷, 유동 IP 네트워크)를 적고, 서비스에"
    " loadbalancer.openstack.org/load-balancer-id 어노테이션이 있으면 새 ID로 바꿔 주십시오.",
)
OFF_OLD = message("move.title.load_balancer_off", en="old cloud: switch {thing} off", ko="기존 클라우드: {thing} 끄기")
ON_NEW = message("move.title.load_balancer_on", en="switch {thing} on", ko="{thing} 켜기")


def load_balancers(draft: Draft) -> None:
    """Load balancers, when the ports are there that have their addresses."""
    known = octavia.has_octavia(draft.facts.new)
    for row in draft.facts.owned(KIND.name):
        if known:
            _told(draft, row)
            _load_balancer(draft, row)
        else:
            _leave(draft, row, NO_OCTAVIA(cloud=draft.new), hint=MAKE_ROOM())


def parts(old: Side, row: Row) -> Iterator[Row]:
    """All that is in a load balancer: listeners with policies and rules, pools with members and monitors."""
    for one in old.by(listener.LISTENER.name, "loadbalancers.*.id", row.id):
        yield one
        for rules in listener.policies_of(old, one):
            yield rules
            yield from listener.rules_of(old, rules)
    for one in old.by(pool.POOL.name, "loadbalancers.*.id", row.id):
        yield one
        yield from old.by(pool.MEMBER.name, "pool_id", one.id)
        yield from old.by(pool.MONITOR.name, "pools.*.id", one.id)


def whole(old: Side, row: Row) -> Iterator[Row]:
    """The load balancer that a thing is in."""
    found: Row | None = row
    for field, kind in (
        *(("l7policy_id", listener.POLICY.name), ("listener_id", listener.LISTENER.name), ("pool_id", pool.POOL.name)),
    ):
        if found is not None and found.body.get(field):
            found = old.all(kind).get(found.body[field])
    if found is not None and found.kind == pool.MONITOR.name:
        pools = [one["id"] for one in found.body.get("pools") or []]
        found = next((old.all(pool.POOL.name)[one] for one in pools if one in old.all(pool.POOL.name)), None)
    for one in (found.body.get("loadbalancers") or []) if found else []:
        if one["id"] in old.all(KIND.name):
            yield old.all(KIND.name)[one["id"]]


def _leave(draft: Draft, row: Row, why: Any, **more: Any) -> None:
    draft.leave(row, why, **more)
    for one in parts(draft.facts.old, row):
        draft.leave(one, WITH_BALANCER(), severity="info")


def _told(draft: Draft, row: Row) -> None:
    """What the reader must know of it."""
    status = str(row.body.get("provisioning_status") or "ACTIVE")
    if status != "ACTIVE":
        draft.report("warning", NOT_ACTIVE(thing=thing(row), status=status), about=row.id, hint=MEND_IT())
    tags = row.body.get("tags") or []
    if any(str(name).startswith(KUBERNETES) for name in (row.name, *tags)):
        said = OF_KUBERNETES(thing=thing(row))
        draft.report("warning", said, detail=FOUND_BY_NAME(), about=row.id, hint=MEND_CLUSTER())


def _load_balancer(draft: Draft, row: Row) -> None:
    old = draft.facts.old
    made = octavia.part(draft, KIND, row, SINCE)
    asked, changes = lb_places.places(draft, row)
    body = made.body | asked
    changes += made.changes
    policy(draft, body, changes)
    where = vip.address(draft, row, body, changes)
    if where is None:
        _leave(draft, row, NO_VIP(), severity="error", hint=MAP_NETWORK())
        return
    vip.groups(draft, row, body, changes)
    if _on_shared(draft, row):
        body["admin_state_up"] = False
    pools = list(old.by(pool.POOL.name, "loadbalancers.*.id", row.id))
    listeners = list(old.by(listener.LISTENER.name, "loadbalancers.*.id", row.id))
    names = pool.names(pools)
    in_pools = [pool.pool(draft, one, names[one.id]) for one in pools]
    in_listeners = [listener.listener(draft, one, names) for one in listeners if not listener.ends_tls(one)]
    for name, found in (("pools", in_pools), ("listeners", in_listeners)):
        if found:
            body[name] = [one[0].body for one in found]
    body["project_id"] = draft.ref("project", row.project)
    request = LoadBalancer(
        **KIND.creation_fields(draft.new, body, where),
        wait=Wait(field="provisioning_status", until=["ACTIVE"], fail=["ERROR"]),
        gone=True,
        query="?cascade=true",
        vip=vip.owned(draft, row),
        inside=Inside(
            pools=[_inside_pool(old, one, names[one.id]) for one in pools],
            listeners=[_inside_listener(one) for one in in_listeners],
        ),
    )
    step = draft.create(row, request, changes=changes, after=_ports(draft, row))
    for part in (part for group in (*in_pools, *in_listeners) for part in group):
        kept = {*part.body, "name"}
        draft.made(part.row, step, changes=part.changes, kept=kept, result=f"parts.{part.row.id}")
    for one in listeners:
        if listener.ends_tls(one):
            listener.leave(draft, one)


def _inside_pool(old: Side, row: Row, name: str) -> InsidePool:
    monitors = old.by(pool.MONITOR.name, "pools.*.id", row.id)
    return InsidePool(
        id=row.id,
        name=name,
        called=row.name,
        members={_member_key(one): one.id for one in old.by(pool.MEMBER.name, "pool_id", row.id)},
        monitor=monitors[0].id if monitors else "",
    )


def _member_key(row: Row) -> str:
    return f"{row.body['address']} {row.body['protocol_port']}".lower()


def _inside_listener(group: list[Part]) -> InsideListener:
    first, *others = group
    policies: list[Policy] = []
    for one in others:
        if one.row.kind == listener.POLICY.name:
            policies.append(Policy(id=one.row.id, pool=str(one.row.body.get("redirect_pool_id") or ""), rules=[]))
        else:
            fields = {name: value for name, value in one.body.items() if name in KNOWN_BY}
            policies[-1].rules.append(Rule(id=one.row.id, fields=fields))
    return InsideListener(
        id=first.row.id,
        protocol=first.row.body["protocol"],
        port=first.row.body["protocol_port"],
        pool=str(first.row.body.get("default_pool_id") or ""),
        policies=policies,
    )


def _ports(draft: Draft, row: Row) -> list[str]:
    """The steps that make the project's ports on the networks that Octavia may take addresses of for itself."""
    old = draft.facts.old
    subnets = {row.body.get("vip_subnet_id")}
    subnets |= {one.body.get("subnet_id") for one in parts(old, row) if one.kind == pool.MEMBER.name}
    networks = {old.all("subnet")[one].body["network_id"] for one in subnets if one in old.all("subnet")}
    ports = [port.id for network in sorted(networks) for port in old.by("port", "network_id", network)]
    mine = [port for port in ports if old.all("port")[port].project == row.project]
    return draft.makers("port", mine)


def _on_shared(draft: Draft, row: Row) -> bool:
    """Whether its VIP is on a network that was there: its address may be on one wire with the old one."""
    network = row.body.get("vip_network_id")
    port = draft.facts.old.all("port").get(str(row.body.get("vip_port_id")))
    network = network or (port.body["network_id"] if port else None)
    decision = draft.decisions.get(("network", str(network)))
    return bool(decision and decision.decision == "match" and row.body.get("admin_state_up", True))


# -- the cut-over


def change_over(draft: Draft, project: str, off: Off, active: dict[str, str]) -> None:
    """Those on networks that were there: the old one is switched off, then the new one on. `active` are the steps that
    activate ports, by the old port."""
    for row in draft.facts.owned(KIND.name, project):
        here = draft.ref(KIND.name, row.id)
        if here is None or not _on_shared(draft, row):
            continue

        def request(path: Any, up: bool, **more: Any) -> dict[str, Any]:
            body = {"loadbalancer": {"admin_state_up": up}}
            return {"method": "PUT", "path": path, "body": body, "busy": True, **more}

        theirs, ours = f"{KIND.path}/{row.id}", [f"{KIND.path}/", here]
        released = draft.call(
            f"switch off {row.kind}/{row.id}",
            SERVICE,
            [request(theirs, False)],
            OFF_OLD(thing=thing(row)),
            undo=[request(theirs, True)],
            cloud=draft.old,
            about=row,
            project=project,
            after=off.all,
        )
        waits = [active[port]] if (port := str(row.body.get("vip_port_id"))) in active else []
        draft.call(
            f"switch on {row.kind}/{row.id}",
            SERVICE,
            [request(ours, True)],
            ON_NEW(thing=thing(row)),
            undo=[request(ours, False, ok=[404])],
            about=row,
            project=project,
            after=[released, *waits],
        )
