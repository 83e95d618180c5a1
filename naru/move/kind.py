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
from naru.move.showing import UsedBy, nobody

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


def _as_asked(field: str, old: Any, new: Any) -> Text:
    return ""


def _nothing(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Kind:
    """A kind of thing: what a move knows of it, in five groups of fields."""

    name: str
    """The inventory's name of the kind, like `port`; how it is read is declared there (`naru.inventory.kinds`)."""

    # -- making
    path: str = ""
    """Where one is made: `/ports`."""
    wrap: str = ""
    """The key around its fields in requests and answers: `port`."""
    item: str = ""
    """What the path of one begins with, where that is not `path` and a slash: `/servers/`."""
    version: str = ""
    """The microversion in which it is made."""
    sent: tuple[str, ...] = ()
    """The fields that are sent as they were."""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """By field: the API extension that it needs on the new cloud; without that it is not sent, and told."""
    harmless: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """By field: the values that are as good as none: they need no extension, and nobody misses them."""

    says_nothing: Callable[[str, Any], bool] = lambda name, value: False
    """Whether a field with that value is as good as none: the same, of fields whose names are not known beforehand."""

    # -- keeping
    handled: frozenset[str] = frozenset()
    """Further fields that the module keeps by itself, in another form or by another request."""
    not_kept: Mapping[str, Text] = field(default_factory=dict)
    """By field: why it cannot be the same."""
    derived: frozenset[str] = frozenset()
    """Fields that follow from another thing or a later step, or that the cloud sets for itself: they are not reported
    as lost, and not compared. Of a port: `binding:vif_type`."""

    # -- comparing
    not_compared: frozenset[str] = frozenset()
    """Further fields that are not compared as the API says them, whether they are sent, handled or not kept."""
    ordered: frozenset[str] = frozenset()
    """Fields of what is compared with lists whose order means something, though that of the same name means nothing
    elsewhere."""
    compared: Comparable = _nothing
    """Gives fields in a form that both sides can be compared in, such as names in place of ids."""
    after_cutover: Comparable = _nothing
    """The same, of fields that are only equal after the cut-over."""
    arrives: Callable[[Row], dict[str, Any]] = lambda row: {}
    """What of these the new one is to have after the cut-over whatever the old one says, which is stopped by then."""
    adjusted: Callable[[str, Any, Any], Text] = _as_asked
    """Why a field has another value than it was asked for, where the new cloud may only tell when the thing is made:
    of the field, the old value and the new one; "" where that is no reason."""
    relation: bool = False
    """It only says that two things belong together: there is nothing to compare but that it exists."""
    at_end: bool = False
    """It is set, and so compared, when the move is finalized."""
    counterpart: Callable[[Row, Mapped], str] | None = None
    """The id on the new cloud, where that is not what its step has made: of the row, by the new ids of other things."""

    # -- needing
    origins: frozenset[str] = frozenset()
    """References that only say where it once came from. What it names by any other, it needs."""
    both_ways: frozenset[str] = frozenset()
    """References by which the thing that is named needs this one, too."""
    dispensable: tuple[str, ...] = ()
    """Where in the arguments of its steps something is named that they can do without, when that is left behind
    (`naru.move.leaving`): `body.security_groups.*`."""

    # -- telling
    owned: bool = False
    """It belongs to a project: one that no rule has decided about is an error of the plan."""
    used_by: UsedBy = nobody
    """The projects in whose reports one stands that belongs to none of those that are moved (see
    `naru.move.showing`): by default none, it stands in the operators' overview alone."""
    terraform: str = ""
    """The resource of terraform-provider-openstack; "" for none."""
    importable: bool = True
    """Whether that provider can import one."""

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
            if self.says_nothing(name, value):
                continue
            if name in self.not_kept:
                yield FieldChange(name, value, None, self.not_kept[name])
            elif name not in self.derived:
                yield FieldChange(name, value, None, UNKNOWN_FIELD())
