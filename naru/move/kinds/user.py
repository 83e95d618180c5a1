"""Users with a role on the projects, or with something in them: one of the same name in the mapped domain is taken,
others are made, with new passwords. Projects and users that are disabled on the old cloud are enabled during the move,
for things are made in them and as them, and disabled again when that is done."""

from collections.abc import Container, Iterable
from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.acting import new_password
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.kind import Kind
from naru.move.kinds.keystone import SERVICE, given, matched, of_directory
from naru.move.kinds.project import KIND as PROJECT

EVERYTHING = "everything"
"""The barrier after which nothing of any project is made any more."""


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    return users.of_user.get(row.id, ())


KIND = Kind(
    "user",
    path="/users",
    wrap="user",
    sent=("name", "description", "email", "options"),
    handled=frozenset(("domain_id", "default_project_id", "enabled")),
    not_kept={
        "password_expires_at": message(
            "move.user.password_expires",
            en="the new password has a term of its own",
            ko="새 비밀번호에는 유효 기간이 새로 정해집니다",
        )(),
        "federated": message(
            "move.user.federated",
            en="comes back with the user's first login",
            ko="사용자가 처음 로그인하면 다시 생깁니다",
        )(),
    },
    not_compared=frozenset(("name", "password_expires_at")),
    used_by=_used_by,
)
NOT_MOVED = message("move.user.not_moved", en="its user is not moved", ko="소유한 사용자를 이전하지 않습니다")
NO_PROJECT = message(
    "move.user.no_project",
    en="that project is not moved with it",
    ko="해당 프로젝트를 함께 이전하지 않습니다",
)
DEFAULT_PROJECT = message(
    "move.title.default_project",
    en="{project} is the default project of user {user}",
    ko="사용자 {user}의 기본 프로젝트로 지정: {project}",
)
EVERYTHING_MADE = message(
    "move.title.everything_made",
    en="everything of all projects is made, or was rolled back",
    ko="모든 프로젝트의 리소스를 다 만들었거나 되돌림",
)
MFA_LATER = message(
    "move.user.mfa_later",
    en="{thing} needs more than a password: so again when what is made as this user is made",
    ko="{thing}: 다중 인증을 쓰는 사용자입니다. 이 사용자로 만드는 리소스를 다 만든 뒤 다시 설정합니다",
)
MFA = message(
    "move.user.mfa",
    en="{thing} needs more than a password to log in, on the new cloud as well",
    ko="{thing}: 새 클라우드에서도 다중 인증으로 로그인해야 하는 사용자입니다",
)
SECOND_FACTOR = message(
    "move.user.second_factor",
    en="A second factor (TOTP) is the user's own and is not moved: without a new one there is no login then.",
    ko="두 번째 인증 수단(TOTP)은 사용자 본인의 것이라 옮기지 않습니다. 새로 등록하기 전에는 로그인할 수 없습니다.",
)
MADE_AS = message(
    "move.title.made_as",
    en="everything that is made as user {user} is made, or was rolled back",
    ko="사용자 {user}(으)로 만드는 리소스를 다 만들었거나 되돌림",
)
OPTIONS = message(
    "move.title.user_options",
    en="options of user {user} as they were; a new password is to be changed where the cloud wants that",
    ko="사용자 {user}의 옵션을 기존과 같이 설정(클라우드 설정에 따라 첫 로그인 때 비밀번호 변경)",
)
DISABLE = message("move.title.disable", en="disable {thing}, as it was", ko="{thing}: 기존과 같이 비활성화")


def users(draft: Draft) -> None:
    """Users; those that are made are enabled, whatever they were. Their password follows from the key file."""
    acted = _acted_as(draft)
    for row in draft.facts.users.values():
        domain = draft.ref("domain", row.body.get("domain_id"))
        if matched(draft, KIND, row, domain) or of_directory(draft, row):
            continue
        body: dict[str, Any] = {
            **given(row),
            **_options(draft, row, acted),
            "domain_id": domain,
            "enabled": True,
            "password": new_password(draft, row.id),
        }
        where = {"name": row.name, "domain_id": domain}
        step = draft.create(row, KIND.creation(draft.new, body, where=where))
        if default := row.body.get("default_project_id"):
            if draft.ref("project", default) is not None:
                _default_project(draft, row, step, default)
            else:
                draft.change(row, FieldChange("default_project_id", default, None, NO_PROJECT()))


