"""Secrets and containers of Barbican: only who may read them can move them, so each is a task with the names of those
who could; `naru move secrets` does it with their credentials (`naru.move.secrets`)."""

from collections.abc import Iterable, Iterator

from naru.inventory.elsewhere import NO_ROLE
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.called import name_of
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind
from naru.report.names import shell

SERVICE = "key-manager"
KIND = Kind("secret", owned=True)
CONTAINER = Kind("secret container", owned=True)
ORDER = Kind("secret order")
QUOTA = Kind("secret quota", path="/project-quotas")

READABLE = message(
    "move.secret.readable",
    en="only who may read it can move it: {who:clauses}",
    ko="읽을 수 있는 사용자만 옮길 수 있습니다. {who:clauses}",
)
CREATOR = message("move.secret.creator", en="its creator {user}", ko="만든 사용자: {user}")
CREATOR_GONE = message(
    "move.secret.creator_gone",
    en="not its creator {user}, whom the old cloud no longer has",
    ko="만든 사용자({user})는 기존 클라우드에 더 이상 없습니다",
)
BY_ACL = message("move.secret.by_acl", en="by its ACL {users:list}", ko="ACL에 있는 사용자: {users:list}")
BY_PROJECT = message(
    "move.secret.by_project",
    en="whoever has a role of Barbican's (creator, admin, observer) in the project",
    ko="프로젝트에서 Barbican의 역할(creator, admin, observer)이 있는 사용자",
)
BY_ADMIN = message(
    "move.secret.by_admin",
    en="it is private: else only who is an administrator in the project",
    ko="비공개이므로 그 밖에는 프로젝트의 관리자만 읽을 수 있습니다",
)
ACL_UNKNOWN = message("move.secret.acl_unknown", en="its ACL could not be read", ko="ACL을 읽을 수 없었습니다")
DO = message(
    "move.secret.do", en="naru move secrets {directory} --as {user}", ko="naru move secrets {directory} --as {user}"
)
EXPIRED = message(
    "move.secret.expired",
    en="{thing}: a secret in it ({secret}) has expired or was deleted: it cannot be read by anybody, and the "
    "container cannot be made again as it is",
    ko="{thing}: 안에 든 시크릿({secret})이 만료되었거나 삭제되어 아무도 읽을 수 없으므로, 컨테이너를 그대로 "
    "다시 만들 수 없습니다",
)
EXPIRES = message(
    "move.secret.expires",
    en="{thing} expires on {expires}: move it before, for after that nobody can read it",
    ko="{thing}: {expires}에 만료됩니다. 그 뒤에는 아무도 읽을 수 없으므로 그 전에 옮겨 주십시오",
)
NO_SERVICE = message(
    "move.secret.no_service",
    en="{cloud} has no key manager (Barbican), and {count} secrets and containers of {project} are in that of {old}",
    ko="{project}: {old} 클라우드의 Barbican에 시크릿과 컨테이너 {count}개가 있지만 {cloud} 클라우드에는 "
    "Barbican이 없습니다",
)
INSTALL = message(
    "move.secret.install",
    en="Add Barbican to the new cloud, or have their users keep them elsewhere before the old cloud goes.",
    ko="새 클라우드에 Barbican을 추가하거나, 기존 클라우드를 없애기 전에 사용자가 다른 곳에 보관하도록 안내해 "
    "주십시오.",
)
UNREADABLE = message(
    "move.secret.unreadable",
    en="{project}: whether it has secrets in Barbican cannot be seen: {why}",
    ko="{project}: Barbican에 시크릿이 있는지 알 수 없습니다. {why}",
)
NOT_IN = message(
    "move.secret.not_in",
    en="the administrator of {cloud} has no role in the project, and Barbican lists what a project has to its members",
    ko="{cloud} 클라우드의 관리자가 프로젝트에 역할이 없으며, Barbican은 프로젝트의 구성원에게만 목록을 보여 줍니다",
)
ENTER = message(
    "move.secret.enter",
    en="Ask its users, or give the administrator a role there for as long as it takes to plan again:\n"
    "openstack --os-cloud {cloud} role add --project {project} --user {user} {role}\n"
    "Or list them as one of its users: naru move secrets {directory} --as USER --nothing",
    ko="사용자에게 문의하거나, 계획을 다시 세우는 동안 관리자에게 역할을 부여해 주십시오:\n"
    "openstack --os-cloud {cloud} role add --project {project} --user {user} {role}\n"
    "사용자 권한으로 목록만 볼 수도 있습니다: naru move secrets {directory} --as USER --nothing",
)
ORDERS = message(
    "move.secret.orders",
    en="{project}: {count} orders of Barbican are not moved; what they made is among the secrets",
    ko="{project}: Barbican의 주문 {count}건은 옮기지 않습니다. 주문으로 만들어진 것은 시크릿에 포함됩니다",
)
ORDER_AGAIN = message(
    "move.secret.order_again",
    en="Not done on the old cloud, to be ordered again: {ids:list}",
    ko="기존 클라우드에서 끝나지 않아 다시 주문해야 하는 것: {ids:list}",
)
CONSUMERS = message(
    "move.secret.consumers",
    en="its service registers itself again when it uses the new one",
    ko="서비스가 새 컨테이너를 사용할 때 다시 등록합니다",
)
SET_QUOTA = message(
    "move.title.secret_quota",
    en="secret quota of {project} as on the old cloud",
    ko="프로젝트 {project}의 시크릿 할당량: 기존 클라우드와 같은 값으로 설정",
)
ROLES = ("observer", "creator", "admin")
"""Roles that let somebody list a project's secrets, the least one first."""


