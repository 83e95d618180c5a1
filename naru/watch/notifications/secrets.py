"""What of a notification's payload is kept: nothing that lets somebody in, nothing that users wrote for their servers.

Pike's Nova sends the caller's token with every notification, and arguments of functions as they were called with.
"""

import json
import re
from typing import Any

from naru.watch.hide import hidden

_DROPPED = re.compile(
    r"(?i)token|pass|secret|credential|auth|user_?data|private|public_?key|key_data|keypair|injected|personality"
    r"|metadata|^args$|kwargs|catalog|connection|request_spec|profile|encrypt|ssh|cert|traceback|^exception$|^reason$|^fault$"
)
"""Names of fields that are left out, with all that is below them; the exception is told apart from the payload."""
_NOVA = "nova_object."
_DEEPEST = 6
_MOST = 100
"""Entries of a list or mapping that are kept."""
_TEXT = 2000
LARGEST = 8 << 10
"""Characters of a payload that are kept."""


def kept(payload: Any) -> str:
    """A payload as JSON, without secrets; cut where it is too long."""
    text = json.dumps(_kept(payload, 0), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= LARGEST else f"{text[: LARGEST - 3]}..."


def _kept(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return hidden(value[:_TEXT])
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth >= _DEEPEST:
        return "..."
    if isinstance(value, dict):
        if f"{_NOVA}data" in value:  # one of Nova's versioned objects: what it holds is of interest
            return _kept(value[f"{_NOVA}data"], depth)
        fields = list(value.items())[:_MOST]
        return {hidden(str(name)): _kept(one, depth + 1) for name, one in fields if not _DROPPED.search(str(name))}
    if isinstance(value, list):
        return [_kept(one, depth + 1) for one in value[:_MOST]]
    return hidden(str(value)[:_TEXT])
