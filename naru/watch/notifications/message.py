"""A message's body to a notification: who sent it, what happened, to what, for whom, and what failed.

Of the context, which comes with all that a request had, its ids, user and project are taken and nothing else: in Pike
the caller's token is in it.
"""

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naru.watch.formats import LEVELS, WARNING
from naru.watch.hide import hidden
from naru.watch.notifications.failure import Failure, failure, versioned
from naru.watch.notifications.secrets import kept
from naru.watch.records import clean
from naru.watch.times import dated

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LARGEST = 16 << 20
_NAME = 255
_PROGRAMS = {
    "nova": {
        **{"compute": "nova-compute", "compute_task": "nova-conductor", "conductor": "nova-conductor"},
        **{"scheduler": "nova-scheduler", "": "nova-api"},
    },
    "cinder": {
        **{"scheduler": "cinder-scheduler", "volume": "cinder-volume", "backup": "cinder-backup"},
        **{"snapshot": "cinder-volume", "group": "cinder-volume", "": "cinder-api"},
    },
    "neutron": {"": "neutron-server"},
    "glance": {"": "glance-api"},
    "keystone": {"": "keystone"},
}
"""By exchange the program of a service as publishers name it; "" is for all others. Cinder's is mostly `openstack`."""
_CINDER = frozenset(
    {"scheduler", "volume", "backup", "snapshot", "group", "volume_type", "volumetype", "qos_specs", "limits"}
)
_OBJECTS = ("instance_uuid", "instance_id", "volume_id", "snapshot_id", "backup_id", "resource_info", "uuid", "id")


@dataclass(frozen=True)
class Notification:
    """A notification. `identity` is its own; `action` is the same in both of Nova's formats, and `versioned` says
    which of them it has. `request_id` and `global_id` are without `req-`, `object` is the id of what it is about;
    what is not said is "". `failed` says whether it tells of a failure: by its priority, or by its outcome."""

    identity: str
    exchange: str
    kind: str
    action: str
    program: str
    host: str
    moment: float
    level: str
    failed: bool
    versioned: bool
    request_id: str
    global_id: str
    user: str
    project: str
    object: str
    failure: Failure
    payload: str


class Unread(ValueError):
    """A message that is no notification."""


def read(body: bytes | str, exchange: str, now: float) -> Notification:
    """The notification of a message, which came by an exchange. Raises Unread."""
    said = _opened(body)
    payload = said.get("payload")
    inner = versioned(payload)
    kind, publisher = str(said.get("event_type") or "")[:_NAME], str(said.get("publisher_id") or "")[:_NAME]
    if not kind:
        raise Unread("it has no event_type")
    of_payload: Mapping[str, Any] = inner if inner is not None else payload if isinstance(payload, dict) else {}
    program, host = _who(exchange, publisher)
    level = _level(str(said.get("priority") or "INFO").upper())
    audit = "cadf" in str(of_payload.get("typeURI") or "") or "/cloud/audit/" in str(of_payload.get("typeURI") or "")
    failed = LEVELS.get(level, 0) >= WARNING or kind.endswith(".error")
    if audit:
        failed = failed or of_payload.get("outcome") == "failure"
    about = of_payload.get("initiator") if audit else None
    initiator: Mapping[str, Any] = about if isinstance(about, dict) else {}
    action = _action(kind, exchange, inner is not None)
    identity = str(said.get("message_id") or "")[:_NAME]
    return Notification(
        identity or hashlib.sha256(_bytes(body)).hexdigest()[:32],
        exchange,
        hidden(kind),
        hidden(action),
        program,
        host,
        _moment(said.get("timestamp"), now),
        level,
        failed,
        inner is not None,
        _plain(said.get("_context_request_id") or initiator.get("request_id")),
        _plain(said.get("_context_global_request_id") or initiator.get("global_request_id")),
        _name(said, of_payload, ("_context_user_id", "_context_user"), ("user_id",), initiator, ("user_id", "id")),
        _name(
            *(said, of_payload, ("_context_project_id", "_context_tenant"), ("project_id", "tenant_id")),
            *(initiator, ("project_id",)),
        ),
        "" if audit and failed else _object(of_payload),
        (_refused(of_payload) if audit else failure(payload)) if failed else Failure(),
        kept(payload) if failed else "",
    )


