"""What configuration files say that a release on the way refuses, or ignores without a word, and what they have to say
for the wanted one to start.

Looked at are the files of the services of the wanted release under `next:` in the site; where there are none, those of
the services that run, of which the same has to be known when the new ones are written. Of all files nothing but the
options that are looked for is read: they hold passwords.
"""

import posixpath
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from naru.errors import NaruError
from naru.releases.path import Service
from naru.releases.settings import ALL, Required, Setting, required, settings
from naru.site.discover.ranges import fold_names
from naru.site.model import Service as Line
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.finding import Finding, Span, State

SECONDS = 60.0
WHERE = "configuration"
POLICY = "policy.json"
POLICY_SINCE = "2026.1"
"""Since when a policy of that name beside a configuration is read no more."""
AWK = r"""
function told() { if (option in wanted) printf "%s\t%s\t%s\t%s\n", file, group, option, value; option = "" }
BEGIN { split(options, list, " "); for (one in list) wanted[list[one]] = 1 }
FNR == 1 { told(); group = "DEFAULT"; file = FILENAME }
/^[ \t]*[#;]/ || /^[ \t]*$/ { next }
/^\[/ { told(); group = $0; gsub(/^\[|\].*$/, "", group); next }
/^[ \t]/ { sub(/^[ \t]+/, ""); value = value $0; next }
{ told(); at = match($0, /[=:]/); option = substr($0, 1, at - 1); gsub(/[ \t]/, "", option)
  value = substr($0, at + 1); gsub(/^[ \t]+|[ \t]+$/, "", value) }
END { told() }
"""
"""FILE, GROUP, OPTION, VALUE with tabs, of the `options` that are wanted; a line that begins with a space goes on with
the value before (oslo.config)."""


