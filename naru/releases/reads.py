"""Requests that change nothing, by which it is seen what a user may read and may not: data of `reads.yaml`."""

import functools
from collections.abc import Mapping
from pathlib import Path

import pydantic

from naru import yamlfile

DATA = Path(__file__).parent / "reads.yaml"


class _Data(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Opened(_Data):
    """A path of which more is answered since a release, and why that is right; with `external` no more than what is on
    external networks."""

    path: str
    since: str
    why: str
    external: bool = False


class Reads(_Data):
    """What a service, by its type, is asked: the `own` lists of a project, those of `administrators`, and by kind of
    `things` what is asked of one of them, {id}. From the release `new_defaults` on it enforces policies by scope and by
    the roles member and reader, if nobody says otherwise; `opened` is what a release answers to more users."""

    service: str
    new_defaults: str
    own: tuple[str, ...] = ()
    administrators: tuple[str, ...] = ()
    things: Mapping[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    opened: tuple[Opened, ...] = ()


@functools.cache
def reads() -> dict[str, Reads]:
    """All that are known, by service."""
    return {one.service: one for one in map(Reads.model_validate, yamlfile.load(DATA))}
