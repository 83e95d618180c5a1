"""Projects: one of the same name in the mapped domain is taken, others are made, parents first."""

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.kind import Kind
from naru.move.kinds.keystone import given, matched

KIND = Kind(
    "project",
    path="/projects",
    wrap="project",
    sent=("name", "description", "tags", "options"),
    handled=frozenset(("domain_id", "parent_id", "enabled")),
    harmless={"is_domain": (False,)},
    not_kept={
        "is_domain": message(
            "move.project.is_domain",
            en="a project that acts as a domain cannot be made",
            ko="도메인 역할을 하는 프로젝트는 만들 수 없습니다",
        )()
    },
    not_compared=frozenset(("is_domain",)),
)
NOT_EMPTY = message(
    "move.project.not_empty",
    en="{thing}: {cloud} has it already, with {things:counts} in it",
    ko="{thing}: {cloud} 클라우드에 이미 있으며 그 안에 리소스가 있습니다({things:counts})",
)
BESIDE = message(
    "move.project.beside",
    en="What is moved is added to that. Names may then exist twice.",
    ko="이전하는 리소스는 그 리소스와 함께 놓입니다. 같은 이름이 둘씩 있을 수 있습니다.",
)
USE_EMPTY = message(
    "move.project.use_empty",
    en="Move into an empty project where you can.",
    ko="가능하면 비어 있는 프로젝트로 이전해 주십시오.",
)
NO_PARENT = message(
    "move.project.no_parent",
    en="its parent is not moved with it",
    ko="상위 프로젝트를 함께 이전하지 않습니다",
)


def projects(draft: Draft) -> None:
    """Projects, parents first. One that is made is enabled, whatever it was, since nobody could act in it otherwise;
    it is disabled again at the end (`user.disabled`)."""
    for row in sorted(draft.facts.projects.values(), key=lambda row: _depth(draft, row)):
        domain = draft.ref("domain", row.body.get("domain_id"))
        if found := matched(draft, KIND, row, domain):
            if counts := _content(draft, found):
                draft.report(
                    "warning",
                    NOT_EMPTY(thing=thing(row), cloud=draft.new, things=counts),
                    detail=BESIDE(),
                    about=row.id,
                    hint=USE_EMPTY(),
                )
            continue
        body = {**given(row), "domain_id": domain, "enabled": True}
        parent = row.body.get("parent_id")
        changes = []
        if parent and parent != row.body.get("domain_id"):
            if draft.ref(KIND.name, parent) is not None:
                body["parent_id"] = draft.ref(KIND.name, parent)
            else:
                changes.append(FieldChange("parent_id", parent, None, NO_PARENT()))
        where = {"name": row.name, "domain_id": domain}
        draft.create(row, KIND.creation(draft.new, body, where=where), changes=changes)


def _depth(draft: Draft, row: Row) -> tuple[int, str]:
    depth, parent = 0, str(row.body.get("parent_id") or "")
    while parent in draft.facts.projects:
        depth, parent = depth + 1, str(draft.facts.projects[parent].body.get("parent_id") or "")
    return depth, row.name


def _content(draft: Draft, project: Row) -> dict[str, int]:
    """How much the project on the new cloud has, by kind."""
    counts = {
        kind: len(draft.facts.new.of(kind, project.id)) for kind in ("server", "volume", "network", "router", "image")
    }
    return {kind: count for kind, count in counts.items() if count}
