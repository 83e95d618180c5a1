"""The arguments of step kinds, typed: a kind says in a model what it takes, and a plan is checked when it is made.

    class Create(Arguments):
        name: Value[str]
        size: Value[int]
        project: Value[str] = ""

    @step("volume.create", args=Create, undo="volume.delete")
    def create(context: Context) -> dict[str, str]: ...

A model is a subclass of `Arguments`, or a dataclass. Unknown fields are errors, and values are not converted: a text is
not a number. JSON has no tuples and no enumerations: use `list` and `Literal`.

In a `Value[T]` may stand, instead of a `T`, what a step finds out when it runs: a field of another step's result, or a
secret. `Any` takes all of that at any depth, for literal requests.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_type_hints

import pydantic
from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError

REF = "$ref"
PASSWORD = "$password"
T = TypeVar("T")


class Arguments(pydantic.BaseModel):
    """The base of models of arguments."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Undo(Arguments):
    """The arguments of a step that undoes another one, as a rollback makes them; `Context.undone` has them typed.

    `step` is the undone step's id, `args` its arguments, `result` its result. A step that did not come to its end has
    no result: then `results` has those of the steps that it waited for, by their ids. A kind that takes more derives
    from this."""

    step: str
    args: dict[str, Any]
    result: Any = None
    results: dict[str, Any] = Field(default_factory=dict)


class Reference(Arguments):
    """`{"$ref": STEP, "field": NAME}`: a field of the result of a step that this one waits for."""

    step: str = Field(alias="$ref")
    field: str = "id"


class Secret(Arguments):
    """`{"$password": OF, "key": FILE, "plan": ID}`: the password of what `OF` names in that plan, derived from the key
    in a file; without a plan, as older ones were."""

    of: str = Field(alias="$password")
    key: str
    plan: str = ""


def _which(value: Any) -> str:
    if isinstance(value, (Reference, Secret)):
        return type(value).__name__.lower()
    if isinstance(value, Mapping):
        if REF in value:
            return "reference"
        if PASSWORD in value:
            return "secret"
    return "value"


_TAGS = frozenset(("reference", "secret", "value"))

Value = Annotated[
    Annotated[T, Tag("value")] | Annotated[Reference, Tag("reference")] | Annotated[Secret, Tag("secret")],
    Discriminator(_which),
]
"""A `T`, or a reference or a secret that stands for one."""


class Checker:
    """Checks arguments by a model, a subclass of `Arguments` or a dataclass. Raises TypeError for something else."""

    def __init__(self, model: type) -> None:
        if dataclasses.is_dataclass(model):
            model = _of_dataclass(model)
        if not issubclass(model, Arguments):
            raise TypeError(f"{model!r} is not a model of arguments: derive it from Arguments, or make it a dataclass")
        self._validate = model.model_validate

    def problems(self, args: Mapping[str, Any]) -> list[str]:
        """The problems of the arguments, each with its field."""
        try:
            self._validate(args)
        except ValidationError as error:
            return [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_url=False)]
        return []


def _of_dataclass(model: Any) -> type[Arguments]:
    """The same fields as a subclass of `Arguments`."""
    types = get_type_hints(model, include_extras=True)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(model):
        default: Any = ...
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = Field(default_factory=field.default_factory)
        fields[field.name] = (types[field.name], default)
    return pydantic.create_model(model.__name__, __base__=Arguments, **fields)


def _place(location: Iterable[int | str]) -> str:
    """The field, without the names that unions have for what they may be."""
    return ".".join(str(part) for part in location if part not in _TAGS) or "arguments"


def references(value: Any) -> Iterator[str]:
    """The steps that a value, which is JSON, refers to, at any depth and in its order."""
    todo = [value]
    while todo:
        found = todo.pop()
        if isinstance(found, dict):
            if REF in found:
                yield found[REF]
            else:
                todo += reversed(found.values())
        elif isinstance(found, list):
            todo += reversed(found)
