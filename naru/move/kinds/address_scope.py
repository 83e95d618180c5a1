"""Address scopes. One has no description that could bear a mark: it is found again by its name."""

from naru.actions.arguments import ref
from naru.move import showing
from naru.move.draft import Draft
from naru.move.kind import Kind

KIND = Kind(
    "address scope",
    path="/address-scopes",
    wrap="address_scope",
    sent=("name", "ip_version"),
    derived=frozenset(("shared",)),  # that is an RBAC policy's
    relation=True,
    owned=True,
    terraform="openstack_networking_addressscope_v2",
    used_by=showing.shared_or("subnet pool", "address_scope_id"),
)


def address_scopes(draft: Draft) -> None:
    """One of the same name that another step makes, or that was there before, is not taken for it."""
    twins: list[str] = []
    for row in draft.facts.owned(KIND.name):
        body, changes = draft.sent(KIND, row)
        body |= {"project_id": draft.ref("project", row.project)}
        ignore = [*draft.facts.new.all(KIND.name), *map(ref, twins)]
        where = {"name": row.name, "project_id": draft.ref("project", row.project)}
        twins.append(draft.create(row, KIND.creation(draft.new, body, where=where, ignore=ignore), changes=changes))
