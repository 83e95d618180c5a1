"""The exception that a notification tells of, which each release writes in another way:

Pike's Nova     {"message": ..., "kwargs": {"code": 500, ...}}, no class; {} for one of Python's own
Pike's Cinder   {"msg": ..., "kwargs": {...}}
2026.2's        "{'class': ..., 'message': ..., 'kwargs': {...}}" or "ValueError('...')": what Python's repr says
versioned       ExceptionPayload 1.0, and 1.1 with a traceback, the parts of which are joined by commas
Keystone        a reason with the code of the answer, or none
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naru.watch.hide import hidden
from naru.watch.tracebacks import named, raised

_CALL = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)\((?P<args>.*)\)$", re.S)
_LARGEST = 64 << 10
_TEXT = 8 << 10
PAYLOAD = "ExceptionPayload"
_PLUMBING = ("oslo_", "eventlet", "__main__")
"""Modules that are named where an exception came from another service, or is raised on behalf of one."""


@dataclass(frozen=True)
class Failure:
    """An exception's type without its module, its text without secrets, the frame that raised it as
    `nova/compute/manager.py:spawn`, its traceback, and the HTTP status that it answers with. What is not said is empty,
    or 0."""

    exception: str = ""
    message: str = ""
    frame: str = ""
    traceback: str = ""
    status: int = 0


def failure(payload: Any) -> Failure:
    """What a payload says has failed."""
    if isinstance(payload, str):
        return Failure(message=_text(payload))
    if not isinstance(payload, dict):
        return Failure()
    if (data := versioned(payload)) is not None:
        if payload.get("nova_object.name") == PAYLOAD:
            return _of_nova(data)
        for name in ("fault", "reason", "error"):
            inner = versioned(data.get(name))
            if inner is not None:
                return _of_nova(inner)
        return Failure()
    for name in ("exception", "fault", "reason", "error"):
        if payload.get(name) is not None:
            found = _of(payload[name])
            return found if found.message else Failure(found.exception, _text(payload.get("message")), *_rest(found))
    return Failure()


def _rest(found: Failure) -> tuple[str, str, int]:
    return found.frame, found.traceback, found.status


def versioned(value: Any) -> dict[str, Any] | None:
    """What one of Nova's versioned objects holds; None for what is none."""
    data = value.get("nova_object.data") if isinstance(value, dict) else None
    return data if isinstance(data, dict) else None


def _of_nova(data: Mapping[str, Any]) -> Failure:
    trace = hidden(str(data.get("traceback") or "").replace("\n,", "\n"))[-_LARGEST:]
    module, function = str(data.get("module_name") or ""), str(data.get("function_name") or "")
    frame = raised(trace).frame if trace else ""
    if not frame and module and not module.startswith(_PLUMBING):
        frame = f"{module.replace('.', '/')}.py:{function}"
    return Failure(named(str(data.get("exception") or "")), _text(data.get("exception_message")), frame, trace)


def _of(value: Any) -> Failure:
    if isinstance(value, str):
        return _of_repr(value[:_LARGEST])
    if not isinstance(value, dict):
        return Failure()
    if (data := versioned(value)) is not None:
        return _of_nova(data)
    more = value.get("kwargs")
    code = more.get("code") if isinstance(more, dict) else value.get("code") or value.get("reasonCode")
    message = value.get("message") or value.get("msg") or value.get("reasonType")
    return Failure(named(str(value.get("class") or "")), _text(message), status=_status(code))


def _of_repr(text: str) -> Failure:
    """Of what repr() makes of an exception, or of a dict that tells of one; any other text is its message."""
    if text.startswith("{") and isinstance(said := _literal(text), dict):
        return _of(said)
    if found := _CALL.match(text.strip()):
        args = _literal(f"({found['args'].rstrip(', ')},)") if found["args"].strip() else ()
        first = args[0] if isinstance(args, tuple) and args else "" if args == () else found["args"]
        return Failure(named(found["type"]), _text(first))
    return Failure(message=_text(text))


def _literal(text: str) -> Any:
    """What a text of Python stands for, without running anything; None for what is no literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _status(code: Any) -> int:
    try:
        found = int(code)
    except (TypeError, ValueError, OverflowError):
        return 0
    return found if 100 <= found < 1000 else 0


def _text(value: Any) -> str:
    return hidden(str(value or "")[:_TEXT])
