"""Names of modules and what is in them, as docstrings, comments and pages write them in backticks: each exists."""

import importlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
# `naru.openstack` is the Ansible collection, whose modules and playbooks tests/ansible goes through
NAME = re.compile(r"`(naru(?!\.openstack)(?:\.[A-Za-z_][A-Za-z_0-9]*)+)[`(]")
EXAMPLES = {"naru.wake", "naru.conf", "naru.watch.up"}
"""Names that a page makes up, files on hosts, and queues."""
FILES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("naru/**/*.py")]


def exists(name: str) -> bool:
    """Whether there is such a module, or something of that name in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        try:
            value: object = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and module.startswith(error.name):
                continue
            raise
        for part in parts[count:]:
            fields = getattr(value, "__annotations__", {})
            if not hasattr(value, part):
                return part in fields and part == parts[-1]
            value = getattr(value, part)
        return True
    return False


def test_every_name_in_backticks_is_there() -> None:
    written = {(name, file) for file in FILES for name in NAME.findall(file.read_text())}
    assert len(written) > 50
    assert not sorted(
        f"{file.relative_to(ROOT)}: {name}" for name, file in written if name not in EXAMPLES and not exists(name)
    )


def test_a_name_that_is_not_there_is_found_out() -> None:
    assert exists("naru.move.draft.Draft.made") and exists("naru.move")
    assert not exists("naru.volumes.proof") and not exists("naru.move.draft.Draft.nothing")
