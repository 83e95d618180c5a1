"""Values in a step's arguments that are only known when it runs.

{"$ref": step, "field": name} stands for a field of another step's result, {"$password": of, "key": file} for the
password of a new user (see `naru.move.secrets`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic

from naru.inventory.kinds import values
from naru.move import secrets
from naru.plan.context import Context
from naru.plan.errors import PlanError

REF = "$ref"
PASSWORD = "$password"


def ref(step: str, field: str = "id") -> dict[str, str]:
    """The field of a step's result, in another step's arguments."""
    return {REF: step, "field": field}


def password(of: str, key: str) -> dict[str, str]:
    """The password that belongs to `of`, by the key file, in a step's arguments."""
    return {PASSWORD: of, "key": key}


def _reference(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value.get(REF), str) or value.keys() - {REF, "field"}:
        raise ValueError('neither a text nor a reference {"$ref": STEP, "field": NAME}')
    return value


def _secret(value: dict[str, Any]) -> dict[str, Any]:
    if value.keys() != {PASSWORD, "key"}:
        raise ValueError('not a password {"$password": OF, "key": FILE}')
    return value


Reference = Annotated[dict[str, Any], pydantic.AfterValidator(_reference)]
Secret = Annotated[dict[str, Any], pydantic.AfterValidator(_secret)]
Id = str | Reference
"""The id of something, or the step that makes it."""
Path_ = str | list[str | Reference]
"""A path under a service's endpoint; as a list, its parts."""


def references(value: Any) -> Iterator[str]:
    """The steps that a value refers to."""
    if isinstance(value, Mapping):
        if REF in value:
            yield value[REF]
        else:
            for inner in value.values():
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(value: Any, results: Mapping[str, Any], context: Context | None) -> Any:
    """The value with the results of other steps, and passwords, in their places; these only for a step's context."""
    if isinstance(value, Mapping):
        if REF in value:
            return _result(results, value[REF], value.get("field", "id"))
        if PASSWORD in value:
            assert context
            found = secrets.password(Path(value["key"]), value[PASSWORD])
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
            f"the step {name} has no result that could be used here", hint="It was skipped: skip this one, too."
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
