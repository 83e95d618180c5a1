"""Subnet pools."""

from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.kind import Kind
from naru.move.kinds.neutron import make

KIND = Kind(
    "subnet pool",
    path="/subnetpools",
    wrap="subnetpool",
    sent=("name", "description", "prefixes", "default_quota", "is_default"),
    handled=frozenset(("address_scope_id", "default_prefixlen", "min_prefixlen", "max_prefixlen", "tags")),
    derived=frozenset(("shared", "ip_version")),  # sharing is an RBAC policy's
    dispensable=("body.address_scope_id",),
    owned=True,
    terraform="openstack_networking_subnetpool_v2",
    used_by=showing.shared_or("subnet", "subnetpool_id"),
)
NO_SCOPE = message(
    "move.subnet_pool.no_scope", en="that address scope is not moved", ko="그 주소 범위를 이전하지 않습니다"
)


def subnet_pools(draft: Draft) -> None:
    """Subnet pools in their address scopes. Neutron tells prefix lengths as texts, and takes numbers; that there is no
    default quota it tells as null, which it does not take."""
    for row in draft.facts.owned(KIND.name):
        body, changes = draft.sent(KIND, row)
        body = {name: value for name, value in body.items() if value is not None}
        body |= {name: int(row.body[name]) for name in ("default_prefixlen", "min_prefixlen", "max_prefixlen")}
        if scope := row.body.get("address_scope_id"):
            body["address_scope_id"] = draft.ref("address scope", scope)
            if body["address_scope_id"] is None:
                del body["address_scope_id"]
                changes.append(FieldChange("address_scope_id", scope, None, NO_SCOPE()))
        make(draft, KIND, row, body, changes)
