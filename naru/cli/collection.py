"""The modules of the Ansible collection, made of `ansible/modules.yaml` and of the commands' own help (`make docs`).

So a module has the options that its commands have, in their words, and a new command is a module by a few lines.
"""

import argparse
import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from naru.cli.main import COMMANDS
from naru.files import write_whole
from naru.work.keys import default_key

ROOT = Path(__file__).parent.parent.parent / "ansible"
_OF_CLIFF = frozenset(
    {
        *("help", "formatter", "columns", "quote_mode", "noindent", "max_width", "fit_width", "print_empty", "prefix"),
        *("sort_columns", "sort_direction", "variables", "directory", "format"),
    }
)
_NOT_HERE = frozenset({"watch", "wait"})
"""`watch` is for eyes; `wait` is the modules' own."""
_SAME_AS_ALL = "work"

HEAD = '''#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""{short}."""

from __future__ import annotations

DOCUMENTATION = r"""
{documentation}"""

EXAMPLES = r"""
{examples}"""

RETURN = r"""
{returned}"""

from ansible_collections.naru.openstack.plugins.module_utils.naru import Action, main

OPTIONS = {options}

ACTIONS = {{
{actions}}}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS{default})
'''

RETURNED: dict[str, Any] = {
    "outcome": {
        "description": ["What came of it: done, failed, bad input, paused, interrupted, killed, or running."],
        "returned": "always",
        "type": "str",
        "sample": "done",
    },
    "result": {"description": ["What the command has answered: its JSON."], "returned": "always", "type": "raw"},
    "messages": {
        "description": ["What the command said beside it, such as findings, line by line."],
        "returned": "always",
        "type": "list",
        "elements": "str",
    },
    "exit_code": {"description": ["The command's exit code."], "returned": "always", "type": "int", "sample": 0},
    "command": {
        "description": ["The command's words."],
        "returned": "always",
        "type": "list",
        "elements": "str",
    },
}
JOB: dict[str, Any] = {
    "job": {
        "description": ["The name by which M(naru.openstack.job) waits for it."],
        "returned": "when wait is false",
        "type": "str",
        "sample": "host-drain-1b2c3d4e5f60",
    }
}
BEGUN: dict[str, Any] = {
    "begun": {
        "description": ["Whether the plan was left alone, since something of it is done already."],
        "returned": "of actions that plan",
        "type": "bool",
    }
}


def _parser(command: str) -> argparse.ArgumentParser:
    module, _, name = COMMANDS[command].partition(":")
    made = getattr(importlib.import_module(module), name)(SimpleNamespace(options=None, stdout=None), None)
    parser: argparse.ArgumentParser = made.get_parser(f"naru {command}")
    return parser


class Taken:
    """What a command takes: its arguments and options, as Ansible's."""

    def __init__(self, words: str, without: list[str]) -> None:
        self.words = words
        command = " ".join(word for word in words.split() if not word.startswith("-"))
        parser = _parser(command)
        self.summary = (parser.description or "").split("\n\n")[0].replace("\n", " ").strip()
        self.has_json = any("json" in (one.choices or ()) for one in parser._actions if "-f" in one.option_strings)
        self.arguments: list[str] = []
        self.options: list[str] = []
        self.needed: list[str] = []
        self.specs: dict[str, dict[str, Any]] = {}
        fixed = {word.removeprefix("--").replace("-", "_") for word in words.split() if word.startswith("--")}
        for one in parser._actions:
            name = (one.option_strings[-1].lstrip("-") if one.option_strings else one.dest).replace("-", "_")
            if (
                one.help == argparse.SUPPRESS
                or one.dest in _OF_CLIFF
                or name in _NOT_HERE
                or name in fixed
                or name in without
            ):
                continue
            self._take(name, one)

    def _take(self, name: str, one: argparse.Action) -> None:
        metavar = one.metavar if isinstance(one.metavar, str) else ""
        types: dict[Any, str] = {int: "int", float: "float", Path: "path"}
        spec: dict[str, Any] = {"type": types.get(one.type, "str")}
        joined = "[," in metavar
        if one.nargs == 0:
            spec = {"type": "bool"}
        elif isinstance(one, argparse._AppendAction) and metavar.count("=") == 1 and "[" not in metavar:
            spec = {"type": "dict"}
        elif isinstance(one, argparse._AppendAction) or one.nargs in ("+", "*") or joined:
            spec = {"type": "list", "elements": spec["type"]}
        if one.choices:
            spec["choices"] = list(one.choices)
        if name in ("key", "args"):
            spec["no_log"] = False  # a file's name; steps' arguments, which hold no secret
        said = (one.help or name).replace("\n", " ").replace(str(default_key()), "~/.config/naru/move.key")
        spec["description"] = said % {**vars(one), "prog": "naru"} if "%(" in said else said.replace("%%", "%")
        if one.option_strings:
            self.options.append(name + "," * joined)
            if one.required:
                self.needed.append(name)
        else:
            self.arguments.append(name)
            if one.nargs not in ("*", "?"):
                self.needed.append(name)
        self.specs[name] = spec


