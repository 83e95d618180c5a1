"""The disks that servers have: what the modules of servers and of volumes both need to know of them."""

from dataclasses import dataclass

from naru.move.draft import Draft
from naru.move.facts import boots_from_volume, disks


@dataclass
class Roots:
    """Old ids of the volumes that servers are booted from; None until they are asked for."""

    volumes: set[str] | None = None


def root_volumes(draft: Draft) -> set[str]:
    """Old ids of the volumes that servers are booted from."""
    roots = draft.note(Roots)
    if roots.volumes is None:
        servers = [row for row in draft.facts.owned("server") if boots_from_volume(draft.facts.old, row)]
        roots.volumes = {found[0][0].id for row in servers if (found := disks(draft.facts.old, row))}
    return roots.volumes
