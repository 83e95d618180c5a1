"""What a move came to so far: the plan's decisions, the journal, and both clouds as they are, as one `Outcome`."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from naru.cloud.client import Cloud
from naru.inventory.user_quotas import members
from naru.move.downtime import downtimes
from naru.move.draft import CLOUD, Decision
from naru.move.facts import Side
from naru.move.outcome import Content, Difference, Item, Outcome, Project, Task
from naru.move.progress import END
from naru.move.rollback import taken_back
from naru.move.verify import Verifier
from naru.move.work import Work
from naru.plan import schema

_steps = schema.steps.c


@dataclass(frozen=True)
class Progress:
    """How far a move is: `phase` for all that was not taken back; the projects (old ids) that are cut over, finalized
    and taken back; the ids of the steps that joined the last to others."""

    phase: str
    done: set[str]
    final: set[str]
    back: set[str]
    undone: set[str]

    @classmethod
    def of(cls, work: Work) -> "Progress":
        """Read from the journal."""
        with work.journal() as journal:
            back = taken_back(journal, work.projects)
        with work.journal() as journal, journal.read() as connection:
            rows = list(connection.execute(select(schema.steps)))
            edges = connection.execute(select(schema.edges)).all()
        by_n = {row.n: row for row in rows}
        by_id = {row.id: row for row in rows}
        befores: dict[str, list[Any]] = {}
        for edge in edges:
            befores.setdefault(by_n[edge.after].id, []).append(by_n[edge.before])

        def reached(name: str) -> set[str]:
            """The projects of which everything before the point is at its end."""
            over = ("done", "skipped")
            return {
                project
                for project in work.projects
                if f"{name} {project}" in by_id
                and all(row.state in over for row in befores.get(f"{name} {project}", []))
            }

        final = {project for project in work.projects if by_id[f"{END} {project}"].state == "done"}
        phase, moved = "plan", work.projects.keys() - back
        if not moved:
            phase = "rollback"
        elif final == moved:
            phase = "finalize"
        elif reached("finalize") >= moved:
            phase = "cutover"
        elif reached("cutover") >= moved:
            phase = "prepare"
        undone = {row.id for row in rows if row.state == "undone" and row.unit == CLOUD}
        return cls(phase, reached("finalize") - back, final, back, undone)


def outcome(work: Work, old: Side, new: Side, clouds: tuple[Cloud, Cloud]) -> Outcome:
    """Everything compared: `new` as it is now."""
    progress = Progress.of(work)
    made = {} if progress.phase == "rollback" else work.made()
    verifier = Verifier(old, new, made, progress.done, progress.final, progress.back, progress.undone)
    begun = progress.phase not in ("plan", "rollback")
    members = _members(work, old)
    items = [_item(work, old, decision, made, members, verifier if begun else None) for decision in work.decisions]
    with work.journal() as journal:
        findings = tuple(journal.findings())
    domains = old.all("domain")
    projects = [
        Project(
            old_id=identity,
            new_id="" if identity in progress.back else made.get(f"project {identity}", ""),
            name=name,
            domain=_name(domains, old.all("project")[identity].body.get("domain_id")),
            back=identity in progress.back,
        )
        for identity, name in work.projects.items()
    ]
    return Outcome(
        old_cloud=work.old,
        new_cloud=work.new,
        old_auth_url=clouds[0].auth_url,
        new_auth_url=clouds[1].auth_url,
        old_region=clouds[0].region,
        new_region=clouds[1].region,
        made_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        phase=progress.phase,
        projects=tuple(projects),
        items=tuple(items),
        tasks=tuple(task for task in _tasks(work, old, members) if task.project not in progress.back),
        downtimes=tuple(downtimes(work)),
        contents=tuple(contents(work)),
        findings=findings,
    )


def _item(
    work: Work,
    old: Side,
    decision: Decision,
    made: Mapping[str, str],
    members: Mapping[str, set[str]],
    verifier: Verifier | None,
) -> Item:
    row = old.all(decision.kind).get(decision.id)
    told = [Difference(rule.field, rule.old, rule.new, rule.why) for rule in decision.rules]
    found = [] if verifier is None else list(verifier.differences(decision))
    new_id = made.get(f"{decision.kind} {decision.id}", "")
    if decision.kind == "image" and decision.decision == "create" and new_id not in ("", decision.id):
        why = "the new Glance has had an image of this id before, and gives no id a second time"
        told.append(Difference("id", decision.id, new_id, why))
    seen = {difference.field for difference in found}
    return Item(
        kind=decision.kind,
        old_id=decision.id,
        new_id=new_id,
        name=decision.name,
        project=decision.project if decision.project in work.projects else "",
        decision=decision.decision,
        why=decision.why,
        differences=(*found, *(difference for difference in told if difference.field not in seen)),
        used_by=_users_of(work, old, decision, members),
        device_owner=str(row.body.get("device_owner") or "") if row else "",
    )


def contents(work: Work) -> list[Content]:
    """What the comparisons of volumes' content found, of those that are cut over, in the order of the decisions."""
    with work.journal() as journal, journal.read() as connection:
        query = select(_steps.kind, _steps.args, _steps.result, _steps.ended)
        carried = query.where(_steps.kind.in_(("move.content", "move.volume_image")), _steps.state == "done")
        rows = {json.loads(row.args)["from"]: row for row in connection.execute(carried) if row.result}
    return [
        _content(decision, rows[decision.id])
        for decision in work.decisions
        if decision.kind == "volume" and decision.id in rows
    ]


