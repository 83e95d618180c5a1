"""Names of hosts as people write many: `compute[001:300]` is 300 names, all else is itself; and what is an address."""

import ipaddress
import re

MOST = 20_000
_RANGE = re.compile(r"(?P<before>[^\[\]]*)\[(?P<first>\d+):(?P<last>\d+)\](?P<after>[^\[\]]*)")


def expand(name: str) -> list[str]:
    """The names that one name with at most one range stands for, with as many digits as the range's first number:
    `node[08:10]` is node08, node09, node10. Raises ValueError for a range that is empty, too long, or no range."""
    found = _RANGE.fullmatch(name)
    if not found:
        if "[" in name or "]" in name:
            raise ValueError(f"{name}: a range is written as in node[01:30], and a name has one at most")
        return [name]
    first, last = int(found["first"]), int(found["last"])
    if last < first:
        raise ValueError(f"{name}: the range is empty: the first number is above the last")
    if last - first >= MOST:
        raise ValueError(f"{name}: a range has {MOST} names at most")
    width = len(found["first"])
    return [f"{found['before']}{number:0{width}}{found['after']}" for number in range(first, last + 1)]


def is_address(text: str) -> bool:
    """Whether it is an IP address, and not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
