"""Servers: made from their empty volumes on their ports, booted once, stopped; started at the cut-over."""

import re
from typing import Any

from naru.inventory.rows import Row
from naru.move.draft import Draft, Rule, kept, mark, ref, title
from naru.move.facts import Side, disks
from naru.move.fields import unknown
from naru.move.kinds.compute import actor, flavor_id, owner_rules
from naru.move.kinds.network import SERVICE as NETWORK
from naru.move.kinds.volume import is_bootable, zone

SERVICE = "compute"
VERSION = "2.96"
FIELDS = (
    *("name", "description", "metadata", "tags", "config_drive", "accessIPv4", "accessIPv6", "OS-DCF:diskConfig"),
    *("OS-EXT-SRV-ATTR:user_data", "OS-EXT-SRV-ATTR:hostname", "locked"),
)
# for each state of a server: whether it can be moved, whether it runs afterwards, and what its users are told
STATES: dict[str, tuple[bool, bool, str]] = {
    "ACTIVE": (True, True, ""),
    "SHUTOFF": (True, False, ""),
    "PAUSED": (True, False, "it is paused: its memory stays behind, and it arrives switched off"),
    "SUSPENDED": (True, False, "it is suspended: its memory stays behind, and it arrives switched off"),
    "SHELVED": (True, False, "it is shelved: it arrives switched off"),
    "SHELVED_OFFLOADED": (True, False, "it is shelved: it arrives switched off"),
    "RESCUE": (True, False, "it is being rescued: its own disk is moved, and it arrives switched off"),
    "ERROR": (False, False, "it is in error"),
    "SOFT_DELETED": (False, False, "it was deleted, and could be restored for a while"),
    "DELETED": (False, False, "it was deleted"),
}
HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


def servers(draft: Draft) -> None:
    """Every server that can be moved, as its user."""
    for row in draft.facts.owned("server"):
        movable, _, told = STATES.get(row.status, (None, False, ""))
        task = row.body.get("OS-EXT-STS:task_state")
        if movable is None or (task and row.status != "RESCUE"):
            hint = "Wait until that is over (a resize has to be confirmed or reverted); then plan again."
            draft.leave(row, f"it is {row.status}{f', {task}' if task else ''}", severity="error", hint=hint)
        elif row.status == "RESCUE" and not from_volume(row):
            hint = "End the rescue, then plan again."
            draft.leave(row, "it is being rescued, and its own disk cannot be read meanwhile", hint=hint)
        elif not movable:
            draft.leave(row, told, hint="Delete or mend it on the old cloud, then plan again.")
        else:
            if told:
                draft.find("warning", f"{title(row)}: {told}", about=row.id)
            _server(draft, row)


def stranded(draft: Draft) -> None:
    """Ports of servers that are left: Nova gives a port its DNS name, and here there is none that would."""
    for row in draft.facts.owned("server"):
        if draft.ref("server", row.id) is not None:
            continue
        for port in nics(draft.facts.old, row):
            if port.body.get("dns_name") and draft.ref("port", port.id) is not None:
                draft.rule(port, Rule("dns_name", port.body["dns_name"], "", "its server is not moved"))


def runs(row: Row) -> bool:
    """Whether the server runs on the new cloud after the move."""
    return STATES[row.status][1]


def unit(row: Row) -> str:
    """The unit of a server's own steps."""
    return f"server {row.name} {row.id[:8]}"


def from_volume(row: Row) -> bool:
    """Whether the server's root disk is a volume."""
    return not row.body.get("image")


def nics(side: Side, row: Row) -> list[Row]:
    """The server's ports, in the order of its interfaces: as Nova lists its addresses, those without any at the end."""
    order: dict[str, int] = {}
    for addresses in (row.body.get("addresses") or {}).values():
        for address in addresses:
            order.setdefault(str(address.get("OS-EXT-IPS-MAC:mac_addr")).lower(), len(order))
    ports = [port for port in side.attached(row.id) if str(port.body.get("device_owner")).startswith("compute:")]
    return sorted(
        ports,
        key=lambda port: (
            order.get(port.body["mac_address"].lower(), 1 << 30),
            port.body.get("created_at") or "",
            port.id,
        ),
    )


