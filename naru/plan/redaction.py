"""Secrets, kept out of what is written down: in values of whatever depth, and in texts.

What is JSON is redacted as a value, never as its text: a secret such as `true` or `1` would break that, or change what
it says.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

BLOT = "***"
SHORTEST = 8
"""A secret of fewer characters may be part of any other word, or be one: it is found as a whole word alone, and never
in the name of a field."""


class Redaction:
    """What is to be blotted out: `hide` adds a secret."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        # of secrets that no name of a field is by chance
        self._long: re.Pattern[str] | None = None
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Adds a secret; nothing is none."""
        if not secret:
            return
        self._secrets.add(secret)
        # the longest first: one may be a part of another
        spelled = sorted({form for one in self._secrets for form in _forms(one)}, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(_pattern, spelled)))
        long = [form for form in spelled if len(form) >= SHORTEST]
        self._long = re.compile("|".join(map(_pattern, long))) if long else None

    def text(self, text: str) -> str:
        """The text without the secrets: as they are, and as JSON and URLs spell them."""
        return self._pattern.sub(BLOT, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """The value, which is JSON, without the secrets: its texts, keys included, and numbers that are one."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._name(key): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            # a short one is a number like any other
            spelled = str(value)
            return BLOT if len(spelled) >= SHORTEST and spelled in self._secrets else value
        return value

    def _name(self, name: Any) -> Any:
        return self._long.sub(BLOT, name) if self._long and isinstance(name, str) else name


def _forms(secret: str) -> set[str]:
    quoted = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {secret, quote(secret, safe=""), quote_plus(secret)} | quoted


def _pattern(form: str) -> str:
    pattern = re.escape(form)
    return pattern if len(form) >= SHORTEST else rf"(?<!\w){pattern}(?!\w)"
