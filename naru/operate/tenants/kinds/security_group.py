"""Security groups and their rules: all groups first, since rules name groups. The group called default is in every
project, and has what the file says like any other."""

from collections.abc import Mapping
from typing import Any

from naru.inventory.security_group_rules import same_rule
from naru.messages import message
from naru.operate.tenants.draft import CREATE, Difference, Draft, OfProject
from naru.operate.tenants.exporter import Exporter
from naru.operate.tenants.kind import TEXT, Field, Kind
from naru.operate.tenants.kinds.neutron import declare_all, made, tags
from naru.operate.tenants.model import Rule, SecurityGroup
from naru.operate.tenants.names import Thing
from naru.operate.tenants.steps import DefaultGroup, Rules
from naru.plan.arguments import REF

SERVICE = "network"
KIND = Kind(
    "security group",
    SERVICE,
    "/security-groups",
    "security_group",
    "security_groups",
    {
        "description": TEXT,
        "stateful": Field(True, extension="stateful-security-group"),
        "tags": Field([], unordered=True),
    },
)
DEFAULT = "default"
FIELDS = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "description")
ALL_PORTS = (1, 65535)
ADDRESSES = "address group"
REMOTE = {"remote_group_id": (KIND.name, "group"), "remote_address_group_id": (ADDRESSES, "addresses")}
"""What a rule may name: of which kind it is, and what it is called in words."""
RULES = message(
    "tenant.title.rules",
    en="rules of {kind:kind} {name}: {added} added, {removed} removed",
    ko="{kind:kind} {name}의 규칙: 추가 {added}개, 제거 {removed}개",
)


def declare(draft: Draft) -> None:
    """All groups of the file. A new project's default group is one, too, whether the file names it or not: all that is
    made in the project comes after it, since Neutron makes it then."""
    for project in draft.projects:
        declare_all(draft, KIND.name, project, project.written.security_groups)
        written = project.written
        has = any(group.name == DEFAULT for group in written.security_groups)
        uses = written.security_groups or written.networks or written.routers
        if uses and not has and not draft.names.all(KIND.name, project.thing.label, DEFAULT):
            declare_all(draft, KIND.name, project, [SecurityGroup(name=DEFAULT)])


def groups(draft: Draft) -> None:
    """Groups, those called default before all else of their projects."""
    ordered = sorted(draft.things.get(KIND.name, ()), key=lambda found: found[0].name != DEFAULT)
    for thing, written, project in ordered:
        body = draft.known(KIND, thing, made(written, KIND, without=("tags",)))
        if thing.row:
            draft.change(KIND, thing, body, unit=project.unit)
        elif thing.name == DEFAULT:
            action = DefaultGroup(cloud=draft.cloud, service=SERVICE, project=project.thing.target)
            draft.differences.append(Difference("create", KIND.name, thing.label))
            title = CREATE(kind=KIND.name, name=thing.label)
            after = draft.before.get(project.thing.label, ())
            step = draft.step(thing.target[REF], action, title, thing, unit=project.unit, after=after)
            draft.before.setdefault(project.thing.label, []).append(step)
        else:
            draft.make(KIND, thing, body, project)
        tags(draft, KIND, thing, written, project)


def rules(draft: Draft) -> None:
    """What each group's rules lack. Of a new group, those that Neutron put in are taken out."""
    for thing, written, project in draft.things.get(KIND.name, ()):
        if written.rules is None or "rules" not in written.model_fields_set:
            continue
        wanted: dict[tuple[Any, ...], dict[str, Any]] = {}
        for rule in written.rules:
            body = _body(draft, rule, thing, project)
            if body is None:
                continue
            key = _same(body)
            if key in wanted:
                draft.names.problem(_place(thing), f"a rule is there twice: {_text(body)}")
            wanted[key] = body
        _of(draft, thing, project, wanted)


