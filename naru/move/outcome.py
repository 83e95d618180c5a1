"""What a move came to, as data: what the report is written from.

Everything here is JSON when it is written out, and nothing of it is a secret: new passwords go into the hand-over file
(`naru.move.handover`) and nowhere else.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from naru.errors import NaruError
from naru.messages import Text
from naru.move.decisions import Decided
from naru.plan.model import Finding

State = Literal["right", "explained", "differs", "not yet", "failed", "left", "rolled back"]
"""What a thing is on the new cloud: as it was; different, as the plan or the operator says; different, or gone, and
nothing explains it; not made yet, or not wholly; its making failed; left behind; rolled back."""
STATES: tuple[State, ...] = get_args(State)
PARTS = ("stop_s", "content_s", "wait_s", "start_s")
"""The fields of a `Downtime` that are its parts, in their order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as it was. `old` and `new` are JSON; `why` is what explains it; while that is
    empty nothing does, and it is an error. Reports call it `rule`."""

    field: str
    old: Any
    new: Any
    why: Text


@dataclass(frozen=True, slots=True)
class Item:
    """A thing of the old cloud and what became of it.

    `kind` is one of `naru.inventory.kinds`, or `security group rule`, `router interface` or `volume attachment` (as
    `server/volume`), which have no list of their own there. `old_id` and `new_id` are as in `Row.id`; `new_id` is empty
    for what was left or is not made yet. `project` is the old project's id, empty for what belongs to none.

    `used_by` are further projects (old ids) in whose report the thing is to stand: of a flavor, an external network, a
    user's key pair. `device_owner` is the port's, since by that Terraform calls it a port or a router interface.

    `state` says what it is now; `phase` in which phase it is made, where it is not made yet or failed; it is `due` when
    that phase was begun, so that it should be there. `reason` is why it failed or was left.
    """

    kind: str
    old_id: str
    new_id: str
    name: str
    project: str
    decision: Decided
    why: Text
    differences: tuple[Difference, ...] = ()
    used_by: tuple[str, ...] = ()
    device_owner: str = ""
    state: State = "right"
    phase: str = ""
    due: bool = False
    reason: Text = ""

    @property
    def is_wrong(self) -> bool:
        """Whether it is not what it should be by now."""
        return self.state in ("differs", "failed") or (self.state == "not yet" and self.due)


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed: its id and title, the thing that it is about (empty for none), the project (old id, empty for
    none) and the `phase` that it belongs to, and its error in one line."""

    step: str
    title: Text
    kind: str
    name: str
    old_id: str
    project: str
    phase: str
    error: str


@dataclass(frozen=True, slots=True)
class UnfinishedPhase:
    """A phase of a project (old id) that was begun and is not at its end: so many steps are left."""

    project: str
    phase: str
    steps: int


@dataclass(frozen=True, slots=True)
class Task:
    """Something that only the users can do. `name` and `old_id` are the thing's, `detail` what its text needs:

    - `password`: `domain` (the user's, by name)
    - `application credential`: `user`, `roles` (names on the new cloud), `expires_at`, `unrestricted`, `description`,
      `access_rules` (as Keystone gives them)
    - `secret`: `user`, `secret_type`, `content_type`, `algorithm`, `bit_length`, `mode`, `expires_at`, `readers` (ids
      on the new cloud of the users in its ACL), `private`
    - `secret container`: `type`, `secrets` (name in it, new reference or "" for one that is not moved yet, old one)
    - `certificate`: `load_balancer`, `listener` (names)
    - `trust`: `trustor`, `trustee` (names, or ids on the new cloud), `trustor_domain`, `trustee_domain`, `roles`,
      `impersonation`, `expires_at`
    - `totp`: `user`
    - `object storage url`: `old_url`, `new_url`
    - `iac`: nothing

    `naru.move.result` makes `iac`, `password`, `application credential`, `totp`, `secret` and `secret container`. The
    others are for Octavia, Heat and Swift; the pages of the report have their texts already.

    Any of these may be missing. Another kind is shown with its detail as it is. `project` is the old project's id.
    """

    project: str
    kind: str
    name: str
    old_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Downtime:
    """How long a server was to be off, in seconds, and when it was stopped on the old cloud and started on the new one
    (ISO 8601, empty for what has not happened). The time between has four parts, in this order, in seconds: until the
    old cloud said that it is off; until the content of its volumes was there and compared; waiting for others'
    addresses, servers and limits; and until the new cloud said that it runs. None where they were not measured."""

    server_old_id: str
    server_name: str
    expected_s: float
    stopped_at: str = ""
    started_at: str = ""
    stop_s: float | None = None
    content_s: float | None = None
    wait_s: float | None = None
    start_s: float | None = None

    @property
    def parts(self) -> tuple[float | None, ...]:
        """The times of PARTS."""
        return tuple(getattr(self, part) for part in PARTS)

    @property
    def measured_s(self) -> float | None:
        """How long it was off, None before it was started again. Raises NaruError for what is no time."""
        if not self.stopped_at or not self.started_at:
            return None
        try:
            stopped, started = map(datetime.datetime.fromisoformat, (self.stopped_at, self.started_at))
            return (started - stopped).total_seconds()
        except (TypeError, ValueError) as error:  # a TypeError: one has a zone, the other has none
            raise NaruError(
                f"server {self.server_name!r} ({self.server_old_id}): its times of stop and start cannot be compared",
                detail=f"stopped_at {self.stopped_at!r}, started_at {self.started_at!r}: {error}",
            ) from error


