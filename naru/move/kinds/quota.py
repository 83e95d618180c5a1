"""Quotas of the projects, and of single users in them: unlimited during the move, the old ones at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from naru.inventory.rows import Row
from naru.inventory.user_quotas import own
from naru.messages import Text, message
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.kind import Kind, Mapped
from naru.move.kinds.neutron_limits import FORCE
from naru.move.kinds.user import NOT_MOVED
from naru.move.mapping import LEAVE

NO_QUOTA = frozenset(
    (
        *("id", "project_id", "tenant_id", "fixed_ips", "floating_ips", "security_groups", "security_group_rules"),
        *("injected_files", "injected_file_content_bytes", "injected_file_path_bytes", "networks"),
    )
)
"""Quotas of Nova that were Neutron's long since, or that nobody can set any more; and what is no quota."""


def of_type(name: str) -> str:
    """The volume type that a quota of Cinder is about, as in `gigabytes_fast`; "" for one of all volumes."""
    what, _, kind = name.partition("_")
    return kind if what in ("volumes", "gigabytes", "snapshots") else ""


def _of_project(row: Row, mapped: Mapped) -> str:
    return str(mapped("project", row.id))


def _of_user(row: Row, mapped: Mapped) -> str:
    return f"{mapped('project', row.project)}/{mapped('user', row.body['user_id'])}"


COMPUTE = Kind(
    "compute quota",
    path="/os-quota-sets",
    wrap="quota_set",
    handled=NO_QUOTA,
    not_compared=NO_QUOTA,
    at_end=True,
    counterpart=_of_project,
)
VOLUME = replace(COMPUTE, name="volume quota", says_nothing=lambda name, value: value == -1 and bool(of_type(name)))
NETWORK = replace(COMPUTE, name="network quota", path="/quotas", wrap="quota")
BALANCERS = replace(COMPUTE, name="load balancer quota", path="/lbaas/quotas", wrap="quota")
KINDS = (COMPUTE, VOLUME, NETWORK, BALANCERS)
USER = replace(COMPUTE, name="user compute quota", counterpart=_of_user)

SAME_AT_END = message(
    "move.quota.same_at_end", en="set to the same at the end", ko="마지막에 기존과 같은 값으로 설정합니다"
)
TYPE_MAPPED = message(
    "move.quota.type_mapped",
    en="volumes of several types get the type {type}: it has the sum of their quotas, or no limit where one has none",
    ko="여러 유형의 볼륨을 {type} 유형으로 만들므로 할당량을 합칩니다. 그중 하나라도 제한이 없으면 제한이 없습니다",
)
TYPE_LEFT = message(
    "move.quota.type_left",
    en="the new cloud gets no volume type for {type}",
    ko="새 클라우드에 {type}에 해당하는 볼륨 유형이 없습니다",
)
NOT_KEPT = message(
    "move.quota.not_kept",
    en="{quota:kind} of {project}: {names:list} cannot be kept; the new cloud has no such volume types",
    ko="{quota:kind}({project}): 새 클라우드에 해당하는 볼륨 유형이 없어 옮길 수 없습니다({names:list})",
)
MAP_TYPES = message(
    "move.quota.map_types",
    en="Write counterparts of these types into the map, under volume_types, if the limits are wanted.",
    ko="이 제한이 필요하면 map.yaml의 volume_types에 대응하는 유형을 적어 주십시오.",
)
UNKNOWN = message("move.quota.unknown", en="{cloud} has no such quota", ko="{cloud} 클라우드에 없는 할당량입니다")
ALL_UNKNOWN = message(
    "move.quota.all_unknown",
    en="{cloud} has no such quotas: {names}",
    ko="{cloud} 클라우드에 없는 할당량입니다({names})",
)
OF_USER = message(
    "move.quota.of_user",
    en="{quota:kind} of {user} in {project}",
    ko="{quota:kind}(사용자 {user}, 프로젝트 {project})",
)
MORE = message(
    "move.quota.more",
    en="{quota}: more {names} than the whole project may have",
    ko="{quota}: 프로젝트 전체 할당량보다 큰 값이 있습니다({names})",
)
PROJECTS_COUNTS = message(
    "move.quota.projects_counts",
    en="It is set as it was. Nova counts both, so that the project's is the bound.",
    ko="기존 값 그대로 설정합니다. Nova는 둘 다 확인하므로 실제 한도는 프로젝트 할당량입니다.",
)
RAISE = message(
    "move.title.raise_quota",
    en="lift the {quota:kind} of {project} while it is moved",
    ko="이전하는 동안 프로젝트 {project}의 {quota:kind} 제한 해제",
)
RAISE_USERS = message(
    "move.title.raise_user_quota",
    en="lift the {quota:kind} of {user} in {project} while it is moved",
    ko="이전하는 동안 {quota:kind} 제한 해제(사용자 {user}, 프로젝트 {project})",
)
AS_OLD = message(
    "move.title.quota_as_old",
    en="{quota} as on the old cloud",
    ko="{quota}: 기존 클라우드와 같은 값으로 설정",
)
AS_NEW = message(
    "move.title.quota_as_new",
    en="{quota} as it was on the new cloud",
    ko="{quota}: 새 클라우드에 있던 값으로 복원",
)