def secrets(draft: Draft) -> None:
    """Secrets and containers stay until somebody who may read them moves them; what an administrator cannot see is
    told."""
    side = draft.facts.old
    listed = side.all(KIND.name)
    for kind in (KIND, CONTAINER):
        for row in draft.facts.owned(kind.name):
            hint = DO(directory=shell(draft.options.directory or "DIR"), user=shell(_mover(side, row)))
            draft.leave(row, READABLE(who=list(who(side, row))), hint=hint)
            if row.body.get("expiration"):
                draft.report("info", EXPIRES(thing=thing(row), expires=row.body["expiration"]), about=row.id)
            if row.body.get("consumers"):
                draft.change(row, FieldChange("consumers", row.body["consumers"], None, CONSUMERS()))
            for one in row.body.get("secret_refs") or []:
                if one["secret_id"] not in listed:
                    draft.report("warning", EXPIRED(thing=thing(row), secret=one["secret_id"]), about=row.id)
    for project in draft.facts.projects.values():
        _of_project(draft, project)


def _of_project(draft: Draft, project: Row) -> None:
    """What is said of a project as a whole."""
    owned = [row for kind in (KIND, CONTAINER) for row in draft.facts.owned(kind.name, project.id)]
    if owned and not has(draft.facts.new, SERVICE):
        said = NO_SERVICE(cloud=draft.new, old=draft.old, project=project.name, count=len(owned))
        draft.report("warning", said, about=project.id, hint=INSTALL())
    for unread in draft.facts.owned("unread list", project.id):
        if unread.body["list"] == KIND.name:
            _unreadable(draft, project, unread)
    if orders := list(draft.facts.owned(ORDER.name, project.id)):
        open_ones = [row.id for row in orders if row.status != "ACTIVE"]
        detail = ORDER_AGAIN(ids=open_ones) if open_ones else ""
        draft.report("info", ORDERS(project=project.name, count=len(orders)), about=project.id, detail=detail)
    if has(draft.facts.new, SERVICE):
        _quota(draft, project)


def _quota(draft: Draft, project: Row) -> None:
    """What the project was given of quotas of its own; others have the cloud's defaults."""
    for row in draft.facts.owned(QUOTA.name, project.id):
        quotas = {name: value for name, value in (row.body.get("project_quotas") or {}).items() if value is not None}
        path = [f"{QUOTA.path}/", draft.ref("project", project.id)]
        if quotas:
            draft.call(
                f"{QUOTA.name}/{project.id}",
                SERVICE,
                [{"method": "PUT", "path": path, "body": {"project_quotas": quotas}}],
                SET_QUOTA(project=project.name),
                undo=[{"method": "DELETE", "path": path, "ok": [404]}],
                about=row,
                project=project.id,
            )


def _unreadable(draft: Draft, project: Row, unread: Row) -> None:
    outside = unread.body["problem"] == NO_ROLE
    why: Text = NOT_IN(cloud=draft.old) if outside else str(unread.body["problem"])
    known = {row.name for row in draft.facts.old.all("role").values()}
    hint = ENTER(
        cloud=draft.old,
        project=project.id,
        user=draft.facts.old.user_id,
        role=next((name for name in ROLES if name in known), ROLES[-1]),
        directory=shell(draft.options.directory or "DIR"),
    )
    draft.report("warning", UNREADABLE(project=project.name, why=why), about=project.id, hint=hint)


def has(side: Side, service: str) -> bool:
    """Whether the cloud's catalogue has the service; also of a reading from before catalogues were read."""
    itself = side.itself
    return service in itself["versions"] or any(one["type"] == service for one in itself.get("catalogue") or ())


def readers(row: Row) -> Iterable[str]:
    """The users (ids) whom the ACL lets read it."""
    acl = row.body.get("acl") or {}
    return [str(user) for user in (acl.get("read") or {}).get("users") or []]


def is_private(row: Row) -> bool:
    """Whether it is its creator's and its ACL's users' alone."""
    acl = row.body.get("acl") or {}
    return (acl.get("read") or {}).get("project-access") is False


def who(side: Side, row: Row) -> Iterator[Text]:
    """Who could move it, in words."""
    creator = str(row.body.get("creator_id") or "")
    if creator:
        known = creator in side.all("user")
        yield CREATOR(user=name_of(side, "user", creator)) if known else CREATOR_GONE(user=creator)
    if users := [name_of(side, "user", user) for user in readers(row)]:
        yield BY_ACL(users=users)
    if row.body.get("acl") is None:
        yield ACL_UNKNOWN()
    else:
        yield BY_ADMIN() if is_private(row) else BY_PROJECT()


def _mover(side: Side, row: Row) -> str:
    """The name of the user to do it as."""
    known = side.all("user")
    for user in (str(row.body.get("creator_id") or ""), *readers(row)):
        if user in known:
            return known[user].name
    return "USER"
