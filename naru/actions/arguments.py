"""Values in a step's arguments that are only known when it runs: what stands for them, and putting them in.

{"$ref": step, "field": name} stands for a field of another step's result, {"$password": of, "key": file} for the
password of a new user (see `naru.work.keys`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naru.inventory.kinds import values
from naru.plan.arguments import PASSWORD, REF, Value, references
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.work import keys

Id = Value[str]
"""The id of something, or the step that makes it."""
UrlPath = str | list[Value[str]]
"""A path under a service's endpoint; as a list, its parts."""


def ref(step: str, field: str = "id") -> Any:
    """The field of a step's result, in another step's arguments: JSON that stands wherever a value may."""
    return {REF: step, "field": field}


def password(of: str, key: str) -> Any:
    """The password that belongs to `of`, by the key file, in a step's arguments."""
    return {PASSWORD: of, "key": key}


def resolve(value: Any, results: Mapping[str, Any], context: Context | None) -> Any:
    """The value with the results of other steps, and passwords, in their places; these only for a step's context."""
    if isinstance(value, Mapping):
        if REF in value:
            return _result(results, value[REF], value.get("field", "id"))
        if PASSWORD in value:
            assert context
            found = keys.password(Path(value["key"]), value[PASSWORD])
            context.hide(found)
            return found
        return {key: resolve(inner, results, context) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, results, context) for inner in value]
    return value


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


def url(parts: Any) -> str:
    """A path from its (resolved) parts."""
    return parts if isinstance(parts, str) else "".join(map(str, parts))
