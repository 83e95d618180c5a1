"""What a move came to so far: the plan's decisions, the journal, and both clouds as they are, as one `Outcome`."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from naru.cloud.client import Cloud
from naru.messages import Text, message
from naru.move.decisions import Decision
from naru.move.downtime import standing
from naru.move.draft import CLOUD
from naru.move.facts import Side
from naru.move.history import addresses, carried, rounds
from naru.move.kinds import BY_NAME, listener
from naru.move.left import Key, Left
from naru.move.outcome import ContentResult, Difference, Item, Outcome, Project, State, Task
from naru.move.purposes import CUTOVER, END, FINALIZE, MAKE, STOP
from naru.move.rollback import rolled_back
from naru.move.secrets import told
from naru.move.secrets.record import recorded
from naru.move.showing import Users
from naru.move.standing import Standings
from naru.move.verify import Verifier
from naru.move.windows import PHASES
from naru.move.work import Work
from naru.plan.queries import StepRow, reading

ID_TAKEN = message(
    "move.result.id_taken",
    en="the new Glance has had an image of this id before, and gives no id a second time",
    ko="새 Glance에 이 ID의 이미지가 있었던 적이 있고, 같은 ID는 다시 쓸 수 없습니다",
)
NOT_WHOLE = message("move.verify.not_whole", en="it is not wholly made yet", ko="아직 다 만들지 않았습니다")
ALL_ROLLED_BACK = message("move.verify.rolled_back", en="the move was rolled back", ko="이전을 되돌렸습니다")


@dataclass(frozen=True)
class Reached:
    """How far a move is: `phase` for all that was not rolled back; the projects (old ids) that are cut over, finalized
    and rolled back; the ids of the steps that joined the last to others; which old servers (ids) `ran` when they were
    stopped."""

    phase: str
    done: set[str]
    final: set[str]
    rolled_back: set[str]
    undone: set[str]
    ran: dict[str, bool]

    @classmethod
    def of(cls, work: Work) -> "Reached":
        """Read from the journal."""
        with work.journal() as journal:
            back = rolled_back(journal, work.projects)
            with reading(journal) as now:
                points = now.steps(purpose=(CUTOVER, FINALIZE))
                left = now.open_before(points, ())
                final = {step.about_id for step in now.steps(purpose=END, states=["done"])}
                stops = now.steps(purpose=STOP, states=["done"], result=True)
                undone = {step.id for step in now.steps(unit=CLOUD, states=["undone"])}

        def reached(purpose: str) -> set[str]:
            """The projects of which everything before the point is at its end."""
            return {step.about_id for step in points if step.purpose == purpose and not left[step.n].left}

        phase, moved = "plan", work.projects.keys() - back
        if not moved:
            phase = "rollback"
        elif final == moved:
            phase = "finalize"
        elif reached(FINALIZE) >= moved:
            phase = "cutover"
        elif reached(CUTOVER) >= moved:
            phase = "prepare"
        ran = {step.about_id: step.result["ran"] for step in stops if "ran" in (step.result or {})}
        return cls(phase, reached(FINALIZE) - back, final, back, undone, ran)


def outcome(work: Work, old: Side, new: Side, clouds: tuple[Cloud, Cloud]) -> Outcome:
    """Everything compared: `new` as it is now."""
    progress = Reached.of(work)
    made = {} if progress.phase == "rollback" else work.made()
    with work.journal() as journal:
        findings, left, moved = tuple(journal.findings()), Left.of(journal), recorded(journal)
    verifier = Verifier(
        *(old, new, made, progress.done, progress.final, progress.rolled_back, progress.undone, left), progress.ran
    )
    standings = Standings(work, progress.rolled_back)
    states = States(verifier, standings, progress)
    users = Users.of(old, work.projects)
    items = [_item(work, old, decision, made, users, states) for decision in left.applied(work.planned)]
    domains = old.all("domain")
    projects = [
        Project(
            old_id=identity,
            new_id="" if identity in progress.rolled_back else made.get(f"project {identity}", ""),
            name=name,
            domain=_name(domains, old.all("project")[identity].body.get("domain_id")),
            rolled_back=identity in progress.rolled_back,
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
        items=told.items(items, moved),
        tasks=tuple(
            task
            for task in (*_tasks(work, old, users.of_user, left), *told.tasks(work, old, made, moved))
            if task.project not in progress.rolled_back
        ),
        downtimes=tuple(standing(work, progress.rolled_back)),
        contents=tuple(contents(work)),
        findings=findings,
        rounds=tuple(rounds(work)),
        carried=tuple(carried(work)),
        addresses=tuple(addresses(work)),
        failures=standings.failures(),
        unfinished=standings.unfinished(),
    )


def _item(
    work: Work,
    old: Side,
    decision: Decision,
    made: Mapping[str, str],
    users: Users,
    states: "States",
) -> Item:
    row = old.all(decision.kind).get(decision.id)
    planned = [Difference(change.field, change.old, change.new, change.why) for change in decision.changes]
    now = states.of(decision)
    new_id = made.get(f"{decision.kind} {decision.id}", "")
    if decision.kind == "image" and decision.decision == "create" and new_id not in ("", decision.id):
        planned.append(Difference("id", decision.id, new_id, ID_TAKEN()))
    seen = {difference.field for difference in now.differences}
    return Item(
        kind=decision.kind,
        old_id=decision.id,
        new_id=new_id,
        name=decision.name,
        project=decision.project if decision.project in work.projects else "",
        decision=decision.decision,
        why=decision.why,
        differences=(*now.differences, *(difference for difference in planned if difference.field not in seen)),
        used_by=_users_of(work, users, decision),
        device_owner=str(row.body.get("device_owner") or "") if row else "",
        state="explained" if now.state == "right" and planned else now.state,
        phase=now.phase,
        due=now.due,
        reason=now.reason,
    )


@dataclass(frozen=True)
class Now:
    """What a thing is now: see `Item`."""

    state: State
    differences: tuple[Difference, ...] = ()
    phase: str = ""
    due: bool = False
    reason: Text = ""


class States:
    """What each thing is now, by the comparison and by the journal."""

    def __init__(self, verifier: Verifier, standings: Standings, progress: Reached) -> None:
        self._verifier = verifier
        self._standings = standings
        self._progress = progress
        self._skipped = standings.skipped()

    def of(self, decision: Decision) -> Now:
        """What is made is compared; what is not made yet differs only when it should be there by now."""
        if decision.decision == "leave":
            return Now("left", reason=decision.why)
        if self._progress.phase == "rollback" and decision.decision == "create":
            return Now("rolled back", reason=ALL_ROLLED_BACK())
        gone, found = Difference("", decision.name or decision.id, None, ""), self._compared(decision)
        if decision.project in self._progress.rolled_back or decision.step in self._progress.undone:
            return Now("rolled back", found)
        if decision.decision == "match":
            return _compared(found)
        standing = self._standings.of(decision)
        at = (standing.phase, standing.due, standing.why)
        if standing.state == "undone":
            return Now("rolled back", (replace(gone, why=ALL_ROLLED_BACK()),))
        if standing.state == "skipped":
            return Now("left", (replace(gone, why=standing.why),), reason=standing.why)
        if standing.state == "failed":
            return Now("failed", (gone,), *at)
        if standing.state == "open":
            return Now("not yet", (gone,) if standing.due else (), *at)
        if BY_NAME[decision.kind].at_end and decision.project not in self._progress.final:
            return Now("not yet", (), PHASES.end, self._standings.due(PHASES.end, decision.project))
        bad = [difference for difference in found if not difference.why]
        if bad and not standing.whole and all(difference.field for difference in bad):
            # what is still to be done to it is not told from what differs
            kept = tuple(difference for difference in found if difference.why)
            return Now("not yet", kept, PHASES.prepare, True, NOT_WHOLE())
        return _compared(found)

    def _compared(self, decision: Decision) -> tuple[Difference, ...]:
        """What differs, and what was not done because the operator said so."""
        missing = [
            Difference(field, "", None, reason)
            for field, reason in self._skipped.get((decision.kind, decision.id), ())
            if field != MAKE
        ]
        return (*self._verifier.differences(decision), *missing)


def _compared(found: tuple[Difference, ...]) -> Now:
    if any(not difference.why for difference in found):
        return Now("differs", found)
    return Now("explained" if found else "right", found)


def contents(work: Work) -> list[ContentResult]:
    """What the comparisons of volumes' content found, of those that are cut over, in the order of the decisions."""
    with work.journal() as journal, reading(journal) as now:
        carried = now.steps(kind=("move.content", "move.volume_image"), states=["done"], result=True)
    steps = {step.about_id: step for step in carried if step.result}
    return [
        _content(decision, steps[decision.id])
        for decision in work.decisions
        if decision.kind == "volume" and decision.id in steps
    ]