def _server(draft: Draft, row: Row) -> None:
    problems = []
    body: dict[str, Any] = {"name": row.name, "metadata": {**row.body.get("metadata", {}), "naru": mark(row)}}
    rules = owner_rules(draft, row)
    body |= {name: row.body[name] for name in ("accessIPv4", "accessIPv6", "OS-DCF:diskConfig") if row.body.get(name)}
    if row.body.get("description") is not None:
        body["description"] = row.body["description"]
    if row.body.get("tags"):
        body["tags"] = row.body["tags"]
    if row.body.get("OS-EXT-SRV-ATTR:user_data"):
        body["user_data"] = row.body["OS-EXT-SRV-ATTR:user_data"]
    if str(row.body.get("config_drive")).lower() == "true":
        body["config_drive"] = True
    hostname = str(row.body.get("OS-EXT-SRV-ATTR:hostname") or "")
    if HOSTNAME.fullmatch(hostname):
        body["hostname"] = hostname
    place, more = zone(draft, "compute_zones", "compute availability zone", row.body.get("OS-EXT-AZ:availability_zone"))
    rules += more
    if place:
        body["availability_zone"] = place
    flavor = flavor_id(draft, row)
    body["flavorRef"] = draft.ref("flavor", flavor)
    if body["flavorRef"] is None:
        problems.append("its flavor is not on the new cloud")
    after = [_key_pair(draft, row, body, rules), draft.bootable.get(flavor, "")]
    after.append(draft.access.get((row.project, flavor), ""))
    body["networks"] = _networks(draft, row, after, problems, rules) or "none"
    _disks(draft, row, body, after, problems)
    if problems:
        hint = "Correct the map, or what is said of these things above."
        draft.leave(row, "; ".join(problems), severity="error", hint=hint)
        return
    beside: dict[str, Any] = {}
    if group := _group(draft, row):
        beside = {"os:scheduler_hints": {"group": group}}
    rules += [Rule(name, row.body[name], None, why) for name, why in unknown(row, frozenset(FIELDS))]
    who = actor(draft, row)
    newest = draft.facts.new.supports(SERVICE, VERSION)
    step = draft.create(
        *(row, body),
        path="/servers",
        listing=["/servers/detail?all_tenants=1&project_id=", draft.ref("project", row.project)],
        item="/servers/",
        wrap="server",
        where={"metadata.naru": mark(row)},
        rules=rules,
        wait={"field": "status", "until": ["ACTIVE", "SHUTOFF"], "fail": ["ERROR"]},
        gone=True,
        version=VERSION if newest else "2.79",
        after=[*after, draft.actors[row.project, str(row.body.get("user_id") or "")]],
        unit=unit(row),
        title_=f"boot {title(row)} once, on empty disks",
        beside=beside,
        actor=who,
    )
    draft.marked_in_metadata(row, step, "/servers", "server")
    _afterwards(draft, row, step)


def _key_pair(draft: Draft, row: Row, body: dict[str, Any], rules: list[Rule]) -> str:
    """Puts the name of the server's key pair in; the step that makes that."""
    name = row.body.get("key_name")
    if not name:
        return ""
    decision = draft.decisions.get(("key pair", f"{row.body['user_id']}/{name}"))
    if decision is None or decision.decision == "leave" or owner_rules(draft, row):
        rules.append(
            Rule("key_name", name, None, "that key pair is not the user's on the new cloud; the disk has the key")
        )
        return ""
    body["key_name"] = name
    return decision.step


def _networks(draft: Draft, row: Row, after: list[str], problems: list[str], rules: list[Rule]) -> list[dict[str, Any]]:
    found = []
    for port in nics(draft.facts.old, row):
        new = draft.ref("port", port.id)
        if new is None:
            problems.append(f"its port {port.id} is not moved")
            continue
        found.append({"port": new})
        for user in ("*", row.project):
            after += draft.shared.get((port.body["network_id"], user), [])
        after += draft.makers("trunk", (trunk.id for trunk in draft.facts.old.by("trunk", "port_id", port.id)))
    if len(found) > 1:
        rules.append(Rule("interface tags", None, None, "the old release does not tell the tags of interfaces"))
    return found


