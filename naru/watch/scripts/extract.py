"""extract.py list | read PACKAGE...: the log statements of the Python code that this interpreter runs.

`list` prints a line of JSON for each top-level package: its name, a hash over its files, how many there are. `read`
prints one for each statement of the named packages. Standard library only, the same file for Python 2.7 and 3, so that
the deployed interpreter parses what it runs. With `--root DIR` (several times) it reads there instead of in its own
site-packages.

A statement: m module, l line, f function, k kind, v level (10 to 50; 0 not known), t its text with NUL where anything
may stand, a what stands there, x whether it prints a traceback. Kinds: log; access (a format that configuration may
change); exc (the text of an exception class: f its name, b its bases, c its HTTP status); logger (a name that is not
the module's: t).
"""

from __future__ import unicode_literals

import ast
import hashlib
import io
import json
import os
import re
import sys
import warnings
from functools import partial

warnings.simplefilter("ignore")
TEXT = type("")
ANY = "\x00"
LEVELS = {
    "debug": 10,
    "info": 20,
    "audit": 21,
    "warning": 30,
    "warn": 30,
    "error": 40,
    "exception": 40,
    "critical": 50,
    "fatal": 50,
    "trace": 5,
    "log": 0,
}
TRANSLATED = {
    "_",
    "_LE",
    "_LW",
    "_LI",
    "_LC",
    "_LA",
    "_LX",
    "_C",
    "_P",
    "_N",
    "_t",
    "_lazy",
    "N_",
    "gettext",
    "ugettext",
    "translate",
}
SAME = {
    "str",
    "unicode",
    "text_type",
    "safe_decode",
    "safe_encode",
    "dedent",
    "strip",
    "rstrip",
    "lstrip",
    "encode",
    "decode",
    "to_str",
    "cleandoc",
}
"""Calls whose result reads as what they are given."""
TRIMMED = ("strip", "rstrip", "lstrip", "encode", "decode")
NOT_DEPLOYED = re.compile(
    r"(^|/)(tests?|testing|unit_tests|functional_tests|locale|__pycache__|api-ref|docs?|examples?|_vendor)$"
)
NO_SERVICES = {"pip", "setuptools", "pkg_resources", "wheel", "pytest", "_pytest", "babel", "docutils", "sphinx"}
HAS_SOME = re.compile(
    (
        r"log|LOG|report_deprecated|_format\b|msg_fmt|message\s*="
        r"|class \w+(Error|Exception|Fault|NotFound|Conflict|Invalid|Forbidden|Failed|Failure)"
    ).encode("ascii")
)
LOGGER = re.compile(r"^_*(log|logger|logging)_*$", re.I)
EXCEPTION = re.compile(
    r"(Error|Exception|Fault|NotFound|Found|Conflict|Exists|InUse|Invalid|Unauthorized|Forbidden"
    r"|Exceeded|Failed|Failure)$"
)
CLASS_TEXT = (
    "msg_fmt",
    "message",
    "message_format",
    "_msg_fmt",
    "msg",
    "explanation",
    "base_fmt",
    "fault_string",
    "error_message",
)
PERCENT = re.compile(r"%(?:\((?P<name>[^)]*)\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?(?P<kind>[a-zA-Z%])")
BRACES = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
MOST = 24
"""Texts that one statement may have."""


def decoded(value):
    if isinstance(value, TEXT):
        return value
    try:
        return value.decode("utf8")
    except UnicodeDecodeError:
        return value.decode("latin1")


def kind(node):
    return node.__class__.__name__


def constant(node):
    """The text of a literal, else None."""
    name = kind(node)
    value = node.s if name in ("Str", "Bytes") else node.value if name == "Constant" else None
    return decoded(value) if isinstance(value, (TEXT, bytes)) else None


def opened_percent(text):
    return PERCENT.sub(lambda found: "%" if found.group("kind") == "%" else ANY, text)