def _of(draft: Draft, thing: Thing, project: OfProject, wanted: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    rules = thing.row.body.get("security_group_rules", []) if thing.row else []
    there = {same_rule(rule): rule for rule in rules}
    add, drop = [], []
    for key, body in wanted.items():
        found = there.pop(key, None)
        if found is not None and ("description" not in body or _told(found) == _told(body)):
            continue
        add.append({"description": "", **body})
        if found is not None:  # Neutron changes nothing of a rule
            drop.append(_plain(found))
    for found in there.values():
        text = _text(_plain(found), draft)
        if draft.prunes("security_group_rules"):
            drop.append(_plain(found))
            draft.differences.append(Difference("remove", KIND.name, thing.label, "rules", text, None))
        else:
            draft.undeclared(thing, "rules", text)
    for body in add:
        draft.differences.append(Difference("add", KIND.name, thing.label, "rules", None, _text(body, draft)))
    if not add and not drop and thing.row:
        return
    more: dict[str, Any] = ({"drop": drop} if drop else {}) | ({} if thing.row else {"whole": True})
    action = Rules(
        cloud=draft.cloud,
        service=SERVICE,
        group=thing.target,
        project=project.thing.target,
        add=add,
        **more,
    )
    title = RULES(kind=KIND.name, name=thing.label, added=len(add), removed=len(drop))
    draft.step(f"rules {KIND.name}/{thing.label}", action, title, thing, unit=project.unit)


def _body(draft: Draft, rule: Rule, group: Thing, project: OfProject) -> dict[str, Any] | None:
    """The rule in a request. None where it names what is not there."""
    body: dict[str, Any] = {"direction": rule.direction, "ethertype": rule.ethertype}
    for name in ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix"):
        if (value := getattr(rule, name)) is not None:
            body[name] = str(value) if name == "protocol" else value
    if "description" in rule.model_fields_set:
        body["description"] = rule.description or ""
    if rule.remote_group:
        remote = draft.names.of_project(KIND.name, rule.remote_group, project.thing, _place(group))
        if remote is None:
            return None
        body["remote_group_id"] = remote.target
    if rule.remote_address_group:
        addresses = draft.names.of_project(ADDRESSES, rule.remote_address_group, project.thing, _place(group))
        if addresses is None:
            return None
        body["remote_address_group_id"] = addresses.target
    return body


def _same(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes rules one, also where they name a group that is to be made."""
    named = {name: body.get(name) for name in REMOTE}
    return same_rule({**body, **{name: one[REF] if isinstance(one, dict) else one for name, one in named.items()}})


def _place(group: Thing) -> str:
    return f"security_groups: {group.label}: rules"


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of the cloud as a request would have it."""
    names = (*FIELDS, *REMOTE)
    return {name: rule[name] for name in names if rule.get(name) is not None}


def _told(rule: Mapping[str, Any]) -> str:
    return rule.get("description") or ""


def _text(rule: Mapping[str, Any], draft: Draft | None = None) -> str:
    """A rule on one line."""
    words = [str(rule["direction"]), str(rule["ethertype"]), str(rule.get("protocol") or "any")]
    first, last = rule.get("port_range_min"), rule.get("port_range_max")
    if first is not None or last is not None:
        words.append(str(first) if first == last else f"{first}:{last}")
    if rule.get("remote_ip_prefix"):
        words.append(str(rule["remote_ip_prefix"]))
    for name, (kind, word) in REMOTE.items():
        remote = rule.get(name)
        if isinstance(remote, dict):
            words.append(f"{word} {str(remote[REF]).partition('/')[2]}")
        elif remote:
            group = draft.names.of_id(kind, remote) if draft else None
            words.append(f"{word} {group.label if group else remote}")
    return " ".join(words)


# -- written into a file


def export(out: Exporter) -> None:
    """All groups of the projects with all their rules."""
    for project in out.projects:
        written = []
        for row in out.unique(KIND.name, out.facts.owned(KIND.name, project.id)):
            fields = out.fields(KIND, row, without=("description",) if row.name == DEFAULT else ())
            rules = []
            for rule in row.body.get("security_group_rules", []):
                other = rule.get("remote_address_group_id")
                if other and not _is_written(out, other):
                    out.leave(KIND.name, row, "a rule names an address group that is not in the file; nor is the rule")
                else:
                    rules.append(_written(out, rule, project.id))
            written.append({"name": row.name, **fields, "rules": sorted(rules, key=str)})
        out.more(project, "security_groups", written)


def _is_written(out: Exporter, addresses: str) -> bool:
    """Whether the address group is one of the file's projects."""
    row = out.facts.all(ADDRESSES).get(addresses)
    return row is not None and bool(row.name) and row.project in out.ids


def _written(out: Exporter, rule: Mapping[str, Any], project: str) -> dict[str, Any]:
    found = {name: rule[name] for name in FIELDS if rule.get(name) not in (None, "")}
    if (found.get("port_range_min"), found.get("port_range_max")) == ALL_PORTS:
        del found["port_range_min"], found["port_range_max"]  # Neutron takes them for none, and newer ones write none
    if found["direction"] == "ingress":
        del found["direction"]
    if found["ethertype"] == "IPv4":
        del found["ethertype"]
    if rule.get("remote_group_id") in out.facts.all(KIND.name):
        found["remote_group"] = out.of_project(KIND.name, rule["remote_group_id"], project)
    if rule.get("remote_address_group_id"):
        found["remote_address_group"] = out.of_project(ADDRESSES, rule["remote_address_group_id"], project)
    return found
