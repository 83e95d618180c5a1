"""What all of Octavia's kinds share: a load balancer and all that is in it are made by one request, so each has a part
of that request. Octavia has no extensions: what an older one lacks follows from the minor version of its API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, kept
from naru.move.facts import Side
from naru.move.kind import NOTHING, Kind

SERVICE = "load-balancer"
STATE = frozenset(("operating_status", "provisioning_status"))
"""What a load balancer's parts are at, which they are anew."""
NO_VERSION = message(
    "move.octavia.no_version",
    en="the Octavia of {cloud} has it only since version {version} of its API",
    ko="{cloud} 클라우드의 Octavia가 지원하지 않습니다(API 버전 {version}부터 지원)",
)


@dataclass(frozen=True)
class Part:
    """A thing that is made with its load balancer: its part of the request, and what of it is not as it was."""

    row: Row
    body: dict[str, Any]
    changes: list[FieldChange] = field(default_factory=list)


def part(draft: Draft, kind: Kind, row: Row, since: Mapping[str, str]) -> Part:
    """The part of a thing with those of the kind's `sent` fields that say something and that the new Octavia takes:
    `since` has the version of its API by field."""
    body: dict[str, Any] = {}
    changes: list[FieldChange] = []
    for name, value in kept(row, kind.sent).items():
        if value in NOTHING:  # as good as not said, and refused at times
            continue
        version = since.get(name, "2.0")
        if draft.facts.new.supports(SERVICE, version):
            body[name] = value
        elif value not in kind.harmless.get(name, ()):
            changes.append(FieldChange(name, value, None, NO_VERSION(cloud=draft.new, version=version)))
    return Part(row, body, changes)


def balancer_of(old: Side, port: Row) -> Row | None:
    """The load balancer whose VIP is on the port."""
    return next(iter(old.by("load balancer", "vip_port_id", port.id)), None)


def has_octavia(side: Side) -> bool:
    """Whether the cloud has Octavia."""
    return SERVICE in side.itself["versions"]
