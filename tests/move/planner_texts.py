"""Every text of the planner's that may come into a report, read out of its source: with `{}` for what is only known
when it runs."""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import naru.move

HERE = Path(naru.move.__file__).parent
HOLE = "{}"

# what takes such texts: which arguments, by place or by name
CALLS = {
    "find": {1: "summary", -1: "detail", -2: "hint"},
    "leave": {1: "why", -1: "hint"},
    "match": {2: "why"},
    "made": {2: "why"},
    "create": {-1: "why"},
    "Rule": {3: "why"},
    "Choice": {2: "why"},
    "Difference": {3: "rule"},
}
# tables of them, and functions that return them as the second of two, by module
TABLES = {"NOT_KEPT", "STATES"}
PAIRS = {"tuple[str | None, str]", "Iterator[tuple[str, str]]"}
# what comes from another place that is read here, or is a value and no text: by file
ELSEWHERE = {
    # from calls of `leave`, from tables and from functions that return pairs
    "draft.py": {"why", "hint"},
    "result.py": {"rule.why"},
    "verify.py": {"self._rule(decision, field)"},
    "fields.py": {"reasons[field]"},
    "kinds/backup.py": {"choice.why"},
    "kinds/compute.py": {"choice.why"},
    "kinds/identity.py": {"choice.why", "draft.chosen('domains', row).why"},
    "kinds/image.py": {"choice.why"},
    "kinds/network.py": {"choice.why", "why"},
    "kinds/server.py": {"told", "why", "'; '.join(problems)"},
    "kinds/volume.py": {"choice.why", "why"},
    # values
    "check.py": {"other.id", "wanted"},
    "kinds/security.py": {"_text(rule)"},
}


@dataclass(frozen=True)
class Said:
    """A text and where it is."""

    text: str
    where: str


def said() -> Iterator[Said]:
    """All of them. Raises ValueError for an argument that cannot be read out of the source and is not of ELSEWHERE."""
    for file in sorted(HERE.rglob("*.py")):
        if HERE / "report" not in file.parents:
            yield from _Module(file).said()


class _Module:
    def __init__(self, file: Path) -> None:
        self.file = file.relative_to(HERE.parent.parent)
        self.name = str(file.relative_to(HERE))
        self.tree = ast.parse(file.read_text())
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}

    def said(self) -> Iterator[Said]:
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and _target(node) in TABLES:
                yield from self._table(node.value)
        for scope in (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)):
            pairs = scope.returns is not None and ast.unparse(scope.returns) in PAIRS
            for node in _own(scope):
                if isinstance(node, ast.Call):
                    for argument in _arguments(node, problems="kinds/" in self.name):
                        yield from self._texts(argument, scope)
                elif pairs and isinstance(node, ast.Return | ast.Yield) and node.value:
                    for second in _seconds(node.value):
                        yield from self._texts(second, scope)

    def _table(self, node: ast.AST | None) -> Iterator[Said]:
        if isinstance(node, ast.Dict):
            for value in node.values:
                yield from self._table(value)
        elif isinstance(node, ast.Tuple):
            yield from self._table(node.elts[-1])
        elif isinstance(node, ast.Constant) and node.value:
            yield Said(str(node.value), f"{self.file}:{node.lineno}")

    def _texts(self, node: ast.expr, scope: ast.FunctionDef) -> Iterator[Said]:
        for text in self._read(_lines(node), scope, whole=True):
            if text == HOLE:
                if ast.unparse(node) not in ELSEWHERE.get(self.name, ()):
                    raise ValueError(f"{self.file}:{node.lineno}: {ast.unparse(node)} cannot be read")
            elif text:
                yield Said(text, f"{self.file}:{node.lineno}")

    def _read(self, node: ast.expr, scope: ast.FunctionDef, *, whole: bool = False) -> list[str]:
        """What an expression may come to. A name within a text is followed when it is a text of the source's alone."""
        match node:
            case ast.Constant(value=str()):
                return [node.value]
            case ast.JoinedStr(values=parts):
                return self._all(parts, scope)
            case ast.FormattedValue(value=value):
                return self._read(value, scope)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._all([left, right], scope)
            case ast.IfExp(body=body, orelse=other):
                return [*self._read(body, scope, whole=whole), *self._read(other, scope, whole=whole)]
            case ast.BoolOp(op=ast.Or(), values=values):
                return [text for value in values for text in self._read(value, scope)]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if (
                name in self.functions and name != "title"
            ):
                function = self.functions[name]
                returned = [found.value for found in _own(function) if isinstance(found, ast.Return) and found.value]
                return [text for value in returned for text in self._read(value, function) if text] or [HOLE]
            case ast.Name(id=name):
                given = [*_assigned(scope, name), *(_assigned(self.tree, name) if whole else [])]
                texts = [text for value in given for text in self._read(value, scope)]
                calls = all(isinstance(value, ast.Call) for value in given)
                if texts and (whole or calls or not any(HOLE in text for text in texts)):
                    return texts
        return [HOLE]

    def _all(self, parts: list[ast.expr], scope: ast.FunctionDef) -> list[str]:
        return ["".join(texts) for texts in itertools.product(*(self._read(part, scope) for part in parts))]


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """All in a function but for the functions in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from _own(node)


def _assigned(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    for node in ast.iter_child_nodes(scope) if isinstance(scope, ast.Module) else _own(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.NamedExpr(target=ast.Name(id=found), value=value) if found == name:
                yield value
            case ast.For(target=ast.Name(id=found), iter=ast.Tuple(elts=values)) if found == name:
                yield from values


def _arguments(call: ast.Call, *, problems: bool) -> Iterator[ast.expr]:
    """The texts that a call takes; with `problems`, those that are put into a list of that name, to be joined."""
    match call.func:
        case ast.Name(id=name):
            pass
        case ast.Attribute(value=ast.Name(id="problems"), attr="append") if problems:
            yield from call.args
            return
        case ast.Attribute(value=ast.Name(id="draft" | "self"), attr=name):
            pass
        case _:
            return
    for place, key in CALLS.get(name, {}).items():
        if 0 <= place < len(call.args) and not any(isinstance(arg, ast.Starred) for arg in call.args[:place]):
            yield call.args[place]
        yield from (keyword.value for keyword in call.keywords if keyword.arg == key)


def _seconds(node: ast.expr) -> Iterator[ast.expr]:
    """The second of a pair, or of either of two."""
    if isinstance(node, ast.IfExp):
        yield from _seconds(node.body)
        yield from _seconds(node.orelse)
    elif isinstance(node, ast.Tuple):
        yield node.elts[1]


def _lines(node: ast.expr) -> ast.expr:
    """The text of one line, of lines that are joined."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value="\n"), attr="join"), args=[ast.GeneratorExp(elt=elt)]
        ):
            return elt
    return node
