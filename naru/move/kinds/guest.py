"""What the operating system inside a server will find changed: its host name, and disks that arrive empty."""

from typing import Any

from naru.inventory.rows import Row
from naru.messages import message
from naru.move.accepts import compute
from naru.move.decisions import FieldChange
from naru.move.draft import Draft, thing
from naru.move.kinds import flavor

EMPTY_DISKS = message(
    "move.server.empty_disks",
    en="{thing}: its {disks:list} arrives empty; what is on it stays behind",
    ko="{thing}: 다음 디스크는 빈 상태로 이전합니다. 내용은 옮기지 않습니다({disks:list})",
)
SAVE_CONTENT = message(
    "move.server.save_content",
    en="No API reads these disks. What is wanted of them, its user copies to a volume before the cut-over.",
    ko="이 디스크의 내용은 어느 클라우드에서도 읽을 수 없습니다. 필요한 것은 전환 전에 사용자가 볼륨에 복사해 두어야"
    " 합니다.",
)
NOT_READ = message(
    "move.server.disks_not_read",
    en="no API reads the content of these disks: they are made anew, and empty",
    ko="이 디스크의 내용을 읽을 수 있는 API가 없어 빈 상태로 새로 만듭니다",
)
EPHEMERAL = message("move.server.ephemeral", en="ephemeral disk of {size} GiB", ko="임시 디스크 {size} GiB")
SWAP = message("move.server.swap", en="swap disk of {size} MiB", ko="스왑 디스크 {size} MiB")
OTHER_HOSTNAME = message(
    "move.server.other_hostname",
    en="{thing}: its guest is told another host name than {hostname} by the new cloud",
    ko="{thing}: 새 클라우드는 서버 안의 운영체제에 {hostname}이(가) 아닌 다른 호스트 이름을 알려 줍니다",
)
NO_HOSTNAME = message(
    "move.server.no_hostname",
    en="the Nova of {cloud} makes its own of the server's name",
    ko="{cloud} 클라우드의 Nova가 서버 이름으로 새로 만듭니다",
)
FIX_HOSTNAME = message(
    "move.server.fix_hostname",
    en="Where that matters, its user sets the host name inside (cloud-init: preserve_hostname).",
    ko="호스트 이름이 중요하다면 서버 안에서 고정해 두십시오(cloud-init의 preserve_hostname).",
)
_DISKS = {"OS-FLV-EXT-DATA:ephemeral": EPHEMERAL, "swap": SWAP}


def hostname(draft: Draft, row: Row, body: dict[str, Any]) -> list[FieldChange]:
    """Puts into the server's request what its guest is told that it is called. A Nova that does not take that makes a
    name of the server's, in newer releases never one with dots; the change, where that differs."""
    name = str(row.body.get("OS-EXT-SRV-ATTR:hostname") or "")
    if name and compute.takes_hostname(draft.facts.new, name):
        body["hostname"] = name
    elif name and compute.own_hostname(draft.facts.new, body["name"]) != name:
        draft.report("warning", OTHER_HOSTNAME(thing=thing(row), hostname=name), about=row.id, hint=FIX_HOSTNAME())
        return [FieldChange("OS-EXT-SRV-ATTR:hostname", name, None, NO_HOSTNAME(cloud=draft.new))]
    return []


def empty_disks(draft: Draft, row: Row) -> list[FieldChange]:
    """Tells of the disks whose content no API reads: they are made by the flavor anew, and empty."""
    fields = flavor.of_server(draft.facts.old, row)
    sizes = {name: size for name in _DISKS if (size := int(fields.get(name) or 0))}
    found = [_DISKS[name](size=size) for name, size in sizes.items()]
    if not found:
        return []
    draft.report("warning", EMPTY_DISKS(thing=thing(row), disks=found), about=row.id, hint=SAVE_CONTENT())
    return [FieldChange("local disks", sizes, None, NOT_READ())]