class Read(NamedTuple):
    """What a file says; of a policy in JSON that there is one, and nothing else."""

    file: str
    group: str
    option: str
    value: str


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found in the files of these services, on all hosts that have them."""
    names = {service.name for service in services}
    wanted = [one for one in settings() if span.passes(one.since) and one.service in (ALL, *names)]
    later = site.coming(span.goal)
    seen = Site(site.content, site.file, next_part=True) if later else site
    files = files_of(seen, later or site.content.services, names)
    needed = [one for one in required() if one.service in names and one.is_needed(span.start, span.goal)]
    options = sorted({option for one in wanted for option in one.options} | {one.option for one in needed})
    if not options:
        return []

    async def look(remote: Remote) -> list[Read]:
        return parsed(await remote.checked(script(list(files[remote.name]), options), seconds=SECONDS))

    read = (fleet.later if later else fleet).each(files, look)
    lines = [(line, [host.name for host in seen.named(line.hosts)]) for line in later]
    return [*judged(read, files, wanted, span, is_next=bool(later)), *missing(read, lines, needed, span.goal)]


def files_of(site: Site, lines: Iterable[Line], names: Collection[str]) -> dict[str, dict[str, str]]:
    """By host its files, each with the service that it is of: that which it is called like, where several read it."""
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        project = line.project
        if project not in names or line.release == "":
            continue
        for host in site.named(line.hosts):
            for file in line.config:
                mine = found.setdefault(host.name, {})
                if project in file or file not in mine:
                    mine[file] = project
    return found


def script(files: Sequence[str], options: Sequence[str]) -> str:
    """What says these options in files, and policies in JSON beside them: see `parsed`."""
    # a file that cannot be read is no file without the options
    lines = [f'awk -v options={shlex.quote(" ".join(options))} {shlex.quote(AWK)} "$@" || exit']
    lines += [f'for one; do d=${{one%/*}}; [ ! -e "$d/{POLICY}" ] || printf "%s\\t\\t\\t\\n" "$d/{POLICY}"; done']
    return f"set -- {shlex.join(files)}; " + "; ".join(lines)


def parsed(said: str) -> list[Read]:
    """What the script says."""
    rows = (line.split("\t") for line in said.splitlines())
    return [Read(*row) for row in rows if len(row) == len(Read._fields)]


def judged(
    read: "dict[str, list[Read] | NaruError]",
    files: dict[str, dict[str, str]],
    wanted: Sequence[Setting],
    span: Span,
    *,
    is_next: bool,
) -> Iterator[Finding]:
    """What is wrong, one finding for a setting in files of a name, with all hosts that have it."""
    state: State = "blocks" if is_next else "on the way"
    found: dict[tuple[str, str, str, str, str], list[str]] = {}
    for host, rows in read.items():
        if isinstance(rows, NaruError):
            of = next(iter(files[host].values()))
            yield Finding("unknown", of, span.goal, host, f"configuration: {rows}", 0, (), "See: naru site check", "")
            continue
        for row in rows:
            for wrong in _wrong(row, files[host], wanted, span):
                found.setdefault(wrong, []).append(host)
    for (project, since, what, cure, proof), hosts in found.items():
        yield Finding(state, project, since, WHERE, what, len(hosts), tuple(fold_names(hosts)), cure, proof)


def missing(
    read: "Mapping[str, list[Read] | NaruError]",
    lines: Iterable[tuple[Line, Sequence[str]]],
    needed: Iterable[Required],
    goal: str,
) -> Iterator[Finding]:
    """What has to be there and is not, by the services that are to come (`lines`, each with its hosts), one finding for
    all hosts whose service has the same files. Of hosts that could not be read `judged` tells."""
    for one in needed:
        name = f"[{one.group}] {one.option}"
        what = one.what.format(oldest=one.oldest[goal])
        meant = [(line.config, host) for line, hosts in lines if one.is_of(line.name) for host in hosts]
        if not meant:
            yield Finding("on the way", one.service, goal, WHERE, f"{name}: {what}", 0, (), one.cure, "")
        found: dict[tuple[str, ...], dict[str, None]] = {}
        for config, host in meant:
            rows = read.get(host, [])
            if not isinstance(rows, NaruError) and not one.is_right(value(rows, config, one.group, one.option)):
                found.setdefault(config, {})[host] = None
        for config, of in found.items():
            hosts, files = tuple(fold_names(list(of))), ", ".join(config)
            if config:
                proof = f"grep -n {one.option} {shlex.join(config)}"
                what_there = f"{files}: {name} is not set as it has to be: {what}"
                yield Finding("blocks", one.service, goal, WHERE, what_there, len(of), hosts, one.cure, proof)
            else:
                not_said = f"{name}: the site does not say which configuration files they have: {what}"
                cure = "Add config: to the service under next: in the site."
                yield Finding("unknown", one.service, goal, WHERE, not_said, len(of), hosts, cure, "")


def value(rows: Sequence[Read], config: Sequence[str], group: str, option: str) -> str:
    """What a service reads of an option in its files: the last says it; "" where none does."""
    mine = [row for file in config for row in rows if row.file == file]
    return next((row.value for row in reversed(mine) if (row.group, row.option) == (group, option)), "")


def _wrong(
    row: Read, files: dict[str, str], wanted: Sequence[Setting], span: Span
) -> Iterator[tuple[str, str, str, str, str]]:
    """What is wrong with a setting: the service, since when, what, what cures it, and what shows it."""
    if row.option:
        project = files[row.file]
        for one in wanted:
            if one.service in (ALL, project) and one.is_wrong(row.group, row.option, row.value):
                what = f"{row.file}: [{row.group}] {row.option} = {row.value}: {one.what}"
                yield project, one.since, what, one.cure, f"grep -n {row.option} {row.file}"
    elif span.passes(POLICY_SINCE):
        project = next(of for file, of in files.items() if posixpath.dirname(file) == posixpath.dirname(row.file))
        what = f"{row.file}: oslo.policy reads no policy in JSON any more, and all its restrictions are gone"
        yield project, POLICY_SINCE, what, "oslopolicy-convert-json-to-yaml, into policy.yaml", f"ls {row.file}"
