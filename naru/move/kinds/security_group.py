"""Security groups: all groups first, then all rules, so that rules that name groups find them. The group called
default is there already in every project, and is made equal."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from naru.actions.arguments import Id, ref, resolve
from naru.actions.clouds import RETRY, cloud, remove
from naru.actions.request import Action
from naru.cloud.client import Cloud, CloudError
from naru.errors import NaruError
from naru.inventory.rows import Row
from naru.inventory.security_group_rules import same_rule
from naru.messages import Text, lines, message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import SERVICE, make, tags
from naru.move.kinds.neutron_limits import taken_rule
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step

RULE = (
    *("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description"),
    *("remote_group_id", "remote_address_group_id"),
)
# fields of a rule: the kind of thing that they name
NAMED = {"remote_group_id": "security group", "remote_address_group_id": "address group"}


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    """The rules as the new Neutron has them; those that name what is not moved are told by the plan."""
    moved = mapped("security group", row.id) != row.id
    rules = []
    for rule in _distinct(row):
        named = {name: mapped(kind, rule[name]) for name, kind in NAMED.items() if rule.get(name)}
        if not moved or all(named[name] != rule[name] for name in named):
            rules.append([*same_rule({**rule, **named}), rule.get("description") or ""])
    return {"rules": sorted(map(str, rules))}


def _distinct(row: Row) -> Iterator[dict[str, Any]]:
    """The group's rules as the new Neutron takes them; of several that are one to it, the first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in row.body.get("security_group_rules", []):
        taken, _ = taken_rule(rule)
        if taken is not None:
            found.setdefault(same_rule(taken), taken)
    return iter(found.values())


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
NOT_TAKEN = message(
    "move.security_group.rules_not_taken",
    en="security group {name}: the new Neutron refuses a rule: {why}",
    ko="보안 그룹 {name}: 새 Neutron이 거부하는 규칙이 있습니다. {why}",
)
WITHOUT = message(
    "move.security_group.without_rule",
    en="It is left out, all others are made. Where it is needed, write it as the new cloud takes it.",
    ko="이 규칙만 빼고 나머지는 모두 만듭니다. 필요하면 새 클라우드가 받는 형식으로 다시 작성해 주십시오.",
)
RULE_DIFFERS = message(
    "move.security_group.rule_differs",
    en="security group {name}: a rule is not as it was: {why}",
    ko="보안 그룹 {name}: 기존과 다르게 만드는 규칙이 있습니다. {why}",
)
ONE = message(
    "move.security_group.one_rule",
    en="security group {name}: rules that are one to the new Neutron; the first is made",
    ko="보안 그룹 {name}: 새 Neutron에서는 같은 규칙입니다. 첫 번째 것만 만듭니다",
)
SAME_AS = message(
    "move.security_group.same_as",
    en="it is the same rule to the new Neutron as another one of the group",
    ko="새 Neutron에서는 같은 그룹의 다른 규칙과 같은 규칙입니다",
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
        wanted = _wanted(draft, row)
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


def _wanted(draft: Draft, row: Row) -> list[dict[str, Any]]:
    """The rules that are sent; what differs is told."""
    wanted: dict[tuple[Any, ...], tuple[dict[str, Any], Text]] = {}
    for rule in row.body.get("security_group_rules", []):
        taken, why = taken_rule(rule)
        if why:
            summary, hint = (RULE_DIFFERS, "") if taken else (NOT_TAKEN, WITHOUT())
            draft.report("warning", summary(name=row.name, why=why), detail=_text(rule), about=row.id, hint=hint)
            draft.change(row, FieldChange("security_group_rules", _text(rule), taken and _text(taken), why))
        if taken is None:
            continue
        body = {name: taken.get(name) for name in RULE if name in taken}
        if lost := _map(draft, body):
            left_out = RULE_NOT_MOVED(name=row.name, kind=lost)
            draft.report("warning", left_out, detail=_text(rule), about=row.id, hint=MOVE_ITS_PROJECT())
            draft.change(row, FieldChange("security_group_rules", _text(rule), None, left_out))
            continue
        body, first = wanted.setdefault(same_rule(taken), (body, _text(rule)))
        if first != _text(rule):
            draft.report("info", ONE(name=row.name), detail=lines([first, _text(rule)]), about=row.id)
            draft.change(row, FieldChange("security_group_rules", _text(rule), first, SAME_AS()))
    return [body for body, _ in wanted.values()]


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
    args, done = context.undone.args, context.undone.result
    if args["created"] and done:
        remove(context, cloud(context, args["cloud"]), "network", f"/security-groups/{done['id']}")


def _default(client: Cloud, project: str) -> list[str]:
    # older Neutrons make it for who is asked for as tenant_id; asked by project_id they make that of who asks
    listed = client.items("network", f"/security-groups?tenant_id={project}", "security_groups")
    return [group["id"] for group in listed if group["name"] == "default"]


@step("move.rules", args=Rules, no_undo="the rules go with their group", retry=RETRY, deadline=600)
def make_rules_equal(context: Context) -> dict[str, int]:
    """Gives the security group `group` the `rules`, and with `only` takes away all others."""
    args = resolve(context.args, context.results(), context)
    client, group = cloud(context, args["cloud"]), args["group"]
    wanted = {same_rule(rule): rule for rule in args["rules"]}
    there: dict[tuple[Any, ...], str] = {}
    for rule in client.items("network", f"/security-group-rules?security_group_id={group}", "security_group_rules"):
        key = same_rule(rule)
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
            if error.status not in (400, 409):
                raise
            _each(client, [{**rule, **own} for rule in missing])
    return {"rules": len(wanted)}


def _each(client: Cloud, rules: list[dict[str, Any]]) -> None:
    """Makes the rules one by one: one that Neutron refuses takes no other with it. One that it calls the same as
    another stays out."""
    refused = []
    for rule in rules:
        try:
            client("network", "POST", "/security-group-rules", {"security_group_rule": rule})
        except CloudError as error:
            if error.status == 400:
                refused.append(f"{_text(rule)}: {error.detail or error.summary}")
            elif error.status != 409:
                raise
    if refused:
        raise PlanError(
            f"Neutron refuses {len(refused)} of {len(rules)} rules; the others are made",
            detail="\n".join(refused),
            hint="Change them on the old cloud and plan again, or skip this step: then only these are missing.",
        )
