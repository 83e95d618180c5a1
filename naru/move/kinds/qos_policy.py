"""QoS policies with their rules."""

from typing import Any

from naru.actions.arguments import ref
from naru.inventory.rows import Row
from naru.messages import message
from naru.move import showing
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.facts import Side
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron import SERVICE, make

_OWN = ("id", "qos_policy_id", "project_id", "tenant_id")


def _compared(side: Side, row: Row, mapped: Mapped) -> dict[str, Any]:
    rules = [{name: value for name, value in rule.items() if name not in _OWN} for rule in row.body.get("rules", [])]
    return {"rules": sorted(rules, key=str)}


KIND = Kind(
    "QoS policy",
    path="/qos/policies",
    wrap="policy",
    sent=("name", "description", "is_default"),
    extensions={"is_default": "qos-default"},
    harmless={"is_default": (False,)},
    handled=frozenset(("rules", "tags")),
    derived=frozenset(("shared",)),  # that is an RBAC policy's
    compared=_compared,
    owned=True,
    terraform="openstack_networking_qos_policy_v2",
    used_by=showing.shared_or("port", "qos_policy_id"),
)
OTHER_DEFAULT = message(
    "move.qos_policy.other_default",
    en="the project of the new cloud has another default QoS policy",
    ko="새 클라우드의 프로젝트에 이미 다른 기본 QoS 정책이 있습니다",
)
RULES = message("move.title.qos_rules", en="rules of {thing}", ko="{thing}의 규칙")


def qos_policies(draft: Draft) -> None:
    """QoS policies with their rules, each of which has a path by its type."""
    for row in draft.facts.owned(KIND.name):
        body, rules = draft.sent(KIND, row)
        if body.get("is_default") and _default_there(draft, row.project):
            body["is_default"] = False
            rules.append(FieldChange("is_default", True, False, OTHER_DEFAULT()))
        step = make(draft, KIND, row, body, rules)
        requests = []
        for rule in row.body.get("rules", []):
            name = f"{rule['type']}_rule"
            fields = {key: value for key, value in rule.items() if key not in (*_OWN, "type")}
            path = ["/qos/policies/", ref(step), f"/{name}s"]
            requests.append({"method": "POST", "path": path, "body": {name: fields}, "ok": [409]})
        if requests:
            title = RULES(thing=thing(row))
            draft.call(f"{step} rules", SERVICE, requests, title, about=row, project=row.project)


def _default_there(draft: Draft, project: str) -> bool:
    """Whether the project has a default policy on the new cloud already; it may have one alone."""
    new = draft.ref("project", project)
    return isinstance(new, str) and any(row.body.get("is_default") for row in draft.facts.new.of(KIND.name, new))


def has_default(draft: Draft, project: str) -> bool:
    """Whether Neutron gives a policy to each network of the project that is made without one on the new cloud."""
    mine = any(row.body.get("is_default") for row in draft.facts.owned(KIND.name, project))
    known = "qos-default" in draft.facts.new.extensions(SERVICE)
    return known and (mine or _default_there(draft, project))
