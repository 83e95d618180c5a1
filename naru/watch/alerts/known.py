"""Known bugs, from the scenario files of hotsos (https://github.com/canonical/hotsos), which are read as data.

Of those files the simple form is understood: a conclusion that raises a LaunchpadBug, decided by checks that all hold,
of which each is an expression in a log file or a range of versions of a package. All else (systemd, configuration,
properties of hotsos' own code) is left alone: such a bug is not told, rather than told wrongly.

Versions are those of the deployed Python packages. A distribution's own revisions (18.1.0-0ubuntu1) are not in them: a
package is taken for older than one of the same version with a revision.
"""

import fnmatch
import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from naru import yamlfile
from naru.errors import InputError
from naru.watch.store import Example

_LONGEST = 2000
"""Characters of a line in which an expression is looked for: they are others' and may be slow."""
_PLACE = "https://bugs.launchpad.net/bugs/"
_BOUNDS = {"min", "max", "lt", "le", "gt", "ge", "eq"}


@dataclass(frozen=True)
class Lines:
    """An expression, from the beginning of a line on, and the files it is looked for in, as `nova/nova-compute.log`."""

    expression: re.Pattern[str]
    hint: str
    files: tuple[str, ...]

    def found(self, program: str, lines: Sequence[str]) -> bool:
        if not any(_written_by(program, file) for file in self.files):
            return False
        return any((not self.hint or self.hint in line) and self.expression.match(line) for line in lines)


@dataclass(frozen=True)
class Versions:
    """Packages of a distribution, each with ranges of which one has to hold; `without`: none of it may."""

    packages: tuple[tuple[str, tuple[Mapping[str, str], ...]], ...]
    without: bool = False

    def hold(self, deployed: Mapping[str, str]) -> bool | None:
        """None where it cannot be said: none of them is deployed, as far as is known."""
        said = [
            _within(deployed[name], ranges) for package, ranges in self.packages if (name := _name(package, deployed))
        ]
        return None if not said else any(said) != self.without


@dataclass(frozen=True)
class Bug:
    """A bug of Launchpad's: its lines have to be there, and its versions deployed."""

    number: int
    message: str
    lines: tuple[Lines, ...]
    versions: tuple[Versions, ...]


