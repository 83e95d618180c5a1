"""Which member of a Galera cluster that is off may begin it: the one that is proved to have all that was written.

`safe_to_bootstrap` alone proves nothing: an empty member has had it, and clusters were begun with that. What counts is
where each member ended, as its own disk says it (`grastate.dat`, or after a crash what the server recovers), of one and
the same cluster, and not before what was seen of the cluster when it ran or as its members stopped.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from naru.errors import NaruError

NOTHING = "00000000-0000-0000-0000-000000000000"
"""The cluster's id of a member that never was in one."""


@dataclass(frozen=True)
class Position:
    """Where a member has ended: the id of its cluster, and the number of the last write (-1: not known, or none).
    `safe` is what its grastate.dat says of `safe_to_bootstrap`; `by` whether it was recovered after a crash, or
    stood in that file."""

    uuid: str
    seqno: int
    safe: bool = False
    by: str = "grastate.dat"

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to begin a cluster with."""
        return self.uuid in ("", NOTHING) or self.seqno < 0

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> "Position":
        return cls(**{name: found[name] for name in cls.__annotations__})


class Refused(NaruError):
    """No member may begin the cluster."""


def choose(
    positions: Mapping[str, Position | str],
    *,
    uuid: str = "",
    floor: int = -1,
    last: str = "",
    lost: Collection[str] = (),
) -> str:
    """The member that begins, of those with their `positions`, or why one has none.

    `uuid` is the cluster's id when it ran, `floor` the highest number that was seen of it; `last` the member that
    stopped last, if that is known: it counts only between equals. Members that the operator has given up as `lost` may
    have no position. Raises Refused with what each member says.
    """
    told = "\n".join(f"{host}: {_told(one)}" for host, one in positions.items())
    unknown = [host for host, one in positions.items() if isinstance(one, str) and host not in lost]
    known = {host: one for host, one in positions.items() if isinstance(one, Position)}
    if unknown:
        raise Refused(
            f"it is not known how far {_and(unknown)} had come: it may have what the others have not",
            detail=told,
            hint="Bring it back, its disk at least. If it is lost for ever: naru cluster up --lost HOST.",
        )
    full = {host: one for host, one in known.items() if not one.is_empty}
    if not full:
        raise Refused(
            "no member has anything to begin the cluster with",
            detail=told,
            hint="Look at the disks: is this the data directory? If all is lost, restore the backup.",
        )
    ids = sorted({one.uuid for one in full.values()})
    if len(ids) > 1:
        raise Refused(
            "the members are not of one cluster: their states have diverged",
            detail=told,
            hint="Delete no grastate.dat. Find which has the cloud's data, and set the others' directories aside.",
        )
    if uuid and ids[0] != uuid:
        raise Refused(
            f"the members are of the cluster {ids[0]}, and the one that ran was {uuid}",
            detail=told,
            hint="Is this the data directory, the right disk?",
        )
    highest = max(one.seqno for one in full.values())
    if highest < floor:
        raise Refused(
            f"the newest member ended at {highest}, and the cluster was at {floor} already",
            detail=told,
            hint="A disk is an older one than it was, or the member that has it is lost: naru cluster up --behind "
            "begins with less.",
        )
    newest = [host for host, one in full.items() if one.seqno == highest]
    return max(newest, key=lambda host: (host == last, full[host].safe, -list(positions).index(host)))


def _told(one: Position | str) -> str:
    if isinstance(one, str):
        return one
    return f"{one.uuid}:{one.seqno} (safe_to_bootstrap {int(one.safe)}, by {one.by})"


def _and(names: Collection[str]) -> str:
    return ", ".join(names)
