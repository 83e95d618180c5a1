"""Groups with a role on the projects, and their members among the users."""

from collections.abc import Iterable

from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.draft import Draft
from naru.move.kind import Kind
from naru.move.kinds.keystone import given, matched, of_directory, relation


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    return users.of_group.get(row.id, ())


def _membership_used_by(users: showing.Users, row: Row) -> Iterable[str]:
    return users.of_group.get(row.body["group_id"], ())


KIND = Kind(
    "group",
    path="/groups",
    wrap="group",
    sent=("name", "description"),
    handled=frozenset(("domain_id",)),
    used_by=_used_by,
)
MEMBERSHIP = Kind("group membership", relation=True, used_by=_membership_used_by)

NO_USER = message("move.group.no_user", en="the user is not moved", ko="그 사용자를 이전하지 않습니다")
IS_MEMBER = message("move.group.is_member", en="it is so already", ko="이미 그렇게 되어 있습니다")
MEMBER = message("move.title.member", en="user {user} is in the group {group}", ko="그룹 {group}에 사용자 {user} 추가")


def groups(draft: Draft) -> None:
    """Groups, and then their members: those that the new cloud has already are matched."""
    for row in draft.facts.groups.values():
        domain = draft.ref("domain", row.body.get("domain_id"))
        if not matched(draft, KIND, row, domain) and not of_directory(draft, row):
            body = {**given(row), "domain_id": domain}
            draft.create(row, KIND.creation(draft.new, body, where={"name": row.name, "domain_id": domain}))
    known = draft.facts.new.all(MEMBERSHIP.name)
    for row in draft.facts.old.all(MEMBERSHIP.name).values():
        group, user = row.body["group_id"], row.body["id"]
        if group not in draft.facts.groups or draft.ref(KIND.name, group) is None:
            continue
        new_group, new_user = draft.ref(KIND.name, group), draft.ref("user", user)
        if new_user is None:
            draft.leave(row, NO_USER())
            continue
        path = ["/groups/", new_group, "/users/", new_user]
        if isinstance(new_group, str) and isinstance(new_user, str) and f"{new_group}/{new_user}" in known:
            draft.match(row, f"{new_group}/{new_user}", IS_MEMBER())
        else:
            title = MEMBER(user=draft.facts.users[user].name, group=draft.facts.groups[group].name)
            relation(draft, row, path, title, "", kept=row.body)  # it is listed as the user
