"""Which statement printed a record: by the file and line that the record says, else by its text.

A statement's text is literals with holes between them. It fits where each literal is found in turn, which is a search
and no regular expression. Statements are found by the rarest whole word of their literals: those of the record's
module first, then formats of access logs, texts of which little is literal, the package, and the whole cloud. Of
several the one with the longest literals is taken.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from naru.watch.formats import LEVELS, WARNING
from naru.watch.records import Record
from naru.watch.statements import ANY, Statement

_WORD = re.compile(r"[A-Za-z_]{3,}")
VARIES = re.compile(
    r"(?:req-)?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{27}|(?:req-)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|\b[0-9a-fA-F]{32,}|0x[0-9a-fA-F]+|\d[\d.:]*"
)
"""Identifiers, addresses and numbers: what of a text differs from time to time."""
_REMEMBERED = 10_000
_LONG = 400
"""Characters by which texts are remembered; a longer one also by its lines."""
_LOOKED_AT = 2000
"""Characters of a message in which words are looked for."""
_OF_PACKAGE, _OF_ALL, _WORDS_OF_ALL = 8, 20, 3
"""Literal characters (and words) that a text of another module needs, and one of another package."""
_CALL = 12
"""Lines that the call of a statement may have."""
_PYTHON_WARNING = re.compile(r"^(?:\S*/(?:site|dist)-packages/)?(?P<file>\S+?):(?P<line>\d+): (?P<category>\w+): ")

UNMATCHED = ("opaque", "none")
"""Of `Match.how`: the module has a statement that prints a variable and nothing else; no statement fits at all."""


@dataclass(frozen=True, slots=True)
class Match:
    """`how` it was found: place (the record says file and line), module, access, weak, package, all, warning (Python's
    own, whose text is then its file and category), or one of `UNMATCHED`, without a statement. `module` and `text` are
    the statement's, or as much as is known without one."""

    statement: Statement | None
    how: str
    module: str = ""
    text: str = ""


NO_MATCH = Match(None, "none")


@dataclass(slots=True)
class _Text:
    """A statement's text, ready to be compared."""

    statement: Statement
    parts: list[str]
    weight: int
    level: int
    words: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, statement: Statement) -> "_Text":
        parts = statement.text.strip("\n").split(ANY)
        made = cls(statement, parts, sum(len(part.strip()) for part in parts), statement.level)
        last = len(parts) - 1
        for place, part in enumerate(parts):
            for found in _WORD.finditer(part):
                # a word beside a hole may be longer in the record
                if (found.start() or place == 0) and (found.end() < len(part) or place == last):
                    made.words.append(found.group())
        return made


def holes(parts: Sequence[str], text: str, summary: bool) -> list[tuple[int, int]] | None:
    """Where in a text lies what the holes between the parts hold; None where the parts do not fit. With `summary` an
    exception's may follow, as oslo.log appends it: `: ValueError: what it says`."""
    if not text.startswith(parts[0]):
        return None
    at = len(parts[0])
    if len(parts) == 1:
        rest = text[at:]
        return [] if not rest.strip() or (summary and rest.startswith(": ")) else None
    found = []
    for part in parts[1:-1]:
        place = text.find(part, at)
        if place < 0:
            return None
        found.append((at, place))
        at = place + len(part)
    tail = parts[-1].rstrip()
    end = len(text.rstrip())
    if not tail:
        return [*found, (at, len(text))]
    if text.endswith(tail, at, end):
        return [*found, (at, end - len(tail))]
    if summary and (place := text.find(tail + ": ", at)) >= 0:
        return [*found, (at, place)]
    return None


def _fits(statement: Statement, text: str, summary: bool) -> bool:
    parts = statement.text.strip("\n").split(ANY)
    return holes(parts, text, summary) is not None or holes(parts, text.partition("\n")[0], summary) is not None


_Index = dict[str, list[_Text]]


