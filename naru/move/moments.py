"""The moments of a move at which an operator's hooks run (`naru.work.hooks`), and the facts that they are told.

Those of a command, such as `before-cutover`, are asked for when it is given (`naru.move.hooks`). Those of a project and
of a server are steps of every plan (`naru.move.steps.hook`), in their place among the others, whether there are hooks
or not: so hooks may be changed until the moment itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naru.messages import Text, message
from naru.move.windows import PHASES
from naru.plan.journal import Journal
from naru.work.hooks import GO_ON, STOP, Moment

FORMAT = 1
BEFORE_CUTOVER, AFTER_CUTOVER = "before-project-cutover", "after-project-cutover"
AFTER_ROLLBACK = "after-project-rollback"
BEFORE_STOP, AFTER_START = "before-old-server-stops", "after-new-server-runs"
BEFORE_BACK, AFTER_BACK = "before-new-server-stops", "after-old-server-runs"
FAILED = "after-failure"
ROLLBACK, RUN = "rollback", "run"
COMMANDS = (*PHASES.names, ROLLBACK, RUN)
"""The commands with a moment before them and one after them."""


_BEFORE = message(
    "move.moment.before_command",
    en="before naru move {command} does anything",
    ko="naru move {command} 명령이 작업을 시작하기 전",
)
_AFTER = message(
    "move.moment.after_command",
    en="when naru move {command} has ended, however it ended",
    ko="naru move {command} 명령이 끝났을 때(결과와 관계없이)",
)
_OF_STEPS = {
    BEFORE_CUTOVER: message(
        "move.moment.before_project_cutover",
        en="before anything of a project's cut-over happens",
        ko="프로젝트의 전환 작업을 시작하기 전",
    ),
    BEFORE_STOP: message(
        "move.moment.before_old_server_stops", en="before an old server is stopped", ko="기존 서버를 중지하기 전"
    ),
    AFTER_START: message("move.moment.after_new_server_runs", en="when a new server runs", ko="새 서버가 실행된 뒤"),
    AFTER_CUTOVER: message(
        "move.moment.after_project_cutover", en="when a project is cut over", ko="프로젝트의 전환이 끝났을 때"
    ),
    BEFORE_BACK: message(
        "move.moment.before_new_server_stops",
        en="in a rollback: before a new server is stopped",
        ko="되돌리기: 새 서버를 중지하기 전",
    ),
    AFTER_BACK: message(
        "move.moment.after_old_server_runs",
        en="in a rollback: when an old server runs again",
        ko="되돌리기: 기존 서버가 다시 실행된 뒤",
    ),
    AFTER_ROLLBACK: message(
        "move.moment.after_project_rollback",
        en="in a rollback: when a project's old servers run again and its addresses are back",
        ko="되돌리기: 프로젝트의 기존 서버가 모두 다시 실행되고 주소가 돌아왔을 때",
    ),
}
_FAILURE = message(
    "move.moment.after_failure",
    en="seconds after steps have failed, while the others go on",
    ko="작업 단계가 실패하고 몇 초 안에(나머지 단계는 계속 진행)",
)


def _moments() -> Iterator[Moment]:
    """In the order in which they come. Nothing of a rollback can be stopped by a hook: users are waiting."""
    for command in COMMANDS:
        yield Moment(f"before-{command}", _BEFORE(command=command), may_stop=command != ROLLBACK)
        yield Moment(f"after-{command}", _AFTER(command=command))
    for name, what in _OF_STEPS.items():
        yield Moment(name, what(), may_stop=name not in (BEFORE_BACK, AFTER_BACK, AFTER_ROLLBACK))
    yield Moment(FAILED, _FAILURE())


MOMENTS = {moment.name: moment for moment in _moments()}
OF_STEPS = tuple(_OF_STEPS)
"""The moments that are steps of the plan."""


def listed() -> list[tuple[str, Text, str]]:
    """Each moment, when it is, and what `on_failure` of a hook there may be."""
    return [
        (moment.name, moment.what, f"{STOP}, or {GO_ON}" if moment.may_stop else GO_ON) for moment in MOMENTS.values()
    ]


def facts(
    journal: Journal, directory: Path, moment: str, occurrence: str, attempt: int = 1, **more: Any
) -> dict[str, Any]:
    """What hooks are told. The `key` is the same when the same moment is told again, as after a kill, and another one
    for every other moment: by it a hook knows what it has done already."""
    plan, settings = journal.plan_id, journal.settings()
    return {
        "naru_hook": FORMAT,
        "moment": moment,
        "key": f"{plan}/{moment}/{occurrence}",
        "attempt": attempt,
        "move": {"id": plan, "directory": str(directory.absolute()), "from": settings["from"], "to": settings["to"]},
        **more,
    }
