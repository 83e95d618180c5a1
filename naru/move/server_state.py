"""What becomes of a server, by the status that it has on the old cloud."""

from collections.abc import Mapping
from dataclasses import dataclass

from naru.messages import Text, message


@dataclass(frozen=True)
class State:
    """What becomes of a server in a state: whether it can be moved, whether it `runs` on the new cloud after the move,
    and what its users are told."""

    movable: bool
    runs: bool = False
    note: Text = ""


SHELVED = message(
    "move.server.shelved",
    en="it is shelved: it arrives switched off",
    ko="셸브(SHELVED) 상태입니다. 꺼진 상태로 이전합니다",
)
STATES: Mapping[str, State] = {
    "ACTIVE": State(movable=True, runs=True),
    "SHUTOFF": State(movable=True),
    "PAUSED": State(
        movable=True,
        note=message(
            "move.server.paused",
            en="it is paused: its memory stays behind, and it arrives switched off",
            ko="일시 정지(PAUSED) 상태입니다. 메모리 내용은 옮기지 않으며 꺼진 상태로 이전합니다",
        )(),
    ),
    "SUSPENDED": State(
        movable=True,
        note=message(
            "move.server.suspended",
            en="it is suspended: its memory stays behind, and it arrives switched off",
            ko="일시 중단(SUSPENDED) 상태입니다. 메모리 내용은 옮기지 않으며 꺼진 상태로 이전합니다",
        )(),
    ),
    "SHELVED": State(movable=True, note=SHELVED()),
    "SHELVED_OFFLOADED": State(movable=True, note=SHELVED()),
    "RESCUE": State(
        movable=True,
        note=message(
            "move.server.rescued",
            en="it is being rescued: its own disk is moved, and it arrives switched off",
            ko="복구 모드(RESCUE)입니다. 원래 디스크를 옮기며 꺼진 상태로 이전합니다",
        )(),
    ),
    "ERROR": State(
        movable=False, note=message("move.server.error", en="it is in error", ko="오류(ERROR) 상태입니다")()
    ),
    "SOFT_DELETED": State(
        movable=False,
        note=message(
            "move.server.soft_deleted",
            en="it was deleted, and could be restored for a while",
            ko="삭제되었으며 얼마 동안 복원할 수 있는 상태입니다",
        )(),
    ),
    "DELETED": State(movable=False, note=message("move.server.deleted", en="it was deleted", ko="삭제되었습니다")()),
}
"""What becomes of a server, by its status. Those that are not here are passing: something is being done with it."""
STILL = tuple(status for status, state in STATES.items() if state.movable and not state.runs)
"""States of an old server in which the window leaves it as it is: its disks are moved."""
