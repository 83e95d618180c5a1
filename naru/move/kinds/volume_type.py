"""Volume types: the cloud's, and named in the map."""

from collections.abc import Iterable, Iterator

from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.kind import Kind
from naru.move.kinds import quota
from naru.move.mapping import ABSENT_BUT, LEAVE, SAME_NAME, Match, Need, Section, Use, known, of_others, same_name


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    return users.having("volume", "volume_type", row.name)


KIND = Kind("volume type", used_by=_used_by)
SAME_NAME_BUT = message(
    "move.volume_type.same_name_but",
    en="same name, but other {specs:list}",
    ko="이름은 같지만 추가 사양이 다릅니다: {specs:list}",
)


IN_USE = message(
    "move.volume_type.in_use",
    en="volume_types: {key} cannot be left: volumes, snapshots or backups are of that type",
    ko="volume_types: 이 유형의 볼륨, 스냅샷, 백업이 있어 leave로 둘 수 없습니다({key})",
)
NAME_ONE = message(
    "move.volume_type.name_one",
    en="Write a volume type of the new cloud in its place.",
    ko="새 클라우드의 볼륨 유형을 적어 주십시오.",
)


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    for kind in ("volume", "snapshot", "backup"):
        for row in facts.owned(kind):
            for one in facts.old.named(KIND.name, str(row.body.get("volume_type") or "")):
                yield from of_others(facts, KIND.name, one.id, kind)
    for row in facts.owned(quota.VOLUME.name):
        for name, value in row.body.items():
            if (kind := quota.of_type(name)) and value != -1:
                for one in facts.old.named(KIND.name, kind):
                    yield from of_others(facts, KIND.name, one.id, quota.VOLUME.name)


def _match(facts: Facts, need: Need) -> Match:
    found = same_name(facts, KIND.name, need)
    if not found and need.users.keys() == {quota.VOLUME.name}:
        return LEAVE, ABSENT_BUT(known=known(facts, KIND.name))  # nothing is of that type
    if not found:
        return None, ABSENT_BUT(known=known(facts, KIND.name))
    assert need.row
    old, new = (
        {name: value for name, value in (row.body.get("extra_specs") or {}).items() if name != "volume_backend_name"}
        for row in (need.row, found[0])
    )
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return found[0].name, SAME_NAME_BUT(specs=differing) if differing else SAME_NAME()


SECTION = Section("volume_types", KIND.name, "of volumes", _uses, _match, leavable=True)


# -- rules


def types(draft: Draft) -> None:
    """Volume types are matched by the map."""
    for (section, _), choice in draft.choices.items():
        row = choice.need.row
        if section == SECTION.name and choice.target == LEAVE and choice.need.users.keys() - {quota.VOLUME.name}:
            draft.report("error", IN_USE(key=choice.need.key), about=f"map {section}", hint=NAME_ONE())
        if section == SECTION.name and row is not None and (target := draft.target(SECTION.name, KIND.name, row)):
            renamed = choice.target != row.name
            draft.match(
                *(row, target, choice.why),
                [FieldChange("name", row.name, choice.target, choice.why)] if renamed else [],
            )
