"""Quotas of the projects, and of single users in them: none during the move, the old ones at the end."""

from dataclasses import replace
from typing import Any

from naru.inventory.rows import Row
from naru.inventory.user_quotas import KIND as USER
from naru.inventory.user_quotas import PROJECT_KIND, own
from naru.move.draft import Draft, Rule, title

# kind: service, path, and the key around its fields
KINDS = {
    "compute quota": ("compute", "/os-quota-sets/", "quota_set"),
    "volume quota": ("block-storage", "/os-quota-sets/", "quota_set"),
    "network quota": ("network", "/quotas/", "quota"),
}
# quotas of Nova that were Neutron's long since, or that nobody can set any more
NO_QUOTA = frozenset(
    (
        *("id", "project_id", "tenant_id", "fixed_ips", "floating_ips", "security_groups", "security_group_rules"),
        *("injected_files", "injected_file_content_bytes", "injected_file_path_bytes", "networks"),
    )
)


def quotas(draft: Draft) -> None:
    """Lifted while things are made: what is made on the way counts, too."""
    for kind, (service, path, wrap) in KINDS.items():
        for row in draft.facts.owned(kind):
            body, rules = _exact(draft, row.kind, row.body)
            lifted = dict.fromkeys(body, -1)
            project = draft.ref("project", row.project)
            created = draft.decisions["project", row.project].decision == "create"
            before = draft.facts.new.all(kind).get(project) if isinstance(project, str) else None
            undo: dict[str, Any] = {"method": "DELETE", "path": [path, project], "ok": [404]}
            if not created and before is not None:
                was = {name: before.body[name] for name in lifted if name in before.body}
                undo = {"method": "PUT", "path": [path, project], "body": {wrap: _forced(service, was)}}
            step = draft.step(
                f"{row.kind}/{row.id} lifted",
                "move.call",
                {
                    "cloud": draft.new,
                    "service": service,
                    "requests": [{"method": "PUT", "path": [path, project], "body": {wrap: _forced(service, lifted)}}],
                    "undo": [undo],
                },
                title=f"lift the {kind} of {draft.facts.projects[row.project].name} while it is moved",
                project=row.project,
            )
            draft.made(row, step, "set to the same at the end", rules)
            draft.lifted[row.project, service] = step


def user_quotas(draft: Draft) -> None:
    """A user's own quotas are set when the move ends. Until then the project's count for everybody: such as the new
    cloud has already are taken away meanwhile, whoever's they are, for things are made as somebody."""
    known = draft.facts.old.all("user")
    for row in draft.facts.owned(USER.name):
        user = str(row.body["user_id"])
        row = replace(row, name=known[user].name if user in known else user)
        if draft.ref("user", user) is None:
            draft.leave(row, "its user is not moved")
            continue
        body, rules = _own(draft, row)
        if not body:
            draft.leave(row, f"{draft.new} has no such quotas: {', '.join(sorted(own(row, _whole(draft, row))))}")
            continue
        whole = _whole(draft, row)
        if whole and (above := [name for name, value in body.items() if _more(value, whole.body.get(name, -1))]):
            draft.find(
                "info",
                f"{_whose(draft, row)}: more {', '.join(above)} than the whole project may have",
                detail="It is set as it was. Nova counts both, so that the project's is the bound.",
                about=row.id,
            )
        draft.made(row, _exact_step(row), "set to the same at the end", rules)
    for project in draft.facts.projects:
        for there in draft.there(USER.name, project):
            if _there(draft, there):
                _lift(draft, project, there)


def _lift(draft: Draft, project: str, there: Row) -> None:
    """The step without which what the new cloud has of a user's own quotas would count during the move."""
    path = _path(there.project, there.body["user_id"])
    draft.lifted[project, USER.service] = draft.step(
        f"{USER.name}/{there.id} lifted",
        "move.call",
        {
            "cloud": draft.new,
            "service": USER.service,
            "requests": [{"method": "DELETE", "path": path, "ok": [404]}],
            "undo": [_set(path, _there(draft, there))],
        },
        title=f"lift the {USER.name} of {there.name} in {draft.facts.projects[project].name} while it is moved",
        project=project,
        after=[draft.lifted.get((project, USER.service), "")],
    )


def _there(draft: Draft, there: Row) -> dict[str, int]:
    """What the new cloud has of a user's own."""
    found = own(there, draft.facts.new.all(PROJECT_KIND).get(there.project))
    return {name: value for name, value in found.items() if name not in NO_QUOTA}


def _own(draft: Draft, row: Row) -> tuple[dict[str, int], list[Rule]]:
    """What is set of a user's own, since all else follows the project's; rules for what the new cloud does not have."""
    known, rules = _exact(draft, PROJECT_KIND, row.body)
    return {name: known[name] for name in own(row, _whole(draft, row)) if name in known}, rules


