"""Settings that services of a release refuse, or ignore without a word: data of `settings.yaml`."""

import functools
import re
from pathlib import Path

import pydantic

from naru import yamlfile

DATA = Path(__file__).parent / "settings.yaml"
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


@functools.cache
def settings() -> tuple[Setting, ...]:
    """All that are known."""
    return tuple(Setting.model_validate(one) for one in yamlfile.load(DATA))