@dataclass
class Names:
    """The names of the quotas that the new cloud has, by kind. Gathered once: it has as many rows as projects, and each
    project asks."""

    by_kind: dict[str, set[str]] = field(default_factory=dict)

    def of(self, draft: Draft, kind: Kind) -> set[str]:
        """Those of the kind."""
        if kind.name not in self.by_kind:
            self.by_kind[kind.name] = {name for row in draft.facts.new.all(kind.name).values() for name in row.body}
        return self.by_kind[kind.name]


# -- during the move


def quotas(draft: Draft) -> None:
    """Quotas of projects, unlimited while things are made: what is made on the way counts, too."""
    for kind in KINDS:
        for row in draft.facts.owned(kind.name):
            body, changes = _known(draft, kind, row.body)
            if lost := [
                change.field for change in changes if change.new is None and kind is VOLUME and of_type(change.field)
            ]:
                said = NOT_KEPT(quota=kind.name, project=draft.facts.projects[row.project].name, names=lost)
                draft.report("warning", said, about=row.id, hint=MAP_TYPES())
            unlimited = dict.fromkeys(body, -1)
            project = draft.ref("project", row.project)
            created = draft.decisions["project", row.project].decision == "create"
            before = draft.facts.new.all(kind.name).get(project) if isinstance(project, str) else None
            path = [f"{kind.path}/", project]
            undo: dict[str, Any] = {"method": "DELETE", "path": path, "ok": [404]}
            if not created and before is not None:
                was = {name: before.body[name] for name in unlimited if name in before.body}
                undo = _put(draft, kind, path, was)
            step = draft.call(
                f"{row.kind}/{row.id} lifted",
                kind.service,
                [_put(draft, kind, path, unlimited)],
                RAISE(quota=kind.name, project=draft.facts.projects[row.project].name),
                undo=[undo],
                about=row,
                project=row.project,
            )
            draft.made(row, step, SAME_AT_END(), changes, kept=_counts(row))
            draft.first_creation(row.project, kind.service, step)


