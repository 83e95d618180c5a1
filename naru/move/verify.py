"""Verification: every thing of the archive against the new cloud, field by field.

Whatever differs is explained by a rule of the plan, or it is an error. References are compared by what they mean: the
old id of a network against the new id of that network's counterpart.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from naru.inventory.compare import calm
from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.inventory.user_quotas import KIND as USER_QUOTA
from naru.move import fields
from naru.move.draft import Decision
from naru.move.facts import Side, disks
from naru.move.groups import rule_key
from naru.move.kinds.network import SHARED
from naru.move.kinds.quota import NO_QUOTA
from naru.move.kinds.server import STATES, nics
from naru.move.outcome import Difference

# what is a relation alone: that it is there is all there is to it
RELATIONS = frozenset(
    ("group membership", "role assignment", "credential", "flavor access", "image member", "address scope")
)
NOTHING: tuple[Any, ...] = (None, "", [], {})

# turns the id of a thing of a kind into what it is compared by
Mapped = Callable[[str, Any], Any]


class Verifier:
    """Compares `old`, as it was, with `new`, as it is. `made` has the new id by kind and old id joined by a blank;
    `done` the projects (old ids) that are cut over, `final` those that are finalized, `back` those taken back, `undone`
    the steps that joined these to others."""

    def __init__(
        self,
        old: Side,
        new: Side,
        made: Mapping[str, str],
        done: set[str],
        final: set[str],
        back: Collection[str] = (),
        undone: Collection[str] = (),
    ) -> None:
        self.old = old
        self.new = new
        self.made = made
        self.done = done
        self.final = final
        self.back = back
        self.undone = undone

    def differences(self, decision: Decision) -> Iterator[Difference]:
        """How the thing's counterpart differs from it. What is not there at all differs in the field ""."""
        row = self.old.all(decision.kind).get(decision.id)
        if row is None or decision.decision != "create" or decision.kind in RELATIONS:
            return
        if decision.project in self.back:
            yield Difference("", row.name or row.id, None, "its project was taken back")
            return
        if decision.step in self.undone:
            yield Difference("", row.name or row.id, None, "a project that it joined was taken back")
            return
        quota = decision.kind.endswith("quota")
        if quota and decision.project not in self.final:
            return
        there = self.new.all(decision.kind).get(self._counterpart(decision, row))
        if there is None:
            yield Difference("", row.name or row.id, None, "")
            return
        expected, found = _view(self.old, row, self._map), _view(self.new, there, lambda _, identity: identity)
        if quota:
            expected = {name: value for name, value in expected.items() if name not in NO_QUOTA}
        if decision.project in self.done:
            expected |= _after(self.old, row, self._map)
            found |= _after(self.new, there, lambda _, identity: identity)
            if row.kind == "server":
                expected["status"] = "ACTIVE" if STATES[row.status][1] else "SHUTOFF"
        for field in sorted(expected):
            if (quota or field not in found) and field not in found and expected[field] in NOTHING:
                continue
            if calm(field, expected[field]) != calm(field, found.get(field)):
                old, new = expected[field], found.get(field)
                yield Difference(field, old, new, self._rule(decision, field))

    def _counterpart(self, decision: Decision, row: Row) -> str:
        if decision.kind == USER_QUOTA.name:
            user = self.made.get(f"user {row.body['user_id']}", "")
            return f"{self.made.get(f'project {row.project}', '')}/{user}"
        if decision.kind.endswith("quota"):
            return self.made.get(f"project {decision.id}", "")
        if decision.kind == "key pair":
            user = self.made.get(f"user {row.body['user_id']}", "")
            return f"{user}/{row.name}"
        return self.made.get(f"{decision.kind} {decision.id}", "")

    def _map(self, kind: str, identity: Any) -> Any:
        """The id of the counterpart; what has none stands for itself."""
        return self.made.get(f"{kind} {identity}", identity)

    def _rule(self, decision: Decision, field: str) -> str:
        told = next((rule.why for rule in decision.rules if rule.field == field), "")
        if field == "default_project_id" and self.old.all("user")[decision.id].body[field] in self.back:
            return "its project was taken back"
        return told or fields.NOT_KEPT.get(decision.kind, {}).get(field, "")


