"""Default security group rules: what a cloud puts into every security group that is made. They are the cloud's and not
a project's, so none is made; but whoever makes a group after the move is told what it gets that it did not get before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from naru.inventory.rows import Row
from naru.inventory.security_group_rules import same_rule
from naru.messages import Text, message
from naru.move.draft import Draft
from naru.move.facts import Side
from naru.move.kind import Kind
from naru.move.kinds import security_group
from naru.move.kinds.neutron import SERVICE

KIND = Kind("default security group rule")
EXTENSION = "security-groups-default-rules"
SAME = message(
    "move.default_security_group_rule.same",
    en="new security groups there get the same",
    ko="새 클라우드의 새 보안 그룹에도 같은 규칙이 적용됩니다",
)
NOT_THERE = message(
    "move.default_security_group_rule.not_there",
    en="new security groups on {cloud} do not get it ({rule})",
    ko="{cloud} 클라우드의 새 보안 그룹에는 적용되지 않습니다({rule})",
)
FEWER = message(
    "move.default_security_group_rule.fewer",
    en="new security groups on {new} do not get a rule that they get on {old}",
    ko="{old} 클라우드의 새 보안 그룹에 적용되는 규칙이 {new} 클라우드에는 없습니다",
)
MORE = message(
    "move.default_security_group_rule.more",
    en="new security groups on {new} get a rule that they do not get on {old}",
    ko="{old} 클라우드에 없는 규칙이 {new} 클라우드의 새 보안 그룹에 적용됩니다",
)
MAKE_ALIKE = message(
    "move.default_security_group_rule.make_alike",
    en="Groups that are moved keep their own rules. For those that users make later: make both clouds alike (openstack"
    " default security group rule create, delete), or tell the users.",
    ko="이전하는 보안 그룹의 규칙은 그대로 유지됩니다. 사용자가 앞으로 만들 보안 그룹을 위해 두 클라우드를 같게"
    " 맞추거나(openstack default security group rule create, delete) 사용자에게 알려 주십시오.",
)

_USES = ("used_in_default_sg", "used_in_non_default_sg")
_EVERY, _DEFAULT = dict.fromkeys(_USES, True), {"used_in_default_sg": True}
# what Neutron puts into groups where nobody can choose it, which is also what a cloud begins with where they can
_BUILT_IN: Sequence[Mapping[str, Any]] = [
    {"direction": direction, "ethertype": ethertype, **more}
    for direction, more in (("egress", _EVERY), ("ingress", {"remote_group_id": "PARENT", **_DEFAULT}))
    for ethertype in ("IPv4", "IPv6")
]


def differences(draft: Draft) -> None:
    """What new groups get, compared: an operator's own rules of the old cloud are not kept, and the new cloud may open
    what was closed. Rules that name a group or an address group are compared by its counterpart."""
    old, new = _rules(draft.facts.old), _rules(draft.facts.new)
    before = {use for rule in old for use in _uses(_mapped(draft, rule))}
    after = {use for rule in new for use in _uses(rule)}
    rows = draft.facts.old.all(KIND.name)
    same = {tuple(_uses(rule)): rule["id"] for rule in new if "id" in rule}
    for rule in old:
        uses = _uses(_mapped(draft, rule))
        row: Row | None = rows.get(str(rule.get("id")))
        if set(uses) <= after:
            if row and (identity := same.get(tuple(uses))):
                draft.match(row, identity, SAME())
        elif row:
            draft.leave(row, NOT_THERE(cloud=draft.new, rule=_text(rule)), hint=MAKE_ALIKE())
        else:
            draft.report("warning", FEWER(new=draft.new, old=draft.old), detail=_text(rule), hint=MAKE_ALIKE())
    for rule in new:
        if not set(_uses(rule)) <= before:
            draft.report("warning", MORE(new=draft.new, old=draft.old), detail=_text(rule), hint=MAKE_ALIKE())


def _rules(side: Side) -> Sequence[Mapping[str, Any]]:
    if EXTENSION not in side.extensions(SERVICE):
        return _BUILT_IN
    return [row.body for row in side.all(KIND.name).values()]


def _mapped(draft: Draft, rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule with the counterparts of what it names; PARENT is whatever group it is in."""
    named = {name: kind for name, kind in security_group.NAMED.items() if rule.get(name) not in (None, "PARENT")}
    return {**rule, **{name: str(draft.ref(kind, rule[name])) for name, kind in named.items()}}


def _uses(rule: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What the rule does, for the groups called default and for all others. Its description is in no group."""
    return [(use, *same_rule(rule)) for use in _USES if rule.get(use)]


def _text(rule: Mapping[str, Any]) -> Text:
    """A rule as Neutron has it: the names of its fields are the same in every language."""
    return ", ".join(f"{name} {rule[name]}" for name in (*security_group.RULE, *_USES) if rule.get(name))
