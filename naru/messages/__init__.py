"""Texts that people read, in English and Korean: a message is an id and values, and becomes words when it is shown.

A message is defined once, beside the code that has something to say, in all languages:

    ADDRESS_IN_USE = message(
        "move.check.address_in_use",
        en="{thing}: its address {address} is in use on {cloud}",
        ko="{thing}: {cloud} 클라우드에서 이미 사용 중인 주소입니다({address})",
    )
    draft.report("error", ADDRESS_IN_USE(thing=..., address="10.0.0.5", cloud="new"))

So a plan, a journal and a report hold ids and values, not sentences, and each reader gets them in their own language.
A value may be a message itself. A place `{name:format}` says how its value is written:

- `kind`: an OpenStack kind of thing (`server`), by what `word` defines; `counts`: a mapping of kinds to numbers
- `number`: a number with thousands separators; `duration`: seconds
- `lines`, `clauses`: a list of texts, joined by line ends or semicolons; `list`: by commas

`Text` is what may stand wherever people read something: a message, or a plain string, which is the same in every
language (a name, what somebody else wrote).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from naru.text import ENGLISH, Units, duration, plural

LANGUAGES = ("en", "ko")
"""Languages that every message has; the first is that of the command line."""
VARIES = "…"
"""What stands in a place, whatever its format, of one sentence for several messages that differ there."""
PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True)
class Template:
    """A message's words by language. Call it with the values of its places to get the message."""

    id: str
    texts: Mapping[str, str]
    places: frozenset[str]

    def __call__(self, **values: Any) -> "Message":
        """The message with these values: strings, numbers, messages, and lists or mappings of them where the place's
        format takes those. Raises TypeError for values that its places do not have, or that are missing."""
        if values.keys() != self.places:
            raise TypeError(f"message {self.id} takes {sorted(self.places)}, not {sorted(values)}")
        return Message(self.id, values)


@dataclass(frozen=True)
class Message:
    """The id of a template, and the values in its places. `written` is its English text from when it was written to a
    file: what is shown of a message that this version of Naru does not have."""

    id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    written: str = field(default="", compare=False)

    def __str__(self) -> str:
        return say(self)

    def __hash__(self) -> int:
        return hash((self.id, json.dumps(dump(self), sort_keys=True)))


Text = str | Message

TEMPLATES: dict[str, Template] = {}
"""Every message that the imported modules define, by id."""


def message(id: str, *, en: str, ko: str) -> Template:
    """Defines a message. The places of all languages are the same. Raises ValueError where they are not, for an unknown
    format, and for an id that another message has."""
    texts = {"en": en, "ko": ko}
    places = {language: {place[1] for place in PLACE.finditer(text)} for language, text in texts.items()}
    if places["en"] != places["ko"]:
        raise ValueError(f"message {id}: its places differ: {sorted(places['en'] ^ places['ko'])}")
    unknown = {place[2] for text in texts.values() for place in PLACE.finditer(text) if place[2]} - FORMATS.keys()
    if unknown:
        raise ValueError(f"message {id}: there is no format {', '.join(sorted(unknown))}")
    template = Template(id, texts, frozenset(places["en"]))
    if TEMPLATES.setdefault(id, template) != template:
        raise ValueError(f"there are two messages {id}")
    return template


def word(kind: str, name: str, *, ko: str) -> None:
    """Defines the Korean for `name`, an English word that values hold, for places of the format `kind`. The import of
    `naru.inventory.kinds` does so for every kind of thing."""
    message(f"{kind}.{name}", en=name, ko=ko)


def say(text: Text, language: str = LANGUAGES[0]) -> str:
    """The words in the language."""
    if isinstance(text, str):
        return text
    template = TEMPLATES.get(text.id)
    if template is None or not template.places <= text.values.keys():
        return text.written or text.id

    def value(place: re.Match[str]) -> str:
        found = text.values[place[1]]
        if place[2] and found != VARIES:
            return FORMATS[place[2]](found, language)
        return say(found, language) if isinstance(found, Message) else str(found)

    return PLACE.sub(value, template.texts[language])


# -- formats

_UNITS = {"en": ENGLISH, "ko": Units("시간 ", "분 ", "분", "초")}


def _duration(seconds: float, language: str) -> str:
    return duration(seconds, _UNITS[language])


def _kind(name: str, language: str) -> str:
    template = TEMPLATES.get(f"kind.{name}")
    return template.texts[language] if template else name


def _counts(numbers: Mapping[str, int], language: str) -> str:
    if language == "ko":
        return ", ".join(f"{_kind(name, language)} {number}개" for name, number in numbers.items())
    return ", ".join(f"{number} {plural(name, number)}" for name, number in numbers.items())


def _join(joint: str) -> Callable[[Iterable[Text], str], str]:
    return lambda parts, language: joint.join(say(part, language) for part in parts)


FORMATS: dict[str, Callable[[Any, str], str]] = {
    "kind": _kind,
    "counts": _counts,
    "number": lambda number, _: f"{number:,}",
    "duration": _duration,
    "lines": _join("\n"),
    "clauses": _join("; "),
    "list": _join(", "),
}


_LINES = message("lines", en="{parts:lines}", ko="{parts:lines}")
_CLAUSES = message("clauses", en="{parts:clauses}", ko="{parts:clauses}")


def lines(parts: Iterable[Text]) -> Text:
    """The texts, one a line."""
    return _joined(_LINES, parts)


def clauses(parts: Iterable[Text]) -> Text:
    """The texts, joined by semicolons."""
    return _joined(_CLAUSES, parts)


def _joined(template: Template, parts: Iterable[Text]) -> Text:
    found = list(parts)
    return template(parts=found) if len(found) > 1 else found[0] if found else ""


def dump(text: Any) -> Any:
    """A text, or a value of one, as JSON: plain strings as they are, a message with its English words beside it."""
    if isinstance(text, Message):
        values = {name: dump(value) for name, value in text.values.items()}
        return {"message": text.id, "values": values, "text": say(text)}
    if isinstance(text, Mapping):
        return {name: dump(value) for name, value in text.items()}
    if isinstance(text, (list, tuple)):
        return [dump(value) for value in text]
    return text


def load(raw: Any) -> Any:
    """The text or value of which `dump` made this."""
    if isinstance(raw, Mapping):
        if "message" in raw:
            return Message(raw["message"], {name: load(value) for name, value in raw["values"].items()}, raw["text"])
        return {name: load(value) for name, value in raw.items()}
    if isinstance(raw, list):
        return [load(value) for value in raw]
    return raw