def _module(name: str, told: Mapping[str, Any]) -> str:
    """The module's text."""
    actions: dict[str, Mapping[str, Any]] = told["actions"]
    taken = {action: Taken(one["command"], one.get("without", [])) for action, one in actions.items()}
    options: dict[str, dict[str, Any]] = {}
    users: dict[str, dict[str, str]] = {}
    for action, one in taken.items():
        for option, spec in one.specs.items():
            users.setdefault(option, {})[action] = spec["description"]
            options[option] = _both(options.get(option, spec), spec)
    fragments = ["naru.openstack.naru"]
    has_work = options.pop(_SAME_AS_ALL, None) is not None
    if has_work:
        fragments.append("naru.openstack.naru.work")
    waits = any(one["kind"] != "read" for one in actions.values())
    if waits:
        fragments.append("naru.openstack.naru.wait")
    documented: dict[str, Any] = {"action": _action_option(taken, told.get("default"))}
    for option, spec in options.items():
        shown = {key: value for key, value in spec.items() if key not in ("description", "no_log")}
        documented[option] = {"description": _said(users[option], len(actions)), **shown}
    documentation = {
        "module": name,
        "short_description": told["short"],
        "version_added": "0.1.0",
        "description": [told["text"], "Each action is a command of Naru, which does all of it."],
        "author": ["The Naru developers (@naru-openstack)"],
        "extends_documentation_fragment": fragments,
        "options": documented,
    }
    returned = RETURNED | (JOB if waits else {}) | (BEGUN if any("same" in one for one in actions.values()) else {})
    code = {option: {k: v for k, v in spec.items() if k != "description"} for option, spec in options.items()}
    return _formatted(
        HEAD.format(
            short=told["short"],
            documentation=_yaml(documentation),
            examples=told["examples"],
            returned=_yaml(returned),
            options=repr(code),
            actions="".join(
                f"    {action!r}: {_action(one, taken[action], options)},\n" for action, one in actions.items()
            ),
            default=f", default={told['default']!r}" if "default" in told else "",
        )
    )


def _formatted(text: str) -> str:
    """As ruff has it."""
    argv = [sys.executable, "-m", "ruff", "format", "--line-length", "120", "-"]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=True, timeout=60).stdout


def _action_option(taken: Mapping[str, Taken], default: str | None) -> dict[str, Any]:
    lines = [f"V({action}) is C(naru {one.words}). {one.summary}" for action, one in taken.items()]
    found: dict[str, Any] = {"description": ["What is done.", *lines], "type": "str", "choices": list(taken)}
    return found | ({"required": True} if default is None else {"default": default})


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What an option is that two actions have: of a list and one value it is a list (`Action.single` has those
    that take one), of two types a text."""
    found = dict(one)
    if one["type"] != other["type"]:
        lists = "list" in (one["type"], other["type"])
        found = {"type": "list", "elements": "str"} if lists else {"type": "str"}
    elif one.get("choices") != other.get("choices"):
        found.pop("choices", None)
    return found


def _said(by_action: Mapping[str, str], actions: int) -> list[str]:
    """What is said of an option, and of which actions it is."""
    texts: dict[str, list[str]] = {}
    for action, text in by_action.items():
        texts.setdefault(f"{_sentence(text)}.", []).append(f"V({action})")
    if len(by_action) == actions and len(texts) == 1:
        return list(texts)
    return [f"{text} Of {_list(names)}." for text, names in texts.items()]


def _sentence(text: str) -> str:
    """Help as a sentence: a file's name keeps its small letter, and a list needs not be told that it is one."""
    for more in (" (several times)", "; may be repeated"):
        text = text.replace(more, "")
    first = text.partition(" ")[0].rstrip(",;:")
    return f"{text[0].upper()}{text[1:]}" if first.isalpha() else text


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _action(told: Mapping[str, Any], taken: Taken, options: Mapping[str, Any]) -> str:
    """An `Action` of the modules, in Python."""
    given: dict[str, Any] = {"arguments": taken.arguments, "options": taken.options, "needed": taken.needed}
    given |= {key: told[key] for key in ("own", "same", "status") if key in told}
    lists = {name for name, spec in options.items() if spec["type"] == "list"}
    given["single"] = [name for name in taken.options if name in lists and taken.specs[name]["type"] != "list"]
    if "passes" in told:
        given["passes"] = tuple(told["passes"])
    for asked in ("preview", "compare"):
        if words := told.get(asked):
            steps = words == "steps"
            more = Taken("plan steps" if steps else words, ["state", "unit", "kind"] if steps else ["undeclared"])
            given[asked] = (more.words.split(), more.arguments, more.options)
    shown = ", ".join(f"{key}={value!r}" for key, value in given.items() if value or key == "same")
    shown += ", has_json=False" * (not taken.has_json)
    return f"Action({told['command']!r}, {told['kind']!r}{', ' * bool(shown.lstrip(', '))}{shown.removeprefix(', ')})"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=100, allow_unicode=True)


def files() -> dict[Path, str]:
    """The files as they are to be: the modules, and what `ansible-test sanity` is not to complain of."""
    plugins = Path("plugins") / "modules"
    found = {plugins / name: text for name, text in modules().items()}
    # its rule is for modules that are part of Ansible itself
    names = sorted([*found, plugins / "job.py"])
    ignored = "".join(f"{name} validate-modules:missing-gplv3-license\n" for name in names)
    return found | {Path("tests") / "sanity" / "ignore-2.19.txt": ignored}


def modules() -> dict[str, str]:
    """The modules' texts, by their files' names."""
    listed: dict[str, Any] = yaml.safe_load((ROOT / "modules.yaml").read_text())
    return {
        f"{name}.py": _module(name, told)
        for name, told in listed.items()
        if all(_there(one["command"]) for one in told["actions"].values())
    }


def _there(words: str) -> bool:
    return " ".join(word for word in words.split() if not word.startswith("-")) in COMMANDS


def main() -> int:
    """Writes them."""
    for name, text in files().items():
        write_whole(ROOT / name, text, private=False)
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
