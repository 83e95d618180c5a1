"""What of the old cloud becomes what of the new, as data. The file that says so, `map.yaml`, is read and written by
`naru.move.mapfile`; each of its sections is declared in the module of the kind that it is about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.facts import Facts

CREATE = "create"
LEAVE = "leave"
"""The target of what has no counterpart and is done without, or is not moved, in sections where that may be said: it
is told."""

AS_WRITTEN = message("move.map.as_written", en="as written", ko="map.yaml에서 지정했습니다")
SAME_NAME = message("move.map.same_name", en="same name", ko="이름이 같습니다")
SAME_BUT_CASE = message(
    "move.map.same_but_case",
    en="same name, in other upper and lower case",
    ko="대소문자만 다른 같은 이름입니다",
)
ABSENT = message("move.map.absent", en="not on the new cloud", ko="새 클라우드에 없습니다")
ABSENT_BUT = message("move.map.absent_but", en="not on the new cloud; {known}", ko="새 클라우드에 없습니다({known})")
HAS = message("move.map.has", en="{cloud} has {names}", ko="{cloud} 클라우드에 있는 것: {names}")
HAS_NONE = message("move.map.has_none", en="there is none on {cloud}", ko="{cloud} 클라우드에는 하나도 없습니다")
USERS = message("move.map.users", en="{users:counts}", ko="{users:counts}")
ONLY_ONE = message("move.map.only_one", en="the only one", ko="새 클라우드에 하나뿐입니다")


@dataclass(frozen=True)
class Need:
    """Something of the old cloud that the projects use: which section names it, by which key (its name, or its id
    where the name is not unique), how many things of which kinds use it, and the row itself (None for what is nothing
    but a name)."""

    section: str
    key: str
    users: Mapping[str, int]
    row: Row | None = None

    @property
    def used_by(self) -> Text:
        """As `3 servers, 1 port`."""
        return USERS(users=dict(self.users))


@dataclass(frozen=True)
class Choice:
    """What a need becomes: a name or id on the new cloud, CREATE, or None for what is not decided; and why."""

    need: Need
    target: str | None
    why: Text


@dataclass(frozen=True)
class Use:
    """A use of something that a section names: of the row, or of what is nothing but a name, by a thing of the kind
    `user`."""

    user: str
    row: Row | None = None
    name: str = ""


Match = tuple[str | None, Text]
"""A counterpart, CREATE, or None when there is none that is sure; and why."""


@dataclass(frozen=True)
class Section:
    """A section of the file. `kind` is what its values name ("" for mere names); its keys name the same, or only
    something that things of the old cloud say, with `mentioned` (a zone may be gone whose name its servers still have).
    `what` is its comment, `creatable` whether `create` may stand there, `leavable` whether `leave` may,
    `words` are further words that may, and with `only` nothing else. `uses` gives what the projects use of it, `match`
    finds a counterpart."""

    name: str
    kind: str
    what: str
    uses: Callable[[Facts], Iterator[Use]]
    match: Callable[[Facts, Need], Match]
    creatable: bool = False
    leavable: bool = False
    mentioned: bool = False
    words: tuple[str, ...] = ()
    only: bool = False


def of_others(facts: Facts, kind: str, identity: Any, user: str) -> Iterator[Use]:
    """The use of a thing by its id, when it is not one of the moved projects'."""
    row = facts.old.all(kind).get(str(identity or ""))
    if row and row.project not in facts.projects:
        yield Use(user, row)


def same_name(facts: Facts, kind: str, need: Need) -> Sequence[Row]:
    """What the new cloud has of the kind with the name of what is needed."""
    return facts.new.named(kind, need.row.name if need.row else need.key)


def same_but_case(
    facts: Facts, kind: str, need: Need, where: Callable[[Row], bool] = lambda row: True
) -> tuple[Sequence[Row], Text]:
    """As `same_name`, of kinds whose names no database keeps twice, in whatever case, among the things `where` it keeps
    them so; and why they are the same."""
    name = need.row.name if need.row else need.key
    found = facts.new.alike(kind, name, where)
    return found, SAME_BUT_CASE() if found and found[0].name != name else SAME_NAME()


def known(facts: Facts, kind: str) -> Text:
    """What the new cloud has of the kind, in short."""
    names = sorted({row.name for row in facts.new.all(kind).values()})
    if not names:
        return HAS_NONE(cloud=facts.new.cloud)
    return HAS(cloud=facts.new.cloud, names=", ".join(names[:8]) + (", ..." if len(names) > 8 else ""))


def zone_match(kind: str) -> Callable[[Facts, Need], Match]:
    """Matches an availability zone by its name, or takes the only one."""

    def match(facts: Facts, need: Need) -> Match:
        names = sorted(row.name for row in facts.new.all(kind).values() if row.name != "internal")
        if need.key in names:
            return need.key, SAME_NAME()
        if len(names) == 1:
            return names[0], ONLY_ONE()
        return None, ABSENT_BUT(known=known(facts, kind))

    return match
