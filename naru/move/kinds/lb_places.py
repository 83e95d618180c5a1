"""What of the new cloud a load balancer comes to, by the map: its flavor, availability zone and provider."""

from collections.abc import Callable, Iterable, Iterator

from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.kind import Kind
from naru.move.kinds import octavia
from naru.move.mapping import (
    ABSENT_BUT,
    LEAVE,
    ONLY_ONE,
    SAME_NAME,
    Choice,
    Match,
    Need,
    Section,
    Use,
    known,
    same_name,
)

BALANCER, FLAVOR, ZONE, PROVIDER = (
    *("load balancer", "load balancer flavor", "load balancer availability zone", "load balancer provider"),
)
AMPHORA = frozenset(("amphora", "octavia"))
"""Octavia's own provider, and what it was called before Rocky."""
SAME_PROVIDER = message(
    "move.load_balancer.same_provider",
    en="that is what Octavia's own provider is called now",
    ko="Octavia 자체 제공자의 현재 이름입니다",
)
LEFT = message(
    "move.load_balancer.place_left",
    en="by the map it gets what is usual on the new cloud",
    ko="map.yaml에 따라 새 클라우드의 기본값을 씁니다",
)
NO_OCTAVIA = message(
    "move.load_balancer.no_octavia", en="{cloud} has no Octavia", ko="{cloud} 클라우드에 Octavia가 없습니다"
)


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    return users.having(BALANCER, "flavor_id", row.id)


KIND = Kind(FLAVOR, used_by=_used_by)


def _uses(field: str) -> Callable[[Facts], Iterator[Use]]:
    def uses(facts: Facts) -> Iterator[Use]:
        for row in facts.owned(BALANCER):
            if name := row.body.get(field):
                flavor = facts.old.all(FLAVOR).get(str(name)) if field == "flavor_id" else None
                yield Use(BALANCER, flavor, "" if flavor else str(name))

    return uses


def _match(kind: str) -> Callable[[Facts, Need], Match]:
    def match(facts: Facts, need: Need) -> Match:
        if not octavia.has_octavia(facts.new):
            return LEAVE, NO_OCTAVIA(cloud=facts.new.cloud)
        names = sorted({row.name for row in facts.new.all(kind).values()})
        if kind == PROVIDER and need.key in AMPHORA and "amphora" in names:
            return "amphora", SAME_NAME() if need.key == "amphora" else SAME_PROVIDER()
        if found := same_name(facts, kind, need):
            return found[0].name, SAME_NAME()
        if kind == PROVIDER and not names:  # an Octavia of before Stein does not tell
            return LEAVE, ABSENT_BUT(known=known(facts, kind))
        if kind == ZONE and len(names) == 1:
            return names[0], ONLY_ONE()
        return None, ABSENT_BUT(known=known(facts, kind))

    return match


def _section(name: str, kind: str, field: str, without: str) -> Section:
    """The map's section of what load balancers name in a field."""
    about = f"of load balancers; leave: {without}"
    return Section(name, kind, about, _uses(field), _match(kind), leavable=True, mentioned=True)


FLAVORS = _section("load_balancer_flavors", FLAVOR, "flavor_id", "none is asked for")
ZONES = _section("load_balancer_zones", ZONE, "availability_zone", "none is asked for")
PROVIDERS = _section("load_balancer_providers", PROVIDER, "provider", "the default one")


def flavors(draft: Draft) -> None:
    """Flavors of load balancers are matched by the map."""
    for (section, _), choice in draft.choices.items():
        row = choice.need.row
        if section == FLAVORS.name and row is not None and (target := draft.target(FLAVORS.name, FLAVOR, row)):
            changed = choice.target != row.name
            changes = [FieldChange("name", row.name, choice.target, choice.why)] if changed else []
            draft.match(row, target, choice.why, changes)


def places(draft: Draft, row: Row) -> tuple[dict[str, str], list[FieldChange]]:
    """What a load balancer asks for of the new cloud, and what of it is not as it was."""
    asked: dict[str, str] = {}
    changes: list[FieldChange] = []
    for section, field in ((FLAVORS, "flavor_id"), (ZONES, "availability_zone"), (PROVIDERS, "provider")):
        name = row.body.get(field)
        if not name:
            continue
        flavor = draft.facts.old.all(FLAVOR).get(str(name)) if section is FLAVORS else None
        choice = draft.choice(section.name, flavor, str(name))
        target = _target(draft, section, choice)
        if target is None:
            changes.append(FieldChange(field, name, None, LEFT()))
            continue
        asked[field] = target
        if section is not FLAVORS and target != name and choice is not None:
            changes.append(FieldChange(field, name, target, choice.why))
    return asked, changes


def _target(draft: Draft, section: Section, choice: Choice | None) -> str | None:
    """What is asked for; None for nothing."""
    if choice is None or choice.target in (None, LEAVE):
        return None
    found = draft.facts.new.named(section.kind, str(choice.target))
    return found[0].id if found else None
