"""Domains: matched by the map, or made."""

from collections.abc import Iterable, Iterator

from naru.actions.request import Request
from naru.inventory.rows import Row
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Facts
from naru.move.kind import Kind
from naru.move.kinds.keystone import given, one_of_two
from naru.move.mapping import ABSENT, CREATE, Match, Need, Section, Use, of_others, same_but_case


def _used_by(users: showing.Users, row: Row) -> Iterable[str]:
    """The projects in it, and those of its users."""
    mine = {project.id for project in users.old.by("project", "domain_id", row.id)}
    people = (users.of_user.get(user.id, ()) for user in users.old.by("user", "domain_id", row.id))
    return mine.union(*people)


KIND = Kind(
    "domain",
    path="/domains",
    wrap="domain",
    sent=("name", "description", "options"),
    handled=frozenset(("enabled",)),
    used_by=_used_by,
)


# -- the map


def _uses(facts: Facts) -> Iterator[Use]:
    for kind, rows in (("project", facts.projects), ("user", facts.users), ("group", facts.groups)):
        for row in rows.values():
            yield from of_others(facts, KIND.name, row.body.get("domain_id"), kind)


def _match(facts: Facts, need: Need) -> Match:
    found, why = same_but_case(facts, KIND.name, need)
    return (found[0].name, why) if found else (CREATE, ABSENT())


SECTION = Section("domains", "domain", "of the projects, their users and groups", _uses, _match, creatable=True)


# -- rules


def domains(draft: Draft) -> None:
    """Domains of the projects, users and groups are matched by the map, or made with their ids."""
    rows = [*draft.facts.projects.values(), *draft.facts.users.values(), *draft.facts.groups.values()]
    known = draft.facts.old.all(KIND.name)
    for identity in sorted({str(row.body.get("domain_id")) for row in rows}):
        row = known.get(identity)
        if row is None:
            continue
        choice, target = draft.choice(SECTION.name, row), draft.target(SECTION.name, KIND.name, row)
        if choice and target:
            renamed = [FieldChange("name", row.name, choice.target, choice.why)] if choice.target != row.name else []
            draft.match(row, target, choice.why, renamed)
            continue
        one_of_two(draft, row)
        # Keystone keeps a domain's id where it is asked to: the ids of a directory's users are made of it
        body = {**given(row), "enabled": row.body.get("enabled", True), "explicit_domain_id": row.id}
        # only a disabled one can be deleted
        closing = Request(method="PATCH", body={KIND.wrap: {"enabled": False}})
        draft.create(row, KIND.creation(draft.new, body, where={"name": row.name}, closing=closing))
