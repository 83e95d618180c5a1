"""The list of the kinds: nothing that a module of theirs declares is forgotten in it, or is in it twice."""

import importlib
import pkgutil

import pytest

from naru.move import kinds
from naru.move.kind import Kind
from naru.move.mapping import Section
from naru.move.rules import RULES

pytestmark = pytest.mark.unit


def test_whatever_a_module_declares_is_in_the_list_once() -> None:
    modules = [
        importlib.import_module(f"{kinds.__name__}.{found.name}") for found in pkgutil.iter_modules(kinds.__path__)
    ]
    declared = [item for module in modules for item in vars(module).values() if isinstance(item, Kind | Section)]
    assert {item.name for item in declared} == {item.name for item in kinds.LIST if isinstance(item, Kind | Section)}
    assert len(set(kinds.RULES)) == len(kinds.RULES) and set(kinds.RULES) < set(RULES)
    assert len(kinds.BY_NAME) == len(kinds.KINDS) and len({item.name for item in kinds.SECTIONS}) == len(kinds.SECTIONS)
