"""What the deployed code could print at a moment: the texts of its warnings and errors, module by module, kept in the
watch's database for each package by its content; and which text of one moment is which of another.

A package that did not change between two moments is kept once.
"""

import difflib
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from naru.watch.formats import WARNING
from naru.watch.group import HOLE
from naru.watch.statements import ANY, Code, Statement

SCHEMA = """
CREATE TABLE IF NOT EXISTS code (package TEXT NOT NULL, digest TEXT NOT NULL, said BLOB NOT NULL,
    PRIMARY KEY (package, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change_code (change INTEGER NOT NULL, side TEXT NOT NULL, package TEXT NOT NULL,
    digest TEXT NOT NULL, PRIMARY KEY (change, side, package, digest)) WITHOUT ROWID;
"""
BEFORE, AFTER = "before", "after"
"""The sides of a change."""
ALIKE = 0.6
"""Of two texts the share of words in common, in their order, from which on one may have become the other."""
_LITERAL = 8
"""Literal characters by which a text is known again in another module."""


@dataclass
class Module:
    """What a module prints as a warning or error, with … where it varies, and its functions that log anything."""

    texts: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


class Became(NamedTuple):
    """A text after a change. `how`: `same` (in the same module), `moved` (to another one), `nearest` (the nearest new
    one of the module)."""

    module: str
    text: str
    how: str


@dataclass
class CodeSet:
    """What is deployed: by package the digests of its content (several where hosts have different ones), and by name
    its modules."""

    packages: dict[str, set[str]] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)

    def has(self, module: str, text: str) -> bool:
        """Whether a module prints such a text."""
        return module in self.modules and text in self.modules[module].texts

    @cached_property
    def where(self) -> dict[str, list[str]]:
        """By text the modules that print it."""
        found: dict[str, list[str]] = {}
        for name, module in self.modules.items():
            for text in module.texts:
                found.setdefault(text, []).append(name)
        return found

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Module and text of all."""
        return ((name, text) for name, module in self.modules.items() for text in module.texts)


def keep(database: sqlite3.Connection, change: int, side: str, codes: Iterable[Code]) -> None:
    """Keeps what is deployed as one side of a change; in a transaction of the caller's."""
    for code in codes:
        wanted = {}
        for package in code.packages:
            row = package.name, package.digest
            database.execute("INSERT OR IGNORE INTO change_code VALUES (?, ?, ?, ?)", (change, side, *row))
            if not database.execute("SELECT 1 FROM code WHERE package = ? AND digest = ?", row).fetchone():
                wanted[package.name] = package.digest
        for name, modules in _by_package(code.statements, wanted).items():
            said = {module: [sorted(one.texts), sorted(one.functions)] for module, one in modules.items()}
            packed = zlib.compress(json.dumps(said).encode())
            database.execute("INSERT INTO code VALUES (?, ?, ?)", (name, wanted[name], packed))


def _by_package(statements: Iterable[Statement], wanted: Iterable[str]) -> dict[str, dict[str, Module]]:
    found: dict[str, dict[str, Module]] = {name: {} for name in wanted}
    for one in statements:
        if one.kind in ("log", "access") and one.package in found:
            module = found[one.package].setdefault(one.module, Module())
            if not one.level or one.level >= WARNING:
                module.texts.add(one.text.replace(ANY, HOLE))
            if one.function:
                module.functions.add(one.function)
    return found


def load(database: sqlite3.Connection, change: int, side: str, only: Sequence[str] = ()) -> CodeSet:
    """One side of a change; of the packages `only`, where some are named. Empty where no code was kept."""
    found = CodeSet()
    query = (
        "SELECT c.package, c.digest, code.said FROM change_code c LEFT JOIN code USING (package, digest) "
        "WHERE change = ? AND side = ?"
    )
    for package, digest, said in database.execute(query, (change, side)):
        found.packages.setdefault(package, set()).add(digest)
        if said is None or (only and package not in only):
            continue
        for name, (texts, functions) in json.loads(zlib.decompress(said)).items():
            module = found.modules.setdefault(name, Module())
            module.texts.update(texts)
            module.functions.update(functions)
    return found


def became(before: CodeSet, after: CodeSet, module: str, text: str) -> Became | None:
    """What a text of the code of before is in that of after; None where there is nothing like it."""
    if after.has(module, text):
        return Became(module, text, "same")
    package = module.partition(".")[0]
    if len(text.replace(HOLE, "").strip()) >= _LITERAL:
        moved = [
            one for one in after.where.get(text, ()) if one.partition(".")[0] == package and not before.has(one, text)
        ]
        if moved:
            return Became(min(moved, key=lambda one: (-_alike(module, one), one)), text, "moved")
    if module not in after.modules or not before.has(module, text):
        return None
    old = before.modules[module].texts - after.modules[module].texts
    new = after.modules[module].texts - before.modules[module].texts
    nearest, share = _nearest(text, new)
    # the nearest of one is not that of another which is nearer
    if share < ALIKE or _nearest(nearest, old)[0] != text:
        return None
    return Became(module, nearest, "nearest")


def _nearest(text: str, others: Iterable[str]) -> tuple[str, float]:
    words = _words(text)
    match = difflib.SequenceMatcher(autojunk=False)
    match.set_seq2(words)
    best, share = "", 0.0
    for other in sorted(others):
        match.set_seq1(_words(other))
        if match.real_quick_ratio() > share and match.quick_ratio() > share and (ratio := match.ratio()) > share:
            best, share = other, ratio
    return best, share


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _alike(module: str, other: str) -> float:
    return difflib.SequenceMatcher(None, module.split("."), other.split(".")).ratio()