def opened_braces(text):
    return BRACES.sub(lambda found: found.group(0)[0] if found.group(0) in ("{{", "}}") else ANY, text)


def called(node):
    """The last word of what a call calls."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


class Scope(object):
    """Names of a module, class or function: what is assigned to them, and what is added."""

    def __init__(self, node, up, name):
        self.node, self.up, self.name = node, up, name
        self.values, self.added, self.parameters = {}, {}, []
        self.is_class = isinstance(node, ast.ClassDef)

    def of_class(self):
        scope = self
        while scope and not scope.is_class:
            scope = scope.up
        return scope


class Module(object):
    """A parsed module: the scope of every node, calls by name, classes, imports."""

    def __init__(self, name, tree):
        self.name, self.tree = name, tree
        self.calls, self.imported, self.classes, self.scopes, self.owner = {}, {}, {}, {}, {}
        self.top = Scope(tree, None, "")
        self.index(tree, self.top)

    def index(self, node, scope):
        for child in ast.iter_child_nodes(node):
            inner = scope
            name = kind(child)
            if name in ("ClassDef", "FunctionDef", "AsyncFunctionDef", "Lambda"):
                inner = self.entered(child, scope)
            elif name == "Assign":
                for target in child.targets:
                    self.assigned(target, child.value, scope)
            elif name in ("AnnAssign", "NamedExpr") and child.value is not None:
                self.assigned(child.target, child.value, scope)
            elif name == "AugAssign" and isinstance(child.target, ast.Name) and isinstance(child.op, ast.Add):
                scope.added.setdefault(child.target.id, []).append(child.value)
            elif name == "For" and isinstance(child.target, ast.Name) and isinstance(child.iter, (ast.List, ast.Tuple)):
                scope.values.setdefault(child.target.id, []).extend(child.iter.elts)
            elif name == "ImportFrom" and child.module and not child.level:
                for alias in child.names:
                    self.imported[alias.asname or alias.name] = (child.module, alias.name)
            elif name == "Call":
                self.calls.setdefault(called(child), []).append((child, scope))
            self.scopes[child] = scope
            self.index(child, inner)

    def entered(self, node, scope):
        name = getattr(node, "name", "<lambda>")
        inner = Scope(node, scope, (scope.name + "." if scope.name else "") + name)
        if inner.is_class:
            self.classes[name] = inner
        else:
            given = list(node.args.args) + list(getattr(node.args, "kwonlyargs", []))
            inner.parameters = [getattr(one, "arg", getattr(one, "id", "")) for one in given]
        return inner

    def assigned(self, target, value, scope):
        if isinstance(target, ast.Name):
            scope.values.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Attribute) and getattr(target.value, "id", "") in ("self", "cls"):
            owner = scope.of_class()
            if owner:
                owner.values.setdefault(target.attr, []).append(value)
                self.owner[value] = scope
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            if len(target.elts) == len(value.elts):
                for one, its in zip(target.elts, value.elts):
                    self.assigned(one, its, scope)

    def look(self, name, scope):
        """What a name may be: the nodes assigned to it (None: a parameter, or unknown), the nodes added, the scope."""
        start = scope
        while scope:
            if name in scope.values and (not scope.is_class or scope is start):
                return scope.values[name], scope.added.get(name, []), scope
            if name in scope.parameters:
                return None, scope.added.get(name, []), scope
            scope = scope.up
        return None, [], None


class Texts(object):
    """Which texts an expression of a module may have."""

    def __init__(self, module, imported):
        self.module = module
        self.imported = imported  # (module, name) -> texts of a constant of another module

    def of(self, node, scope, depth=0):
        """Alternatives, each with ANY where something unknown stands; None when nothing is known."""
        if node is None or depth > 7:
            return None
        text = constant(node)
        if text is not None:
            return [text]
        read = getattr(self, "of_" + kind(node).lower(), None)
        return read(node, scope, depth + 1) if read else None

    def any_of(self, nodes, scope, depth):
        found = []
        for node in nodes[:MOST]:
            for text in self.of(node, self.module.owner.get(node, scope), depth) or []:
                if text not in found:
                    found.append(text)
        return found[:MOST] or None

    def of_joinedstr(self, node, scope, depth):
        parts = [constant(one) for one in node.values]
        text = "".join(ANY if part is None else part for part in parts)
        return [text.replace("%", "%%")] if text else None

    def of_binop(self, node, scope, depth):
        if isinstance(node.op, ast.Mod):
            left = self.of(node.left, scope, depth)
            return [opened_percent(text).replace("%", "%%") for text in left] if left else None
        if not isinstance(node.op, ast.Add):
            return None
        left, right = self.of(node.left, scope, depth), self.of(node.right, scope, depth)
        if not left and not right:
            return None
        return [one + other for one in left or [ANY] for other in right or [ANY]][:MOST]

    def of_ifexp(self, node, scope, depth):
        return self.any_of([node.body, node.orelse], scope, depth)

    def of_boolop(self, node, scope, depth):
        return self.any_of(node.values, scope, depth)

    def of_call(self, node, scope, depth):
        name, of = called(node), getattr(node.func, "value", None)
        if name in TRANSLATED and node.args:
            return self.of(node.args[-1 if name == "_C" else 0], scope, depth)
        if name == "format" and of is not None:
            texts = self.of(of, scope, depth)
            return [opened_braces(text).replace("%", "%%") for text in texts] if texts else None
        if name == "join" and of is not None and node.args and isinstance(node.args[0], (ast.List, ast.Tuple)):
            between = constant(of)
            parts = [(self.of(one, scope, depth) or [ANY])[0] for one in node.args[0].elts]
            return [between.join(parts)] if between is not None and any(part != ANY for part in parts) else None
        if name in SAME and node.args:
            return self.of(node.args[0], scope, depth)
        if name in TRIMMED and of is not None:
            return self.of(of, scope, depth)
        return None

    def of_attribute(self, node, scope, depth):
        base = getattr(node.value, "id", None)
        if base in ("self", "cls"):
            owner = scope.of_class()
            if owner and node.attr in owner.values:
                return self.any_of(owner.values[node.attr], owner, depth)
        elif base in self.module.classes and node.attr in self.module.classes[base].values:
            owner = self.module.classes[base]
            return self.any_of(owner.values[node.attr], owner, depth)
        elif base in self.module.imported:
            found = self.imported(".".join(self.module.imported[base]), node.attr)
            if found:
                return found
        if node.attr.endswith(("_format", "_fmt", "message", "_msg")):
            for owner in self.module.classes.values():
                if node.attr in owner.values:
                    found = self.any_of(owner.values[node.attr], owner, depth)
                    if found:
                        return found
        return None

    def of_subscript(self, node, scope, depth):
        of = node.value
        values = None
        if isinstance(of, ast.Name):
            values = self.module.look(of.id, scope)[0]
        elif isinstance(of, ast.Attribute) and getattr(of.value, "id", "") in ("self", "cls"):
            owner = scope.of_class()
            values = owner.values.get(of.attr) if owner else None
        elif isinstance(of, ast.Dict):
            values = [of]
        found = []
        for value in values or []:
            if isinstance(value, ast.Dict):
                found += self.any_of(value.values, scope, depth) or []
            elif isinstance(value, (ast.List, ast.Tuple)):
                found += self.any_of(value.elts, scope, depth) or []
        return found[:MOST] or None

    def of_name(self, node, scope, depth):
        values, added, where = self.module.look(node.id, scope)
        if values is None:
            if where is not None and depth < 5:
                return self.given(node.id, where, depth)
            found = self.module.imported.get(node.id)
            return self.imported(*found) if found else None
        if len(values) == 1 and getattr(values[0], "id", None) == node.id:
            return None
        texts = self.any_of(values, where, depth)
        if texts and added:
            more = self.any_of(added, where, depth) or []
            texts = texts + [one + other for one in texts for other in more]
            texts += [one + ANY + other for one in texts for other in more]
        return texts[:MOST] if texts else None

    def given(self, name, scope, depth):
        """A parameter: its default, and what callers in this module give."""
        function, place = scope.node, scope.parameters.index(name)
        found = []
        defaults = getattr(function.args, "defaults", [])
        at = place - (len(function.args.args) - len(defaults))
        if 0 <= at < len(defaults):
            found += self.of(defaults[at], scope.up, depth) or []
        method = scope.parameters[:1] in (["self"], ["cls"])
        called_as = getattr(function, "name", None)
        if called_as == "__init__" and scope.up and scope.up.is_class:
            called_as = scope.up.node.name
        for call, caller in self.module.calls.get(called_as, [])[:60]:
            at = place - (1 if method else 0)
            node = call.args[at] if 0 <= at < len(call.args) else None
            if node is None or kind(node) == "Starred":
                node = ([one.value for one in call.keywords if one.arg == name] + [None])[0]
            if node is not None and caller is not scope:
                found += self.of(node, caller, depth + 1) or []
        return sorted(set(found))[:MOST] or None


class Reader(object):
    """The statements of one module, each handed to `out`."""

    def __init__(self, module, imported, out):
        self.module, self.out = module, out
        self.exceptions = set()
        self.texts = Texts(module, imported)

    def read(self):
        for node in ast.walk(self.module.tree):
            name = kind(node)
            if name == "Call":
                self.call(node, self.module.scopes.get(node, self.module.top))
            elif name == "ClassDef":
                self.exception(node)

    def call(self, node, scope):
        function = node.func
        if isinstance(function, ast.Attribute):
            name = function.attr
            if name in LEVELS and self.is_logger(function.value, scope):
                self.log(node, scope, *self.level(node, name))
            elif name == "report_deprecated_feature":
                self.log(node, scope, 30, 1, before="Deprecated: ")
            elif name == "getLogger" and node.args:
                self.logger(node, scope)
            elif name.endswith("Opt") and node.args and (constant(node.args[0]) or "").endswith("log_format"):
                for given in node.keywords:
                    if given.arg == "default":
                        for text in self.texts.of(given.value, scope) or []:
                            self.emit("access", 20, opened_percent(text), node, scope, self.named(text))
        elif isinstance(function, ast.Name):
            if function.id == "report_deprecated_feature":
                self.log(node, scope, 30, 1, before="Deprecated: ")
                return
            for value in self.module.look(function.id, scope)[0] or []:
                # log = LOG.debug if quiet else LOG.info; log("...")
                for one in [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]:
                    if isinstance(one, ast.Attribute) and one.attr in LEVELS and self.is_logger(one.value, scope):
                        self.log(node, scope, LEVELS[one.attr], 0)
        elif isinstance(function, ast.Call) and called(function) == "getattr":
            if function.args and self.is_logger(function.args[0], scope):
                self.log(node, scope, 0, 0)

    def level(self, node, name):
        """Level, place of the text among the arguments, and whether a traceback is printed."""
        if name != "log":
            return LEVELS[name], 0, name == "exception"
        given = getattr(node.args[0], "attr", getattr(node.args[0], "id", "")) if node.args else ""
        return LEVELS.get(given.lower(), 0), 1, False

    def is_logger(self, node, scope):
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = getattr(node, "id", getattr(node, "attr", ""))
            if LOGGER.match(name) or name.lower().endswith(("_log", "logger")):
                return True
            values = self.module.look(name, scope)[0] if isinstance(node, ast.Name) else None
            makers = ("getLogger", "get_logger", "KeywordArgumentAdapter", "get_adapter")
            return any(isinstance(one, ast.Call) and called(one) in makers for one in values or [])
        return isinstance(node, ast.Call) and called(node) in ("getLogger", "get_logger", "bind", "getChild", "opt")

    def logger(self, node, scope):
        for text in self.texts.of(node.args[0], scope) or []:
            if ANY not in opened_percent(text) and text != self.module.name:
                self.emit("logger", 0, text, node, scope, [])

    def log(self, node, scope, level, at, exc=False, before=""):
        if at < len(node.args):
            message = node.args[at]
        else:
            message = ([one.value for one in node.keywords if one.arg in ("msg", "message")] + [None])[0]
            if message is None:
                return
        for given in node.keywords:
            if given.arg == "exc_info":
                off = constant_value(given.value)
                exc = off not in (False, None)
        texts = self.texts.of(message, scope) if kind(message) != "Starred" else None
        if not texts:
            self.emit("log", level, ANY, node, scope, [self.said(message)], exc)
            return
        formatted = len(node.args) > at + 1 or kind(message) in ("BinOp", "JoinedStr")
        for text in texts:
            # logging formats when there are arguments only; what the code formatted itself has ANY in it by now
            whole = opened_percent(text) if formatted or ("%" in text and ANY in text) else text
            self.emit("log", level, before + whole, node, scope, self.fields(node, at, text, message), exc)

    def fields(self, node, at, text, message):
        names = self.named(text)
        if any(names):
            return names
        given = node.args[at + 1 :]
        if isinstance(message, ast.BinOp) and isinstance(message.op, ast.Mod):
            given = message.right.elts if isinstance(message.right, ast.Tuple) else [message.right]
        elif len(given) == 1 and isinstance(given[0], ast.Dict):
            return []
        return [self.said(one) for one in given]

    @staticmethod
    def named(text):
        return [one.group("name") or "" for one in PERCENT.finditer(text) if one.group("kind") != "%"]

    def said(self, node):
        """An argument as it is written, shortly."""
        name = kind(node)
        if name == "Name":
            return node.id
        if name == "Attribute":
            base = self.said(node.value)
            return (base + "." if base else "") + node.attr
        if name == "Call":
            return (self.said(node.args[0]) if node.args else "") or called(node)
        return self.said(node.value) if name == "Subscript" else ""

    def exception(self, node):
        bases = [getattr(one, "attr", getattr(one, "id", "")) for one in node.bases]
        assigned = [
            (one.targets[0].id, one.value)
            for one in node.body
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
        ]
        texts = [value for name, value in assigned if name in CLASS_TEXT]
        named = any(EXCEPTION.search(name) or name in self.exceptions for name in [node.name] + bases)
        if not texts and not named:
            return
        self.exceptions.add(node.name)
        status = 0
        for name, value in assigned:
            number = constant_value(value)
            # webob's own classes are named, as in code = webob.exc.HTTPNotFound.code: those say no number here
            if name in ("code", "status", "http_status", "status_code") and isinstance(number, int):
                status = number if 100 <= number < 600 else 0
        inner = self.module.classes.get(node.name)
        found = [text for value in texts[:1] for text in self.texts.of(value, inner) or []]
        for text in found or [ANY]:
            self.emit("exc", 0, opened_percent(text), node, None, [], bases=bases, status=status, name=node.name)

    def emit(self, what, level, text, node, scope, fields, exc=False, bases=None, status=0, name=""):
        function = name or (scope.name if scope else "")
        row = {
            "m": self.module.name,
            "l": node.lineno,
            "f": function,
            "k": what,
            "v": level,
            "t": re.sub("\x00+", "\x00", text),
            "a": fields,
            "x": int(bool(exc)),
        }
        if bases is not None:
            row["b"], row["c"] = bases, status
        self.out(row)


def constant_value(node):
    """The value of True, False, None and numbers, in both Pythons; else a text that is none of them."""
    name = kind(node)
    if name in ("Constant", "NameConstant"):
        return node.value
    if name == "Num":
        return node.n
    return {"None": None, "False": False, "True": True}.get(getattr(node, "id", ""), "?")


def parsed(path):
    """The tree of a file; None when it has no statement. Raises SyntaxError and ValueError."""
    with io.open(path, "rb") as opened:
        source = opened.read()
    if not HAS_SOME.search(source):
        return None
    try:
        return ast.parse(source)
    except SyntaxError:
        # Python 2's files, read by a Python that keeps this word for itself
        if sys.version_info[0] == 2 or not re.search(b"\\basync\\b", source):
            raise
        return ast.parse(re.sub(b"\\basync\\b", b"async_", source))


def roots(given):
    """Where packages are looked for."""
    if given:
        return given
    found = []
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages") and os.path.isdir(path) and path not in found:
            found.append(path)
    return found


def packages(given):
    """By top-level package its root and its files, as paths within that."""
    found = {}
    for root in roots(given):
        for name in sorted(os.listdir(root)):
            path = os.path.join(root, name)
            if name.endswith(".py"):
                found.setdefault(name[:-3], (root, [name]))
            elif os.path.isdir(path) and "." not in name and "-" not in name and name not in NO_SERVICES:
                if name not in found and not NOT_DEPLOYED.search(name):
                    found[name] = root, files(root, name)
    return found


def files(root, package):
    found = []
    for path, directories, names in os.walk(os.path.join(root, package)):
        directories[:] = sorted(one for one in directories if not NOT_DEPLOYED.search(one))
        within = os.path.relpath(path, root)
        found += [
            os.path.join(within, one) for one in sorted(names) if one.endswith(".py") and not one.startswith("test_")
        ]
    return found


class Imported(object):
    """Constants of other modules, each of which is parsed when the first of its names is asked for."""

    def __init__(self, known):
        self.known, self.modules = known, {}

    def __call__(self, module, name):
        if module not in self.modules:
            self.modules[module] = self.constants(module)
        return self.modules[module].get(name)

    def constants(self, module):
        root = self.known.get(module.split(".")[0], (None,))[0]
        if root is None:
            return {}
        path = os.path.join(root, *module.split("."))
        for file in (path + ".py", os.path.join(path, "__init__.py")):
            if os.path.exists(file):
                break
        else:
            return {}
        try:
            with io.open(file, "rb") as opened:
                tree = ast.parse(opened.read())
        except (SyntaxError, ValueError):
            return {}
        found = {}
        bare = Module(module, ast.Module(body=[], type_ignores=[]))
        texts = Texts(bare, lambda *_: None)
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                bare.assigned(node.targets[0], node.value, bare.top)
                value = texts.of(node.value, bare.top)
                if value:
                    found[node.targets[0].id] = value
        return found


def out_of(out, package, row):
    out(dict(row, package=package))


def main():
    words = sys.argv[1:]
    given = []
    while "--root" in words:
        at = words.index("--root")
        given.append(words[at + 1])
        del words[at : at + 2]
    known = packages(given)

    def out(row):
        sys.stdout.write(json.dumps(row, sort_keys=True) + "\n")

    if words[0] == "list":
        for name in sorted(known):
            root, names = known[name]
            digest = hashlib.sha256()
            for one in names:
                with io.open(os.path.join(root, one), "rb") as opened:
                    digest.update(one.encode("utf8") + b"\0" + hashlib.sha256(opened.read()).digest())
            out({"package": name, "hash": digest.hexdigest(), "files": len(names), "python": sys.version_info[0]})
        return
    imported = Imported(known)
    for package in words[1:]:
        root, names = known[package]
        refused = []
        for name in names:
            module = name[:-3].replace(os.sep, ".")
            if module.endswith(".__init__"):
                module = module[:-9]
            try:
                tree = parsed(os.path.join(root, name))
            except (SyntaxError, ValueError) as error:
                refused.append([name, str(error)[:120]])
                continue
            if tree is not None:
                Reader(Module(module, tree), imported, partial(out_of, out, package)).read()
        out({"package": package, "k": "end", "files": len(names), "refused": refused})
        sys.stdout.flush()


main()
