"""Availability zones: which one is asked for on the new cloud."""

from typing import Any

from naru.move.decisions import FieldChange
from naru.move.draft import Draft


def zone(draft: Draft, section: str, kind: str, name: Any) -> tuple[str | None, list[FieldChange]]:
    """The counterpart of the zone `name` by the map's `section`, None where the new cloud has but one zone of the kind
    (then none has to be asked for); and the change where it is called otherwise."""
    choice = draft.choice(section, None, str(name or ""))
    if not name or choice is None or choice.target is None:
        return None, []
    changes = [FieldChange("availability_zone", name, choice.target, choice.why)] if choice.target != name else []
    zones = [row for row in draft.facts.new.all(kind).values() if row.name != "internal"]
    return (choice.target if len(zones) > 1 else None), changes
