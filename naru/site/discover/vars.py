"""The variables of an inventory, as values: templates and encrypted values are told of, never taken for what they
stand for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from naru import yamlfile
from naru.errors import InputError
from naru.site.discover.found import Gap, Source

_TRUE = ("yes", "true", "on", "1", "y", "t")


def is_secret(value: Any) -> bool:
    """Whether a value is one that Ansible's vault encrypted."""
    return isinstance(value, dict) and "__ansible_vault" in value


def flag(value: Any) -> bool:
    """A value as Ansible understands it where it wants yes or no."""
    return value if isinstance(value, bool) else str(value).strip().lower() in _TRUE


class Variables:
    """Those of one host, or of a file; `where` is the field of the site that is told of, HOST in it `host`."""

    def __init__(self, said: Mapping[str, Any], source: Source, where: str, host: str = "") -> None:
        self._said = said
        self._source = source
        self._where = where
        self._host = host

    def has(self, name: str) -> bool:
        """Whether the variable is there and has a value."""
        return self._said.get(name) is not None

    def raw(self, name: str) -> Any:
        """The value as it was written."""
        return self._said.get(name)

    def text(self, *names: str) -> str:
        """The first of the variables that is there, as a text; "" for none, and for one that is a template or
        encrypted, which is told of."""
        for name in names:
            value = self._said.get(name)
            if value is None or value == "":
                continue
            if is_secret(value):
                self.tell("", f"{name} is encrypted", "Add what it stands for by hand.")
            elif isinstance(value, str) and "{{" in value:
                self.tell("", f"{name} is a template: {value}", "Add what it stands for by hand.")
            elif isinstance(value, str | int | float) and not isinstance(value, bool):
                return str(value)
            else:
                self.tell("", f"{name} is no text", "Add what it stands for by hand.")
        return ""

    def number(self, *names: str) -> int | None:
        """The first of the variables that is there, as a number."""
        text = self.text(*names)
        if text and not text.isdigit():
            self.tell("", f"{names[0]} is no number: {text}", "Add what it stands for by hand.")
        return int(text) if text.isdigit() else None

    def flag(self, *names: str) -> bool | None:
        """The first of the variables that is there, as yes or no."""
        for name in names:
            value = self._said.get(name)
            if value is not None and not is_secret(value) and "{{" not in str(value):
                return flag(value)
        return None

    def tell(self, field: str, why: str, what_to_do: str) -> None:
        """Notes what is not known, once."""
        gap = Gap(".".join(filter(None, (self._where, field))), why, what_to_do, self._host)
        if gap not in self._source.gaps:
            self._source.gaps.append(gap)


def yaml_file(path: Path) -> dict[str, Any]:
    """A YAML file of variables. Values that are encrypted, or of any other tag, are None. Raises InputError."""
    text = yamlfile.text_of(path)
    found = yamlfile.values(text, path, _tagless if "!" in text else yamlfile.parse)
    if not isinstance(found, dict | None):
        raise InputError(f"{path}: not a mapping of names to values")
    return found or {}


class _Tagless(yaml.SafeLoader):
    """Reads what has a tag of Ansible's (!vault, !unsafe) as nothing."""


_Tagless.add_constructor(None, lambda loader, node: None)


def _tagless(text: str) -> Any:
    return yaml.load(text, _Tagless)
