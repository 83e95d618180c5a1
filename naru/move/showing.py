"""In whose report a thing stands that belongs to no project that is moved.

One project's users are not to know of the others: what a kind does not say to be used by a project stands in the
operators' overview alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from naru.inventory.rows import Row
from naru.inventory.user_quotas import members
from naru.move.facts import Side


@dataclass(frozen=True)
class Users:
    """Who uses the old cloud: `projects` are those that are moved; by user and by group (ids), on which of these they
    have a role."""

    old: Side
    projects: frozenset[str]
    of_user: Mapping[str, frozenset[str]]
    of_group: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, old: Side, projects: Iterable[str]) -> "Users":
        """Read from the role assignments and group memberships of the old cloud."""
        moved = frozenset(projects)
        assignments, memberships = old.all("role assignment").values(), old.all("group membership").values()
        groups = {(row.body["group"]["id"], row.project) for row in assignments if "group" in row.body}
        people = {(user, project) for project, user in members(assignments, memberships)}
        return cls(old, moved, _by(people, moved), _by(groups, moved))

    def having(self, kind: str, path: str, value: str) -> Iterable[str]:
        """The projects with a thing of the kind that has the value at the path (see `naru.inventory.kinds.values`)."""
        return {row.project for row in self.old.by(kind, path, value)}


UsedBy = Callable[[Users, Row], Iterable[str]]
"""The projects (old ids) that use a thing; those that are not moved do not count."""


def _by(pairs: Iterable[tuple[str, str]], projects: frozenset[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for holder, project in pairs:
        if project in projects:
            found.setdefault(holder, set()).add(project)
    return {holder: frozenset(those) for holder, those in found.items()}


def nobody(users: Users, row: Row) -> Iterable[str]:
    """It is the operators' alone."""
    return ()


def everybody(users: Users, row: Row) -> Iterable[str]:
    """Whoever uses the cloud sees it there."""
    return users.projects


def of_user(users: Users, row: Row) -> Iterable[str]:
    """It is a user's own, who is in its `user_id`."""
    return users.of_user.get(str(row.body.get("user_id")), ())


def shared_or(kind: str, path: str) -> UsedBy:
    """Everybody's if it is shared, public or external, else theirs who have a thing of the kind that names it at
    `path`."""

    def find(users: Users, row: Row) -> Iterable[str]:
        body = row.body
        if body.get("shared") or body.get("router:external") or body.get("visibility") in ("public", "community"):
            return users.projects
        return users.having(kind, path, row.id)

    return find
