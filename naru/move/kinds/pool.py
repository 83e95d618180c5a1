"""Pools of load balancers, with or without a listener, with their members and health monitors. In a request that makes
a whole load balancer a pool is named by its name; one that has none, or whose name another one has too, gets a mark for
a name until the load balancer is made."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds import octavia
from naru.move.kinds.octavia import STATE, Part
from naru.move.marks import mark

IS_SECRET = message(
    "move.octavia.secret",
    en="the certificate is in a secret of its user's (Barbican), who sets it again",
    ko="인증서가 사용자의 시크릿(Barbican)에 있으므로 사용자가 다시 설정해야 합니다",
)
SECRETS = ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref")


def _persistence(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """Without what it does not say: one release shows fields of other kinds of persistence as null, another does
    not."""
    found = row.body.get("session_persistence")
    return {"session_persistence": _said(found) if isinstance(found, dict) else found}


POOL = Kind(
    "pool",
    path="/lbaas/pools",
    wrap="pool",
    sent=(
        *("name", "description", "admin_state_up", "protocol", "lb_algorithm", "tls_enabled", "tls_ciphers"),
        *("tls_versions", "alpn_protocols", "tags"),
    ),
    harmless={"tls_enabled": (False,)},
    handled=frozenset(("session_persistence", "loadbalancers")),
    not_kept=dict.fromkeys(SECRETS, IS_SECRET()),
    derived=STATE | {"listeners", "members", "healthmonitor_id"},
    compared=_persistence,
    owned=True,
    terraform="openstack_lb_pool_v2",
)
MEMBER = Kind(
    "pool member",
    sent=(
        *("name", "admin_state_up", "address", "protocol_port", "weight", "backup"),
        *("monitor_address", "monitor_port", "tags"),
    ),
    harmless={"backup": (False,), "vnic_type": ("normal",)},
    handled=frozenset(("subnet_id", "pool_id", "vnic_type")),
    derived=STATE,
    owned=True,
    terraform="openstack_lb_member_v2",
    importable=False,
)
MONITOR = Kind(
    "health monitor",
    sent=(
        *("name", "type", "delay", "timeout", "max_retries", "max_retries_down", "http_method", "url_path"),
        *("expected_codes", "admin_state_up", "http_version", "domain_name", "tags"),
    ),
    handled=frozenset(("pools",)),
    derived=STATE,
    owned=True,
    terraform="openstack_lb_monitor_v2",
)
_TAGS = {"tags": "2.5"}
SINCE = {
    POOL.name: {**_TAGS, "tls_enabled": "2.8", "tls_ciphers": "2.15", "tls_versions": "2.18", "alpn_protocols": "2.24"},
    MEMBER.name: {**_TAGS, "backup": "2.1"},
    MONITOR.name: {**_TAGS, "http_version": "2.10", "domain_name": "2.10"},
}
SRIOV = "2.30"
OF_TLS = ("tls_ciphers", "tls_versions", "alpn_protocols")

OF_HTTP = ("http_method", "url_path", "expected_codes", "http_version", "domain_name")
HTTP = ("HTTP", "HTTPS")
ONLY_HTTP = message(
    "move.health_monitor.only_http",
    en="a monitor of type {type} does not use it, and the new Octavia does not take it",
    ko="{type} 유형의 모니터는 쓰지 않는 값이며, 새 Octavia는 받지 않습니다",
)
NO_SUBNET = message(
    "move.pool_member.no_subnet",
    en="that subnet is not on the new cloud: it is reached from the VIP's network",
    ko="그 서브넷이 새 클라우드에 없으므로 VIP의 네트워크에서 접근합니다",
)
NOT_THERE = message(
    "move.pool_member.not_there",
    en="{thing}: its address {address} is not moved",
    ko="{thing}: 그 주소를 이전하지 않습니다({address})",
)
MOVE_IT = message(
    "move.pool_member.move_it",
    en="Move the project of that port too, or remove the member, and plan again.",
    ko="그 포트의 프로젝트도 함께 이전하거나 멤버를 제거한 뒤 계획을 다시 세워 주십시오.",
)


def names(pools: Collection[Row]) -> dict[str, str]:
    """What each of a load balancer's pools (by id) is called in the request that makes it."""
    every = Counter(row.name for row in pools)
    return {row.id: row.name if row.name and every[row.name] == 1 else mark(row) for row in pools}