def _view(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """The thing in the fields that are to be the same on both clouds, with every id `mapped`."""
    leave = fields.OWN | fields.FOLLOWS.get(row.kind, frozenset())
    body = {name: value for name, value in row.body.items() if name not in leave}
    for path, kind in BY_NAME[row.kind].references.items():
        name, _, rest = path.partition(".")
        if name in body:
            body[name] = _put(body[name], rest, kind, mapped)
    return body | _SPECIAL.get(row.kind, _nothing)(side, row, mapped)


def _put(value: Any, path: str, kind: str, mapped: Mapped) -> Any:
    """The value with the ids at the path mapped."""
    if not path:
        return mapped(kind, value) if isinstance(value, str) and value else value
    step, _, rest = path.partition(".")
    if step == "*" and isinstance(value, list):
        return [_put(item, rest, kind, mapped) for item in value]
    if isinstance(value, dict) and step in value:
        return {**value, step: _put(value[step], rest, kind, mapped)}
    return value


def _nothing(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {}


def _server(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    found = [
        (mapped("volume", volume.id), bool(told.get("delete_on_termination"))) for volume, told in disks(side, row)
    ]
    return {
        "metadata": _unmarked(row.body.get("metadata")),
        "config_drive": str(row.body.get("config_drive")).lower() == "true",
        "volumes": [list(disk) for disk in found],
        "ports": [mapped("port", port.id) for port in nics(side, row)],
        "flavor": mapped("flavor", (row.body.get("flavor_link") or {}).get("id")),
        "key_name": row.body.get("key_name"),
        "image": mapped("image", (row.body.get("image") or {}).get("id")),
    }


def _volume(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    metadata = _unmarked(row.body.get("metadata"))
    metadata.pop("attached_mode", None)
    # Cinder tells of the flag when it was ever set
    readonly = str(metadata.pop("readonly", False)).lower() == "true"
    servers = [mapped("server", item["server_id"]) for item in row.body.get("attachments", [])]
    return {"metadata": metadata, "readonly": readonly, "servers": sorted(servers)}


def _snapshot(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"metadata": _unmarked(row.body.get("metadata"))}


def _unmarked(metadata: Any) -> dict[str, Any]:
    return {name: value for name, value in (metadata or {}).items() if name != "naru"}


def _security_group(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    rules = []
    for rule in row.body.get("security_group_rules", []):
        kinds = {"remote_group_id": "security group", "remote_address_group_id": "address group"}
        there = {name: mapped(kind, rule[name]) for name, kind in kinds.items() if rule.get(name)}
        rules.append([*rule_key({**rule, **there}), rule.get("description") or ""])
    return {"rules": sorted(map(str, rules))}


def _flavor(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    names = ("swap", "OS-FLV-EXT-DATA:ephemeral")
    return {**{name: row.body.get(name) or 0 for name in names}, "extra_specs": side.extra_specs(row.id)}


def _key_pair(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"keypair": {name: row.body["keypair"].get(name) for name in ("name", "public_key", "type", "fingerprint")}}


def _trunk(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    subs = [{**sub, "port_id": mapped("port", sub["port_id"])} for sub in row.body.get("sub_ports", [])]
    return {"sub_ports": sorted(subs, key=str)}


def _qos(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    own = ("id", "qos_policy_id", "project_id", "tenant_id")
    rules = [{name: value for name, value in rule.items() if name not in own} for rule in row.body.get("rules", [])]
    return {"rules": sorted(rules, key=str)}


def _router(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    interfaces = [port for port in side.attached(row.id) if "router_interface" in str(port.body.get("device_owner"))]
    return {"interfaces": sorted(mapped("port", port.id) for port in interfaces)}


def _server_group(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    older = next(iter(row.body.get("policies") or []), None)
    return {"policy": row.body.get("policy") or older, "rules": row.body.get("rules") or {}}


def _subnet(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"allocation_pools": sorted(row.body.get("allocation_pools", []), key=str)}


def _rbac(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"object_id": mapped(SHARED.get(row.body["object_type"], ""), row.body["object_id"])}


def _port(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    return {"mac_address": row.body["mac_address"].lower()}


_SPECIAL: dict[str, Callable[[Side, Row, Mapped], dict[str, Any]]] = {
    "server": _server,
    "volume": _volume,
    "snapshot": _snapshot,
    "security group": _security_group,
    "flavor": _flavor,
    "key pair": _key_pair,
    "trunk": _trunk,
    "QoS policy": _qos,
    "router": _router,
    "server group": _server_group,
    "subnet": _subnet,
    "port": _port,
    "RBAC policy": _rbac,
}


def _after(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """What comes with the cut-over."""
    if row.kind == "server":
        return {"status": row.status}
    if row.kind == "floating IP":
        port = row.body.get("port_id")
        return {"port_id": port and mapped("port", port), "fixed_ip_address": row.body.get("fixed_ip_address")}
    if row.kind == "router":
        info = row.body.get("external_gateway_info") or {}
        addresses = sorted(item["ip_address"] for item in info.get("external_fixed_ips", []))
        return {"gateway": addresses, "enable_snat": info.get("enable_snat"), "routes": row.body.get("routes", [])}
    return {}
