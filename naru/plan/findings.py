"""Findings as people read them: those of one kind as one sentence, with how many they are and what they are about.

Findings are of one kind when their messages are the same and only values differ: a name, an address, a number. The
sentence of several has `…` in the places where they differ; what stands there in each is what it is about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from naru.messages import FORMATS, PLACE, TEMPLATES, VARIES, Message, Text, message, say
from naru.plan.errors import PlanInputError
from naru.plan.journal import Journal
from naru.plan.model import Finding

ORDER = ("error", "warning", "info")
"""Of severities: what keeps a plan from running comes first."""
NAME = message("plan.findings.name", en="{name} ({more:list})", ko="{name} ({more:list})")
_FORMATTED = {
    name: message(f"plan.findings.{name}", en=f"{{value:{name}}}", ko=f"{{value:{name}}}") for name in FORMATS
}


def refuse_errors(journal: Journal) -> None:
    """Raises `PlanInputError` for a plan with findings that are errors."""
    errors = [say(finding.summary) for finding in journal.findings() if finding.severity == "error"]
    if errors:
        raise PlanInputError(
            f"{journal.name}: the plan has findings of severity error and is not run",
            detail="\n".join(errors),
            hint="Do what they say, then plan again.",
        )


@dataclass(frozen=True)
class One:
    """A finding of a group: what it is about ("" where nobody knows), and what it alone says beside that."""

    name: Text
    detail: Text
    hint: Text
    finding: Finding


@dataclass(frozen=True)
class Group:
    """Findings of one kind. `summary` is their one sentence, `detail` and `hint` what they have in common."""

    severity: str
    summary: Text
    detail: Text
    hint: Text
    findings: Sequence[One]

    @property
    def names(self) -> list[Text]:
        """What they are about, each once."""
        return list(dict.fromkeys(one.name for one in self.findings if one.name))


def grouped(findings: Iterable[Finding], called: Mapping[str, Text] | None = None) -> list[Group]:
    """The findings by kind, errors first, else in their order. `called` are names by what `Finding.about` has: for
    sentences that name nothing themselves."""
    kinds: dict[Any, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, _kind(finding.summary)), []).append(finding)
    groups = [_group(found, called or {}) for found in kinds.values()]
    return sorted(groups, key=lambda group: ORDER.index(group.severity))


def _group(findings: Sequence[Finding], called: Mapping[str, Text]) -> Group:
    first = findings[0]
    summary = _common([finding.summary for finding in findings])
    same_detail = all(finding.detail == first.detail for finding in findings)
    hint = _common([finding.hint for finding in findings])
    ones = [
        One(
            _name(summary, finding, called),
            "" if same_detail else finding.detail,
            finding.hint if hint == VARIES else "",
            finding,
        )
        for finding in findings
    ]
    detail, hint = first.detail if same_detail else "", "" if hint == VARIES else hint
    return Group(first.severity, summary, detail, hint, ones)


def _is_known(text: Any) -> bool:
    """Whether it is a message that this version can say."""
    return isinstance(text, Message) and text.id in TEMPLATES and TEMPLATES[text.id].places <= text.values.keys()


def _kind(text: Any) -> Any:
    """What messages of one kind have in common: their id, and those of the messages in them."""
    if not _is_known(text):
        return str(text)
    inner = []
    for name, format in _places(text):
        value = text.values[name]
        if isinstance(value, Message):
            inner.append((name, _kind(value)))
        elif format == "kind":
            inner.append((name, str(value)))
    return (text.id, *inner)


def _places(text: Message) -> Iterator[tuple[str, str]]:
    """(name, format) of the places, in the order of the English sentence."""
    return ((place[1], place[2] or "") for place in PLACE.finditer(TEMPLATES[text.id].texts["en"]))


def _common(texts: Sequence[Any]) -> Any:
    """One text for all: what differs is VARIES."""
    first = texts[0]
    if all(text == first for text in texts):
        return first
    if not _is_known(first) and len({str(text) for text in texts}) == 1:
        return str(first)  # messages of another version, of which the words alone are known
    if _is_known(first) and all(_is_known(text) and text.id == first.id for text in texts):
        return Message(
            first.id, {name: _common([text.values[name] for text in texts]) for name in TEMPLATES[first.id].places}
        )
    return VARIES


def _name(summary: Text, finding: Finding, called: Mapping[str, Text]) -> Text:
    """What stands in the places where findings differ: the first is what it is about."""
    found = list(_differing(summary, finding.summary)) or [called.get(finding.about, "")]
    return NAME(name=found[0], more=found[1:]) if found[1:] else found[0]


def _differing(common: Any, text: Any) -> Iterator[Text]:
    if common == VARIES:
        yield str(text)
    elif _is_known(common) and common != text:
        for name, format in _places(common):
            value = text.values[name]
            if common.values[name] == VARIES:
                yield value if isinstance(value, Message) else _FORMATTED[format](value=value) if format else str(value)
            else:
                yield from _differing(common.values[name], value)