@dataclass(frozen=True)
class Known:
    """The bugs that were read, and how many others are of a form that is not understood; `deployed` are versions by
    package."""

    bugs: tuple[Bug, ...] = ()
    others: int = 0
    refused: tuple[str, ...] = ()
    deployed: Mapping[str, str] = field(default_factory=dict)

    def of(self, program: str, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """The bugs that a group's examples show: number, url, message, and what is known of versions."""
        lines = [line for one in examples for line in _lines(one)]
        found: dict[int, dict[str, Any]] = {}
        for bug in self.bugs:
            if bug.number in found or not all(one.found(program, lines) for one in bug.lines):
                continue
            held = [one.hold(self.deployed) for one in bug.versions]
            if False in held:
                continue
            told = "of any version" if not held else "the deployed version has it"
            if None in held:
                told = "which version is deployed is not known"
            url = f"{_PLACE}{bug.number}"
            found[bug.number] = {"bug": bug.number, "url": url, "message": bug.message, "versions": told}
        return list(found.values())


def load(directory: Path, deployed: Mapping[str, str]) -> Known:
    """The bugs in the files of a directory, and below. Raises InputError where there is none."""
    if not directory.is_dir():
        raise InputError(f"--known {directory}: there is no such directory")
    files = sorted(one for one in directory.rglob("*.yaml") if one.is_file())
    bugs: list[Bug] = []
    refused, others = [], 0
    for file in files:
        try:
            content = yamlfile.load(file, times=False)
            for bug in _bugs(content):
                if bug is None:
                    others += 1
                else:
                    bugs.append(bug)
        except InputError as error:
            refused.append(error.summary)
        except (_NotSimple, re.error) as error:
            refused.append(f"{file}: {error}")
    if not bugs:
        hint = "As hotsos has them in hotsos/defs/scenarios/openstack."
        raise InputError(
            f"--known {directory}: no bug is in its {len(files)} files", detail="\n".join(refused[:3]), hint=hint
        )
    return Known(tuple(bugs), others, tuple(refused), deployed)


def versions(environments: Sequence[str]) -> dict[str, str]:
    """The versions of the packages in virtual environments, by their names. Of a package that is in several with
    different versions none is said."""
    found: dict[str, set[str]] = {}
    for one in environments:
        roots = [str(root) for root in sorted(Path(one).glob("lib*/python*/site-packages"))]
        for package in importlib.metadata.distributions(path=roots):
            if name := package.metadata["Name"]:
                found.setdefault(canonicalize_name(name), set()).add(package.version)
    return {name: said.pop() for name, said in found.items() if len(said) == 1}


class _NotSimple(Exception):
    """A file has something that is not understood."""


def _bugs(content: Any) -> Iterator[Bug | None]:
    """The bugs of a file; None for each conclusion of another form."""
    if not isinstance(content, dict) or not isinstance(content.get("conclusions"), dict):
        return
    checks = content.get("checks")
    for one in content["conclusions"].values():
        raises = one.get("raises") if isinstance(one, dict) else None
        if not isinstance(raises, dict) or raises.get("type") != "LaunchpadBug":
            continue
        try:
            yield _bug(one, raises, checks if isinstance(checks, dict) else {}, content)
        except _NotSimple:
            yield None


def _bug(
    one: Mapping[str, Any], raises: Mapping[str, Any], checks: Mapping[str, Any], content: Mapping[str, Any]
) -> Bug:
    lines, ranges = [], []
    for name, without in _decision(one.get("decision")):
        check = checks.get(name)
        if not isinstance(check, dict):
            raise _NotSimple
        if set(check) == {"apt"}:
            ranges.append(Versions(_packages(check["apt"]), without))
        elif not without:
            lines.append(_expression(check, content))
        else:
            raise _NotSimple
    number = str(raises.get("bug-id", ""))
    if not lines or not number.isdecimal():
        raise _NotSimple  # versions alone are no error that was seen
    message = " ".join(str(raises.get("message", "")).split())
    if "{" in message:  # values of hotsos' own
        message = re.sub(r"\{\w+\}", "…", message)
    return Bug(int(number), message, tuple(lines), tuple(ranges))


def _decision(said: Any) -> list[tuple[str, bool]]:
    """Names of the checks that have to hold, or must not."""
    if isinstance(said, dict) and set(said) == {"and"}:
        said = said["and"]
    found = []
    for one in said if isinstance(said, list) else [said]:
        without = isinstance(one, dict) and set(one) == {"not"}
        name = one["not"] if without else one
        if not isinstance(name, str):
            raise _NotSimple
        found.append((name, without))
    return found


def _expression(check: Mapping[str, Any], content: Mapping[str, Any]) -> Lines:
    search = check.get("search")
    said = {**check, **(search if isinstance(search, dict) else {"expr": search} if search else {})}
    if set(said) - {"input", "expr", "hint", "search", "constraints"}:
        raise _NotSimple
    expression = said.get("expr")
    named = content.get("vars")
    if isinstance(expression, str) and expression.startswith("$") and isinstance(named, dict):
        expression = named.get(expression[1:])
    given = said.get("input", content.get("input"))
    if isinstance(given, dict):
        given = given.get("path")
    paths = [given] if isinstance(given, str) else given
    if not isinstance(expression, str) or not isinstance(paths, list) or not all(isinstance(one, str) for one in paths):
        raise _NotSimple
    files = tuple("/".join(PurePosixPath(one).parts[-2:]) for one in paths)
    try:
        return Lines(re.compile(expression), str(said.get("hint", "")) if _plain(said.get("hint")) else "", files)
    except re.error as error:
        raise _NotSimple from error


def _plain(hint: Any) -> bool:
    """Whether a hint, which is an expression, too, is nothing but a text."""
    return (
        isinstance(hint, str) and re.escape(hint).replace("\\", "") == hint and not set(hint) & set(".^$*+?{}[]()|\\")
    )


def _packages(said: Any) -> tuple[tuple[str, tuple[Mapping[str, str], ...]], ...]:
    if isinstance(said, str):
        return ((said, ()),)
    if isinstance(said, list):
        return tuple((str(one), ()) for one in said)
    if not isinstance(said, dict):
        raise _NotSimple
    found = []
    for name, ranges in said.items():
        every = [ranges] if isinstance(ranges, dict) else ranges
        if not isinstance(every, list) or not all(isinstance(one, dict) and set(one) <= _BOUNDS for one in every):
            raise _NotSimple
        found.append((str(name), tuple({key: str(value) for key, value in one.items()} for one in every)))
    return tuple(found)


def _written_by(program: str, file: str) -> bool:
    """Whether a program writes a file, as nova-compute does nova/nova-compute.log or nova/*.log."""
    directory, _, name = file.rpartition("/")
    if not name.endswith(".log") or not fnmatch.fnmatchcase(f"{program}.log", name):
        return False
    return directory == program.partition("-")[0] if name == "*.log" else True


def _name(package: str, deployed: Mapping[str, str]) -> str:
    """A deployed Python package by the name of a distribution's: nova of nova-common, oslo-messaging of
    python3-oslo.messaging; "" for none."""
    plain = canonicalize_name(re.sub(r"^python3?-|:.*", "", package))
    return next((one for one in (plain, plain.partition("-")[0]) if one in deployed), "")


def _within(version: str, ranges: Sequence[Mapping[str, str]]) -> bool:
    """Whether a version is in one of the ranges; in any where there is none."""
    return not ranges or any(all(_holds(version, bound, other) for bound, other in one.items()) for one in ranges)


def _holds(version: str, bound: str, other: str) -> bool:
    upstream, _, revision = other.partition(":")[2].partition("-") if ":" in other else other.partition("-")
    try:
        one, two = Version(version), Version(upstream.replace("~", ""))
    except InvalidVersion:
        return False
    order = (one > two) - (one < two)
    if order == 0 and revision:
        order = -1
    return {
        **{"min": order >= 0, "ge": order >= 0, "gt": order > 0},
        **{"max": order <= 0, "le": order <= 0, "lt": order < 0, "eq": order == 0},
    }[bound]


def _lines(one: Example) -> list[str]:
    """The lines of a record as its file has them, and the same without their heads."""
    body = one.body
    head = f"{body.get('time', '')} {body.get('pid', '')} {body.get('level', '')} {body.get('logger', '')}"
    message = str(body.get("message", ""))
    trace = str(body.get("traceback", "")).splitlines()
    prefix = f"{body.get('time', '')} {body.get('pid', '')} ERROR {body.get('logger', '')}"
    every = [f"{head} [-] {message}", message, *(f"{prefix} {line}" for line in trace), *trace]
    return [line[:_LONGEST] for line in every]
