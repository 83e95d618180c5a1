"""Volume groups: not made."""

from naru.messages import message
from naru.move.draft import Draft
from naru.move.kind import Kind

KIND = Kind("volume group", owned=True)
NOT_MOVED = message("move.volume_group.not_moved", en="volume groups are not moved", ko="볼륨 그룹은 이전하지 않습니다")
MAKE_ANEW = message(
    "move.volume_group.make_anew", en="Make it anew with the new volumes.", ko="새 볼륨으로 다시 만들어 주십시오."
)


def groups(draft: Draft) -> None:
    """Volume groups are left, and their users are told."""
    for row in draft.facts.owned(KIND.name):
        draft.leave(row, NOT_MOVED(), hint=MAKE_ANEW())
