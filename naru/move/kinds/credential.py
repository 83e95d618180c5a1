"""Credentials: EC2 ones are the one kind of secret that an administrator may read and write, and stay as they are; all
others are their users' own."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, resolve
from naru.actions.clouds import RETRY, cloud, get, remove
from naru.actions.request import Action
from naru.cloud.client import CloudError
from naru.errors import NaruError
from naru.messages import message
from naru.move import showing
from naru.move.draft import Draft
from naru.move.kind import Kind
from naru.move.kinds.keystone import SERVICE
from naru.move.kinds.user import NOT_MOVED
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step

KIND = Kind(
    "credential",
    path="/credentials",
    wrap="credential",
    handled=frozenset(("type", "blob")),
    relation=True,
    used_by=showing.of_user,
)
USERS_OWN = message(
    "move.credential.users_own",
    en="a credential of type {type} is its user's own",
    ko="사용자 본인의 자격 증명이므로 옮기지 않습니다(유형 {type})",
)
EC2_CREDENTIAL = message(
    "move.title.ec2_credential",
    en="EC2 credential of {user} for {project}",
    ko="프로젝트 {project}에 대한 사용자 {user}의 EC2 자격 증명",
)


def credentials(draft: Draft) -> None:
    """EC2 credentials keep access key and secret, which are read when they are written and stored nowhere; others are
    the users' own."""
    for row in draft.facts.old.all(KIND.name).values():
        project = str(row.body.get("project_id") or "")
        user = str(row.body.get("user_id") or "")
        if user not in draft.facts.users or (project and project not in draft.facts.projects):
            continue
        if row.body.get("type") != "ec2" or not project:
            draft.leave(row, USERS_OWN(type=row.body.get("type")))
            continue
        if draft.ref("user", user) is None:
            draft.leave(row, NOT_MOVED())
            continue
        action = Ec2(
            cloud=draft.new,
            service=SERVICE,
            old=draft.old,
            id=row.id,
            user=draft.ref("user", user),
            project=draft.ref("project", project),
        )
        title = EC2_CREDENTIAL(user=draft.facts.users[user].name, project=draft.facts.projects[project].name)
        draft.made(row, draft.step(f"{row.kind}/{row.id}", action, title, about=row, project=project))


# -- the step


class Ec2(Action):
    """The EC2 credential `id` of the cloud `old` is given to `user` in `project`."""

    step_kind: ClassVar[str] = "move.ec2"

    old: str
    id: str
    user: Id
    project: Id


def identity(access: str) -> str:
    """The id that Keystone gives the credential of an access key (keystone.api.credentials)."""
    return hashlib.sha256(access.encode()).hexdigest()


@step("move.ec2", args=Ec2, undo="move.ec2.delete", retry=RETRY, deadline=600)
def ec2(context: Context) -> dict[str, Any]:
    """Gives `user` in `project` the credential `id` of the cloud `old`, with the same access key and secret. These are
    held in memory alone."""
    args = resolve(context.args, context.results(), context)
    found = _found(context, args)
    if found is None:
        raise NaruError(f"credential {args['id']} is gone from {args['old']}", hint="Skip this step: naru plan skip.")
    blob = json.loads(found["blob"])
    context.hide(blob["secret"])
    new, key = cloud(context, args["cloud"]), identity(blob["access"])
    body = {"type": "ec2", "blob": found["blob"], "user_id": args["user"], "project_id": args["project"]}
    try:
        new(SERVICE, "POST", KIND.path, {KIND.wrap: body})
    except CloudError as error:
        existing = get(new, SERVICE, f"{KIND.path}/{key}", KIND.wrap) if error.status == 409 else None
        if existing is None or (existing["user_id"], existing.get("project_id")) != (args["user"], args["project"]):
            raise
    return {"id": key}


@step("move.ec2.delete", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def ec2_delete(context: Context) -> None:
    """Deletes the credential that a `move.ec2` made. Of one that did not come to its end, the access key says which;
    without that nothing is known that could be deleted."""
    args, done = context.undone.args, context.undone.result
    found = None if done else _found(context, args)
    made = done["id"] if done else found and identity(json.loads(found["blob"])["access"])
    if made:
        remove(context, cloud(context, args["cloud"]), SERVICE, f"{KIND.path}/{made}")


def _found(context: Context, args: Mapping[str, Any]) -> Any:
    """The credential of the old cloud, None when it is gone."""
    return get(cloud(context, args["old"]), SERVICE, f"{KIND.path}/{args['id']}", KIND.wrap)
