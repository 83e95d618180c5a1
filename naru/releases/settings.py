"""Settings that services of a release refuse, or ignore without a word: data of `settings.yaml`. And those without
which they do not start: data of `required.yaml`."""

import functools
import re
from pathlib import Path

import pydantic

from naru import yamlfile
from naru.releases import release

DATA = Path(__file__).parent / "settings.yaml"
REQUIRED = Path(__file__).parent / "required.yaml"
ALL = "all"
"""The service of what is the same in all of them."""


class Setting(pydantic.BaseModel):
    """From the release `since` on, one of the `options` in one of the `groups` of a `service`'s configuration is wrong,
    if an item of its value is as the pattern `value` says, or with any value where there is none."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    service: str
    since: str
    groups: tuple[str, ...]
    options: tuple[str, ...]
    value: str = ""
    what: str
    cure: str

    def is_wrong(self, group: str, option: str, value: str) -> bool:
        """Whether a setting is this one, and wrong."""
        if group not in self.groups or option not in self.options:
            return False
        pattern = re.compile(self.value) if self.value else None
        items = [item.strip() for item in value.split(",")]
        return pattern is None or any(pattern.fullmatch(item) for item in items)


class Required(pydantic.BaseModel):
    """An `option` in a `group` that has to be as the pattern `value` says, for the programs of a `service` whose names
    are as the pattern `programs` says: by wanted release, for clouds that are of a release before the `oldest`. In
    `what` {oldest} stands for that one."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    service: str
    programs: str
    group: str
    option: str
    value: str
    what: str
    cure: str
    oldest: dict[str, str]

    def is_needed(self, start: str, goal: str) -> bool:
        """Whether a cloud that goes from the one release to the other needs it."""
        order, oldest = release.names(), self.oldest.get(goal)
        return oldest is not None and order.index(start) < order.index(oldest)

    def is_of(self, program: str) -> bool:
        """Whether a program needs it."""
        return re.fullmatch(self.programs, program) is not None

    def is_right(self, value: str) -> bool:
        """Whether it has the value that it has to have."""
        return re.fullmatch(self.value, value) is not None


@functools.cache
def settings() -> tuple[Setting, ...]:
    """All that are known."""
    return tuple(Setting.model_validate(one) for one in yamlfile.load(DATA))


@functools.cache
def required() -> tuple[Required, ...]:
    """All that are known to have to be there."""
    return tuple(Required.model_validate(one) for one in yamlfile.load(REQUIRED))
