"""Programs and servers under OpenStack: data of `programs.yaml`."""

import functools
from pathlib import Path

import pydantic

from naru import yamlfile
from naru.releases.path import Needs

DATA = Path(__file__).parent / "programs.yaml"
ALL = "all"
"""The service of what all of them need."""


class _Data(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Only(_Data):
    """A host is meant when its service's configuration has the `option` with a value that the pattern matches, or,
    where `unsaid`, does not have it."""

    option: str
    value: str
    unsaid: bool = False


class Removed(_Data):
    """What a server no longer has from its version `since` on, and what is done about it. With `keys` it is these keys
    of RabbitMQ's policies, which it refuses or does not know."""

    since: str
    keys: tuple[str, ...] = ()
    what: str
    cure: str


class Program(_Data):
    """A program: it is on the hosts of the `services` of a site, in the container of one of those `inside` (or of the
    services, where nothing is said) if that is in one. The first of the `commands` that is there says its version.
    Without `services` it is a server, which is asked in its own way; `commands` show an operator the same."""

    name: str
    services: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    commands: tuple[str, ...]
    only: Only | None = None
    needs: tuple[Needs, ...] = ()
    removed: tuple[Removed, ...] = ()


@functools.cache
def programs() -> dict[str, Program]:
    """All that are known."""
    found = [Program.model_validate(one) for one in yamlfile.load(DATA)]
    return {one.name: one for one in found}
