"""An Ansible inventory in INI form, read as Ansible reads it, with hosts added to the text as it is: comments and order
stay, so that the difference is what was added. A new host is where another one is, and has its variables but for the
address."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?$")
_PORT = re.compile(r"(.+)(:\d+)")
_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")
_VARIABLE = re.compile(r"([^\s=]+)=(.*)", re.DOTALL)
_ADDRESS = ("ansible_host", "ansible_ssh_host")
_MOST = 20_000
_HINT = "Write it as Ansible has it, or write the hosts into the inventory by hand, beside their likes."


class Line(NamedTuple):
    """A line that says something: its number from 0 on, its section with that section's kind ("" for hosts, `children`,
    `vars`), and its words without quotes and comments."""

    number: int
    group: str
    kind: str
    words: list[str]


def read(file: Path) -> str:
    """The inventory's text. Raises InputError for one that is none, or in another form, or that cannot be read."""
    if not file.is_file():
        raise InputError(f"--inventory {file}: there is no such file", hint="Name kolla-ansible's inventory.")
    text = file.read_text()
    if not any(_SECTION.match(line.strip()) for line in text.splitlines()):
        hint = "Write the hosts into it by hand, beside their likes; then: naru site discover."
        raise InputError(f"--inventory {file}: it is no inventory in INI form", hint=hint)
    hosts(text)
    return text


def groups(text: str) -> set[str]:
    """The groups that it has, also those that have no host of their own."""
    return {found[1] for line in text.splitlines() if (found := _SECTION.match(line.strip()))}


def hosts(text: str) -> set[str]:
    """The hosts that it names."""
    return {name for one in _lines(text) if not one.kind for name in _names(one)}


def groups_of(text: str, host: str) -> set[str]:
    """The groups that the host is in, also by groups of groups."""
    return above(text, {one.group for one in _lines(text) if not one.kind and host in _names(one)})


def above(text: str, names: set[str]) -> set[str]:
    """These groups, with those that they are children of, theirs, and so on."""
    parents: dict[str, set[str]] = {}
    for one in _lines(text):
        if one.kind == "children":
            parents.setdefault(one.words[0], set()).add(one.group)
    found: set[str] = set()
    left = set(names)
    while left:
        found |= left
        left = {parent for name in left for parent in parents.get(name, ())} - found
    return found


def grown(text: str, like: str, new: Mapping[str, str]) -> str:
    """The text with the hosts `new` (their addresses; "" for none) where the host `like` is. Raises InputError where
    that is in no group."""
    lines = text.splitlines()
    at = [one for one in _lines(text) if not one.kind and like in _names(one)]
    if not at:
        raise InputError(f"--like {like}: the inventory has no such host", hint="Name a compute host that is in it.")
    for one in reversed(at):
        added = [_line(name, address, one) for name, address in new.items()]
        lines[one.number + 1 : one.number + 1] = added
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterator[Line]:
    """The lines of hosts and of children; those of variables are theirs alone. Raises InputError for one that Ansible
    would not read."""
    group, kind = "ungrouped", ""
    for number, line in enumerate(text.splitlines()):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if found := _SECTION.match(line):
            group, kind = found[1], found[2] or ""
        elif line.startswith("["):
            raise _unreadable(number, line.split("]")[0] + "]")
        elif kind != "vars":
            try:
                words = shlex.split(line, comments=True)
            except ValueError as error:
                raise _unreadable(number, str(error)) from error
            if words:
                yield Line(number, group, kind, words)


def _names(line: Line) -> list[str]:
    """The hosts of a line, which may be a range of them, without the port."""
    try:
        return list(_expanded(_split(line.words[0])[0]))
    except ValueError as error:
        raise _unreadable(line.number, str(error)) from error


def _split(word: str) -> tuple[str, str]:
    """A host as it is named, and its port as it is written behind; "" for none, as of an IPv6 address."""
    found = _PORT.fullmatch(word)
    return (found[1], found[2]) if found and ":" not in _RANGE.sub("", found[1]) else (word, "")


def _expanded(name: str) -> Iterator[str]:
    """The names that one with ranges stands for, numbers (`[01:30]`, `[0:8:2]`) and letters (`[a:f]`). Raises
    ValueError for what is no range."""
    found = _RANGE.search(name)
    if found is None:
        if set(name) & set("[]{},"):
            raise ValueError(f"{name} is no name and no range")
        yield name
        return
    first, last, step = found[1], found[2], int(found[3] or 1)
    is_number = first.isdecimal() and last.isdecimal()
    if not (is_number or (len(first) == len(last) == 1 and first.isalpha() and last.isalpha())):
        raise ValueError(f"{found[0]} is no range")
    low, high = (int(first), int(last)) if is_number else (ord(first), ord(last))
    if not step or high < low or high - low > _MOST:
        raise ValueError(f"{found[0]} is empty, or too long")
    width = len(first) if first.startswith("0") else 1
    for one in range(low, high + 1, step):
        middle = f"{one:0{width}}" if is_number else chr(one)
        yield from _expanded(name[: found.start()] + middle + name[found.end() :])


def _line(name: str, address: str, like: Line) -> str:
    """The line of a new host, with the port and the variables of its like, quoted anew."""
    words = [name + _split(like.words[0])[1], *([f"ansible_host={address}"] if address else [])]
    for word in like.words[1:]:
        found = _VARIABLE.fullmatch(word)
        if found is None:
            raise _unreadable(like.number, f"the variable number {like.words.index(word)} is not NAME=VALUE")
        if found[1] not in _ADDRESS:
            words.append(f"{found[1]}={shlex.quote(found[2]) if found[2] else ''}")
    return " ".join(words)


def _unreadable(number: int, why: str) -> InputError:
    return InputError(f"--inventory: its line {number + 1} cannot be read: {why}", hint=_HINT)
