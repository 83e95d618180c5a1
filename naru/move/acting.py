"""Acting in a project: as the user whom a thing belongs to, or as the administrator, each with a role for a while."""

from dataclasses import dataclass, field
from typing import Any

from naru.actions.arguments import password
from naru.actions.request import Actor
from naru.errors import InputError
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.purposes import ACT
from naru.work import keys

SERVICE = "identity"
ROLE = "member"
"""The role that Naru gives somebody in a project to act there."""
ENTER = message(
    "move.title.act_in",
    en="grant a temporary role in {project}, to act as {user}",
    ko="{user} 사용자로 작업할 수 있도록 프로젝트 {project}에 역할을 임시로 부여",
)
LEAVE = message(
    "move.title.act_in_no_more",
    en="revoke the temporary role in {project}, to act as {user}",
    ko="{user} 사용자로 작업하기 위해 프로젝트 {project}에 임시로 부여한 역할 회수",
)
AS_ADMINISTRATOR = message(
    "move.acting.administrator",
    en="only users that the move makes can be acted as",
    ko="이전하면서 새로 만든 사용자의 권한으로만 만들 수 있습니다",
)


@dataclass
class Actors:
    """(project, user): the step after which things can be made as that user, "" being the administrator."""

    entered: dict[tuple[str, str], str] = field(default_factory=dict)
    # (project, step): that of those steps which give a role for a while, and the path of that role
    for_a_while: dict[tuple[str, str], tuple[str, list[Any]]] = field(default_factory=dict)


def role(facts: Facts) -> str:
    """The id of ROLE on the new cloud. Raises InputError for a cloud without."""
    roles = [row for row in facts.new.named("role", ROLE) if not row.body.get("domain_id")]
    if not roles:
        raise InputError(f"{facts.new.cloud} has no role {ROLE}", hint=f"openstack role create {ROLE}")
    return roles[0].id


def new_password(draft: Draft, user: str) -> Any:
    """What stands for the password of the new user that is made for one of the old cloud."""
    return password(keys.of_user(draft.old, user), draft.options.key, draft.options.identity)


def _is_made(draft: Draft, user: str) -> bool:
    """Whether the move makes the user, and so knows the password."""
    decision = draft.decisions.get(("user", user))
    return decision is not None and decision.decision == "create"


def actor(draft: Draft, row: Row) -> Actor:
    """Who makes the thing: its user, if the move makes that user, else the administrator in its project. What is made
    so comes after the step `entered`."""
    user = str(row.body.get("user_id") or "")
    own = _is_made(draft, user)
    entered = draft.note(Actors).entered
    if (row.project, user) not in entered:
        entered[row.project, user] = _enter(draft, row.project, user if own else "")
    project = draft.ref("project", row.project)
    if not own:
        return Actor(project=project)
    return Actor(project=project, user=draft.ref("user", user), password=new_password(draft, user))


def entered(draft: Draft, row: Row) -> str:
    """The step after which the thing can be made as its `actor`."""
    actor(draft, row)
    return draft.note(Actors).entered[row.project, str(row.body.get("user_id") or "")]


def _enter(draft: Draft, project: str, user: str) -> str:
    """The step that lets somebody act in the project: a role for a while, unless the user has it anyway."""
    for row in draft.facts.owned("role assignment", project):
        decision, body = draft.decisions[row.kind, row.id], row.body
        own = user and body.get("user", {}).get("id") == user and "OS-INHERIT:inherited_to" not in body["scope"]
        if own and decision.decision != "leave" and draft.ref("role", body["role"]["id"]) == role(draft.facts):
            return decision.step
    name = f"act in {project} as {user or 'administrator'}"
    if name in draft.steps:
        return name
    who = draft.ref("user", user) if user else draft.facts.new.user_id
    path = ["/projects/", draft.ref("project", project), "/users/", who, "/roles/", role(draft.facts)]
    draft.note(Actors).for_a_while[project, name] = (user, path)
    return draft.call(
        name,
        SERVICE,
        [{"method": "PUT", "path": path}],
        ENTER(project=draft.facts.projects[project].name, user=_called(draft, user)),
        undo=[{"method": "DELETE", "path": path, "ok": [404]}],
        project=project,
        purpose=ACT,
    )


def _called(draft: Draft, user: str) -> str:
    return draft.facts.users[user].name if user else "administrator"


def leave(draft: Draft, project: str, after: str) -> None:
    """The steps that end, after the step `after`, all roles for a while in the project."""
    for (where, entered), (user, path) in draft.note(Actors).for_a_while.items():
        if where == project:
            draft.call(
                f"{entered} left",
                SERVICE,
                [{"method": "DELETE", "path": path, "ok": [404]}],
                LEAVE(project=draft.facts.projects[project].name, user=_called(draft, user)),
                project=project,
                after=[after],
            )


def owner_changes(draft: Draft, row: Row) -> list[FieldChange]:
    """The change of a thing that cannot be made as its user."""
    user = str(row.body.get("user_id") or "")
    if _is_made(draft, user):
        return []
    return [FieldChange("user_id", user, "the administrator", AS_ADMINISTRATOR())]