def _opened(body: bytes | str) -> dict[str, Any]:
    """What is in the envelope, or the body itself where there is none."""
    if len(body) > _LARGEST:
        raise Unread(f"it has {len(body)} bytes")
    try:
        said = json.loads(body)
        if isinstance(said, dict) and "oslo.message" in said:
            said = json.loads(said["oslo.message"])
        if b"\\ud" in _bytes(body).lower():  # halves of characters, which JSON may have, cannot be written
            said = _cleaned(said)
    except (ValueError, TypeError, RecursionError) as error:
        raise Unread("it is not in oslo.messaging's format") from error
    if not isinstance(said, dict):
        raise Unread("it is not in oslo.messaging's format")
    return said


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return {clean(name): _cleaned(one) for name, one in value.items()} if isinstance(value, dict) else value


def _bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


def _who(exchange: str, publisher: str) -> tuple[str, str]:
    """The program and the host of a publisher, which is SERVICE.HOST, or PROGRAM:HOST in Nova's versioned format."""
    if ":" in publisher and "." not in publisher.partition(":")[0]:
        program, _, host = publisher.partition(":")
        return hidden(program), hidden(host)
    service, _, host = publisher.partition(".")
    project = "cinder" if exchange == "openstack" and service in _CINDER else exchange
    programs = _PROGRAMS.get(project)
    program = programs.get(service, programs[""]) if programs else service or exchange
    return hidden(program), hidden(host.partition("@")[0])  # of HOST@BACKEND the host


def _level(priority: str) -> str:
    return {"WARN": "WARNING", "SAMPLE": "INFO", "AUDIT": "INFO"}.get(priority, priority)


def _action(kind: str, exchange: str, in_versions: bool) -> str:
    """The same for both of Nova's formats: `instance.create` of compute.instance.create.error, `exception` of what any
    function raised, which one format names by the function and the other compute.exception."""
    if exchange != "nova":
        return kind
    plain = kind.removesuffix(".error")
    if in_versions:
        return "exception" if plain == "compute.exception" else plain
    return plain.removeprefix("compute.") if "." in plain else "exception"


def _moment(text: Any, now: float) -> float:
    """Services write UTC, without a zone."""
    try:
        read = datetime.datetime.fromisoformat(str(text))
        return dated((read if read.tzinfo else read.replace(tzinfo=datetime.UTC)).timestamp(), now)
    except (ValueError, OverflowError):
        return now


def _plain(identity: Any) -> str:
    """An id without `req-`; "" for what is none."""
    found = str(identity or "").lower().removeprefix("req-")
    return found if _UUID.fullmatch(found) else ""


def _name(
    said: Mapping[str, Any],
    payload: Mapping[str, Any],
    of_context: tuple[str, ...],
    of_payload: tuple[str, ...],
    initiator: Mapping[str, Any],
    of_initiator: tuple[str, ...],
) -> str:
    """Of the context, else of who began it, else of the payload."""
    for where, names in ((said, of_context), (initiator, of_initiator), (payload, of_payload)):
        for name in names:
            if isinstance(found := where.get(name), str) and found:
                return hidden(found[:_NAME])
    return ""


def _object(payload: Mapping[str, Any]) -> str:
    """The id of what a payload is about: its own, that of the one thing in it, or of a function's `instance`."""
    for name in _OBJECTS:
        if isinstance(found := payload.get(name), str) and _UUID.fullmatch(found.lower()):
            return found.lower()
    args = payload.get("args")
    inner = args if isinstance(args, dict) else payload
    for name in ("instance", "volume", *inner):
        one = inner.get(name)
        one = versioned(one) or one
        for key in ("uuid", "id"):
            if isinstance(one, dict) and isinstance(found := one.get(key), str) and _UUID.fullmatch(found.lower()):
                return found.lower()
    found = next(
        (v for k, v in payload.items() if k.endswith("_id") and k[:-3] not in ("tenant", "project", "user")), ""
    )
    return found.lower() if isinstance(found, str) and _UUID.fullmatch(found.lower()) else ""


def _refused(payload: Mapping[str, Any]) -> Failure:
    """What a CADF event says of its failure: of most of them that it has failed, and no more."""
    reason = payload.get("reason")
    found = failure({"reason": reason}) if isinstance(reason, dict) else Failure()
    words = (str(payload.get("action") or ""), str(payload.get("outcome") or ""))
    return Failure("", found.message or hidden(" ".join(filter(None, words))), status=found.status or 401)