def _put(draft: Draft, kind: Kind, path: list[Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The request that sets quotas. Without force, Nova of any release refuses what is in use already, or more than the
    project's has left, and so does a new Neutron; an older one takes everything, but not that word."""
    forced = kind.service == "compute" or (kind is NETWORK and FORCE in draft.facts.new.extensions(kind.service))
    return {"method": "PUT", "path": path, "body": {kind.wrap: {**body, "force": True} if forced else dict(body)}}


def user_quotas(draft: Draft) -> None:
    """A user's own quotas are set when the move ends. Until then the project's count for everybody: such as the new
    cloud has already are deleted meanwhile, whoever's they are, for things are made as somebody."""
    known = draft.facts.old.all("user")
    for row in draft.facts.owned(USER.name):
        user = str(row.body["user_id"])
        row = replace(row, name=known[user].name if user in known else user)
        if draft.ref("user", user) is None:
            draft.leave(row, NOT_MOVED())
            continue
        body, changes = _own(draft, row)
        whole = _whole(draft, row)
        if not body:
            draft.leave(row, ALL_UNKNOWN(cloud=draft.new, names=", ".join(sorted(own(row, whole)))))
            continue
        if whole and (above := [name for name, value in body.items() if _more(value, whole.body.get(name, -1))]):
            draft.report(
                "info",
                MORE(quota=_of(draft, row), names=", ".join(above)),
                detail=PROJECTS_COUNTS(),
                about=row.id,
            )
        draft.made(row, _exact_step(row), SAME_AT_END(), changes, kept=_counts(row))
    for project in draft.facts.projects:
        for existing in draft.existing(USER.name, project):
            if _existing_own(draft, existing):
                _raise(draft, project, existing)


def _raise(draft: Draft, project: str, existing: Row) -> None:
    """The step without which what the new cloud has of a user's own quotas would count during the move."""
    path = _path(existing.project, existing.body["user_id"])
    step = draft.call(
        f"{USER.name}/{existing.id} lifted",
        USER.service,
        [{"method": "DELETE", "path": path, "ok": [404]}],
        RAISE_USERS(quota=USER.name, user=existing.name, project=draft.facts.projects[project].name),
        undo=[_put(draft, USER, path, _existing_own(draft, existing))],
        project=project,
        after=[draft.before_creations(project, USER.service)],
    )
    draft.first_creation(project, USER.service, step)


def _existing_own(draft: Draft, existing: Row) -> dict[str, int]:
    """What the new cloud has of a user's own."""
    found = own(existing, draft.facts.new.all(COMPUTE.name).get(existing.project))
    return {name: value for name, value in found.items() if name not in NO_QUOTA}


def _own(draft: Draft, row: Row) -> tuple[dict[str, int], list[FieldChange]]:
    """What is set of a user's own, since all else follows the project's; changes for what the new cloud does not
    have."""
    known, changes = _known(draft, COMPUTE, row.body)
    return {name: known[name] for name in own(row, _whole(draft, row)) if name in known}, changes


def _whole(draft: Draft, row: Row) -> Row | None:
    """The quota of the whole project."""
    return draft.facts.old.all(COMPUTE.name).get(row.project)


def _path(project: Any, user: Any) -> list[Any]:
    return [f"{USER.path}/", project, "?user_id=", user]


def _exact_step(row: Row) -> str:
    return f"{row.kind}/{row.id} exact"


def _more(one: int, other: int) -> bool:
    """Whether it is more, -1 being without bound."""
    return other != -1 and (one == -1 or one > other)


def _of(draft: Draft, row: Row) -> Text:
    """How a user's quota is called."""
    user = draft.facts.users[str(row.body["user_id"])]
    return OF_USER(quota=row.kind, user=user.name, project=draft.facts.projects[row.project].name)


def _known(draft: Draft, kind: Kind, quotas: Mapping[str, Any]) -> tuple[dict[str, int], list[FieldChange]]:
    """The quotas that the new cloud has, too, for a project's; changes for the others."""
    known = draft.note(Names).of(draft, kind)
    body: dict[str, int] = {}
    changes, typed = [], []
    for name, value in quotas.items():
        if name in NO_QUOTA or not isinstance(value, int):
            continue
        if kind is VOLUME and of_type(name):
            typed.append((name, value))
        elif name in known:
            body[name] = value
        else:
            changes.append(FieldChange(name, value, None, UNKNOWN(cloud=draft.new)))
    return body, [*changes, *_typed(draft, typed, known, body)]


def _typed(draft: Draft, typed: list[tuple[str, int]], known: set[str], body: dict[str, int]) -> list[FieldChange]:
    """Adds the quotas of volume types to the body, as their types are mapped; the changes. Those of types that become
    one are added up. No limit is as good as none said, which the new cloud has by itself."""
    changes, kept = [], []
    for name, value in typed:
        kind = of_type(name)
        choices = [draft.choice("volume_types", row) for row in draft.facts.old.named("volume type", kind)]
        target = next((choice.target for choice in choices if choice), kind)
        there = draft.facts.new.named("volume type", str(target)) if target not in (None, LEAVE) else ()
        new = f"{name.removesuffix(kind)}{there[0].name}" if there else ""
        if new in known:
            before = body.get(new)
            body[new] = value if before is None else -1 if -1 in (before, value) else before + value
            kept.append((name, value, new, there[0].name))
        elif value != -1:
            changes.append(FieldChange(name, value, None, TYPE_LEFT(type=kind)))
    for name, value, new, called in kept:
        if value != -1 and (name != new or body[new] != value):
            changes.append(FieldChange(name, value, {new: body[new]}, TYPE_MAPPED(type=called)))
    return changes


def _counts(row: Row) -> list[str]:
    """The names of the row's quotas: each is set, or a change says why not."""
    return [name for name, value in row.body.items() if isinstance(value, int)]


# -- at the end


def exact(draft: Draft, project: str, after: list[str]) -> list[str]:
    """The steps that set the quotas as they were on the old cloud."""
    steps = []
    for kind in KINDS:
        for row in draft.facts.owned(kind.name):
            if row.project != project:
                continue
            body, _ = _known(draft, kind, row.body)
            steps.append(
                draft.call(
                    _exact_step(row),
                    kind.service,
                    [_put(draft, kind, [f"{kind.path}/", draft.ref("project", project)], body)],
                    AS_OLD(quota=thing(row)),
                    about=row,
                    project=project,
                    after=after,
                )
            )
    return [*steps, *_exact_users(draft, project, [*after, *steps])]


def _exact_users(draft: Draft, project: str, after: list[str]) -> list[str]:
    """The steps that set users' own quotas: those of the old cloud, and what the new one had beside them."""
    new = draft.ref("project", project)
    wanted: list[tuple[str, Text, Any, dict[str, int], Row | None]] = []
    seen = []
    for row in draft.facts.owned(USER.name, project):
        if draft.decisions[row.kind, row.id].decision == "create":
            user = draft.ref("user", row.body["user_id"])
            seen.append(user)
            wanted.append((_exact_step(row), AS_OLD(quota=_of(draft, row)), user, _own(draft, row)[0], row))
    for row in draft.existing(USER.name, project):
        if row.body["user_id"] not in seen and (body := _existing_own(draft, row)):
            title = AS_NEW(quota=thing(row))
            wanted.append((f"{row.kind}/{row.id} back", title, row.body["user_id"], body, None))
    return [
        draft.call(
            step,
            USER.service,
            [_put(draft, USER, _path(new, user), body)],
            title,
            undo=[{"method": "DELETE", "path": _path(new, user), "ok": [404]}],
            about=row,
            project=project,
            after=after,
        )
        for step, title, user, body, row in wanted
    ]
