"""An Ansible inventory in INI form, with hosts added to the text as it is: comments and order stay, so that the
difference is what was added. A new host is where another one is, and has its variables but for the address."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from naru.errors import InputError
from naru.site.names import expand

_SECTION = re.compile(r"\[([^\]:]+)(:\w+)?\]\s*$")
_ADDRESS = re.compile(r"\bansible(?:_ssh)?_host=\S+")


def read(file: Path) -> str:
    """The inventory's text. Raises InputError for one that is none, or in another form."""
    if not file.is_file():
        raise InputError(f"--inventory {file}: there is no such file", hint="Name kolla-ansible's inventory.")
    text = file.read_text()
    if not any(_SECTION.match(line) for line in text.splitlines()):
        hint = "Write the hosts into it by hand, beside their likes; then: naru site discover."
        raise InputError(f"--inventory {file}: it is no inventory in INI form", hint=hint)
    return text


def groups(text: str) -> set[str]:
    """The groups that it has, also those that have no host of their own."""
    return {found[1] for line in text.splitlines() if (found := _SECTION.match(line.strip()))}


def hosts(text: str) -> set[str]:
    """The hosts that it names."""
    return {name for _, _, names in _lines(text) for name in names}


def grown(text: str, like: str, new: Mapping[str, str]) -> str:
    """The text with the hosts `new` (their addresses; "" for none) where the host `like` is. Raises InputError where
    that is in no group."""
    lines = text.splitlines()
    at = [(number, rest) for number, rest, names in _lines(text) if like in names]
    if not at:
        raise InputError(f"--like {like}: the inventory has no such host", hint="Name a compute host that is in it.")
    for number, rest in reversed(at):
        lines[number + 1 : number + 1] = [_line(name, address, rest) for name, address in new.items()]
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterator[tuple[int, str, Sequence[str]]]:
    """The lines that name hosts: number, variables, names."""
    is_hosts = True
    for number, line in enumerate(text.splitlines()):
        line = line.strip()
        if found := _SECTION.match(line):
            is_hosts = found[2] is None
        elif is_hosts and line and line[0] not in "#;":
            name, _, rest = line.partition(" ")
            try:
                yield number, rest.strip(), expand(name)
            except ValueError:
                yield number, rest.strip(), [name]


def _line(name: str, address: str, rest: str) -> str:
    variables = _ADDRESS.sub("", rest).split("#")[0].split()
    return " ".join([name, *([f"ansible_host={address}"] if address else []), *variables])
