"""Whether the servers that have a volume are off, asked before its content is carried: what a server writes meanwhile,
or afterwards, would be lost."""

from collections.abc import Collection, Mapping
from typing import Any

from naru.actions.clouds import cloud, get
from naru.errors import NaruError
from naru.move.server_state import STATES
from naru.plan.context import Context

OFF = ("SHUTOFF", "SHELVED", "SHELVED_OFFLOADED")
"""States of a server whose volumes nobody reads or writes, nor remembers in a memory that goes on."""


QUIET = tuple(status for status, state in STATES.items() if not state.runs)
"""States of an old server in which the window carries its disks: those in which it stops none, and those that a plan
leaves, with a warning."""
OWN_TASK = "image_"
"""How the tasks begin that a server has while its disk is read."""


def check_off(context: Context, name: str, volume: str) -> None:
    """Raises NaruError unless every server that has the volume (id) on the cloud is off, and is to stay so for now."""
    hint = "Stop it (openstack server stop), then: naru plan retry. To keep the old content: naru plan skip."
    _check(context, name, volume, OFF, hint)


def check_still(context: Context, name: str, volume: str, described: Mapping[str, Any] | None = None) -> None:
    """Raises NaruError unless every server that has the volume (id) on the old cloud is in a state in which the window
    leaves it: one that was started since would write what is lost. `described` is what Cinder says of the volume."""
    hint = "Stop it (openstack server stop), then: naru plan retry. Nothing was copied meanwhile."
    _check(context, name, volume, QUIET, hint, described)


def check_server_still(server: Mapping[str, Any], name: str) -> None:
    """Raises NaruError unless the old server, as Nova describes it, is in a state in which the window leaves it."""
    if not _is_in(server, QUIET):
        raise NaruError(
            f"server {server['id']} on {name} is not off",
            detail=_state(server),
            hint="Stop it (openstack server stop), then: naru plan retry. Nothing was copied meanwhile.",
        )


def _check(
    context: Context,
    name: str,
    volume: str,
    states: Collection[str],
    hint: str,
    described: Mapping[str, Any] | None = None,
) -> None:
    client = cloud(context, name)
    if described is None:
        described = get(client, "block-storage", f"/volumes/{volume}", "volume") or {}
    for attachment in described.get("attachments") or []:
        identity = attachment.get("server_id")
        if not identity:
            raise NaruError(
                f"volume {volume} on {name} is attached to something that is no server",
                detail=str(attachment.get("host_name") or ""),
                hint="Detach it, then: naru plan retry.",
            )
        server = get(client, "compute", f"/servers/{identity}", "server")
        if server is None:
            continue
        if not _is_in(server, states):
            raise NaruError(
                f"server {identity} on {name} has volume {volume} and is not off",
                detail=_state(server),
                hint=hint,
            )


def _is_in(server: Mapping[str, Any], states: Collection[str]) -> bool:
    """Whether the server is in one of the states, and nothing is being done that could change that."""
    task = str(server.get("OS-EXT-STS:task_state") or "")
    return server["status"] in states and (not task or task.startswith(OWN_TASK))


def _state(server: Mapping[str, Any]) -> str:
    return f"{server['status']} {server.get('OS-EXT-STS:task_state') or ''}".strip()
