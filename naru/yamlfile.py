"""YAML as people write it: a key that is twice in a mapping is an error, because the first one would be ignored."""

import functools
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from naru.errors import InputError


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            if (name := (key.tag, key.value)) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Timeless(_Loader):
    """Leaves times as they are written."""


_Timeless.yaml_implicit_resolvers = {
    first: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
    for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str, *, times: bool = True) -> Any:
    """The values in the text; without `times`, those are texts as they were written, for an error to show them so.
    Raises yaml.YAMLError, also for a key that is there twice."""
    return yaml.load(text, _Loader if times else _Timeless)


def text_of(file: Path) -> str:
    """The file's text. Raises InputError that names it."""
    try:
        return file.read_text()
    except OSError as error:
        raise InputError(f"{file} cannot be read", detail=str(error.strerror)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} cannot be read", detail="It is not text in UTF-8.") from error


def values(text: str, file: Path, read: Callable[[str], Any] = parse) -> Any:
    """The values in the file's text, by `read`. Raises InputError that names file and line."""
    try:
        return read(text)
    except yaml.YAMLError as error:
        raise InputError(f"{file} is not YAML", detail=where(error), hint="Correct that line.") from error


def load(file: Path, *, times: bool = True) -> Any:
    """The values in the file; without `times`, those are texts. Raises InputError that names file and line."""
    return values(text_of(file), file, functools.partial(parse, times=times))


def where(error: yaml.YAMLError) -> str:
    """The problem and its line, without the line itself, which may hold a password."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark and problem else type(error).__name__


def scalar(value: str | None) -> str:
    """A YAML scalar on one line, whatever characters a name has."""
    style = '"' if value and not value.isprintable() else None
    dumped: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"), default_style=style)
    return dumped.removesuffix("\n").removesuffix("\n...")
