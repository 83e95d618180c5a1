"""Users with a role on the projects, or with something in them: one of the same name in the mapped domain is taken,
others are made, with new passwords. Projects and users that are disabled on the old cloud are enabled during the move,
for things are made in them and as them, and disabled again when that is done."""

from collections.abc import Iterable
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
DISABLE = message("move.title.disable", en="disable {thing}, as it was", ko="{thing}: 기존과 같이 비활성화")


def users(draft: Draft) -> None:
    """Users; those that are made are enabled, whatever they were. Their password follows from the key file."""
    for row in draft.facts.users.values():
        domain = draft.ref("domain", row.body.get("domain_id"))
        if matched(draft, KIND, row, domain) or of_directory(draft, row):
            continue
        body: dict[str, Any] = {
            **given(row),
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
