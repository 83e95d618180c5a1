"""`site.yaml` with hosts added to the text as it is, wherever another host is named: among the hosts, in groups, of
services."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from naru.errors import InputError
from naru.operate.scale.masking import masked
from naru.site import site as sites
from naru.site.model import Ceph
from naru.site.names import expand
from naru.site.site import Site


def grown(site: Site, text: str, like: str, new: Mapping[str, str], storage: str = "") -> str:
    """The text of the site's file with the hosts `new` (their addresses; "" for none) where the host `like` is; with
    `storage` also among the OSDs of the Ceph cluster of that name. Raises InputError where it is not named in a way
    that can be added to."""
    try:
        edits = list(_edits(yaml.compose(text, yaml.SafeLoader), text, like, new, storage))
        for at, more in sorted(edits, reverse=True):
            text = text[:at] + more + text[at:]
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"{site.file} cannot be added to",
            detail="\n".join(map(masked, str(error).splitlines())),
            hint="Add the new hosts by hand and plan again.",
        ) from error
    _check(site, sites.parse(content, site.file), like, new, storage)
    return text


def _edits(
    root: yaml.Node | None, text: str, like: str, new: Mapping[str, str], storage: str
) -> Iterator[tuple[int, str]]:
    """Where text is added, and what."""
    parts = _fields(root)
    hosts = parts.get("hosts")
    if isinstance(hosts, yaml.SequenceNode):
        for item in hosts.value:
            name = _fields(item).get("name")
            if isinstance(name, yaml.ScalarNode) and like in _names(name):
                yield after(hosts, item, text, [_host(*one) for one in new.items()])
                break
    lists: list[yaml.Node | None] = [*_fields(parts.get("groups")).values()]
    lists += [_fields(one).get("hosts") for one in getattr(parts.get("services"), "value", ())]
    for one in getattr(parts.get("storage"), "value", ()):
        name = _fields(one).get("name")
        if storage and isinstance(name, yaml.ScalarNode) and name.value == storage:
            lists.append(_fields(one).get("osds"))
    for one in lists:
        if isinstance(one, yaml.ScalarNode) and like in _names(one):
            # a range is a plain scalar by itself, and would be a list within one
            quote = "'" if one.style is None and set(one.value) & set("[]{},") else ""
            yield one.start_mark.index, f"[{quote}"
            yield one.end_mark.index, f"{quote}, {', '.join(map(_scalar, new))}]"
        elif isinstance(one, yaml.SequenceNode):
            for item in one.value:
                if isinstance(item, yaml.ScalarNode) and like in _names(item):
                    yield after(one, item, text, [_scalar(name) for name in new])
                    break


def _host(name: str, address: str) -> str:
    return f"{{name: {_scalar(name)}{f', address: {_scalar(address)}' if address else ''}}}"


def _scalar(text: str) -> str:
    """The text as an item of a list in flow style, quoted where it would be something else: a number, say."""
    try:
        is_plain = yaml.safe_load(f"[{text}]") == [text]
    except yaml.YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text)


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(name.value): value for name, value in node.value}


def _names(node: yaml.ScalarNode) -> list[str]:
    try:
        return list(expand(str(node.value)))
    except ValueError:
        return [str(node.value)]


def after(whole: yaml.SequenceNode, item: yaml.Node, text: str, more: list[str]) -> tuple[int, str]:
    """After an item of a list, in the list's own form."""
    end = item.start_mark.index + len(text[item.start_mark.index : item.end_mark.index].rstrip())
    if whole.flow_style:
        return end, "".join(f", {one}" for one in more)
    margin = "\n" + " " * whole.start_mark.column + "- "
    # a comment may stand behind the item
    line = text.find("\n", end)
    end = len(text) if line < 0 else line
    return end, "".join(f"{margin}{one}" for one in more)


def _check(before: Site, later: Site, like: str, new: Mapping[str, str], storage: str) -> None:
    """The hosts are there, in the same groups, with the same services, and have OSDs where the like host has some."""
    for name in new:
        if (
            name not in later.hosts
            or set(later.groups_of(name)) != set(before.groups_of(like))
            or services(later, name) != services(before, like)
            or (storage and storage not in _storages(later, name))
        ):
            raise InputError(
                f"{before.file}: {name} cannot be added as {like} is",
                hint=f"Write {like} into the file by its name, or add {name} by hand and plan again.",
            )


def services(site: Site, host: str) -> list[str]:
    """The services of a host, by their names."""
    return [one.name for one in site.part.services if any(found.name == host for found in site.named(one.hosts))]


def _storages(site: Site, host: str) -> list[str]:
    """The Ceph clusters of which the host has OSDs."""
    return [
        one.name
        for one in site.part.storage
        if isinstance(one, Ceph) and any(found.name == host for found in site.named(one.osds))
    ]


def difference(old: str, new: str, file: Path) -> list[str]:
    """What differs, as `diff -u` shows it, without secrets: it is read on screens, and kept by Ansible."""
    before, after = old.splitlines(), new.splitlines()
    names = [f"--- {file}", f"+++ {file} (grown)"]
    made = list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]
    return [*names, *(line[:1] + masked(line[1:]) for line in made)] if made else []