def _disks(draft: Draft, row: Row, body: dict[str, Any], after: list[str], problems: list[str]) -> None:
    mapping: list[dict[str, Any]] = []
    root = from_volume(row)
    if not root:
        identity = row.body["image"]["id"]
        image = draft.ref("image", identity)
        if image is None:
            problems.append(f"its image {identity} is not on the new cloud")
        body["imageRef"] = image
        after += [draft.bootable.get(identity, ""), draft.access.get((row.project, identity), "")]
    for volume, told in disks(draft.facts.old, row):
        new = draft.ref("volume", volume.id)
        if new is None:
            problems.append(f"its volume {volume.id} is not moved")
            continue
        disk = {"uuid": new, "source_type": "volume", "destination_type": "volume", "boot_index": 0 if root else -1}
        mapping.append({**disk, "delete_on_termination": bool(told.get("delete_on_termination"))})
        root = False
        after += [f"volume/{volume.id} properties", *sharing(draft, volume)]
    if mapping:
        if not from_volume(row):
            local = {"uuid": body["imageRef"], "source_type": "image", "destination_type": "local", "boot_index": 0}
            mapping.insert(0, {**local, "delete_on_termination": True})
        body["block_device_mapping_v2"] = mapping
    elif from_volume(row):
        problems.append("it has neither an image nor a volume to boot from")


def sharing(draft: Draft, volume: Row) -> list[str]:
    """The steps that boot servers with the volume, of those planned so far. The next one comes after them: while Cinder
    is attaching a volume it refuses it to every other server, though its type allows several."""
    return draft.makers("server", (item["server_id"] for item in volume.body.get("attachments") or []))


def _group(draft: Draft, row: Row) -> Any:
    """The counterpart of the server group that the server is in."""
    groups = draft.facts.old.by("server group", "members.*", row.id)
    return draft.ref("server group", groups[0].id) if groups else None


def _afterwards(draft: Draft, row: Row, step: str) -> None:
    """What comes when the server has booted: stopped, its ports' DNS names, its lock."""
    stopped = draft.step(
        f"{step} stopped",
        "move.power",
        {"cloud": draft.new, "service": SERVICE, "server": ref(step), "to": "SHUTOFF"},
        title=f"stop {title(row)}: its disks are empty",
        project=row.project,
        unit=unit(row),
    )
    volumes = disks(draft.facts.old, row)
    if from_volume(row) and volumes and not is_bootable(volumes[0][0]):
        path = ["/volumes/", draft.ref("volume", volumes[0][0].id), "/action"]
        draft.step(
            f"{step} not bootable",
            "move.call",
            {
                "cloud": draft.new,
                "service": "block-storage",
                "requests": [{"method": "POST", "path": path, "body": {"os-set_bootable": {"bootable": False}}}],
            },
            title=f"the root volume of {title(row)} says that it is not bootable, as it did",
            project=row.project,
            unit=unit(row),
            after=[stopped],
        )
    requests: list[dict[str, Any]] = []
    known = draft.facts.new.extensions(NETWORK)
    for port in nics(draft.facts.old, row):
        if port.body.get("dns_name") and "dns-integration" in known:
            path = ["/ports/", draft.ref("port", port.id)]
            requests.append({"method": "PUT", "path": path, "body": {"port": kept(port, ("dns_name",))}})
    if requests:
        draft.step(
            f"{step} DNS names",
            "move.call",
            {"cloud": draft.new, "service": NETWORK, "requests": requests},
            title=f"DNS names of the ports of {title(row)}",
            project=row.project,
            unit=unit(row),
            after=[stopped],
        )
    if row.body.get("locked"):
        reason = row.body.get("locked_reason")
        lock = {"method": "POST", "path": ["/servers/", ref(step), "/action"], "body": {"lock": None}}
        if reason:
            lock |= {"body": {"lock": {"locked_reason": reason}}, "version": "2.73"}
        draft.step(
            f"{step} locked",
            "move.call",
            {"cloud": draft.new, "service": SERVICE, "requests": [lock]},
            title=f"lock {title(row)}",
            project=row.project,
            unit=unit(row),
            after=[stopped],
        )
