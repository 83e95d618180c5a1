"""What access lists and storage policies become on the new cloud.

    projects: {OLD-ID: NEW-ID}
    users: {OLD-ID: NEW-ID}
    policies: {OLD-NAME: NEW-NAME}

Access lists of Keystone's clouds name projects and users by id (or by name, which stays as it is); referrers
(`.r:*`, `.rlistings`) and roles stay. An id that the map does not have means nothing on the new cloud: it is left out,
and told.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naru import yamlfile
from naru.errors import InputError
from naru.objects import headers
from naru.objects.wire import Headers

_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARTS = ("projects", "users", "policies")


@dataclass(frozen=True)
class Mapping:
    """Ids and names of the old cloud, each with that of the new one."""

    projects: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)

    def container(self, found: Headers) -> tuple[Headers, list[str]]:
        """The headers of a container as the new one is to have them, and what of its access lists was left out."""
        wanted = headers.of_container(found)
        lost = []
        for name in (headers.READ, headers.WRITE):
            if name in wanted:
                wanted[name], gone = self.access(wanted[name])
                lost += [f"{name}: {item}" for item in gone]
                if not wanted[name]:
                    del wanted[name]
        return wanted, lost

    def access(self, text: str) -> tuple[str, list[str]]:
        """An access list as the new cloud has it, and the items that were left out."""
        kept, lost = [], []
        for item in filter(None, (part.strip() for part in text.split(","))):
            found = self._item(item)
            if found is None:
                lost.append(item)
            else:
                kept.append(found)
        return ",".join(kept), lost

    def _item(self, item: str) -> str | None:
        if item.startswith("."):
            return item
        if ":" not in item:  # a role; or a project, as a whole
            return self.projects.get(item) or (None if _ID.fullmatch(item) else item)
        project, _, user = item.partition(":")
        parts = (_mapped(self.projects, project), _mapped(self.users, user))
        return None if None in parts else f"{parts[0]}:{parts[1]}"


def _mapped(known: dict[str, str], word: str) -> str | None:
    """The new one; the same where it is a name or `*`; None for an id that is not known."""
    return known.get(word) or (None if _ID.fullmatch(word) else word)


def load(file: Path | None) -> Mapping:
    """The map in the file. Raises InputError that names file and field."""
    if file is None:
        return Mapping()
    found: Any = yamlfile.values(yamlfile.text_of(file), file) or {}
    if not isinstance(found, dict):
        raise InputError(f"{file} is not a mapping", hint="projects: {OLD-ID: NEW-ID}, and so users and policies.")
    for part, pairs in found.items():
        if part not in _PARTS:
            raise InputError(f"{file}: {part}: there is no such field", hint=f"There are {', '.join(_PARTS)}.")
        if not isinstance(pairs, dict):
            raise InputError(f"{file}: {part}: is not a mapping of old to new", hint=f"{part}: {{OLD: NEW}}")
        for old, new in pairs.items():
            if not isinstance(old, str) or not isinstance(new, str) or not old or not new:
                raise InputError(
                    f"{file}: {part}.{old}: {new!r} is not a text", hint="Put ids in quotes where they are digits."
                )
    return Mapping(**found)