def pool(draft: Draft, row: Row, name: str) -> list[Part]:
    """The pool, called so, with all that is in it; the pool itself is the first."""
    made = octavia.part(draft, POOL, row, SINCE[POOL.name])
    made.body["name"] = name
    if made.body.get("tls_enabled"):
        # Octavia up to 2026.2 fails over such a pool in a larger request that does not say these
        for field in OF_TLS:
            if draft.facts.new.supports(octavia.SERVICE, SINCE[POOL.name][field]):
                made.body[field] = row.body.get(field)
    if isinstance(persistence := row.body.get("session_persistence"), dict) and (said := _said(persistence)):
        made.body["session_persistence"] = said
    found = [made]
    members = [_member(draft, one, row) for one in draft.facts.old.by(MEMBER.name, "pool_id", row.id)]
    if members:
        made.body["members"] = [one.body for one in members]
        found += members
    for one in draft.facts.old.by(MONITOR.name, "pools.*.id", row.id):
        monitor = _monitor(draft, one)
        made.body["healthmonitor"] = monitor.body
        found.append(monitor)
    return found


def _said(persistence: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in persistence.items() if value is not None}


def _monitor(draft: Draft, row: Row) -> Part:
    found = octavia.part(draft, MONITOR, row, SINCE[MONITOR.name])
    kind = str(row.body.get("type"))
    if kind not in HTTP:
        for name in OF_HTTP:
            if name in found.body:
                found.changes.append(FieldChange(name, found.body.pop(name), None, ONLY_HTTP(type=kind)))
    return found


def _member(draft: Draft, row: Row, of: Row) -> Part:
    found = octavia.part(draft, MEMBER, row, SINCE[MEMBER.name])
    if subnet := row.body.get("subnet_id"):
        there = draft.ref("subnet", subnet)
        if there is None:
            found.changes.append(FieldChange("subnet_id", subnet, None, NO_SUBNET()))
        else:
            found.body["subnet_id"] = there
    vnic = row.body.get("vnic_type")
    if vnic not in (None, "normal"):
        if draft.facts.new.supports(octavia.SERVICE, SRIOV):
            found.body["request_sriov"] = True
        else:
            why = octavia.NO_VERSION(cloud=draft.new, version=SRIOV)
            found.changes.append(FieldChange("vnic_type", vnic, None, why))
    _check_address(draft, row)
    return found


def _check_address(draft: Draft, row: Row) -> None:
    """Tells of a member whose address is that of a port that does not come along with it."""
    address, subnet = row.body.get("address"), row.body.get("subnet_id")
    ports = [
        port
        for port in draft.facts.old.by("port", "fixed_ips.*.ip_address", str(address))
        if any(one["ip_address"] == address and subnet in (None, one["subnet_id"]) for one in port.body["fixed_ips"])
        if subnet or port.project == row.project
    ]
    if ports and not any(_keeps(draft, port, str(address)) for port in ports):
        draft.report("warning", NOT_THERE(thing=thing(row), address=str(address)), about=row.id, hint=MOVE_IT())


def _keeps(draft: Draft, port: Row, address: str) -> bool:
    decision = draft.decisions.get(("port", port.id))
    if decision is None or decision.decision == "leave":
        return False
    lost = [change.old for change in decision.changes if change.field == "fixed_ips"]
    return all(not isinstance(one, dict) or one.get("ip_address") != address for one in lost)
