"""Transfers of volumes to other projects: requests that nobody has accepted yet."""

from naru.messages import message
from naru.move.draft import Draft
from naru.move.kind import Kind

KIND = Kind("volume transfer", owned=True)
ENDS = message(
    "move.volume_transfer.ends",
    en="a transfer under way ends with the move",
    ko="진행 중인 볼륨 이전 요청은 클라우드를 이전하면 끝납니다",
)


def transfers(draft: Draft) -> None:
    """Transfers are left: the new volume is not offered to anybody."""
    for row in draft.facts.owned(KIND.name):
        draft.leave(row, ENDS(), severity="info")
