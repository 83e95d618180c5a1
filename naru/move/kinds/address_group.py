"""Address groups, where the new cloud has them."""

from naru.move import showing
from naru.move.draft import Draft
from naru.move.kind import Kind
from naru.move.kinds.neutron import SERVICE, make

KIND = Kind(
    "address group",
    path="/address-groups",
    wrap="address_group",
    sent=("name", "description", "addresses"),
    derived=frozenset(("shared",)),  # that is an RBAC policy's
    owned=True,
    terraform="openstack_networking_address_group_v2",
    used_by=showing.shared_or("security group", "security_group_rules.*.remote_address_group_id"),
)


def address_groups(draft: Draft) -> None:
    """Address groups. Where the new cloud has none, they are reported as what no rule is about."""
    if "address-group" not in draft.facts.new.extensions(SERVICE):
        return
    for row in draft.facts.owned(KIND.name):
        body, changes = draft.sent(KIND, row)
        make(draft, KIND, row, body, changes)
