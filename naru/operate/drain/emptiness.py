"""Whether nothing is on a host but what stays there, as it was when that was decided."""

from collections.abc import Collection, Iterator, Mapping

from naru.actions.clouds import get
from naru.cloud.client import Cloud
from naru.operate import compute

OLD_DISK = ""
"""In place of a status: what stays is no server of the host, but the old disk of one that is elsewhere."""


def server_problems(client: Cloud, host: str, left: Mapping[str, str], known: Collection[str] = ()) -> list[str]:
    """What Nova has on the host beside `left`: servers (ids) with the status in which each was left there. One whose
    owner has started it since is no server that may be switched off with its host. `known` are those that were there
    when it was planned."""
    return list(_servers(client, host, left, known))


def _servers(client: Cloud, host: str, left: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    for one in compute.servers_on(client, host):
        named = f"server {one['name']} ({one['id']})"
        status = left.get(one["id"])
        if status is None:
            came = "" if one["id"] in known else ", and came after it was planned"
            yield f"{named} is on it{came}"
        elif status == OLD_DISK:
            yield f"{named} is on it again: its resize was reverted"
        elif one["status"] != status:
            yield f"{named} is {one['status']} by now, and was {status} when it was left on it"
        elif one[compute.TASK]:
            yield f"{named} was left on it, and something is being done to it: {one[compute.TASK]}"
    for one in compute.migrations(client, host):
        if one["instance_uuid"] not in left and compute.is_under_way(client, one):
            yield f"a migration of server {one['instance_uuid']} is {one['status']}"


def allocation_problems(client: Cloud, host: str, left: Collection[str], nodes: Collection[str]) -> list[str]:
    """What Placement has on the host's resource providers (`nodes`) beside what is `left`."""
    kept_by = set(left)
    for one in compute.migrations(client, host):
        if one["instance_uuid"] in left and "uuid" in one:
            kept_by.add(one["uuid"])  # from Queens on the source of a resize is held in its migration's name
    found = []
    for node in nodes:
        held = get(client, "placement", f"/resource_providers/{node}/allocations", "allocations") or {}
        found += [f"Placement has an allocation of {one} on it" for one in sorted(set(held) - kept_by)]
    return found
