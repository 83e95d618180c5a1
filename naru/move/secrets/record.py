"""What the journal keeps of secrets and containers that are being moved: which new reference each old one has, never
what it holds."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass

from naru.inventory.elsewhere import last_part
from naru.plan.journal import Journal

PREFIX = "secrets/"
"""How the keys of its notes begin; behind it is the old id."""


@dataclass(frozen=True)
class Moved:
    """A secret or container (`kind`, as of `naru.inventory.kinds`) and its counterpart. `old` and `new` are references,
    `new` empty while it is only begun; `project` is the old id. `done` says that it is whole: what it holds was
    compared, and its ACL is set. `made` says that it was made for this, and not found there. `by` is the name of the
    user."""

    kind: str
    old: str
    new: str
    project: str
    name: str
    by: str
    made: bool
    done: bool

    @property
    def old_id(self) -> str:
        return last_part(self.old)

    @property
    def new_id(self) -> str:
        return last_part(self.new)


def keep(journal: Journal, moved: Moved) -> None:
    """Writes it down, in place of what was known of the same."""
    journal.remember(f"{PREFIX}{moved.old_id}", asdict(moved))


def forget(journal: Journal, moved: Moved) -> None:
    """Its counterpart is gone."""
    journal.remember(f"{PREFIX}{moved.old_id}", None)


def recorded(journal: Journal) -> dict[str, Moved]:
    """All that was begun, by old id."""
    notes = journal.recall_all(PREFIX)
    return {key.removeprefix(PREFIX): Moved(**value) for key, value in notes.items() if value}


def references(journal: Journal) -> Mapping[str, str]:
    """By the old reference of each secret and container that was moved whole: the new one. For whatever names them:
    listeners of load balancers, images, volumes."""
    return {one.old: one.new for one in recorded(journal).values() if one.done}


def left_by_rollback(journal: Journal, projects: Collection[str]) -> Iterator[str]:
    """Lines that tell the operator of what was made in these projects (old ids), or without any in all: a rollback
    knows nothing of it, and cannot act as its users."""
    made = [
        one for one in recorded(journal).values() if one.made and one.new and (not projects or one.project in projects)
    ]
    if made:
        users = ", ".join(sorted({one.by for one in made}))
        yield f"{len(made)} secrets and containers stay in Barbican of the new cloud, moved as {users}"
        yield "to remove them first: naru move secrets DIR --as USER --undo"
