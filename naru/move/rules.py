"""The rules that make a plan of what is known of both clouds, in their order: what the map leaves open, the kinds of
things (listed in `naru.move.kinds`), the cut-over and the end of all of them, and what would go wrong. Each has a few
lines of what and why where it stands; a later rule may look at what the earlier ones have decided."""

from naru.move import check, cutover
from naru.move.kinds import RULES as OF_KINDS
from naru.move.kinds import Rule, user

RULES: tuple[Rule, ...] = (
    check.undecided,
    check.other_case,
    check.unread,
    check.unused_places,
    *OF_KINDS,
    cutover.prepared,
    user.options,
    user.disabled,
    cutover.cut_over,
    cutover.finalize,
    check.addresses,
    check.attachments,
    check.bound,
    check.capacity,
    check.disabled,
    check.forgotten,
)