def _content(decision: Decision, step: StepRow) -> ContentResult:
    result = step.result
    at = datetime.datetime.fromtimestamp(step.ended or 0.0, datetime.UTC).isoformat(timespec="seconds")
    volume = (decision.id, decision.name)
    if step.kind == "move.volume_image":
        size = int(result["size"])
        return ContentResult(*volume, size, size, "image", "md5", str(result["checksum"] or ""), 0, at)
    return ContentResult(
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


def _users_of(work: Work, users: Users, decision: Decision) -> tuple[str, ...]:
    """The projects in whose report a thing stands that is not theirs."""
    row = users.old.all(decision.kind).get(decision.id)
    if row is None or decision.project in work.projects:
        return ()
    return tuple(sorted(users.projects.intersection(BY_NAME[decision.kind].used_by(users, row))))


def _tasks(work: Work, old: Side, members: Mapping[str, frozenset[str]], left: Left) -> list[Task]:
    tasks = [Task(project, "iac", name) for project, name in work.projects.items()]
    domains, roles = old.all("domain"), old.all("role")
    for decision in left.applied(work.planned):
        row = old.all(decision.kind).get(decision.id)
        if row is None or Key("user", str(row.body.get("user_id"))) in left:
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
        elif decision.kind == listener.LISTENER.name and decision.decision == "leave" and listener.ends_tls(row):
            tasks.append(Task(row.project, "certificate", row.name, row.id, listener.described(old, row)))
        elif decision.kind == "credential" and row.body.get("type") == "totp":
            detail = {"user": _name(old.all("user"), row.body.get("user_id"))}
            for project in sorted(members.get(str(row.body.get("user_id")), ())):
                tasks.append(Task(project, "totp", "", row.id, detail))
    return tasks


def _name(rows: Mapping[str, Any], identity: Any) -> str:
    row = rows.get(str(identity))
    return row.name if row else str(identity or "")