def _content(decision: Decision, row: Any) -> Content:
    result = json.loads(row.result)
    at = datetime.datetime.fromtimestamp(row.ended, datetime.UTC).isoformat(timespec="seconds")
    volume = (decision.id, decision.name)
    if row.kind == "move.volume_image":
        size = int(result["size"])
        return Content(*volume, size, size, "image", "md5", str(result["checksum"] or ""), 0, at)
    return Content(
        *volume,
        size=result["size"],
        compared=result["compared"],
        way=result["way"] if result["way"] != "copy" else "whole" if result["whole"] else "changes",
        algorithm="blake3" if result["digest"] else "",
        digest=result["digest"],
        repaired=result["repaired"],
        at=result.get("at") or at,
        chain=result.get("chain", ""),
    )


def _users_of(work: Work, old: Side, decision: Decision, members: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The projects in whose report a thing of nobody's stands."""
    if decision.project in work.projects:
        return ()
    if decision.kind == "user":
        return tuple(sorted(members.get(decision.id, ())))
    if decision.kind in ("key pair", "application credential", "credential"):
        row = old.all(decision.kind)[decision.id]
        return tuple(sorted(members.get(str(row.body.get("user_id")), ())))
    if decision.kind == "flavor":
        mine = {row.project for row in old.by("server", "flavor_link.id", decision.id)}
        return tuple(sorted(mine & work.projects.keys()))
    return tuple(sorted(work.projects))


def _members(work: Work, old: Side) -> dict[str, set[str]]:
    """By user: the projects that they have a role on, by themselves or by a group."""
    found: dict[str, set[str]] = {}
    for project, user in members(old.all("role assignment").values(), old.all("group membership").values()):
        if project in work.projects:
            found.setdefault(user, set()).add(project)
    return found


def _tasks(work: Work, old: Side, members: Mapping[str, set[str]]) -> list[Task]:
    tasks = [Task(project, "iac", name) for project, name in work.projects.items()]
    domains, roles = old.all("domain"), old.all("role")
    for decision in work.decisions:
        row = old.all(decision.kind).get(decision.id)
        if row is None:
            continue
        if decision.kind == "user" and decision.decision == "create":
            detail: dict[str, Any] = {"domain": _name(domains, row.body.get("domain_id"))}
            for project in sorted(members.get(row.id, ())):
                tasks.append(Task(project, "password", row.name, row.id, detail))
        elif decision.kind == "application credential":
            body = row.body
            detail = {
                "user": _name(old.all("user"), body.get("user_id")),
                "roles": [role.get("name") or _name(roles, role.get("id")) for role in body.get("roles", [])],
                **{name: body[name] for name in ("expires_at", "unrestricted", "description") if name in body},
            }
            tasks.append(Task(str(body["project_id"]), decision.kind, row.name, row.id, detail))
        elif decision.kind == "credential" and row.body.get("type") == "totp":
            detail = {"user": _name(old.all("user"), row.body.get("user_id"))}
            for project in sorted(members.get(str(row.body.get("user_id")), ())):
                tasks.append(Task(project, "totp", "", row.id, detail))
    return tasks


def _name(rows: Mapping[str, Any], identity: Any) -> str:
    row = rows.get(str(identity))
    return row.name if row else str(identity or "")
