"""Images whose data newer Glance refuses: it is not what its label says, or its partitions are not as they should be.
What is done with each is the operator's decision."""

from collections.abc import Iterator
from typing import Any

from naru.inventory.image_data import KNOWN, label_fits
from naru.inventory.rows import Row
from naru.messages import message
from naru.move.draft import Draft, thing
from naru.move.facts import Facts
from naru.move.mapping import LEAVE, Match, Need, Section, Use

INSPECTS = "2.17"
"""Glance that goes up to this looks at what it is given; an older one takes what it is told."""
TAKEN = message(
    "move.image_format.taken",
    en="its data is {found}, and {cloud} takes that under any label",
    ko="데이터의 형식은 {found}이며 {cloud} 클라우드는 어떤 형식으로 표시해도 받습니다",
)
OTHER = message(
    "move.image_format.other",
    en="it says {label} and its data is {found}, which Glance refuses",
    ko="형식 표시는 {label}인데 데이터는 {found}이므로 Glance가 거부합니다",
)
PARTITIONS = message(
    "move.image_format.partitions",
    en="Glance refuses its partition table ({problem}), unless [image_format] gpt_safety_checks_nonfatal = mbr: then"
    " write {label}",
    ko="Glance가 파티션 테이블을 거부합니다({problem}). [image_format] gpt_safety_checks_nonfatal = mbr로 설정했다면"
    " {label}(이)라고 적어 주십시오",
)
REFUSED = message(
    "move.image_format.refused",
    en="{thing}: its data is {found}: Glance refuses it as {label}",
    ko="{thing}: 데이터의 형식이 {found}이므로 {label}(으)로는 Glance가 거부합니다",
)
RELABELLED = message(
    "move.image_format.relabelled",
    en="{thing}: its data is {found}; its disk_format becomes {label}",
    ko="{thing}: 데이터의 형식이 {found}이므로 disk_format을 {label}(으)로 바꿉니다",
)


def _data(facts: Facts, image: str) -> dict[str, Any] | None:
    row = facts.old.all("image data").get(image)
    return row.body if row else None


def _wrong(facts: Facts, row: Row) -> bool:
    """Whether newer Glance refuses the image as it is. It looks at no more than the data of bare ones."""
    found, label = _data(facts, row.id), str(row.body.get("disk_format"))
    if found is None or row.body.get("container_format") != "bare":
        return False
    return not label_fits(label, found["formats"]) or bool(found["problem"] and label not in ("aki", "ari"))


def _uses(facts: Facts) -> Iterator[Use]:
    for row in facts.old.all("image").values():
        if _wrong(facts, row):
            yield Use("image", row)


def _match(facts: Facts, need: Need) -> Match:
    assert need.row
    found, label = _data(facts, need.row.id), str(need.row.body.get("disk_format"))
    assert found
    if not facts.new.supports("image", INSPECTS):
        return label, TAKEN(found=", ".join(found["formats"]), cloud=facts.new.cloud)
    if not label_fits(label, found["formats"]):
        return None, OTHER(label=label, found=", ".join(found["formats"]))
    return None, PARTITIONS(problem=found["problem"], label=label)


SECTION = Section("image_formats", "", "of images that Glance refuses: their disk_format, or leave", _uses, _match)


def label(draft: Draft, row: Row) -> str | None:
    """The disk_format that an image gets, LEAVE for one that is to be left; None for that which it has."""
    choice, found = draft.choice(SECTION.name, row), _data(draft.facts, row.id)
    if choice is None or choice.target is None or found is None or choice.target == row.body.get("disk_format"):
        return None
    new = str(choice.target)
    if new != LEAVE:
        said: dict[str, Any] = {"thing": thing(row), "found": ", ".join(found["formats"]), "label": new}
        fits = new in KNOWN and label_fits(new, found["formats"])
        draft.report("info" if fits else "error", (RELABELLED if fits else REFUSED)(**said), about=row.id)
    return new
