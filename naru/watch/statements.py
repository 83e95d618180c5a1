"""Log statements of deployed code, read by the interpreter that runs it, kept for each package by its content.

A package that was read once, on whatever host, is not read again: what is kept is named after a hash over its files, so
a patched file has only its own package read anew.
"""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naru.errors import InputError, NaruError
from naru.releases.install import venvs_directory

ANY = "\0"
"""Stands in a statement's text where anything may be."""
_SCRIPT = Path(__file__).parent / "scripts" / "extract.py"
_SECONDS = 1800
Ask = Callable[[Sequence[str]], Iterable[str]]
"""Runs the script with these words where the code is deployed, and gives its lines. Raises NaruError."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One text of a log statement. `kind` is log, access, exc or logger (`scripts/extract.py` says what they are).
    `level` is a number, 0 where only running code knows it; `lines` are those of the module that print this text;
    `bases` and `status` are of an exception class, whose name is in `function`."""

    package: str
    module: str
    kind: str
    level: int
    text: str
    lines: tuple[int, ...]
    function: str
    fields: tuple[str, ...] = ()
    traceback: bool = False
    bases: tuple[str, ...] = ()
    status: int = 0


@dataclass(frozen=True)
class Package:
    """What was found of one package: `known` whether it had been read before; `refused` are the files that the
    interpreter could not parse, each with the reason."""

    name: str
    digest: str
    files: int
    statements: int
    opaque: int
    known: bool
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Statements of all that is deployed at one place, and the packages that they are from."""

    packages: tuple[Package, ...]
    statements: tuple[Statement, ...]


def cache() -> Path:
    """Where what was read is kept: `$XDG_CACHE_HOME/naru/statements`, or under ~/.cache."""
    return venvs_directory().parent / "statements"


def of_environment(directory: Path, only: Sequence[str] = ()) -> Code:
    """Of a virtual environment, by its own interpreter; by this one where that does not start. `only` names the
    packages that are wanted. Raises InputError for a directory that is no environment."""
    return read(_asking(directory), only)


def _asking(directory: Path) -> Ask:
    python = directory / "bin" / "python"
    roots = sorted(directory.glob("lib*/python*/site-packages"))
    if not roots and not python.exists():
        raise InputError(
            f"--venv {directory}: this is no virtual environment",
            detail="It has neither bin/python nor lib/python*/site-packages.",
            hint="Name the directory in which bin/python of the deployed services is.",
        )
    own = [str(python), "-W", "ignore", "-"]
    try:
        able = not subprocess.run([*own[:1], "-c", "0"], capture_output=True, timeout=60, check=False).returncode
    except (OSError, subprocess.SubprocessError):
        able = False
    given_roots = [word for root in roots for word in ("--root", str(root))]
    words = own if able else [sys.executable, "-W", "ignore", "-", *given_roots]

    def ask(given: Sequence[str]) -> Iterable[str]:
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)
        with _SCRIPT.open("rb") as script:
            try:
                done = subprocess.run(
                    [*words, *given], stdin=script, capture_output=True, timeout=_SECONDS, env=environment, check=False
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise NaruError(f"{directory}: its log statements cannot be read", detail=str(error)) from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-2000:]
            raise NaruError(f"{directory}: its log statements cannot be read", detail=said)
        return done.stdout.decode(errors="replace").splitlines()

    return ask


def script() -> bytes:
    """The program that reads statements, to be given to an interpreter elsewhere."""
    return _SCRIPT.read_bytes()


def read(ask: Ask, only: Sequence[str] = ()) -> Code:
    """The statements of what is deployed where `ask` asks; packages that are not kept yet are read there, two programs
    at a time."""
    listed = [_said(line) for line in ask(["list"])]
    wanted = [one for one in listed if not only or one["package"] in only]
    files = {one["package"]: _file(one) for one in wanted}
    new = [one for one in wanted if not files[one["package"]].exists()]
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda names: _keep(ask, names, files), _halves(new)))
    except OSError as error:
        hint = "XDG_CACHE_HOME names another directory."
        raise NaruError(f"{cache()}: cannot be written", detail=str(error), hint=hint) from error
    unknown = {one["package"] for one in new}
    packages, statements = [], []
    for one in wanted:
        rows, end = _kept(files[one["package"]])
        statements += list(_statements(rows))
        logs = [row for row in rows if row["k"] == "log"]
        packages.append(
            Package(
                one["package"],
                one["hash"],
                one["files"],
                len(logs),
                sum(row["t"] == ANY for row in logs),
                one["package"] not in unknown,
                tuple((name, why) for name, why in end["refused"]),
            )
        )
    return Code(tuple(packages), tuple(statements))


def _said(line: str) -> dict[str, Any]:
    """A line of the script's. Raises NaruError for one that something else has printed."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        hint = "Something that the interpreter loads by itself prints it, as a .pth file or sitecustomize."
        raise NaruError("its interpreter prints what is no statement", detail=line[:200], hint=hint) from error


def _file(one: dict[str, Any]) -> Path:
    """Named after the package's content, the Python that parses it, and what reads it."""
    reader = hashlib.sha256(script()).hexdigest()[:8]
    return cache() / f"{one['package']}-{one['hash'][:16]}-{one['python']}-{reader}.jsonl.gz"


def _halves(new: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The packages in two lists that take about as long."""
    halves: tuple[list[str], list[str]] = ([], [])
    sums = [0, 0]
    for one in sorted(new, key=lambda one: -one["files"]):
        at = sums.index(min(sums))
        halves[at].append(one["package"])
        sums[at] += one["files"]
    return [half for half in halves if half]


def _keep(ask: Ask, names: Sequence[str], files: dict[str, Path]) -> None:
    rows: list[str] = []
    for line in ask(["read", *names]):
        rows.append(line)
        said = _said(line)
        if said["k"] == "end":
            file = files[said["package"]]
            temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
            temporary.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode(), 5, mtime=0))
            temporary.replace(file)
            rows = []


def _kept(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    except (OSError, ValueError, EOFError) as error:
        raise NaruError(f"{file}: is damaged", detail=str(error), hint="Remove it: it is made again.") from error
    return rows[:-1], rows[-1]


def _statements(rows: Iterable[dict[str, Any]]) -> Iterator[Statement]:
    """Rows with one text in one module are one statement, printed by several lines."""
    same: dict[tuple[str, str, str, int, str], list[dict[str, Any]]] = {}
    for row in rows:
        name = row["f"] if row["k"] == "exc" else ""
        same.setdefault((row["m"], row["k"], row["t"], row["v"], name), []).append(row)
    for (module, kind, text, level, _), group in same.items():
        first = group[0]
        yield Statement(
            sys.intern(first["package"]),
            sys.intern(module),
            sys.intern(kind),
            level,
            text,
            tuple(sorted({row["l"] for row in group})),
            first["f"],
            tuple(first["a"]),
            any(row["x"] for row in group),
            tuple(first.get("b", ())),
            first.get("c", 0),
        )
