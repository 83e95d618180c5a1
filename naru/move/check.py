"""What would go wrong, found before anything happens: every problem at once, as findings of the plan."""

import ipaddress
from typing import Any

from naru.inventory.room import resources
from naru.inventory.rows import Row
from naru.move.dependencies import dependencies, needed, together
from naru.move.draft import Draft, title


def undecided(draft: Draft) -> None:
    """Whatever the map leaves open."""
    for choice in draft.choices.values():
        if choice.target is None:
            draft.find(
                "error",
                f"{choice.need.section}: {choice.need.key} is not decided: {choice.why}",
                detail=f"used by {choice.need.users}",
                about=f"map {choice.need.section}",
                hint="Write it into the map: naru move map --suggest makes one.",
            )


def places(draft: Draft) -> None:
    """Places that say nothing: where a new volume will be is not known yet, so the old one's backend decides."""
    for name, backend in sorted(draft.storages[1].backends.items()) if draft.storage else ():
        if backend.place:
            draft.find(
                "info",
                f"the place of the backend {name} of {draft.new} is not used",
                about=f"backend {name}",
                hint="Content is carried at the place of the backend that has the old volume.",
            )


def addresses(draft: Draft) -> None:
    """Addresses and MAC addresses that are to appear on a shared network and are in use on the new cloud already;
    allocation pools from which either cloud could give out what the other one has."""
    taken: dict[tuple[str, str], Row] = {}
    macs: dict[tuple[str, str], Row] = {}
    for port in draft.facts.new.all("port").values():
        for address in port.body.get("fixed_ips", []):
            taken[port.body["network_id"], address["ip_address"]] = port
        macs[port.body["network_id"], str(port.body["mac_address"]).lower()] = port
    for row, network, address in _wanted(draft):
        if other := taken.get((network, address)):
            draft.find(
                "error",
                f"{title(row)}: its address {address} is in use on {draft.new}",
                detail=f"by port {other.id} ({other.body.get('device_owner') or 'no device'})",
                about=row.id,
                hint="Free it there, then plan again.",
            )
    for row in draft.facts.owned("port"):
        network = draft.ref("network", row.body["network_id"])
        if isinstance(network, str) and (other := macs.get((network, row.body["mac_address"].lower()))):
            about = row.id
            draft.find("error", f"{title(row)}: its MAC address is in use on {draft.new}", detail=other.id, about=about)
    _pools(draft)


def _wanted(draft: Draft) -> list[tuple[Row, str, str]]:
    """(thing, network on the new cloud, address) of all that is to appear on networks that are there already."""
    found = []
    for row in draft.facts.owned("floating IP"):
        found.append((row, row.body["floating_network_id"], row.body["floating_ip_address"]))
    for row in draft.facts.owned("router"):
        info = row.body.get("external_gateway_info") or {}
        found += [(row, info["network_id"], item["ip_address"]) for item in info.get("external_fixed_ips", [])]
    for row in draft.facts.owned("port"):
        if not str(row.body.get("device_owner")).startswith("network:"):
            found += [(row, row.body["network_id"], item["ip_address"]) for item in row.body.get("fixed_ips", [])]
    targets = [(row, draft.ref("network", network), address) for row, network, address in found]
    return [(row, network, address) for row, network, address in targets if isinstance(network, str)]


def _pools(draft: Draft) -> None:
    for decision in list(draft.decisions.values()):
        if decision.kind != "subnet" or decision.decision != "match":
            continue
        old, new = draft.facts.old.all("subnet")[decision.id], draft.facts.new.all("subnet")[decision.new]
        for ours in _ranges(old):
            for theirs in _ranges(new):
                if ours[0] <= theirs[1] and theirs[0] <= ours[1]:
                    draft.find(
                        "warning",
                        f"{title(old)}: both clouds give out {max(ours[0], theirs[0])} to {min(ours[1], theirs[1])}",
                        detail="One address may come to be used on both at once.",
                        about=old.id,
                        hint="Make the allocation pools of the two clouds disjoint.",
                    )


def _ranges(row: Row) -> list[tuple[Any, Any]]:
    return [
        (ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"]))
        for pool in row.body.get("allocation_pools", [])
    ]


def attachments(draft: Draft) -> None:
    """Whether Nova and Cinder agree which volumes are attached to which servers: a request that was lost long ago may
    have left one of them behind."""
    nova = {
        (entry["id"], row.id)
        for row in draft.facts.owned("server")
        for entry in row.body.get("os-extended-volumes:volumes_attached") or []
    }
    cinder = {
        (row.id, item["server_id"])
        for row in draft.facts.owned("volume")
        for item in row.body.get("attachments") or []
        if item["server_id"] in draft.facts.old.all("server")
    }
    for who, others, found in (("Nova", "Cinder", nova - cinder), ("Cinder", "Nova", cinder - nova)):
        for volume, server in sorted(found):
            row = draft.facts.old.all("volume").get(volume)
            draft.find(
                "warning",
                f"{title(row) if row else f'volume {volume}'}: {who} says that it is attached to server {server},"
                f" {others} does not",
                detail="On the new cloud both will say what Nova says now.",
                about=volume,
                hint="Detach and attach it on the old cloud if that is not what its users see, then plan again.",
            )


def bound(draft: Draft) -> None:
    """Projects that need one another: one is not cut over without the others."""
    needs = needed(dependencies(draft.facts.old, draft.facts.projects))
    for group in together(draft.facts.projects, needs):
        if len(group) > 1:
            draft.find(
                "info",
                f"projects {', '.join(draft.facts.projects[project].name for project in group)} need one another",
                hint="Cut them over together. What they need of one another: naru move waves.",
            )


def capacity(draft: Draft) -> None:
    """Whether the new cloud has a host for each flavor: by Placement's own candidates, of what it was asked."""
    room = draft.facts.new.all("allocation candidates")
    for decision in list(draft.decisions.values()):
        row = draft.facts.old.all("flavor").get(decision.id) if decision.kind == "flavor" else None
        if row is None:
            continue
        wanted = resources(row)
        if wanted in room and not room[wanted].body["candidates"]:
            hint = "Add hosts, or map the flavor to another."
            draft.find(
                "error",
                f"no host of {draft.new} has room for flavor {row.name}",
                detail=wanted,
                about=row.id,
                hint=hint,
            )


def disabled(draft: Draft) -> None:
    """Projects and users that are switched off: opened for the move, switched off again."""
    for rows in (draft.facts.projects, draft.facts.users):
        for row in rows.values():
            if not row.body.get("enabled", True):
                draft.find(
                    "info",
                    f"{title(row)} is switched off",
                    detail="It is open on the new cloud while its things are made, and switched off when they are.",
                    about=row.id,
                )


def forgotten(draft: Draft) -> None:
    """Whatever the projects own and no rule has decided about."""
    services = ("network:", "Octavia", "octavia:", "neutron:LOADBALANCER")
    for kind in OWNED:
        for row in draft.facts.owned(kind):
            own = kind == "port" and str(row.body.get("device_owner")).startswith(services)
            if (kind, row.id) not in draft.decisions and not own:
                draft.leave(row, "no rule of the move is about it")


OWNED = (
    *("role assignment", "server group", "server", "volume", "snapshot", "backup", "volume group", "volume transfer"),
    *("image", "address scope", "address group", "subnet pool", "QoS policy", "security group", "network", "segment"),
    *("subnet", "router", "port", "trunk", "floating IP", "RBAC policy"),
)
