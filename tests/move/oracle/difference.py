"""Where two items, in the shape for comparison, differ."""

from typing import Any

from .api import Item
from .fields import ANYTHING, GONE, LEARNED, NEWER, NEWER_AT_WILL
from .shape import text


class _Absent:
    def __repr__(self) -> str:
        return "absent"


# a field that is not there, which is not the same as one that is null
ABSENT = _Absent()
Difference = tuple[str, Any, Any]  # path, old, new


def differences(kind: str, old: Item, new: Item) -> list[Difference]:
    """Every field that differs, with both values; ABSENT where one side does not have it."""
    return _compare(kind, "", old, new)


def _compare(kind: str, path: str, old: Any, new: Any) -> list[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted({*old, *new}):
            inside = f"{path}.{key}" if path else key
            found += _compare(kind, inside, old.get(key, ABSENT), new.get(key, ABSENT))
        return found
    if old is ABSENT and _newer(kind, path, new):
        return []
    if new is ABSENT and _listed(GONE.get(kind, {}).get(path, ()), old):
        return []
    if old is None and path in LEARNED.get(kind, {}):
        return []
    return [] if _same(old, new) else [(path, old, new)]


def _same(old: Any, new: Any) -> bool:
    """Whether two values are one: neither 0 and False are, nor null and nothing, in lists either."""
    if type(old) is not type(new):
        return False
    return text(old) == text(new) if isinstance(old, (list, dict)) else bool(old == new)


def _newer(kind: str, path: str, value: Any) -> bool:
    if kind in NEWER_AT_WILL:
        return True
    allowed = NEWER.get(kind, {}).get(path, ())
    return allowed(value) if callable(allowed) else _listed(allowed, value)


def _listed(allowed: tuple[Any, ...], value: Any) -> bool:
    return any(one is ANYTHING or text(one) == text(value) for one in allowed)
