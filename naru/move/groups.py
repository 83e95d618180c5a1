"""The step kinds of security groups: the one called default, and rules made equal."""

from collections.abc import Mapping
from typing import Any

from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.move.steps import RETRY, cloud, remove, resolve
from naru.plan.context import Context
from naru.plan.kinds import step

_FIELDS = (
    *("direction", "ethertype", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"),
    "remote_address_group_id",
)
# numbers and older names of protocols, as Neutron takes them for the same
_PROTOCOLS = {
    "icmpv6": "ipv6-icmp",
    "58": "ipv6-icmp",
    "1": "icmp",
    "6": "tcp",
    "17": "udp",
    "112": "vrrp",
    "47": "gre",
}


@step("move.default_group", undo="move.default_group.delete", retry=RETRY, deadline=600)
def default_group(context: Context) -> dict[str, Any]:
    """Finds the security group `default` of `project`; Neutron makes it when it is asked for that project's groups."""
    args = resolve(context.args, context.results(), context)
    found = _default(cloud(context, args["cloud"]), args["project"])
    if not found:
        raise NaruError("Neutron has made no security group default for the project", hint="Retry the step.")
    return {"id": found[0]}


@step("move.default_group.delete", no_undo="it is an undo itself", retry=RETRY, deadline=600)
def default_group_delete(context: Context) -> None:
    """Deletes the default group if there was none before, which only an administrator may."""
    args, done = context.args["args"], context.args["result"]
    if args["created"] and done:
        remove(context, cloud(context, args["cloud"]), "network", f"/security-groups/{done['id']}")


def _default(client: Cloud, project: str) -> list[str]:
    listed = client.items("network", f"/security-groups?project_id={project}", "security_groups")
    return [group["id"] for group in listed if group["name"] == "default"]


@step("move.rules", no_undo="the rules go with their group", retry=RETRY, deadline=600)
def rules(context: Context) -> dict[str, int]:
    """Gives the security group `group` the `rules`, and with `only` takes away all others."""
    args = resolve(context.args, context.results(), context)
    client, group = cloud(context, args["cloud"]), args["group"]
    wanted = {rule_key(rule): rule for rule in args["rules"]}
    there: dict[tuple[Any, ...], str] = {}
    for rule in client.items("network", f"/security-group-rules?security_group_id={group}", "security_group_rules"):
        key = rule_key(rule)
        description = (wanted.get(key) or {}).get("description")
        if key in wanted and (rule.get("description") or "") == (description or ""):
            there[key] = rule["id"]
        elif args["only"] or key in wanted:
            remove(context, client, "network", f"/security-group-rules/{rule['id']}")
    missing = [rule for key, rule in wanted.items() if key not in there]
    if missing:
        own = {"security_group_id": group, "project_id": args["project"]}
        try:
            client(
                "network",
                "POST",
                "/security-group-rules",
                {"security_group_rules": [{**rule, **own} for rule in missing]},
            )
        except CloudError as error:
            if error.status != 409:
                raise
            # two that Neutron takes for the same: those one by one, the second stays out
            for rule in missing:
                _one(client, {**rule, **own})
    return {"rules": len(wanted)}


def _one(client: Cloud, rule: Mapping[str, Any]) -> None:
    try:
        client("network", "POST", "/security-group-rules", {"security_group_rule": rule})
    except CloudError as error:
        if error.status != 409:
            raise


def rule_key(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    protocol = str(rule.get("protocol") or "").lower()
    fields = {name: rule.get(name) for name in _FIELDS}
    if (fields["port_range_min"], fields["port_range_max"]) == (1, 65535):  # newer releases write all ports as none
        fields |= {"port_range_min": None, "port_range_max": None}
    return (_PROTOCOLS.get(protocol, protocol), *fields.values())
