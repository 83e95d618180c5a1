"""A thing of a cloud as it was read: the API's whole answer, and the few fields that all kinds have."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from naru.inventory.kinds import BY_NAME, Kind, values


@dataclass(frozen=True)
class Row:
    """One thing. `id` is its own, or for what has none (assignments, memberships) its identifying fields joined by
    `/`. `project` is the id of its owner, empty for what belongs to no project. `body` is the API's answer. `called` is
    what people know it by, where somebody has found that out for what has no name."""

    kind: str
    id: str
    name: str
    project: str
    status: str
    body: dict[str, Any]
    called: str = field(default="", compare=False)

    @classmethod
    def of(cls, kind: Kind, body: dict[str, Any]) -> "Row":
        """The row of an item of the kind's list."""
        key = "/".join(_text(next(values(body, path), "")) for path in kind.key)
        return cls(
            kind=kind.name,
            id=key,
            name=_text(next(values(body, kind.title), "")),
            project=_owner(kind, body),
            status=_text(body.get("status") or body.get("provisioning_status") or ""),
            body=body,
        )

    def references(self) -> Iterator[tuple[str, str, str]]:
        """(path, kind, id) of every thing that this one names."""
        for path, kind in BY_NAME[self.kind].references.items():
            for found in values(self.body, path):
                if found and isinstance(found, str) and found != "*":  # everybody, in an RBAC policy
                    yield path, kind, found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


# a service spells the owner in one of these ways; the first that an answer has is meant
_OWNERS = (
    "project_id",
    "tenant_id",
    "owner",
    "os-vol-tenant-attr:tenant_id",
    "os-extended-snapshot-attributes:project_id",
    "os-backup-project-attr:project_id",
)


def _owner(kind: Kind, body: dict[str, Any]) -> str:
    if kind.name == "project":
        return _text(body["id"])
    if kind.name == "role assignment":
        return _text(next(values(body, "scope.project.id"), ""))
    return owner(body)


def owner(body: dict[str, Any]) -> str:
    """The id of the project that a thing belongs to, as a service's answer says it; "" where it says none."""
    return next((_text(body[name]) for name in _OWNERS if body.get(name)), "")
