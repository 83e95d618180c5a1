"""Security groups: all groups first, then all rules, so that rules that name groups find them."""

from typing import Any

from naru.move.draft import Draft, ref
from naru.move.kinds.network import SERVICE, make, not_kept, sendable, tags

GROUP = ("name", "description", "stateful")
RULE = (
    *("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description"),
    *("remote_group_id", "remote_address_group_id"),
)


def groups(draft: Draft) -> None:
    """Groups. The one called default is there already, and is made equal."""
    for row in sorted(draft.facts.owned("security group"), key=lambda row: row.name != "default"):
        if row.name == "default":
            project = draft.ref("project", row.project)
            there = [group for group in draft.there("security group", row.project) if group.name == "default"]
            step = draft.step(
                f"{row.kind}/{row.id}",
                "move.default_group",
                {
                    "cloud": draft.new,
                    "service": SERVICE,
                    "project": project,
                    "created": not there,
                },
                title="security group default",
                project=row.project,
            )
            draft.default_groups[row.project] = step
            draft.made(row, step, "every project has one; its rules are made equal")
            tags(draft, row, step, "/security-groups/")
            continue
        body, rules = sendable(draft, row, GROUP)
        rules += not_kept(row, GROUP)
        make(draft, row, "/security-groups", "security_group", body, rules)


def rules(draft: Draft) -> None:
    """Rules: just those of the old group, without what the new cloud puts into every new one."""
    for row in draft.facts.owned("security group"):
        step = draft.decisions["security group", row.id].step
        wanted: list[dict[str, Any]] = []
        for rule in row.body.get("security_group_rules", []):
            body = {name: rule.get(name) for name in RULE if name in rule}
            lost = _map(draft, body)
            if lost:
                draft.find(
                    "warning",
                    f"security group {row.name}: a rule is not moved, {lost}",
                    detail=_text(rule),
                    about=row.id,
                    hint="Move the project of that group, too, or make the rule on the new cloud by hand.",
                )
                continue
            wanted.append(body)
        project = draft.decisions["project", row.project]
        draft.step(
            f"{step} rules",
            "move.rules",
            {
                "cloud": draft.new,
                "service": SERVICE,
                "group": ref(step),
                "project": draft.ref("project", row.project),
                "rules": wanted,
                # what others put into a group that was there before stays
                "only": row.name != "default" or project.decision == "create",
            },
            title=f"{len(wanted)} rules of security group {row.name}",
            project=row.project,
        )


def _map(draft: Draft, rule: dict[str, Any]) -> str:
    """Puts counterparts into the rule; why it cannot be."""
    for name, kind in (("remote_group_id", "security group"), ("remote_address_group_id", "address group")):
        if rule.get(name):
            found = draft.ref(kind, rule[name])
            if found is None:
                return f"it names a {kind} that is not moved"
            rule[name] = found
    return ""


def _text(rule: dict[str, Any]) -> str:
    return ", ".join(f"{name} {rule[name]}" for name in RULE if rule.get(name) not in (None, ""))
