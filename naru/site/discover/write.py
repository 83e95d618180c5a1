"""A draft as the text of site.yaml, with comments that say where things are from and what was not found."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from naru import yamlfile
from naru.site.discover.assemble import SECTIONS, Draft, Entry
from naru.site.discover.found import Gap
from naru.text import count

_PLACES = ("release", "login", "power", "groups", "hosts", *SECTIONS)
MOST = 20
"""How many of what was not found stand at one place; the command says all."""


def text(draft: Draft, sources: Sequence[str]) -> str:
    """The file. What it says in comments is on one line each, whatever characters it has."""
    return "\n".join(_lines(draft, sources)) + "\n"


def _lines(draft: Draft, sources: Sequence[str]) -> Iterator[str]:
    yield "# A first site, by naru site discover. Correct it, then have it proved: naru site check"
    yield f"# From: {_comment(', '.join(sources))}"
    yield "# What the fields mean: docs/reference/site.md. Nothing here is a secret, and nothing here should be one."
    yield from _gaps(draft, "")
    yield "naru_site: 1"
    yield f"name: {yamlfile.scalar(draft.name)}"
    if draft.cloud:
        yield f"cloud: {yamlfile.scalar(draft.cloud)}"
    if draft.release:
        yield _with(f"release: {yamlfile.scalar(draft.release)}", draft.release_comment)
    yield from _gaps(draft, "release")
    if draft.login:
        yield f"login: {_flow(draft.login)}"
    yield from _gaps(draft, "login")
    if draft.power:
        yield _with(f"power: {_flow(draft.power)}", "guessed: redfish, and the user")
    yield from _gaps(draft, "power")
    if draft.groups:
        yield "groups:"
        for name, members in draft.groups.items():
            yield f"  {yamlfile.scalar(name)}: {_flow(members[0] if len(members) == 1 else members)}"
    yield from _gaps(draft, "groups")
    yield from _section(draft, "hosts", draft.hosts)
    for section in SECTIONS:
        yield from _section(draft, section, draft.sections[section])


def _section(draft: Draft, name: str, entries: Sequence[Entry]) -> Iterator[str]:
    if entries:
        yield f"{name}:"
        for entry in entries:
            yield _with(f"  - {_flow(entry.content)}", entry.comment)
    yield from _gaps(draft, name)


def _gaps(draft: Draft, place: str) -> Iterator[str]:
    """What was not found of a place; "" is the place of what has none of its own."""
    ours = [gap for gap in draft.gaps if _place(gap) == place]
    for gap in ours[:MOST]:
        yield f"# not found: {_comment(gap.field)}: {_comment(gap.why)}. {_comment(gap.what_to_do)}"
    if len(ours) > MOST:
        yield f"# not found: {count(len(ours) - MOST, 'other thing')}, which naru site discover has told"


def _place(gap: Gap) -> str:
    first = gap.field.partition(".")[0]
    return first if first in _PLACES else ""


def _flow(value: Any) -> str:
    """A value on one line."""
    dumped: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return dumped.removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Repeats what is there twice: anchors are not for people."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _with(line: str, comment: str) -> str:
    return f"{line}  # {_comment(comment)}" if comment else line


def _comment(said: str) -> str:
    """On one line, without what YAML does not take in a comment."""
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]+|[\u2028\u2029\ufeff]+", " ", said).strip()


def summary(draft: Draft) -> str:
    """What the file has, for a person."""
    named = {entry.content["name"] for entry in draft.sections["services"]}
    parts = [count(draft.count, "host"), count(len(named), "service")]
    nouns = {"databases": "database", "queues": "queue", "load_balancers": "load balancer"}
    parts += [count(len(draft.sections[name]), noun) for name, noun in nouns.items() if draft.sections[name]]
    return ", ".join(parts)
