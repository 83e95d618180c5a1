"""Security groups: all groups first, then all rules, so that rules that name groups find them. The group called
default is there already in every project, and is made equal."""

from collections.abc import Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, ref, resolve
from naru.actions.clouds import RETRY, cloud, remove
from naru.actions.request import Action
from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import SERVICE, make, tags
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.kinds import step

RULE = (
    *("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description"),
    *("remote_group_id", "remote_address_group_id"),
)
# fields of a rule: the kind of thing that they name
NAMED = {"remote_group_id": "security group", "remote_address_group_id": "address group"}


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    rules = []
    for rule in row.body.get("security_group_rules", []):
        named = {name: mapped(kind, rule[name]) for name, kind in NAMED.items() if rule.get(name)}
        rules.append([*rule_key({**rule, **named}), rule.get("description") or ""])
    return {"rules": sorted(map(str, rules))}


KIND = Kind(
    "security group",
    path="/security-groups",
    wrap="security_group",
    sent=("name", "description", "stateful"),
    extensions={"stateful": "stateful-security-group"},
    harmless={"stateful": (True,)},
    handled=frozenset(("tags",)),
    derived=frozenset(("security_group_rules", "shared")),  # sharing is an RBAC policy's
    compared=_compared,
    dispensable=("rules.*",),
    owned=True,
    terraform="openstack_networking_secgroup_v2",
)
IN_EVERY_PROJECT = message(
    "move.security_group.default",
    en="every project has one; its rules are made equal",
    ko="프로젝트마다 하나씩 있는 보안 그룹이며 규칙을 기존과 같게 맞춥니다",
)
RULE_NOT_MOVED = message(
    "move.security_group.rule_not_moved",
    en="security group {name}: a rule is not moved, it names a {kind:kind} that is not moved",
    ko="보안 그룹 {name}: 이전하지 않는 리소스({kind:kind})를 가리키는 규칙 하나를 이전하지 않습니다",
)
MOVE_ITS_PROJECT = message(
    "move.security_group.move_its_project",
    en="Move the project of that group, too, or make the rule on the new cloud by hand.",
    ko="그 그룹의 프로젝트도 함께 이전하거나 새 클라우드에서 규칙을 직접 만들어 주십시오.",
)
DEFAULT = message("move.title.default_group", en="security group default", ko="기본 보안 그룹(default)")
RULES = message(
    "move.title.security_group_rules",
    en="{count} rules of security group {name}",
    ko="보안 그룹 {name}의 규칙 {count}개",
)


class DefaultGroup(Action):
    """The security group `default` of `project`; `created` says that there is none yet."""

    step_kind: ClassVar[str] = "move.default_group"

    project: Id
    created: bool


class Rules(Action):
    """The security group `group` of `project` gets the `rules`; with `only` all others are taken away."""

    step_kind: ClassVar[str] = "move.rules"

    group: Id
    project: Id
    rules: list[dict[str, Any]]
    only: bool


# -- rules of the plan


def groups(draft: Draft) -> None:
    """Groups. Neutron makes another default one for whatever is done in a project that has none: in a rollback it goes
    after all of that."""
    for row in sorted(draft.facts.owned(KIND.name), key=lambda row: row.name != "default"):
        if row.name == "default":
            existing = [group for group in draft.existing(KIND.name, row.project) if group.name == "default"]
            action = DefaultGroup(
                cloud=draft.new, service=SERVICE, project=draft.ref("project", row.project), created=not existing
            )
            step = draft.step(f"{row.kind}/{row.id}", action, DEFAULT(), about=row, project=row.project)
            draft.first(row.project, SERVICE, step)
            draft.made(row, step, IN_EVERY_PROJECT())
            tags(draft, KIND, row, step)
            continue
        body, changes = draft.sent(KIND, row)
        make(draft, KIND, row, body, changes)


def rules(draft: Draft) -> None:
    """Rules: just those of the old group, without what the new cloud puts into every new one."""
    for row in draft.facts.owned(KIND.name):
        step = draft.decisions[KIND.name, row.id].step
        wanted: list[dict[str, Any]] = []
        for rule in row.body.get("security_group_rules", []):
            body = {name: rule.get(name) for name in RULE if name in rule}
            if lost := _map(draft, body):
                draft.report(
                    *("warning", RULE_NOT_MOVED(name=row.name, kind=lost)),
                    detail=_text(rule),
                    about=row.id,
                    hint=MOVE_ITS_PROJECT(),
                )
                continue
            wanted.append(body)
        project = draft.decisions["project", row.project]
        action = Rules(
            cloud=draft.new,
            service=SERVICE,
            group=ref(step),
            project=draft.ref("project", row.project),
            rules=wanted,
            # what others put into a group that was there before stays
            only=row.name != "default" or project.decision == "create",
        )
        title = RULES(count=len(wanted), name=row.name)
        draft.step(f"{step} rules", action, title, about=row, project=row.project)


def _map(draft: Draft, rule: dict[str, Any]) -> str:
    """Puts counterparts into the rule; the kind of the thing that has none, "" when all have."""
    for name, kind in NAMED.items():
        if rule.get(name):
            found = draft.ref(kind, rule[name])
            if found is None:
                return kind
            rule[name] = found
    return ""


def _text(rule: Mapping[str, Any]) -> Text:
    """A rule as Neutron has it: the names of its fields are the same in every language."""
    return ", ".join(f"{name} {rule[name]}" for name in RULE if rule.get(name) not in (None, ""))


# -- steps


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


@step("move.default_group", args=DefaultGroup, undo="move.default_group.delete", retry=RETRY, deadline=600)
def default_group(context: Context) -> dict[str, Any]:
    """Finds the security group `default` of `project`; Neutron makes it when it is asked for that project's groups."""
    args = resolve(context.args, context.results(), context)
    found = _default(cloud(context, args["cloud"]), args["project"])
    if not found:
        raise NaruError("Neutron has made no security group default for the project", hint="Retry the step.")
    return {"id": found[0]}


@step("move.default_group.delete", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def default_group_delete(context: Context) -> None:
    """Deletes the default group if there was none before, which only an administrator may."""
    args, done = context.args["args"], context.args["result"]
    if args["created"] and done:
        remove(context, cloud(context, args["cloud"]), "network", f"/security-groups/{done['id']}")


def _default(client: Cloud, project: str) -> list[str]:
    listed = client.items("network", f"/security-groups?project_id={project}", "security_groups")
    return [group["id"] for group in listed if group["name"] == "default"]


@step("move.rules", args=Rules, no_undo="the rules go with their group", retry=RETRY, deadline=600)
def make_rules_equal(context: Context) -> dict[str, int]:
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
