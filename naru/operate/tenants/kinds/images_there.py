"""Which image of the cloud an image of the file is: names of images are not unique, what tells them apart is their
content. One that is taken for another would get its members and properties; one that is not found, be made once more.
"""

import uuid
from collections.abc import Mapping, Sequence

from naru.inventory.rows import Row
from naru.operate.tenants.contents import DIGESTS
from naru.operate.tenants.draft import Draft, OfProject
from naru.operate.tenants.model import Image
from naru.operate.tenants.names import Thing

WHOLE = ("active", "deactivated")
"""The statuses of an image that has its content."""
_OURS = uuid.UUID("0f6f8a3e-6d0e-4d5c-9a55-5a4f3d6b8f10")
_TIMES = 3
"""How often an image of one name and content may be deleted and made again by an id that each run finds by itself."""


def digest(row: Row, checksum: str) -> str:
    """The digest of an image's content that can be compared with the checksum, "" where the cloud does not tell it."""
    algorithm = DIGESTS[len(checksum)]
    if algorithm == "md5":
        return str(row.body.get("checksum") or "")
    return str(row.body.get("os_hash_value") or "") if row.body.get("os_hash_algo") == algorithm else ""


def own_ids(draft: Draft, project: str, written: Image) -> list[str]:
    """Ids for an image that is to be made, the same ones in each run: two that run at once make one image together.
    Glance never gives the id of a deleted image again, so that there are several, and a new one at last. One that an
    image has already is left out: that is another one by now, renamed."""
    there = draft.facts.all("image")
    return [*(one for one in _ids(draft, project, written) if one not in there), str(uuid.uuid4())]


def _ids(draft: Draft, project: str, written: Image) -> list[str]:
    label = f"{draft.cloud}\n{project}\n{written.name}\n{written.checksum or ''}\n"
    return [str(uuid.uuid5(_OURS, f"{label}{number}")) for number in range(_TIMES)]


def declare(draft: Draft, project: OfProject, name: str, wanted: Sequence[Image]) -> list[Thing]:
    """The thing of each image of one name that the file declares of a project: first those whose content is the right
    one, or that an apply of this declaration made and did not fill, then by what is left of the name."""
    label = f"{project.thing.label}/{name}"
    there = [one for one in draft.names.all("image", project.thing.label, name) if one.row]
    found: dict[int, Thing] = {}
    for number, one in enumerate(wanted):
        ours = _ids(draft, project.thing.label, one)
        same = [thing for thing in there if thing.row and _is(thing.row, one, ours)]
        if len(same) > 1:
            draft.names.problem(label, _several(draft, same, "this name and content"))
        if same and same[0] in found.values():
            draft.names.problem(label, "two of these checksums are of the same content: declare it once")
        if same:
            found[number] = same[0]
    left = {number: one for number, one in enumerate(wanted) if number not in found}
    rest = [thing for thing in there if thing not in found.values()]
    found |= _by_what_is_left(draft, label, left, rest, alone=len(wanted) == 1 and len(there) == 1)
    return [_thing(draft, project, label, one, found.get(number)) for number, one in enumerate(wanted)]


def _is(row: Row, one: Image, ours: Sequence[str]) -> bool:
    if row.body["status"] not in WHOLE:
        return row.id in ours
    return bool(one.checksum) and digest(row, one.checksum or "") == one.checksum


def _by_what_is_left(
    draft: Draft, label: str, wanted: Mapping[int, Image], there: Sequence[Thing], *, alone: bool
) -> dict[int, Thing]:
    """Those whose content does not say which they are. `alone`: there is one of the name in the file and one on the
    cloud; with other content it is the same one still, which is refused."""
    found: dict[int, Thing] = {}
    for number, one in wanted.items():
        fitting = [thing for thing in there if thing not in found.values() and _may_be(thing, one, alone=alone)]
        if len(fitting) > 1 or (fitting and len(wanted) > 1):
            draft.names.problem(label, _several(draft, fitting, "this name, and nothing tells which is meant"))
        elif fitting:
            found[number] = fitting[0]
    return found


def _may_be(thing: Thing, one: Image, *, alone: bool) -> bool:
    """Whether nothing says that it is another one."""
    return alone or not one.checksum or thing.row is None or not digest(thing.row, one.checksum)


def _several(draft: Draft, found: Sequence[Thing], what: str) -> str:
    told = ", ".join(f"{thing.id} ({thing.row.body.get('status')})" for thing in found if thing.row)
    count = f"{len(found)} images" if len(found) > 1 else "an image"
    return (
        f"{draft.cloud} has {count} of {what}: {told}: "
        "rename or delete there what is not meant, or write each image's checksum"
    )


def _thing(draft: Draft, project: OfProject, label: str, written: Image, there: Thing | None) -> Thing:
    owner, found = project.thing.label, [there] if there else []
    return draft.declare("image", found, written.name, label, owner, written.checksum or "")
