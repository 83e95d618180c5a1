"""Whether services that are to have their environment of `naru upgrade prepare` (`environment` in the site) find all of
it there: what their unit starts, and the programs by which they become root, which are found by other names: those in
their configuration, in rootwrap's `exec_dirs`, and in sudo's rules. A helper of another release ends at what it does
not know, and one that sudo does not let through at once.
"""

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from naru.errors import NaruError
from naru.releases import portable, release
from naru.releases.path import Service
from naru.site.discover.ranges import fold_names
from naru.site.model import Service as Line
from naru.site.model import Unit
from naru.site.site import Site
from naru.site.ssh import Fleet, Remote
from naru.upgrade.check.configuration import AWK, Read, parsed
from naru.upgrade.finding import Finding, Span, State

SECONDS = 60.0
WHERE = "units and helpers"
OPTIONS = ("helper_command", "root_helper", "root_helper_daemon")
"""Options that name programs by which a service becomes root."""
CONFIG, DRIVER = "rootwrap_config", "compute_driver"
MARK = r"s|^|unit\t{}\t|"
"""What has sed say which unit a line is of."""
_PROGRAM = re.compile(r"privsep-helper|[a-z]+-rootwrap(?:-daemon)?")
_SUDOERS = (
    "cat /etc/sudoers /etc/sudoers.d/* 2>/dev/null | grep -v '^ *#' "
    "| grep -E 'rootwrap|privsep-helper|secure_path|NOPASSWD' | sed 's/^/sudo\\t/'"
)


@dataclass
class Seen:
    """What a host said: of each unit what systemd knows, options of configuration files, of each file of rootwrap's its
    directories in their order, each with whether there is a privsep-helper in it, and sudo's rules."""

    units: dict[str, dict[str, str]] = field(default_factory=dict)
    options: list[Read] = field(default_factory=list)
    rootwrap: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


class Wrong(NamedTuple):
    """A finding of one host."""

    state: State
    project: str
    what: str
    cure: str
    proof: str


def check(site: Site, fleet: Fleet, span: Span, services: Sequence[Service]) -> list[Finding]:
    """What is found on the hosts of these services that are to come."""
    names = {service.name for service in services}
    later = Site(site.content, site.file, next_part=True)
    lines = [line for line in site.coming(span.goal) if line.environment and line.project in names]
    hosts: dict[str, list[Line]] = {}
    for line in lines:
        for host in later.named(line.hosts):
            hosts.setdefault(host.name, []).append(line)
    if not hosts:
        return []
    place = str(portable.place(release.load(span.goal)))

    async def look(remote: Remote) -> list[Wrong]:
        mine = hosts[remote.name]
        seen = read(await remote.checked(script(mine), seconds=SECONDS))
        files = {file for line in mine for file in rootwrap_files(line, seen)}
        seen.rootwrap = directories(await remote.checked(_directories(sorted(files)), seconds=SECONDS))
        return [wrong for line in mine for wrong in judged(line, place, seen)]

    return list(_folded(span.goal, hosts, fleet.later.each(hosts, look)))


def _folded(goal: str, hosts: dict[str, list[Line]], said: "dict[str, list[Wrong] | NaruError]") -> Iterator[Finding]:
    """One finding for all hosts that say the same."""
    found: dict[Wrong, list[str]] = {}
    for host, every in said.items():
        if isinstance(every, NaruError):
            what = f"what the services' units and helpers name: {every}"
            yield Finding("unknown", hosts[host][0].project, goal, host, what, 0, (), "See: naru site check", "")
            continue
        for one in every:
            found.setdefault(one, []).append(host)
    for one, names in found.items():
        rest = (len(names), tuple(fold_names(names)), one.cure, one.proof)
        yield Finding(one.state, one.project, goal, WHERE, one.what, *rest)


def script(lines: Iterable[Line]) -> str:
    """What a host is asked by, for `read`."""
    text = []
    for line in lines:
        if isinstance(line.managed, Unit):
            unit = line.managed.unit
            shown = f"systemctl show -p LoadState -p User -p Environment -p ExecStart {shlex.quote(unit)}"
            text.append(f"{shown} | sed {shlex.quote(MARK.format(unit))}")
    files = list(dict.fromkeys(file for line in lines for file in line.config))
    if files:
        names = shlex.quote(" ".join([*OPTIONS, CONFIG, DRIVER]))
        text.append(f"awk -v options={names} {shlex.quote(AWK)} {shlex.join(files)}")
    return "; ".join([*text, f"{_SUDOERS} || :"])