FACTORS = ("multi_factor_auth_enabled", "multi_factor_auth_rules")
"""Options by which a password is not enough."""
FIRST_USE = "ignore_change_password_upon_first_use"
"""The option without which, on a cloud that wants it so, a new user can do nothing but change the password."""


def _acted_as(draft: Draft) -> dict[str, set[str]]:
    """By user (old id): the projects in which things are made as the user."""
    found: dict[str, set[str]] = {}
    for kind in ("server", "volume", "snapshot", "backup", "server group"):
        for row in draft.facts.owned(kind):
            found.setdefault(str(row.body.get("user_id")), set()).add(row.project)
    return found


def _options(draft: Draft, row: Row, acted: Container[str]) -> dict[str, Any]:
    """The options of a user as whom things are made, until they are made: a password has to be enough."""
    mine = row.body.get("options") or {}
    if mine.get(FACTORS[0]):
        said = MFA_LATER(thing=thing(row)) if row.id in acted else MFA(thing=thing(row))
        draft.report("warning", said, about=row.id, hint=SECOND_FACTOR())
    if row.id not in acted:
        return {}
    return {"options": {**{name: value for name, value in mine.items() if name not in FACTORS}, FIRST_USE: True}}


def options(draft: Draft) -> None:
    """Options of users as whom things are made are those of the old cloud again as soon as these are made, or were
    rolled back. Their password is set again: a cloud that wants it changed at the first login says so by that."""
    so_far = {identity: draft.so_far(identity) for identity in ("", *draft.facts.projects)}
    made = _acted_as(draft)
    for row in draft.facts.users.values():
        decision = draft.decisions[KIND.name, row.id]
        if decision.decision != "create" or row.id not in made:
            continue
        after = [step for project in sorted(made[row.id]) for step in so_far[project]]
        barrier = draft.barrier(f"made as {row.id}", MADE_AS(user=row.name), "", after)
        mine = {FIRST_USE: None, **(row.body.get("options") or {})}
        body = {"options": mine, "password": new_password(draft, row.id)}
        draft.call(
            f"{decision.step} options",
            SERVICE,
            [{"method": "PATCH", "path": [f"{KIND.path}/", ref(decision.step)], "body": {KIND.wrap: body}}],
            OPTIONS(user=row.name),
            about=row,
            after=[barrier],
        )
    draft.forget_since("", so_far[""])


def _default_project(draft: Draft, user: Row, step: str, project: str) -> None:
    """A step of the project's: the user, who may be others' too, does not depend on it."""

    def request(value: Any, **more: Any) -> dict[str, Any]:
        body = {KIND.wrap: {"default_project_id": value}}
        return {"method": "PATCH", "path": [f"{KIND.path}/", ref(step)], "body": body, **more}

    draft.call(
        f"{step} default project",
        SERVICE,
        [request(draft.ref("project", project))],
        DEFAULT_PROJECT(project=draft.facts.projects[project].name, user=user.name),
        undo=[request(None, ok=[404])],
        about=user,
        project=project,
    )


def disabled(draft: Draft) -> None:
    """Users and projects that were disabled are so again: a project when all of it is in its place, a user when
    everything is, or was rolled back. No cut-over waits for a user's: one project that cannot be made would hold all
    others."""
    everything = list(draft.everything_so_far())
    own = {identity: draft.so_far(identity) for identity in ("", *draft.facts.projects)}
    barrier = ""
    for kind, rows in ((KIND, draft.facts.users), (PROJECT, draft.facts.projects)):
        for row in rows.values():
            decision = draft.decisions[kind.name, row.id]
            if row.body.get("enabled", True) or decision.decision != "create":
                continue
            if kind is KIND and not barrier:
                barrier = draft.barrier(EVERYTHING, EVERYTHING_MADE(), "", everything)
            path = [f"{kind.path}/", ref(decision.step)]
            draft.call(
                f"disable {kind.name}/{row.id}",
                SERVICE,
                [{"method": "PATCH", "path": path, "body": {kind.wrap: {"enabled": False}}}],
                DISABLE(thing=thing(row)),
                about=row,
                project="" if kind is KIND else row.id,
                after=[barrier] if kind is KIND else own[row.id],
            )
    draft.forget_since("", own[""])
