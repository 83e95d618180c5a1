"""Names that users chose, made fit for files, for a shell, and for the eye."""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

_BYTES = 120  # of a file's stem: file systems allow 255 for the whole name
# what Windows takes for a device, whatever follows the first dot
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
# what turns the direction of a line, so that it reads as another
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """The text on one line, with a sign in place of each character that has none or would turn the line about."""
    if text.isprintable() and not _TURNING.intersection(text):
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if character == "\x7f":
        return "\u2421"
    if character in _TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return "\ufffd"
    return character


def lines(text: str) -> str:
    """As `visible`, but ends of lines stay: for blocks of code."""
    return "\n".join(visible(line) for line in text.split("\n"))


def shell(text: str) -> str:
    """The text as one word of a shell's command line, on one line. What cannot be seen is written as bash's escapes;
    what no argument can have (NUL, half of a surrogate pair) as `visible` shows it."""
    if visible(text) == text:
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character == "\0" or "\ud800" <= character <= "\udfff" or visible(character) == character:
        return visible(character)
    return f"\\x{ord(character):02x}" if character.isascii() else f"\\U{ord(character):08x}"


def stem(name: str) -> str:
    """A file name's beginning: letters and digits of any script, `-`, `_` and dots within; never empty."""
    text = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name))
    text = re.sub(r"\.{2,}", ".", text).strip("-.")
    text = text.encode(errors="ignore")[:_BYTES].decode(errors="ignore").strip("-.")
    return f"{text}-" if text.partition(".")[0].casefold() in _DEVICES else text or "project"


def unique(
    names: Mapping[str, str], fit: Callable[[str], str], *, taken: Iterable[str] = (), joint: str = "-"
) -> dict[str, str]:
    """What to call each thing: names (by id) made fit; with a piece of the id where several would be called the same,
    in upper or lower case, or it is `taken`. The same things get the same names in any order. `fit` never returns an
    empty text."""
    fitting = {identity: fit(name) for identity, name in names.items()}
    counts = Counter(text.casefold() for text in [*fitting.values(), *taken])
    result = {identity: text for identity, text in fitting.items() if counts[text.casefold()] == 1}
    used = {text.casefold() for text in [*result.values(), *taken]}
    for identity in sorted(set(names) - set(result)):
        piece = re.sub(r"[^0-9A-Za-z]+", joint, identity).strip("-_")
        tries = [piece[:8], piece, *(f"{piece}{joint}{number}" for number in range(2, len(names) + 3))]
        for text in (joint.join((fitting[identity], part)) for part in tries):
            if text.casefold() not in used:
                result[identity] = text
                used.add(text.casefold())
                break
    return result
