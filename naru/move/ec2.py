"""EC2 credentials: the one kind of secret that an administrator may read and write, so that it stays as it is."""

import hashlib
import json
from typing import Any

from naru.cloud.client import CloudError
from naru.errors import NaruError
from naru.move.steps import RETRY, cloud, get, remove, resolve
from naru.plan.context import Context
from naru.plan.kinds import step


def identity(access: str) -> str:
    """The id that Keystone gives the credential of an access key (keystone.api.credentials)."""
    return hashlib.sha256(access.encode()).hexdigest()


@step("move.ec2", undo="move.ec2.delete", retry=RETRY, deadline=600)
def ec2(context: Context) -> dict[str, Any]:
    """Gives `user` in `project` the credential `id` of the cloud `old`, with the same access key and secret. These are
    held in memory alone."""
    args = resolve(context.args, context.results(), context)
    found = get(cloud(context, args["old"]), "identity", f"/credentials/{args['id']}", "credential")
    if found is None:
        raise NaruError(f"credential {args['id']} is gone from {args['old']}", hint="Skip this step: naru plan skip.")
    blob = json.loads(found["blob"])
    context.hide(blob["secret"])
    new, key = cloud(context, args["cloud"]), identity(blob["access"])
    body = {"type": "ec2", "blob": found["blob"], "user_id": args["user"], "project_id": args["project"]}
    try:
        new("identity", "POST", "/credentials", {"credential": body})
    except CloudError as error:
        there = get(new, "identity", f"/credentials/{key}", "credential") if error.status == 409 else None
        if there is None or there["user_id"] != args["user"]:
            raise
    return {"id": key}


@step("move.ec2.delete", no_undo="it is an undo itself", retry=RETRY, deadline=600)
def ec2_delete(context: Context) -> None:
    """Deletes the credential that a `move.ec2` made; its id follows from the access key, so it is found without one."""
    # Keystone's id of an EC2 credential is the same on every cloud
    remove(
        context, cloud(context, context.args["args"]["cloud"]), "identity", f"/credentials/{context.args['args']['id']}"
    )
