"""Texts and metadata that the new cloud would refuse: which things have such, what the map makes of a key, and how a
request gets what is taken in their place. What a service takes stands in `naru.move.accepts`."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.accepts import PairsRule, TextRule, block_storage, compute
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, own_text, thing
from naru.move.facts import Facts, Side
from naru.move.mapping import LEAVE, Match, Need, Section, Use

_PAIRS: Mapping[str, tuple[tuple[str, PairsRule], ...]] = {
    "volume": (("metadata", block_storage.METADATA), ("volume_image_metadata", block_storage.IMAGE_METADATA)),
    "snapshot": (("metadata", block_storage.METADATA),),
    "backup": (("metadata", block_storage.METADATA),),
    "server": (("metadata", compute.METADATA),),
}
"""By kind: the fields with keys that people chose, and what the service takes of those."""

KEY_REFUSED = message(
    "move.texts.key_refused",
    en="the new cloud refuses this key: letters, digits and - _ : . are taken",
    ko="새 클라우드가 받지 않는 키입니다. 영문자, 숫자, - _ : . 만 쓸 수 있습니다",
)
KEY_LEFT = message(
    "move.texts.key_left",
    en="{thing}: the new cloud refuses the key {key} of its {field}, and it is left behind",
    ko="{thing}: 새 클라우드가 받지 않는 키이므로 옮기지 않습니다({field}의 {key})",
)
KEY_RENAMED = message(
    "move.texts.key_renamed",
    en="{thing}: the key {key} of its {field} becomes {new}",
    ko="{thing}: {field}의 키 {key} 이름이 {new}(으)로 바뀝니다",
)
RENAME = message(
    "move.texts.rename",
    en="To keep its value, write a name for it into the map, under metadata_keys.",
    ko="값을 남기려면 map.yaml의 metadata_keys에 새 이름을 적어 주십시오.",
)
BAD_NAME = message(
    "move.texts.bad_name",
    en="{thing}: the key {key} of its {field} cannot become {new}: the new cloud refuses that, or it is there already",
    ko="{thing}: {field}의 키 {key}을(를) {new}(으)로 바꿀 수 없습니다. 새 클라우드가 받지 않거나 이미 있는 키입니다",
)
OTHER_NAME = message(
    "move.texts.other_name",
    en="Write another name, or leave, into the map, under metadata_keys.",
    ko="map.yaml의 metadata_keys에 다른 이름을 적거나 leave라고 적어 주십시오.",
)
VALUE_REFUSED = message(
    "move.texts.value_refused",
    en="{thing}: the value of {key} in its {field} is longer than the new cloud takes, and is left behind",
    ko="{thing}: {field}의 {key} 값이 새 클라우드가 받는 길이보다 길어 옮기지 않습니다",
)
NOT_TAKEN = message(
    "move.texts.not_taken",
    en="the new cloud does not take all of it",
    ko="새 클라우드가 그대로 받지 않는 내용이 있습니다",
)
MENDED = message(
    "move.texts.mended",
    en="{thing}: the new cloud does not take its {field} as it is; it becomes {new}",
    ko="{thing}: 새 클라우드가 {field} 값을 그대로 받지 않으므로 다음과 같이 바꿉니다: {new}",
)


# -- the map


def _checked(side: Side, kind: str) -> bool:
    """Whether the cloud checks what things of the kind have."""
    return kind == "server" or block_storage.checks(side)


def _uses(facts: Facts) -> Iterator[Use]:
    for kind, fields in _PAIRS.items():
        if not _checked(facts.new, kind):
            continue
        for row in facts.owned(kind):
            for name, rule in fields:
                for key in row.body.get(name) or {}:
                    if not rule.takes_key(key):
                        yield Use(kind, name=key)


def _match(facts: Facts, need: Need) -> Match:
    return LEAVE, KEY_REFUSED()


KEYS = Section("metadata_keys", "", "of metadata, which the new cloud refuses: another name, or leave", _uses, _match)


# -- for requests


@dataclass
class Told:
    """(kind, id, field) of what the reader was told of already: a volume's properties are sent more than once."""

    fields: set[tuple[str, str, str]] = field(default_factory=set)


def pairs(draft: Draft, row: Row, name: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldChange]]:
    """What the new cloud gets of the thing's metadata `given` in the field `name`; keys that it refuses become what the
    map says. The reader is told once."""
    if not _checked(draft.facts.new, row.kind):
        return {key: _of_users(draft, row, name, key, value) for key, value in given.items()}, []
    rule = dict(_PAIRS[row.kind])[name]
    kept = {key: _of_users(draft, row, name, key, value) for key, value in given.items() if rule.takes(key, value)}
    refused = [key for key in given if key not in kept]
    for key in refused:
        choice = draft.choice(KEYS.name, None, key)
        new = choice.target if choice and choice.target else LEAVE
        if not rule.takes_key(key) and new != LEAVE and new not in given and rule.takes(new, given[key]):
            kept[new] = _of_users(draft, row, name, key, given[key])
    told = draft.note(Told).fields
    if (row.kind, row.id, name) not in told:
        told.add((row.kind, row.id, name))
        for key in refused:
            _tell(draft, row, name, key, rule, kept.keys() - given.keys())
    return kept, [FieldChange(name, dict(given), kept, NOT_TAKEN())] if refused else []


def _of_users(draft: Draft, row: Row, name: str, key: str, value: Any) -> Any:
    """The value, or what stands in a plan for one that is its users' own."""
    return draft.private(row, name, key) if own_text(key) else value


def _tell(draft: Draft, row: Row, name: str, key: str, rule: PairsRule, renamed: Set[str]) -> None:
    """What becomes of a pair that the new cloud refuses; `renamed` are the keys that others became."""
    choice = draft.choice(KEYS.name, None, key)
    new = choice.target if choice and choice.target else LEAVE
    said: dict[str, Any] = {"thing": thing(row), "field": name, "key": key}
    if rule.takes_key(key):
        draft.report("warning", VALUE_REFUSED(**said), about=row.id)
    elif new == LEAVE:
        draft.report("warning", KEY_LEFT(**said), about=row.id, hint=RENAME())
    elif new in renamed:
        draft.report("info", KEY_RENAMED(**said, new=new), about=row.id)
    else:
        draft.report("error", BAD_NAME(**said, new=new), about=row.id, hint=OTHER_NAME())


def mend(draft: Draft, row: Row, body: dict[str, Any], rules: Mapping[str, TextRule]) -> list[FieldChange]:
    """Puts into the body what the new cloud takes of the texts of its fields; the changes."""
    changes = []
    for name, rule in rules.items():
        text = body.get(name)
        if not isinstance(text, str) or rule.takes(text):
            continue
        # a name of nothing but what is refused
        body[name] = rule.mended(text) or row.id
        draft.report("warning", MENDED(thing=thing(row), field=name, new=body[name]), about=row.id)
        changes.append(FieldChange(name, text, body[name], NOT_TAKEN()))
    return changes
