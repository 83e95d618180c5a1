"""What the operator has made for projects and does not belong to them: QoS policies, subnet pools, address scopes. Each
that is used is matched by its name; what has no counterpart is done without, and told.

What the operator shares with one project alone, by RBAC, is shared with it on the new cloud, too. A server on a network
that its project may not use loses that network card without a word: Nova leaves it out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from naru.actions.create import Create, Find
from naru.inventory.kinds import POLICY_KINDS
from naru.inventory.rows import Row
from naru.messages import Text, message
from naru.move.draft import Draft, kept, thing
from naru.move.facts import Facts
from naru.move.kinds import network, rbac_policy
from naru.move.kinds.neutron import SERVICE, is_services
from naru.move.mapping import ABSENT_BUT, LEAVE, SAME_NAME, Match, Need, Section, Use, known, of_others, same_name

SEVERAL = message(
    "move.operators.several",
    en="{cloud} has several of that name; write the id of one",
    ko="{cloud} 클라우드에 같은 이름이 여러 개 있습니다. 하나의 ID를 적어 주십시오",
)
WITHOUT = message(
    "move.operators.without",
    en="{thing} is the operator's and has no counterpart on {cloud}: {users:counts} do without it",
    ko="{thing}: 운영자의 리소스이며 {cloud} 클라우드에 대응하는 것이 없습니다. 이것 없이 만듭니다: {users:counts}",
)
NAME_ONE = message(
    "move.operators.name_one",
    en="Make one on the new cloud, and name it in the map under {section}.",
    ko="새 클라우드에 만들고 map.yaml의 {section} 항목에 적어 주십시오.",
)
SHARED = message(
    "move.operators.shared",
    en="{thing} is shared with project {project} on {cloud}, too",
    ko="{thing}: {cloud} 클라우드에서도 프로젝트 {project}에 공유합니다",
)
SO_THAT = message(
    "move.operators.so_that",
    en="Servers of the project have ports there, which only who may use the network can have. A rollback ends it.",
    ko="이 프로젝트의 서버가 그 네트워크에 포트를 갖고 있어 공유되어 있어야 합니다. 되돌리면 공유도 해제됩니다.",
)
SHARE = message(
    "move.title.share", en="share {thing} with project {project}", ko="{thing}을(를) 프로젝트 {project}에 공유"
)
AS_SHARED = "access_as_shared"


def _named(name: str, kind: str, what: str, users: Callable[[Facts], Iterator[tuple[str, Any]]]) -> Section:
    """A section of things of the operator; `users` gives (kind of the user, id of what it uses)."""

    def uses(facts: Facts) -> Iterator[Use]:
        for user, identity in users(facts):
            yield from of_others(facts, kind, identity, user)

    def match(facts: Facts, need: Need) -> Match:
        found = same_name(facts, kind, need)
        if len(found) > 1:
            return LEAVE, SEVERAL(cloud=facts.new.cloud)
        return (found[0].name, SAME_NAME()) if found else (LEAVE, ABSENT_BUT(known=known(facts, kind)))

    return Section(name, kind, what, uses, match, words=(LEAVE,))


def _policies(facts: Facts) -> Iterator[tuple[str, Any]]:
    for kind in ("network", "port", "floating IP"):
        for row in facts.owned(kind):
            yield kind, row.body.get("qos_policy_id")
    for row in facts.owned("router"):
        yield "router", (row.body.get("external_gateway_info") or {}).get("qos_policy_id")


POLICIES = _named("qos_policies", "QoS policy", "the operator's, of ports, networks and addresses", _policies)
POOLS = _named(
    *("subnet_pools", "subnet pool", "the operator's"),
    lambda facts: ((row.kind, row.body.get("subnetpool_id")) for row in facts.owned("subnet")),
)
SCOPES = _named(
    *("address_scopes", "address scope", "the operator's"),
    lambda facts: ((row.kind, row.body.get("address_scope_id")) for row in facts.owned("subnet pool")),
)


def mapped(draft: Draft) -> None:
    """What the map names is matched; what is done without is told."""
    for section in (SCOPES, POOLS, POLICIES):
        for choice in [choice for (name, _), choice in draft.choices.items() if name == section.name]:
            row = choice.need.row
            if row is None or choice.target is None:
                continue
            if choice.target == LEAVE:
                draft.report(
                    *("warning", WITHOUT(thing=thing(row), cloud=draft.new, users=dict(choice.need.users))),
                    detail=choice.why,
                    about=row.id,
                    hint=NAME_ONE(section=section.name),
                )
            elif target := draft.target(section.name, section.kind, row):
                draft.match(row, target, choice.why)


def sharing(draft: Draft) -> None:
    """What others share with a project by RBAC, and networks that its servers have ports on."""
    for row in draft.facts.old.all(rbac_policy.KIND.name).values():
        target = row.body["target_tenant"]
        if target in draft.facts.projects and row.project not in draft.facts.projects:
            _share(draft, row, target)
    for row in draft.facts.owned("port"):
        if str(row.body.get("device_owner")).startswith("compute:") and not is_services(row):
            _reach(draft, row)


def _share(draft: Draft, row: Row, project: str) -> None:
    """Shares the counterpart of what the policy is about, where it is not shared already."""
    kind = POLICY_KINDS.get(row.body["object_type"], "")
    decision = draft.decisions.get((kind, row.body["object_id"]))
    if decision is None or not decision.new:
        return  # what is not on the new cloud is told where it is used
    action = row.body["action"]
    if existing := rbac_policy.there(draft, decision.new, draft.ref("project", project), action):
        draft.match(replace(row, project=project), existing.id, rbac_policy.SHARED_THERE())
        return
    request = _request(draft, kept(row, rbac_policy.KIND.sent), kind, decision.new, project)
    about, name = draft.facts.old.all(kind)[row.body["object_id"]], draft.facts.projects[project].name
    own = replace(row, project=project)  # it goes with the project that it is for
    step = draft.create(own, request, title=SHARE(thing=thing(about), project=name), joins=True)
    draft.report("info", SHARED(thing=thing(about), project=name, cloud=draft.new), about=about.id)
    draft.note(rbac_policy.Shares).steps.setdefault((row.body["object_id"], project), []).append(step)


def _reach(draft: Draft, port: Row) -> None:
    """Shares the network of a server's port with its project, where nothing else does."""
    identity, project = port.body["network_id"], port.project
    decision = draft.decisions.get((network.KIND.name, identity))
    shares = draft.note(rbac_policy.Shares).steps
    if decision is None or not decision.new or (identity, project) in shares:
        return
    there = draft.facts.new.all(network.KIND.name)[decision.new]
    new = draft.ref("project", project)
    if there.body.get("shared") or there.project == new or rbac_policy.there(draft, there.id, new, AS_SHARED):
        return
    about, name = draft.facts.old.all(network.KIND.name)[identity], draft.facts.projects[project].name
    body = {"object_type": "network", "action": AS_SHARED}
    step = draft.step(
        f"share {network.KIND.name}/{identity} {project}",
        _request(draft, body, network.KIND.name, there.id, project),
        SHARE(thing=thing(about), project=name),
        about=about,
        project=project,
    )
    shares.setdefault((identity, project), []).append(step)
    summary: Text = SHARED(thing=thing(about), project=name, cloud=draft.new)
    draft.report("warning", summary, about=about.id, hint=SO_THAT())


def _request(draft: Draft, body: dict[str, Any], kind: str, identity: str, project: str) -> Create:
    """The request to share a thing of the new cloud, as whoever owns it."""
    where = {"object_id": identity, "target_tenant": draft.ref("project", project), "action": body["action"]}
    owner = draft.facts.new.all(kind)[identity].project
    return Create(
        cloud=draft.new,
        service=SERVICE,
        path=rbac_policy.KIND.path,
        wrap=rbac_policy.KIND.wrap,
        body={**body, **where, "project_id": owner},
        find=Find(path=rbac_policy.KIND.path, collection=rbac_policy.KIND.collection, where=where),
    )