def _whole(draft: Draft, row: Row) -> Row | None:
    """The quota of the whole project."""
    return draft.facts.old.all(PROJECT_KIND).get(row.project)


def _path(project: Any, user: Any) -> list[Any]:
    return ["/os-quota-sets/", project, "?user_id=", user]


def _set(path: list[Any], body: dict[str, int]) -> dict[str, Any]:
    # without force, Nova of any release refuses what is in use already, or more than the project's has left
    return {"method": "PUT", "path": path, "body": {"quota_set": _forced(USER.service, body)}}


def _exact_step(row: Row) -> str:
    return f"{row.kind}/{row.id} exact"


def _more(one: int, other: int) -> bool:
    """Whether it is more, -1 being without bound."""
    return other != -1 and (one == -1 or one > other)


def _whose(draft: Draft, row: Row) -> str:
    user = draft.facts.users[str(row.body["user_id"])]
    return f"{row.kind} of {user.name} in {draft.facts.projects[row.project].name}"


def _forced(service: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "force": True} if service == "compute" else body


def _exact(draft: Draft, kind: str, quotas: dict[str, Any]) -> tuple[dict[str, int], list[Rule]]:
    """The quotas that the new cloud has, too, for a project's; rules for the others."""
    known = _names(draft, kind)
    body: dict[str, int] = {}
    rules = []
    for name, value in quotas.items():
        if name in NO_QUOTA or not isinstance(value, int):
            continue
        new = _per_type(draft, name) if kind == "volume quota" else name
        if new in known:
            body[new] = value
        else:
            rules.append(Rule(name, value, None, f"{draft.new} has no such quota"))
    return body, rules


def _names(draft: Draft, kind: str) -> set[str]:
    """What quotas the new cloud has. Gathered once: it has as many rows as projects, and each project asks."""
    if kind not in draft.quota_names:
        draft.quota_names[kind] = {name for row in draft.facts.new.all(kind).values() for name in row.body}
    return draft.quota_names[kind]


def _per_type(draft: Draft, name: str) -> str:
    """`gigabytes_<type>` with the type's name on the new cloud."""
    what, _, kind = name.partition("_")
    if what in ("volumes", "gigabytes", "snapshots") and kind:
        for row in draft.facts.old.named("volume type", kind):
            choice = draft.chosen("volume_types", row)
            if choice and choice.target:
                return f"{what}_{draft.facts.new.named('volume type', choice.target)[0].name}"
    return name


def exact(draft: Draft, project: str, gate: str, after: list[str]) -> list[str]:
    """The steps that set the quotas as they were on the old cloud."""
    steps = []
    for kind, (service, path, wrap) in KINDS.items():
        for row in draft.facts.owned(kind):
            if row.project != project:
                continue
            body, _rules = _exact(draft, row.kind, row.body)
            request = {
                "method": "PUT",
                "path": [path, draft.ref("project", project)],
                "body": {wrap: _forced(service, dict(body))},
            }
            steps.append(
                draft.step(
                    f"{row.kind}/{row.id} exact",
                    "move.call",
                    {"cloud": draft.new, "service": service, "requests": [request]},
                    title=f"{title(row)} as on the old cloud",
                    project=project,
                    after=after,
                    gate=gate,
                )
            )
    return [*steps, *_exact_users(draft, project, gate, [*after, *steps])]


def _exact_users(draft: Draft, project: str, gate: str, after: list[str]) -> list[str]:
    """The steps that set users' own quotas: those of the old cloud, and what the new one had beside them."""
    new = draft.ref("project", project)
    wanted, seen = [], []
    for row in draft.facts.owned(USER.name, project):
        if draft.decisions[row.kind, row.id].decision == "create":
            user = draft.ref("user", row.body["user_id"])
            seen.append(user)
            wanted.append((_exact_step(row), f"{_whose(draft, row)} as on the old cloud", user, _own(draft, row)[0]))
    for row in draft.there(USER.name, project):
        if row.body["user_id"] not in seen and _there(draft, row):
            told = f"{title(row)} as it was on the new cloud"
            wanted.append((f"{row.kind}/{row.id} back", told, row.body["user_id"], _there(draft, row)))
    return [
        draft.step(
            step,
            "move.call",
            {
                "cloud": draft.new,
                "service": USER.service,
                "requests": [_set(_path(new, user), body)],
                "undo": [{"method": "DELETE", "path": _path(new, user), "ok": [404]}],
            },
            title=told,
            project=project,
            after=after,
            gate=gate,
        )
        for step, told, user, body in wanted
    ]