class Matcher:
    """The statements of what is deployed, of `lowest` level and above."""

    def __init__(self, statements: Iterable[Statement], lowest: int = WARNING) -> None:
        self.hits = self.misses = 0
        self._remembered: dict[tuple[str, str, str, bool], Match] = {}
        self._places: dict[str, dict[int, list[Statement]]] = {}
        self._loggers: dict[str, str] = {}
        self._opaque: dict[str, list[Statement]] = defaultdict(list)
        self._modules: dict[str, _Index] = defaultdict(dict)
        self._packages: dict[str, _Index] = defaultdict(dict)
        self._weak: dict[str, list[_Text]] = defaultdict(list)
        self._all: _Index = {}
        self._shared: list[_Text] = []
        self._classes: dict[str, list[_Text]] = defaultdict(list)
        self.exceptions: dict[str, Statement] = {}
        texts = []
        for one in statements:
            if one.kind == "logger":
                self._loggers.setdefault(one.text, one.module)
            elif one.kind == "exc":
                self._add_class(one)
            elif one.kind == "access" or not one.level or one.level >= lowest:
                if one.kind == "log":
                    for line in one.lines:
                        self._places.setdefault(one.module, {}).setdefault(line, []).append(one)
                text = _Text.of(one)
                if text.weight or any(text.parts):
                    texts.append(text)
                else:
                    self._opaque[one.module].append(one)
        self._sort(texts)
        self._last: dict[str, str] = {}
        for module in (*self._modules, *self._weak, *self._opaque):
            self._last.setdefault(module.rpartition(".")[2], module)

    def _sort(self, texts: list[_Text]) -> None:
        often = Counter(word for text in texts for word in set(text.words))
        for text in sorted(texts, key=lambda text: -text.weight):
            module = text.statement.module
            if text.statement.kind == "access":
                self._shared.append(text)
                continue
            anchor = min(text.words, key=lambda word: (often[word], -len(word)), default="")
            if text.weight < 3 or not anchor:
                self._weak[module].append(text)
                continue
            for index in (self._modules[module], self._packages[module.partition(".")[0]]):
                index.setdefault(anchor, []).append(text)
            if text.weight >= _OF_ALL and len(text.words) >= _WORDS_OF_ALL:
                self._all.setdefault(anchor, []).append(text)

    def _add_class(self, one: Statement) -> None:
        known = self.exceptions.get(one.function)
        if known is None or (not known.status and one.status):
            self.exceptions[one.function] = one
        text = _Text.of(one)
        if text.weight >= _OF_PACKAGE and text.words:
            self._classes[max(text.words, key=len)].append(text)

    def match(self, record: Record) -> Match:
        """The record's statement; the same for all records with the same text but for what varies."""
        if record.pathname and (found := self._at(record)):
            return found
        found = self._by_its_text(record)
        if found.how in UNMATCHED and record.template not in (None, record.message):
            # of code that is not known; without what varies at least
            return Match(None, "place", module_of(record.pathname) or found.module, record.template or "")
        return found

    def _by_its_text(self, record: Record) -> Match:
        text = record.message.lstrip("\n")
        long = text if len(text) < _LONG else f"{text[:_LONG]}{text.count(chr(10))}"
        key = record.logger, record.level, VARIES.sub("#", long), record.summary is None
        known = self._remembered.get(key)
        # numbers may be literals, too
        if known is not None and (known.statement is None or _fits(known.statement, text, record.summary is None)):
            self.hits += 1
            return known
        self.misses += 1
        made = self._by_text(record, text)
        if made.statement is None and "\n" in text:
            first = self._by_text(record, text.partition("\n")[0])
            made = made if first.statement is None else first
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = made
        return made

    def _at(self, record: Record) -> Match | None:
        """By the file and line that the record says."""
        module = module_of(record.pathname)
        there = self.at(module, record.line)
        fitting = [one for one in there if _fits(one, record.message, record.summary is None)]
        if not fitting:
            return None
        found = next((one for one in fitting if one.text != ANY), fitting[0])
        # a variable and nothing else: the line is known, and says nothing of the text
        return Match(None, "opaque", module) if found.text == ANY else Match(found, "place", found.module, found.text)

    def at(self, module: str, line: int) -> list[Statement]:
        """The statement at a line of a module, in each of the texts that it may have. Pythons before 3.8 name a later
        line of a call that has several."""
        lines = self._places.get(module, {})
        return next((lines[one] for one in range(line, line - _CALL, -1) if one in lines), [])

    def module(self, logger: str) -> str | None:
        """The module that logs under a name."""
        ways = [logger, self._loggers.get(logger)]
        if logger.startswith("oslo."):  # oslo.service.loopingcall is in oslo_service.loopingcall
            ways.insert(1, "oslo_" + logger[5:])
        if "." not in logger:  # loaded by its file
            ways.append(self._last.get(logger))
        known = (self._modules, self._weak, self._opaque)
        return next((way for way in ways if way and any(way in one for one in known)), None)

    def _by_text(self, record: Record, text: str) -> Match:
        logger, level = record.logger, LEVELS.get(record.level, 0)
        if logger == "py.warnings" and (found := _PYTHON_WARNING.match(text)):
            return Match(None, "warning", found["file"].removesuffix(".py").replace("/", "."), found["category"])
        summary = record.summary is None and level >= WARNING
        words = set(_WORD.findall(text[:_LOOKED_AT]))
        module = self.module(logger)
        if module and (one := self._best(self._modules.get(module, {}), words, text, level, summary)):
            return _found(one, "module")
        for one in self._shared:
            if holes(one.parts, text, False) is not None:
                return _found(one, "access")
        if module and (weak := self._best_weak(module, text, level, summary)):
            return _found(weak, "weak")
        package = (module or ("_".join(logger.split(".")[:2]) if logger.startswith("oslo.") else logger)).split(".")[0]
        for name in dict.fromkeys((package, logger.split(".")[0])):
            one = self._best(self._packages.get(name, {}), words, text, level, summary)
            if one and one.weight >= _OF_PACKAGE:
                return _found(one, "package")
        one = self._best(self._all, words, text, level, summary)
        if one and one.parts[0]:
            return _found(one, "all")
        return Match(None, "opaque" if module and module in self._opaque else "none", module or logger)

    @staticmethod
    def _best(index: _Index, words: set[str], text: str, level: int, summary: bool) -> _Text | None:
        best: _Text | None = None
        for word in words & index.keys():
            for one in index[word]:
                if best is not None and one.weight <= best.weight:
                    break
                if one.level in (0, level) and holes(one.parts, text, summary) is not None:
                    best = one
                    break
        return best

    def _best_weak(self, module: str, text: str, level: int, summary: bool) -> _Text | None:
        """A text of which little is literal: each of its holes but the last holds one word, so that it does not fit
        everything."""
        for one in self._weak.get(module, ()):
            if one.level not in (0, level) or len(one.parts) < 3:
                continue
            found = holes(one.parts, text, summary)
            if found is not None and all(len(text[start:end].split()) <= 1 for start, end in found[:-1]):
                return one
        return None

    def exception_of(self, text: str) -> str:
        """The exception class whose text this is; "" where none fits."""
        best: _Text | None = None
        for word in set(_WORD.findall(text[:_LOOKED_AT])) & self._classes.keys():
            for one in self._classes[word]:
                if (best is None or one.weight > best.weight) and holes(one.parts, text, False) is not None:
                    best = one
        return best.statement.function if best else ""


def _found(one: _Text, how: str) -> Match:
    return Match(one.statement, how, one.statement.module, one.statement.text)


def module_of(pathname: str) -> str:
    """The module that a file holds: nova.compute.manager of .../site-packages/nova/compute/manager.py."""
    within = re.split(r"/(?:site|dist)-packages/", pathname)[-1]
    return within.removesuffix(".py").replace("/", ".").strip(".").removesuffix(".__init__")


def values(statement: Statement, text: str) -> dict[str, str]:
    """What stands in the holes of a statement's text, by what the code calls it."""
    found = holes(statement.text.strip("\n").split(ANY), text, True) or []
    names = [name or f"value {place}" for place, name in enumerate(statement.fields, 1)]
    return {name: text[start:end] for name, (start, end) in zip(names, found, strict=False)}