@dataclass(frozen=True, slots=True)
class ContentResult:
    """How the content of a volume was compared when it was cut over. `way` is `whole`, `changes` (what changed since it
    was found equal before), `image` (by the checksum of an image), `clone` or `reflink` (of the old volume itself, on
    one storage); `size` and `compared` are bytes; `digest` is of the whole content, `algorithm` says of what kind;
    `repaired` are ranges that differed and were copied again; `at` is ISO 8601. `chain` is that of the proofs (see
    `naru.volumes.engine.proof`), where there are any."""

    volume_old_id: str
    volume_name: str
    size: int
    compared: int
    way: Literal["whole", "changes", "image", "clone", "reflink"]
    algorithm: str
    digest: str
    repaired: int
    at: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """What one pass carried of the content of a volume. `round` is the number of the round of copying ahead, 0 for the
    window; `read` and `written` are bytes; `at` is when it ended (ISO 8601)."""

    volume_old_id: str
    volume_name: str
    round: int
    read: int
    written: int
    at: str


@dataclass(frozen=True, slots=True)
class Round:
    """A round of copying ahead: when it began, and when what it has done so far was at its end (ISO 8601)."""

    number: int
    began: str
    ended: str


@dataclass(frozen=True, slots=True)
class AddressChange:
    """How a floating IP, a port forwarding or a router's gateway was changed over: from when it was taken off the old
    cloud to when it was on the new one (ISO 8601). `kind` is that of `Item`."""

    kind: str
    name: str
    began: str
    ended: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project that was moved. `domain` is the name of its domain; `new_id` is empty before it is made. One that was
    `rolled_back` is on the old cloud as before, whatever phase the others are in."""

    old_id: str
    new_id: str
    name: str
    domain: str
    rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole move. The clouds are names in `clouds.yaml`; `made_at` is ISO 8601; `phase` is the last one that was done
    (`plan`, `prepare`, `cutover`, `finalize`, `rollback`). A finding stands in the report of a
    project when its `about` is the old id of the project or of a thing in it."""

    old_cloud: str
    new_cloud: str
    old_auth_url: str
    new_auth_url: str
    old_region: str
    new_region: str
    made_at: str
    phase: str
    projects: tuple[Project, ...] = ()
    items: tuple[Item, ...] = ()
    tasks: tuple[Task, ...] = ()
    downtimes: tuple[Downtime, ...] = ()
    contents: tuple[ContentResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    rounds: tuple[Round, ...] = ()
    carried: tuple[Carried, ...] = ()
    addresses: tuple[AddressChange, ...] = ()
    failures: tuple[Failure, ...] = ()
    unfinished: tuple[UnfinishedPhase, ...] = ()

    @property
    def is_wrong(self) -> bool:
        """Whether anything is not what it should be by the phases that were begun."""
        return bool(self.failures or self.unfinished) or any(item.is_wrong for item in self.items)
