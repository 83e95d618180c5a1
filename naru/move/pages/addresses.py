"""The addresses that are others on the new cloud, old beside new: what users have to write down anew."""

from collections.abc import Iterator
from typing import Any

from naru.messages import message
from naru.move.kinds.public_addresses import NEW_ADDRESS
from naru.move.pages.parts import Part, differing
from naru.move.pages.tables import table, thing
from naru.report.blocks import Block, Heading, Paragraph, Said, code

TITLE = message("move.pages.addresses.title", en="New addresses", ko="바뀐 주소")
CHANGED = message(
    "move.pages.addresses.changed",
    en="The new cloud has another range: change these in DNS, firewalls and wherever else they are written down.",
    ko="새 클라우드의 주소 범위가 다릅니다. DNS와 방화벽 등 주소를 적어 둔 곳을 모두 바꿔 주십시오.",
)
PENDING = message("move.pages.addresses.pending", en="not known yet", ko="아직 알 수 없음")


def blocks(part: Part) -> Iterator[Block]:
    """The table, where an address was given up for a new one."""
    rows = [
        (*thing(item), _addresses(difference.old), _addresses(difference.new))
        for item, difference in differing(part.items)
        if difference.why == NEW_ADDRESS()
    ]
    if rows:
        yield from (Heading(2, TITLE()), Paragraph(CHANGED(), tone="note"), table(("kind", "name", "old", "new"), rows))


def _addresses(value: Any) -> Said:
    """Addresses as Neutron tells them: one, several, or with their subnets."""
    several = value if isinstance(value, list) else [value]
    texts = [
        str(one["ip_address"]) if isinstance(one, dict) and "ip_address" in one else str(one) for one in several if one
    ]
    return code(", ".join(texts)) if texts else PENDING()
