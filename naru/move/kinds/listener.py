"""Listeners of load balancers, with their L7 policies and rules. One that ends TLS has its certificate in a secret of
its users', whom alone Barbican gives it to: they make it, by the commands of their report."""

from collections.abc import Iterator, Mapping
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import NOTHING, Kind
from naru.move.kinds import octavia
from naru.move.kinds.octavia import STATE, Part
from naru.move.kinds.pool import IS_SECRET

SECRETS = (
    *("default_tls_container_ref", "sni_container_refs", "client_ca_tls_container_ref", "client_crl_container_ref"),
)
LISTENER = Kind(
    "listener",
    path="/lbaas/listeners",
    wrap="listener",
    sent=(
        *("name", "description", "admin_state_up", "protocol", "protocol_port", "connection_limit", "insert_headers"),
        *("timeout_client_data", "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect"),
        *("allowed_cidrs", "client_authentication", "tls_ciphers", "tls_versions", "alpn_protocols"),
        *("hsts_max_age", "hsts_include_subdomains", "hsts_preload", "tags"),
    ),
    harmless={
        "client_authentication": ("NONE",),
        "hsts_include_subdomains": (False,),
        "hsts_preload": (False,),
    },
    handled=frozenset(("loadbalancers", "default_pool_id")),
    not_kept=dict.fromkeys(SECRETS, IS_SECRET()),
    derived=STATE | {"l7policies"},
    owned=True,
    terraform="openstack_lb_listener_v2",
)
POLICY = Kind(
    "L7 policy",
    sent=(
        *("name", "description", "admin_state_up", "action", "redirect_url", "redirect_prefix", "redirect_http_code"),
        *("position", "tags"),
    ),
    handled=frozenset(("listener_id", "redirect_pool_id")),
    derived=STATE | {"rules"},
    owned=True,
    terraform="openstack_lb_l7policy_v2",
)
RULE = Kind(
    "L7 rule",
    sent=("type", "compare_type", "key", "value", "invert", "admin_state_up", "tags"),
    handled=frozenset(("l7policy_id",)),
    derived=STATE,
    owned=True,
    terraform="openstack_lb_l7rule_v2",
    importable=False,
)
_TAGS = {"tags": "2.5"}
SINCE = {
    LISTENER.name: {
        **_TAGS,
        **dict.fromkeys((name for name in LISTENER.sent if name.startswith("timeout_")), "2.1"),
        "client_authentication": "2.8",
        "allowed_cidrs": "2.12",
        "tls_ciphers": "2.15",
        "tls_versions": "2.17",
        "alpn_protocols": "2.20",
        **dict.fromkeys((name for name in LISTENER.sent if name.startswith("hsts_")), "2.27"),
    },
    POLICY.name: {**_TAGS, "redirect_prefix": "2.2", "redirect_http_code": "2.9"},
    RULE.name: _TAGS,
}

TLS = "TERMINATED_HTTPS"
AUTHENTICATION = "client_authentication"
NEEDS_SECRET = message(
    "move.listener.needs_secret",
    en="its certificate is in a secret of its users' (Barbican), whom alone it is given to",
    ko="인증서가 사용자의 시크릿(Barbican)에 있어 사용자만 읽을 수 있습니다",
)
USERS_MAKE_IT = message(
    "move.listener.users_make_it",
    en="The report of its project has the commands by which its users make it when the load balancer is there.",
    ko="로드 밸런서를 만든 뒤 사용자가 리스너를 만드는 명령이 프로젝트 보고서에 있습니다.",
)
WITH_LISTENER = message(
    "move.listener.with_listener", en="its listener is made by its users", ko="리스너를 사용자가 만들어야 합니다"
)
WITH_POLICY = message(
    "move.listener.with_policy",
    en="its policy is made with that listener",
    ko="정책을 그 리스너와 함께 만들어야 합니다",
)


def ends_tls(row: Row) -> bool:
    """Whether the listener cannot be made without a certificate."""
    return row.body.get("protocol") == TLS


def listener(draft: Draft, row: Row, pools: Mapping[str, str]) -> list[Part]:
    """The listener with all that is in it; the listener itself is the first. `pools` has by id what each pool is called
    in the request."""
    made = octavia.part(draft, LISTENER, row, SINCE[LISTENER.name])
    if (default := str(row.body.get("default_pool_id"))) in pools:
        made.body["default_pool"] = {"name": pools[default]}
    found = [made]
    policies = []
    for one in policies_of(draft.facts.old, row):
        policy = octavia.part(draft, POLICY, one, SINCE[POLICY.name])
        if (redirect := str(one.body.get("redirect_pool_id"))) in pools:
            policy.body["redirect_pool"] = {"name": pools[redirect]}
        rules = [octavia.part(draft, RULE, rule, SINCE[RULE.name]) for rule in rules_of(draft.facts.old, one)]
        if rules:
            policy.body["rules"] = [rule.body for rule in rules]
        policies.append(policy.body)
        found += [policy, *rules]
    if policies:
        made.body["l7policies"] = policies
    return found


def leave(draft: Draft, row: Row) -> None:
    """Leaves a listener that ends TLS to its users, with all that is in it."""
    draft.leave(row, NEEDS_SECRET(), hint=USERS_MAKE_IT())
    for policy in policies_of(draft.facts.old, row):
        draft.leave(policy, WITH_LISTENER(), severity="info")
        for rule in rules_of(draft.facts.old, policy):
            draft.leave(rule, WITH_POLICY(), severity="info")


def policies_of(old: Side, row: Row) -> list[Row]:
    """The listener's policies in their order."""
    found = old.by(POLICY.name, "listener_id", row.id)
    return sorted(found, key=lambda one: (int(one.body.get("position") or 0), one.id))


def rules_of(old: Side, row: Row) -> list[Row]:
    """The policy's rules, of which all count: they have no order."""
    return sorted(old.by(RULE.name, "l7policy_id", row.id), key=lambda one: one.id)


# -- for its users


def described(old: Side, row: Row) -> dict[str, Any]:
    """The listener, its pool and its policies as a report's task has them, for the commands that make them again."""
    pools = old.all("pool")

    def pool(identity: Any) -> str:
        found = pools.get(str(identity))
        return (found.name or found.id) if found else ""

    policies = [
        {
            "fields": dict(_said(POLICY, policy)),
            "pool": pool(policy.body.get("redirect_pool_id")),
            "rules": [dict(_said(RULE, rule)) for rule in rules_of(old, policy)],
        }
        for policy in policies_of(old, row)
    ]
    balancers = row.body.get("loadbalancers") or []
    # it is refused without the authority that it goes with
    authentication = [name for name, _ in _said(LISTENER, row) if name == AUTHENTICATION]
    names = [found.name or found.id for one in balancers if (found := old.all("load balancer").get(one["id"]))]
    return {
        "load_balancer": names[0] if names else "",
        "listener": row.name or row.id,
        "fields": {name: value for name, value in _said(LISTENER, row) if name != AUTHENTICATION},
        "pool": pool(row.body.get("default_pool_id")),
        "references": [name for name in SECRETS[1:] if row.body.get(name) not in NOTHING] + authentication,
        "policies": policies,
    }


def _said(kind: Kind, row: Row) -> Iterator[tuple[str, Any]]:
    for name in kind.sent:
        value = row.body.get(name)
        if value not in (*NOTHING, *kind.harmless.get(name, ())):
            yield name, value
