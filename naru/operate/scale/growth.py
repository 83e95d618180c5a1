"""`site.yaml` with hosts added to the text as it is, wherever another host is named: among the hosts, in groups, of
services."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from naru.errors import InputError
from naru.site import site as sites
from naru.site.names import expand
from naru.site.site import Site


def grown(site: Site, text: str, like: str, new: Mapping[str, str]) -> str:
    """The text of the site's file with the hosts `new` (their addresses; "" for none) where the host `like` is. Raises
    InputError where it is not named in a way that can be added to."""
    edits = list(_edits(yaml.compose(text, yaml.SafeLoader), text, like, new))
    for at, more in sorted(edits, reverse=True):
        text = text[:at] + more + text[at:]
    _check(site, sites.parse(yaml.safe_load(text), site.file), like, new)
    return text


def _edits(root: yaml.Node | None, text: str, like: str, new: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Where text is added, and what."""
    parts = _fields(root)
    hosts = parts.get("hosts")
    if isinstance(hosts, yaml.SequenceNode):
        for item in hosts.value:
            name = _fields(item).get("name")
            if isinstance(name, yaml.ScalarNode) and like in _names(name):
                lines = [f"{{name: {one}{f', address: {address}' if address else ''}}}" for one, address in new.items()]
                yield _after(hosts, item, text, lines)
                break
    lists: list[yaml.Node | None] = [*_fields(parts.get("groups")).values()]
    services = parts.get("services")
    lists += [_fields(one).get("hosts") for one in getattr(services, "value", ())]
    for one in lists:
        if isinstance(one, yaml.ScalarNode) and like in _names(one):
            yield one.start_mark.index, "["
            yield one.end_mark.index, f", {', '.join(new)}]"
        elif isinstance(one, yaml.SequenceNode):
            for item in one.value:
                if isinstance(item, yaml.ScalarNode) and like in _names(item):
                    yield _after(one, item, text, list(new))
                    break


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(name.value): value for name, value in node.value}


def _names(node: yaml.ScalarNode) -> list[str]:
    try:
        return list(expand(str(node.value)))
    except ValueError:
        return [str(node.value)]


def _after(whole: yaml.SequenceNode, item: yaml.Node, text: str, more: list[str]) -> tuple[int, str]:
    """After an item of a list, in the list's own form."""
    end = item.start_mark.index + len(text[item.start_mark.index : item.end_mark.index].rstrip())
    if whole.flow_style:
        return end, "".join(f", {one}" for one in more)
    margin = "\n" + " " * whole.start_mark.column + "- "
    if isinstance(item, yaml.MappingNode) and not item.flow_style:
        # a comment may stand behind the last value of a block
        line = text.find("\n", end)
        end = len(text) if line < 0 else line
    return end, "".join(f"{margin}{one}" for one in more)


def _check(before: Site, after: Site, like: str, new: Mapping[str, str]) -> None:
    """The hosts are there, in the same groups, and with the same services."""
    for name in new:
        if (
            name not in after.hosts
            or set(after.groups_of(name)) != set(before.groups_of(like))
            or _services(after, name) != _services(before, like)
        ):
            raise InputError(
                f"{before.file}: {name} cannot be added as {like} is",
                hint=f"Write {like} into the file by its name, or add {name} by hand and plan again.",
            )


def _services(site: Site, host: str) -> list[str]:
    return [one.name for one in site.part.services if any(found.name == host for found in site.named(one.hosts))]


def difference(old: str, new: str, file: Path) -> list[str]:
    """What differs, as `diff -u` shows it."""
    made = difflib.unified_diff(old.splitlines(), new.splitlines(), str(file), f"{file} (grown)", lineterm="", n=2)
    return list(made)
