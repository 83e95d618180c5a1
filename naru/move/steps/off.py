"""Whether the servers that have a volume are off, asked before its content is carried: what a server writes meanwhile,
or afterwards, would be lost."""

import time
from collections.abc import Collection, Mapping
from typing import Any

from naru.actions.clouds import cloud, get, polling
from naru.actions.looks import Server, find
from naru.cloud.client import Cloud
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
SETTLED = 30.0
"""Seconds that a server may have another task. One that is off has one for a moment when Nova was told twice to stop
it, the first time by a command that was killed: the second request is carried out when the server is off already."""


def check_off(context: Context, name: str, volume: str) -> None:
    """Raises NaruError unless every server that has the volume (id) on the cloud is off, and is to stay so for now."""
    hint = "Stop it (openstack server stop), then: naru plan retry. To keep the old content: naru plan skip."
    _check(context, name, volume, OFF, hint)


def check_still(context: Context, name: str, volume: str, described: Mapping[str, Any] | None = None) -> None:
    """Raises NaruError unless every server that has the volume (id) on the old cloud is in a state in which the window
    leaves it: one that was started since would write what is lost. `described` is what Cinder says of the volume."""
    hint = "Stop it (openstack server stop), then: naru plan retry. Nothing was copied meanwhile."
    _check(context, name, volume, QUIET, hint, described)


def still(context: Context, client: Cloud, identity: str) -> Server:
    """The old server (id). Raises NaruError unless it is in a state in which the window leaves it."""
    server = _settled(context, client, identity, QUIET)
    if server is None:
        raise NaruError(f"server {identity} is gone from {client.name}", hint="Skip the step, or roll back.")
    if not _is_in(server, QUIET):
        raise NaruError(
            f"server {identity} on {client.name} is not off",
            detail=_state(server),
            hint="Stop it (openstack server stop), then: naru plan retry. Nothing was copied meanwhile.",
        )
    return server


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
        server = _settled(context, client, identity, states)
        if server is not None and not _is_in(server, states):
            raise NaruError(
                f"server {identity} on {name} has volume {volume} and is not off",
                detail=_state(server),
                hint=hint,
            )


def _settled(context: Context, client: Cloud, identity: str, states: Collection[str]) -> Server | None:
    """The server (id), looked at until it has no task, or is not in one of the states; None when it is gone."""
    end = time.monotonic() + SETTLED
    for _ in polling(context):
        server = find(client, identity)
        if server is None or server["status"] not in states or _is_in(server, states) or time.monotonic() > end:
            return server
    raise AssertionError


def _is_in(server: Mapping[str, Any], states: Collection[str]) -> bool:
    """Whether the server is in one of the states, and nothing is being done that could change that."""
    task = str(server.get("OS-EXT-STS:task_state") or "")
    return server["status"] in states and (not task or task.startswith(OWN_TASK))


def _state(server: Mapping[str, Any]) -> str:
    return f"{server['status']} {server.get('OS-EXT-STS:task_state') or ''}".strip()
