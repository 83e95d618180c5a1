"""What a move has to know of a kind of thing, declared once in the kind's own module (`naru.move.kinds`): how it is
made and found, which fields are kept and which cannot be and why, how the two sides are compared, what others call it.

A field that the declaration does not name was never thought of (an extension, a newer release): when it has a value,
the plan says that it is not kept (`naru.move.draft.Draft.made` sees to that). So none is lost without a word.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from naru.actions.create import Create, Find
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.decisions import FieldChange
from naru.move.facts import Side

# who made a thing, when, and how its service counts; made anew with the thing
OWN = frozenset(
    (
        *("id", "links", "self", "file", "schema", "created_at", "updated_at", "created", "updated", "project_id"),
        *("tenant_id", "user_id", "owner", "revision_number", "standard_attr_id", "status", "deleted", "deleted_at"),
    )
)
NOTHING: tuple[Any, ...] = (None, "", [], {})
"""Values that say nothing."""

Mapped = Callable[[str, Any], Any]
"""Turns the id of a thing of a kind into what it is compared by: that of its counterpart."""
Comparable = Callable[[Side, Row, Mapped], dict[str, Any]]

UNKNOWN_FIELD = message(
    "move.unknown_field",
    en="it is not known to this version of Naru",
    ko="이 버전의 나루가 알지 못하는 항목입니다",
)


def _nothing(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Kind:
    """A kind of thing. `name` is the inventory's, where it is declared how it is read.

    Making: `path` is where it is made, `wrap` the key around its fields, `item` what its own path begins with where
    that is not `path`, `version` the microversion. `sent` are the fields that are sent as they were, `extensions` names
    the API extensions that some of them need on the new cloud, `harmless` the values that are as good as none: they
    need no extension, and are not missed.

    Keeping: `handled` are further fields that the module deals with by itself. `not_kept` are those that cannot be the
    same, and why. `derived` are those that another thing or a later step brings about, or that the cloud sets for
    itself: the plan does not report them as lost, and they are not compared.

    Comparing: `not_compared` are further fields that are not compared as the API says them, whether they are sent,
    handled or not kept. `compared` gives fields in a form in which both sides can be compared, in their place;
    `after_cutover` those that are only the same after the cut-over, `arrives` what of these the new one is to have
    whatever the old one had. Of a `relation` there is nothing to compare: that
    it exists is all. What is set `at_end` is compared when the move is finalized. `counterpart` gives the id on the new
    cloud where that does not follow from what its step made: of the row, by the new ids of things (kind, old id).

    Needing: what a thing names it needs, but for `origins`, the references that only say where it once came from.
    `both_ways` are those by which the thing that is named needs this one, too.

    `owned`: it belongs to a project, and one that no rule has decided about is told to the reader of the plan.
    `terraform` is the resource of terraform-provider-openstack; one that is not `importable` has no import there.
    """

    name: str
    path: str = ""
    wrap: str = ""
    item: str = ""
    version: str = ""
    sent: tuple[str, ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)
    harmless: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    handled: frozenset[str] = frozenset()
    not_kept: Mapping[str, Text] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    not_compared: frozenset[str] = frozenset()
    compared: Comparable = _nothing
    after_cutover: Comparable = _nothing
    arrives: Callable[[Row], dict[str, Any]] = lambda row: {}
    relation: bool = False
    at_end: bool = False
    counterpart: Callable[[Row, Mapped], str] | None = None
    origins: frozenset[str] = frozenset()
    both_ways: frozenset[str] = frozenset()
    owned: bool = False
    terraform: str = ""
    importable: bool = True

    @property
    def service(self) -> str:
        return BY_NAME[self.name].service

    @property
    def collection(self) -> str:
        return BY_NAME[self.name].collection

    def creation(
        self,
        cloud: str,
        body: Mapping[str, Any],
        *,
        where: Mapping[str, Any] | None = None,
        listing: str | list[Any] = "",
        ignore: Iterable[Any] = (),
        ids: Iterable[str] = (),
        path: str | list[Any] = "",
        **more: Any,
    ) -> Create:
        """The request that makes one on `cloud`. What an earlier attempt made is found in the list at `listing` (or at
        its path) by `where` (path: value), unless its id is among `ignore`; or it has one of `ids`. `more` are further
        fields of `Create`."""
        return Create(**self.creation_fields(cloud, body, where, listing, ignore, ids, path), **more)

    def creation_fields(
        self,
        cloud: str,
        body: Mapping[str, Any],
        where: Mapping[str, Any] | None,
        listing: str | list[Any] = "",
        ignore: Iterable[Any] = (),
        ids: Iterable[str] = (),
        path: str | list[Any] = "",
    ) -> dict[str, Any]:
        """The fields of `creation`'s request, for a request that is more than a `Create`."""
        path = path or self.path
        if chosen := list(ids):
            find = Find(ids=chosen)
        else:
            find = Find(path=listing or path, collection=self.collection, where=dict(where or {}), ignore=list(ignore))
        found: dict[str, Any] = {"cloud": cloud, "service": self.service, "path": path, "wrap": self.wrap}
        found |= {"body": dict(body), "find": find}
        if self.item:
            found["item"] = self.item
        if self.version:
            found["version"] = self.version
        return found

    def unknown(self, row: Row, kept: Iterable[str] = ()) -> Iterator[FieldChange]:
        """What is not kept of a thing: every field with a value that is neither sent, handled, derived nor among
        `kept`."""
        known = {*self.sent, *self.handled, *kept}
        for name, value in row.body.items():
            if name in OWN or name in known or value in (*NOTHING, *self.harmless.get(name, ())):
                continue
            if name in self.not_kept:
                yield FieldChange(name, value, None, self.not_kept[name])
            elif name not in self.derived:
                yield FieldChange(name, value, None, UNKNOWN_FIELD())
