"""The typed requests that steps are made with. A step's arguments are a request's fields as JSON, those alone that were
given: so a plan shows what is asked, and nothing else."""

from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, Field

from naru.actions.arguments import Id, UrlPath
from naru.plan.arguments import Arguments, Secret

From = Annotated[str, Field(validation_alias=AliasChoices("from", "source"), serialization_alias="from")]
"""The id of what something is made from, on the old cloud: `from` in the arguments, which is no name in Python."""


class Part(Arguments):
    """A part of a request."""


class Action(Part):
    """What a step does. `step_kind` is the name of the step kind that does it, `limit_group` that of the limit group
    that it counts against where it is not its service's. `service` is the OpenStack service that is asked on `cloud`;
    of an action that asks none, the name of its limit group."""

    step_kind: ClassVar[str]
    limit_group: ClassVar[str] = ""

    cloud: str
    service: str

    def arguments(self) -> dict[str, Any]:
        """The step's arguments, as JSON."""
        return self.model_dump(exclude_unset=True, by_alias=True)


class Actor(Part):
    """As whom a request is made: in `project`, as `user` with the password, or without those as the administrator."""

    project: Id
    user: Id = ""
    password: Secret | None = None


class Exists(Part):
    """What the list at a request's path holds when the request was done before: in `collection`, an item that has each
    value of `where` at its path."""

    collection: str
    where: dict[str, Any]


class Request(Part):
    """A request that may be repeated.

    `ok` are the HTTP statuses that say that it was done before; `there` says the same by what is listed. A request that
    is `optional` is left out when a step that it refers to was skipped; one that is `busy` is tried again after a 409.
    """

    method: str
    path: UrlPath = ""
    body: Any = None
    version: str = ""
    headers: dict[str, str] = {}
    ok: list[int] = []
    there: Exists | None = None
    busy: bool = False
    optional: bool = False
