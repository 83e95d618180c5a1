"""Keystone's keys: those of tokens and of credentials have to be with the next Keystone as they are with the one that
runs, else nobody's token of before is accepted and no credential can be read. Of keys nothing but digests is read."""

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from naru.errors import NaruError
from naru.releases.path import Service
from naru.site.model import Container
from naru.site.model import Service as Line
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check import configuration
from naru.upgrade.finding import Finding, Span

SECONDS = 60.0
KEYSTONE = "keystone"
TOKENS = "fernet_tokens"
REPOSITORIES = {TOKENS: "/etc/keystone/fernet-keys/", "credential": "/etc/keystone/credential-keys/"}
"""Where keys are, by the group of the configuration that says `key_repository`; the defaults."""
_WHAT = {TOKENS: "keys of tokens", "credential": "keys of credentials"}
_DIGESTS = 'cd "$1" 2>/dev/null || exit 0; for one in [0-9]*; do [ ! -f "$one" ] || sha256sum <"$one"; done | sort'
CURE = (
    "Copy them from a host with the running Keystone, as the user of the next one; rotate none until it is finalized."
)


class Keys(NamedTuple):
    """What a host has of a group's keys: their directory, and their digests."""

    directory: str
    digests: frozenset[str]


Read = Mapping[str, "dict[str, Keys] | NaruError"]
"""By host what it has, by group."""


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """Hosts whose next Keystone lacks keys that the running one has."""
    if KEYSTONE not in [service.name for service in services]:
        return []
    running = [one for one in site.content.services if one.project == KEYSTONE and one.release != ""]
    coming = [one for one in site.coming(span.goal) if one.project == KEYSTONE]
    if not running or not coming:
        return []
    now = Site(site.content, site.file)
    return judged(read(now, fleet, running), read(fleet.later.site, fleet.later, coming), span)


def read(site: Site, fleet: Fleet, lines: Sequence[Line]) -> Read:
    """The keys of Keystones by their configuration, on all hosts of these services."""
    mine = {host.name: one for one in lines for host in site.named(one.hosts)}

    async def ask(remote: Remote) -> dict[str, Keys]:
        config = mine[remote.name].config
        script = configuration.script(list(config), ["key_repository"])
        rows = configuration.parsed(await remote.checked(script, seconds=SECONDS)) if config else []
        found = {}
        for group, usual in REPOSITORIES.items():
            directory = configuration.value(rows, config, group, "key_repository") or usual
            line = within(mine[remote.name], shlex.join(["sh", "-c", _DIGESTS, "keys", directory]))
            said = (await remote.checked(line, seconds=SECONDS)).split()
            found[group] = Keys(directory, frozenset(one for one in said if one != "-"))
        return found

    return fleet.each(mine, ask)


def within(service: Line, line: str) -> str:
    """A command line where the service has its files: in its container, which has to run."""
    match service.managed:
        case Container(container=name, engine=engine):
            engines = [engine] if engine else ["podman", "docker"]
            tries = [f"{{ command -v {one} >/dev/null && {one} exec {shlex.quote(name)} {line}; }}" for one in engines]
            return " || ".join(tries)
        case _:
            return line


def judged(running: Read, coming: Read, span: Span) -> list[Finding]:
    """What is wrong with those that are to come. They may have more than those that run."""
    found = []
    for host, one in (*running.items(), *coming.items()):
        if isinstance(one, NaruError):
            what = f"keys of Keystone: {one.summary}"
            found.append(Finding("unknown", KEYSTONE, span.goal, host, what, 0, (), "See: naru site check", ""))
    known = [one for one in running.values() if not isinstance(one, NaruError)]
    for group in REPOSITORIES:
        wanted = frozenset(key for one in known for key in one[group].digests)
        if group == TOKENS and known and not wanted:  # else nothing would be lost wherever they are
            where = known[0][group].directory
            what = f"{where} of the running Keystone has no {_WHAT[group]}: whether the next one has them"
            cure = "Name its config: in the site where they are elsewhere. Without Fernet tokens it needs none."
            host = next(name for name, one in running.items() if one is known[0])
            found.append(Finding("unknown", KEYSTONE, span.goal, host, what, 0, (where,), cure, f"ls {where}"))
        for host, keys in coming.items():
            if isinstance(keys, NaruError):
                continue
            lost = wanted - keys[group].digests
            if lost:
                where = keys[group].directory
                what = f"{where} has not all {_WHAT[group]} that the running Keystone has"
                proof = f"sha256sum {where.rstrip('/')}/*"
                found.append(Finding("blocks", KEYSTONE, span.goal, host, what, len(lost), (where,), CURE, proof))
    return found
