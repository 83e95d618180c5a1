"""What the services of the new cloud take of the texts that things have, and which microversion has which field: one
module a service, from the schemas of the services themselves. What is not here, or not refused, is sent as it was.

A service that refuses one text refuses the whole thing. So what it would refuse is found while planning, mended or left
as the map says, and told.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TextRule:
    """The texts that a field takes: of characters for which `allowed` holds, at most `longest` of them, and with
    `trimmed` without white space at either end."""

    longest: int
    allowed: Callable[[str], bool]
    trimmed: bool = False

    def takes(self, text: str) -> bool:
        """Whether the field takes the text as it is."""
        return self.mended(text) == text

    def mended(self, text: str) -> str:
        """The text as the field takes it: a blank in place of each other character."""
        found = "".join(char if self.allowed(char) else " " for char in text)[: self.longest]
        return found.strip() if self.trimmed else found


@dataclass(frozen=True)
class PairsRule:
    """The metadata that a thing takes: keys that match as a whole, values of so many characters at most."""

    key: re.Pattern[str]
    longest: int

    def takes_key(self, key: str) -> bool:
        return self.key.fullmatch(key) is not None

    def takes(self, key: str, value: object) -> bool:
        return self.takes_key(key) and isinstance(value, str) and len(value) <= self.longest


def printable(char: str) -> bool:
    """What Nova and Cinder call a printable character: no control character, no line break, and none beyond the basic
    plane of Unicode (an emoji)."""
    category = unicodedata.category(char)
    return ord(char) < 0xFFFF and category[0] != "C" and (category[0] != "Z" or category == "Zs")