def read(said: str) -> Seen:
    """What it says."""
    seen = Seen()
    for row in said.splitlines():
        first, *rest = row.split("\t")
        if first == "unit" and len(rest) == 2:
            name, _, value = rest[1].partition("=")
            seen.units.setdefault(rest[0], {})[name] = value
        elif first == "sudo" and rest:
            seen.rules.append(" ".join(rest).strip())
    seen.options = [one for one in parsed(said) if one.file.startswith("/")]
    return seen


def rootwrap_files(line: Line, seen: Seen) -> set[str]:
    """Rootwrap's configuration files that a service names, else the one that it has by default."""
    found = {one.value for one in _options(line, seen) if one.option == CONFIG}
    for one in _options(line, seen):
        found |= {word for word in one.value.split() if posixpath.basename(word) == "rootwrap.conf"}
    return found or {f"/etc/{line.project}/rootwrap.conf"}


def _directories(files: Sequence[str]) -> str:
    inner = 'test ! -x "$d/privsep-helper" || has=yes; printf "%s\\t%s\\t%s\\n" "$f" "$d" "$has"'
    loop = f"while read -r d; do has=; {inner}; done"
    awk = f'awk -v options=exec_dirs {shlex.quote(AWK)} "$f"'
    listed = f"{awk} | cut -f 4 | tr -d ' ' | tr , '\\n' | {loop}"
    return f'for f in {shlex.join(files)}; do [ ! -r "$f" ] || {listed}; done'


