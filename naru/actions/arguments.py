"""Values in a step's arguments that are only known when it runs: what stands for them, and putting them in.

{"$ref": step, "field": name} stands for a field of another step's result, {"$password": of, "key": file, "plan": id}
for the password of a new user (see `naru.work.keys`), {"$archive": [kind, id], "path": [...], "file": file, "snapshot":
number} for what the archive has of a thing: so what users would not show, such as user data, is in no plan.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from naru.inventory.archive import Archive
from naru.inventory.kinds import values
from naru.plan.arguments import PASSWORD, REF, Value, references
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.redaction import SHORTEST
from naru.work import keys

ARCHIVE = "$archive"

Id = Value[str]
"""The id of something, or the step that makes it."""
UrlPath = str | list[Value[str]]
"""A path under a service's endpoint; as a list, its parts."""


def ref(step: str, field: str = "id") -> Any:
    """The field of a step's result, in another step's arguments: JSON that stands wherever a value may."""
    return {REF: step, "field": field}


def password(of: str, key: str, plan: str = "") -> Any:
    """The password that belongs to `of` in a plan, by the key file, in a step's arguments. See `keys.password`."""
    return {PASSWORD: of, "key": key} | ({"plan": plan} if plan else {})


def archived(file: str, snapshot: int, kind: str, identity: str, path: Sequence[str]) -> Any:
    """What the archive in `file` has at the path in a thing's answer, in a step's arguments."""
    return {ARCHIVE: [kind, identity], "path": list(path), "file": file, "snapshot": snapshot}


def resolve(value: Any, results: Mapping[str, Any], context: Context | None) -> Any:
    """The value with the results of other steps, passwords, and what the archive has, in their places; the last two
    only for a step's context, which does not write them down."""
    if isinstance(value, Mapping):
        if REF in value:
            return _result(results, value[REF], value.get("field", "id"))
        if PASSWORD in value:
            assert context
            found = keys.password(Path(value["key"]), value[PASSWORD], value.get("plan", ""))
            context.hide(found)
            return found
        if ARCHIVE in value:
            assert context
            found = _archived(value)
            # a short one is as likely an ordinary word of what is written down, which is not to be changed for that
            if isinstance(found, str) and len(found) >= SHORTEST:
                context.hide(found)
            return found
        return {key: resolve(inner, results, context) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, results, context) for inner in value]
    return value


def _archived(value: Mapping[str, Any]) -> Any:
    (kind, identity), file = value[ARCHIVE], Path(value["file"])
    with Archive(file, create=False) as archive:
        row = archive.row(value["snapshot"], kind, identity)
    found: Any = row.body if row else {}
    for name in value["path"]:
        if not isinstance(found, dict) or name not in found:
            raise PlanError(
                f"{file} does not have {'.'.join(value['path'])} of {kind} {identity}",
                hint="It is from when the plan was made: restore the file from a copy of the work directory.",
            )
        found = found[name]
    return found


def _result(results: Mapping[str, Any], name: str, field: str) -> Any:
    result = results.get(name)
    if result is None:
        raise PlanError(
            f"the step {name} has no result that could be used here",
            hint=f"It was skipped: skip this one, too, or let that one run: naru plan retry {name}",
        )
    found = next(values(result, field), None)
    if found is None:
        raise PlanError(f"the result of the step {name} has no {field}")
    return found


def available(value: Any, results: Mapping[str, Any]) -> bool:
    """Whether all steps that the value refers to have a result: none was skipped."""
    return all(results.get(step) is not None for step in references(value))


def resolve_or(value: Any, results: Mapping[str, Any], context: Context | None, otherwise: Any) -> Any:
    """The value resolved; `otherwise`, where a step that it refers to has no result."""
    return resolve(value, results, context) if available(value, results) else otherwise


def url(parts: Any) -> str:
    """A path from its (resolved) parts."""
    return parts if isinstance(parts, str) else "".join(map(str, parts))
