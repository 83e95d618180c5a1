"""What Keystone's kinds share: what the new cloud has of a name in a domain is taken, a directory's are never made, and
relations are made by PUT.

Keystone keeps attributes of people's own invention, so a thing is sent with all that it has but Keystone's own fields.
The `sent` of a kind are those of which the plan says how an existing one differs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, Severity, thing
from naru.move.kind import Kind
from naru.move.mapping import SAME_BUT_CASE

SERVICE = "identity"
_ID = re.compile("[0-9a-f]{32}")
# what Keystone has of its own; whatever else it says is somebody's, and is kept
_OWN = frozenset(
    (
        *("id", "links", "domain_id", "parent_id", "is_domain", "enabled", "default_project_id", "password_expires_at"),
        *("federated", "name"),
    )
)

SAME_NAME = message(
    "move.keystone.same_name", en="same name in the same domain", ko="같은 도메인에 이름이 같은 것이 있습니다"
)
TAKEN_FOR = message(
    "move.keystone.taken_for",
    en="{thing}: {other} of {cloud} is taken for the same; only upper and lower case differ",
    ko="{thing}: {cloud} 클라우드의 {other}와(과) 대소문자만 다르므로 같은 것으로 봅니다",
)
RENAME_ONE = message(
    "move.keystone.rename_one",
    en="If they are not the same, rename one of them, then plan again.",
    ko="서로 다른 것이라면 둘 중 하나의 이름을 바꾼 뒤 계획을 다시 세워 주십시오.",
)
ONE_OF_TWO = message(
    "move.keystone.one_of_two",
    en="{thing} and {other} have one name in one domain of {cloud}; upper and lower case are no difference there",
    ko="{thing}, {other}: {cloud} 클라우드에서는 같은 도메인의 같은 이름이 됩니다. 보통 대소문자를 구별하지 않습니다",
)
WOULD_BE_ONE = message(
    "move.keystone.would_be_one",
    en="They would become one, with the access of both.",
    ko="둘이 하나로 합쳐져 양쪽의 권한을 모두 갖게 됩니다.",
)
WOULD_BE_REFUSED = message(
    "move.keystone.would_be_refused",
    en="Most clouds' databases refuse the second.",
    ko="대부분의 클라우드 데이터베이스는 두 번째 것을 거부합니다.",
)
RENAME_THERE = message(
    "move.keystone.rename_there",
    en="Rename one of them on the old cloud, or map their domains to different ones; then plan again.",
    ko="기존 클라우드에서 둘 중 하나의 이름을 바꾸거나 map.yaml에서 도메인을 서로 다르게 지정한 뒤 계획을 다시 세워"
    " 주십시오.",
)
LEFT_AS_IT_IS = message(
    "move.keystone.left_as_it_is",
    en="what the new cloud has already is left as it is",
    ko="새 클라우드에 이미 있는 것은 그대로 둡니다",
)
DIRECTORY = message(
    "move.keystone.directory",
    en="it comes from a directory, and is not on the new cloud yet",
    ko="디렉터리 서비스에 속한 것이며 새 클라우드에는 아직 없습니다",
)
CONNECT_DIRECTORY = message(
    "move.keystone.connect_directory",
    en="Connect the domain on the new cloud to the same directory, or make it there by hand; then plan again.",
    ko="새 클라우드의 도메인을 같은 디렉터리 서비스에 연결하거나 직접 만든 뒤 계획을 다시 세워 주십시오.",
)


def given(row: Row) -> dict[str, Any]:
    """Name, description and all else that people have given the thing, attributes of their own invention included."""
    return {"name": row.name, **{name: value for name, value in row.body.items() if name not in _OWN}}


def matched(draft: Draft, kind: Kind, row: Row, domain: Any) -> Row | None:
    """What the new cloud has of that kind and name in the domain is matched, and returned."""
    found = draft.facts.new.alike(kind.name, row.name, lambda other: other.body.get("domain_id") == domain)
    one_of_two(draft, row, domain, found=bool(found))
    if not found:
        return None
    other = found[0]
    why = SAME_NAME() if other.name == row.name else SAME_BUT_CASE()
    draft.match(row, other.id, why, _differences(row, other, kind.sent))
    if other.name != row.name:
        said = TAKEN_FOR(thing=thing(row), other=other.name, cloud=draft.new)
        draft.report("warning", said, about=row.id, hint=RENAME_ONE())
    return other


@dataclass
class _Names:
    """Who has a name: by kind, domain and the name in lower case."""

    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)


def one_of_two(draft: Draft, row: Row, domain: Any = None, *, found: bool = False) -> None:
    """Tells of a thing that gets the name of another one in the domain of the new cloud: names differ in upper and
    lower case alone, or two domains became one. `found`: the new cloud has a thing of that name, for which both would
    be taken."""
    first = draft.note(_Names).rows.setdefault((row.kind, str(domain), row.name.casefold()), row)
    if first is not row:
        said = ONE_OF_TWO(thing=thing(first), other=thing(row), cloud=draft.new)
        severity: Severity = "error" if found else "warning"
        detail = WOULD_BE_ONE() if found else WOULD_BE_REFUSED()
        draft.report(severity, said, detail=detail, about=row.id, hint=RENAME_THERE())


def _differences(old: Row, new: Row, fields: tuple[str, ...]) -> list[FieldChange]:
    return [
        FieldChange(name, old.body.get(name), new.body.get(name), LEFT_AS_IT_IS())
        for name in fields
        if name in old.body and old.body.get(name) != new.body.get(name)
    ]


def of_directory(draft: Draft, row: Row) -> bool:
    """Leaves, and reports, a user or group that Keystone did not make: its own have a UUID for their id, those of a
    directory (LDAP) what the directory calls them or, in all but the default domain, a hash of that."""
    if _ID.fullmatch(row.id):
        return False
    draft.leave(row, DIRECTORY(), severity="error", hint=CONNECT_DIRECTORY())
    return True


def relation(draft: Draft, row: Row, path: list[Any], title: Text, project: str, *, kept: Iterable[str] = ()) -> None:
    """The step that makes a relation of two things: a PUT of the path, which a DELETE of it undoes. `kept` are fields
    that are not its own, but those of one of the two."""
    step = draft.call(
        f"{row.kind}/{row.id}",
        SERVICE,
        [{"method": "PUT", "path": path, "ok": [409]}],
        title,
        undo=[{"method": "DELETE", "path": path, "ok": [404]}],
        about=row,
        project=project,
    )
    draft.made(row, step, kept=kept)