def directories(said: str) -> dict[str, list[tuple[str, bool]]]:
    """By file of rootwrap's its directories: see `Seen`."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for row in said.splitlines():
        file, directory, has = row.split("\t")
        found.setdefault(file, []).append((directory, has == "yes"))
    return found


def judged(line: Line, place: str, seen: Seen) -> Iterator[Wrong]:
    """What of a service names another place than its environment, at `place` or under its link."""
    roots = (line.environment or place, place)
    yield from _unit(line, roots, seen)
    yield from _configured(line, roots, seen)
    yield from _rootwrap(line, roots, seen)
    yield from _sudo(line, roots, seen)
    yield from _binding(line, seen)


def _in(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def _options(line: Line, seen: Seen) -> list[Read]:
    return [one for one in seen.options if one.file in line.config]


def _unit(line: Line, roots: Sequence[str], seen: Seen) -> Iterator[Wrong]:
    if not isinstance(line.managed, Unit):
        return
    name, proof = line.managed.unit, f"systemctl cat {line.managed.unit}"
    known = seen.units.get(name, {})
    if known.get("LoadState") != "loaded":
        what = f"there is no unit {name} yet, which is to start {line.name} of {roots[0]}"
        yield Wrong("unknown", line.project, what, f"Its ExecStart is {roots[0]}/bin/{line.name}.", proof)
        return
    words = re.findall(r"/[^\s;\"']+", known.get("ExecStart", ""))
    paths = [one for one in re.split(r"[\s\"=:]", known.get("Environment", "")) if one.startswith("/")]
    others = sorted({word for word in words if posixpath.basename(word) == line.name and not _in(word, roots)})
    cure = f"Let it start {roots[0]}/bin/{line.name}."
    if others:
        yield Wrong("blocks", line.project, f"{name} starts {others[0]}, which is not of {roots[0]}", cure, proof)
    elif not any(_in(word, roots) for word in (*words, *paths)):
        yield Wrong("unknown", line.project, f"{name} names nothing of {roots[0]}", cure, proof)
    else:
        yield Wrong("right", line.project, f"{name} starts {line.name} of {roots[0]}", "", proof)


def _configured(line: Line, roots: Sequence[str], seen: Seen) -> Iterator[Wrong]:
    for one in _options(line, seen):
        for word in one.value.split() if one.option in OPTIONS else ():
            program = posixpath.basename(word)
            if word.startswith("/") and _PROGRAM.fullmatch(program) and not _in(word, roots):
                what = f"{one.file}: [{one.group}] {one.option} names {word}, which is not of {roots[0]}"
                cure = f"Name {roots[0]}/bin/{program}."
                yield Wrong("blocks", line.project, what, cure, f"grep -n {one.option} {one.file}")


def _rootwrap(line: Line, roots: Sequence[str], seen: Seen) -> Iterator[Wrong]:
    for file in sorted(rootwrap_files(line, seen)):
        if file not in seen.rootwrap:
            continue  # none is there, or it names none: then it is the PATH that counts
        before = []
        for directory, has in seen.rootwrap[file]:
            if _in(directory, roots):
                break
            before += [directory] if has else []
        else:
            before = ["none of it"]
        if before:
            what = f"{file}: exec_dirs has {roots[0]}/bin behind {before[0]}, where another privsep-helper is"
            what = what if before != ["none of it"] else f"{file}: exec_dirs has no {roots[0]}/bin"
            cure = f"Give the service a rootwrap.conf of its own, with {roots[0]}/bin as the first of exec_dirs."
            yield Wrong("blocks", line.project, what, cure, f"grep -n exec_dirs {file}")


def _sudo(line: Line, roots: Sequence[str], seen: Seen) -> Iterator[Wrong]:
    known = seen.units.get(line.managed.unit, {}) if isinstance(line.managed, Unit) else {}
    user = known.get("User", "")
    if user in ("", "root", "0"):
        return
    proof = "grep -rnE 'rootwrap|privsep-helper|secure_path' /etc/sudoers /etc/sudoers.d"
    mine = [rule for rule in seen.rules if rule.startswith((f"{user} ", f"{user}\t", f"%{user} "))]
    if any(re.search(r"NOPASSWD: *ALL\b", rule) for rule in mine):
        return
    named = [word for rule in mine for word in re.findall(r"/[^\s,]+", rule) if _PROGRAM.fullmatch(_base(word))]
    if named and not any(_in(word, roots) for word in named):
        what = f"sudo lets {user} run {named[0]}, and nothing of {roots[0]}"
        cure = f"Let {user} run {roots[0]}/bin/{_base(named[0])} besides, in a file of its own in /etc/sudoers.d."
        yield Wrong("blocks", line.project, what, cure, proof)
    elif named and _is_bare(line, seen) and (searched := _secure_path(user, seen)) and not _any(searched, roots):
        what = f"sudo looks for {line.project}-rootwrap in its secure_path, which has no {roots[0]}/bin"
        cure = f'In a file of its own in /etc/sudoers.d: Defaults:{user} secure_path="{roots[0]}/bin:{searched}"'
        yield Wrong("blocks", line.project, what, cure, proof)
    elif not named:
        what = f"whether sudo lets {user} run what is in {roots[0]}/bin: no rule of it names such a program"
        yield Wrong("unknown", line.project, what, f"Let {user} run {roots[0]}/bin/{line.project}-rootwrap.", proof)


def _binding(line: Line, seen: Seen) -> Iterator[Wrong]:
    """Nova's libvirt driver imports what has to be built against a libvirt that is no newer than the host's."""
    drivers = [one.value for one in _options(line, seen) if one.option == DRIVER]
    known = seen.units.get(line.managed.unit, {}) if isinstance(line.managed, Unit) else {}
    if drivers and drivers[-1].startswith("libvirt") and "PYTHONPATH=" not in known.get("Environment", ""):
        what = f"{line.name} has the libvirt driver, its environment no binding of libvirt, and its unit no PYTHONPATH"
        cure = "Install libvirt-python there (pip install --target DIRECTORY), and name it: Environment=PYTHONPATH=..."
        yield Wrong("warns", line.project, what, cure, "systemctl show -p Environment UNIT")


def _is_bare(line: Line, seen: Seen) -> bool:
    """Whether a service has sudo look for the programs: Nova and Cinder always do."""
    words = [word for one in _options(line, seen) if one.option in OPTIONS for word in one.value.split()]
    return line.project in ("nova", "cinder") or any(_PROGRAM.fullmatch(word) for word in words)


def _secure_path(user: str, seen: Seen) -> str:
    """Where sudo looks for what that user has it run; "" where that is the user's own PATH."""
    found = ""
    for rule in seen.rules:
        if one := re.match(rf"Defaults(?::{re.escape(user)})?\s+(.*)", rule):
            value = re.search(r'(!?)\bsecure_path\b(?:\s*=\s*"?([^"\s]+))?', one[1])
            found = found if value is None else "" if value[1] else value[2] or ""
    return found


def _any(paths: str, roots: Sequence[str]) -> bool:
    return any(_in(one, roots) for one in paths.split(":"))


def _base(path: str) -> str:
    return posixpath.basename(path)
