"""What the operator has set for the guard: docs/reference/guard.md has each value, its default, and why."""

from pathlib import Path
from typing import Annotated, Any

import pydantic

from naru import yamlfile
from naru.errors import InputError

Seconds = Annotated[float, pydantic.Field(ge=0, le=7 * 86400)]
Count = Annotated[int, pydantic.Field(ge=0)]
LIFE = ("heartbeat", "peers", "storage", "libvirt")
"""The sources whose `alive` says that guests may run."""
READ = ("heartbeat", "peers", "storage")
"""Those of them that anything reads so far: what would never say anything can not be expected to."""


class Budget(pydantic.BaseModel):
    """How many hosts may be evacuated without a human within `hours`, of one rack, zone, cell, and of all."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    hours: Annotated[float, pydantic.Field(gt=0, le=24 * 31)] = 24
    rack: Count = 1
    zone: Count = 2
    cell: Count = 2
    cloud: Count = 3


class Policy(pydantic.BaseModel):
    """Every value is a limit beyond which nothing is done, or a human is asked. Times are seconds."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    silence: Annotated[float, pydantic.Field(ge=60, le=3600)] = 120
    quorum: Annotated[int, pydantic.Field(ge=2, le=9)] = 2
    paths: Annotated[int, pydantic.Field(ge=2, le=5)] = 2
    expects: tuple[str, ...] = ("heartbeat", "peers")
    clock: Seconds = 30
    stale: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.3
    cliff: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.1
    share: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.1
    budget: Budget = Budget()
    at_once: Annotated[int, pydantic.Field(ge=1, le=2)] = 1
    quiet: Seconds = 600
    dump: Seconds = 1800
    settle: Annotated[float, pydantic.Field(ge=5, le=600)] = 20
    ask_after: Seconds = 900

    @pydantic.field_validator("expects")
    @classmethod
    def _known(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if set(given) - set(READ) or len(set(given)) < 2:
            raise ValueError(f"give at least two of {', '.join(READ)}")
        return given


def load(file: Path) -> Policy:
    """The policy in a file. Raises InputError that names file and field: a limit that cannot be read is no limit, so
    that nothing runs with it."""
    return parse(yamlfile.load(file) or {}, file)


def parse(content: Any, file: Path) -> Policy:
    """The policy of a file's content. Raises InputError."""
    try:
        return Policy.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        text = f"{file}: {field}: {message}" if field else f"{file}: {message}"
        raise InputError(text, hint="The values and their limits: docs/reference/guard.md") from error
