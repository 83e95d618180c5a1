"""Messages: each of the product's in both languages, used with the values that it takes, written as expected."""

import ast
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import naru
from naru import messages
from naru.messages import LANGUAGES, Message, Template, clauses, dump, lines, load, message, say, word

pytestmark = pytest.mark.unit

GREETING = message(
    "test.greeting", en="{who} has {things:counts}, for {time:duration}", ko="{who}: {things:counts}, {time:duration}"
)
OUTER = message("test.outer", en="{kind:kind}: {inner}", ko="{kind:kind}: {inner} 입니다")
word("kind", "test thing", ko="시험용")


def modules() -> Iterator[ModuleType]:
    """All of Naru's, but what runs inside the releases' environments, and what needs an extra that is not installed."""
    for found in pkgutil.walk_packages(naru.__path__, "naru."):
        if ".inside" not in found.name:
            yield importlib.import_module(found.name)


def test_each_language_has_its_words() -> None:
    said = GREETING(who="web", things={"server": 2, "test thing": 1}, time=75.0)
    assert str(said) == "web has 2 servers, 1 test thing, for 1 min 15 s"
    assert say(said, "ko").startswith("web: ") and say(said, "ko").endswith("시험용 1개, 1분 15초")


@pytest.mark.parametrize(
    ("seconds", "en", "ko"),
    [
        (0.24, "0.2 s", "0.2초"),
        (45, "45 s", "45초"),
        (725, "12 min 05 s", "12분 05초"),
        (12000, "3 h 20 min", "3시간 20분"),
    ],
)
def test_durations(seconds: float, en: str, ko: str) -> None:
    template = TIME
    assert (say(template(time=seconds)), say(template(time=seconds), "ko")) == (en, ko)


TIME = message("test.time", en="{time:duration}", ko="{time:duration}")


def test_a_message_in_a_message() -> None:
    outer = OUTER(kind="test thing", inner=lines([GREETING(who="a", things={}, time=1), "as written"]))
    assert say(outer) == "test thing: a has , for 1.0 s\nas written"
    assert say(outer, "ko") == "시험용: a: , 1.0초\nas written 입니다"
    assert clauses([]) == "" and clauses(["one"]) == "one"
    assert say(clauses(["one", "two"])) == "one; two"


def test_through_json_it_stays_the_same() -> None:
    outer = OUTER(kind="server", inner=clauses(["x", GREETING(who="{who}", things={"port": 1}, time=3)]))
    back = load(json.loads(json.dumps(dump(outer))))
    assert back == outer and hash(back) == hash(outer)
    assert say(back, "ko") == say(outer, "ko")


def test_one_that_this_version_does_not_know_is_shown_as_it_was_written() -> None:
    raw = {"message": "gone.for.years", "values": {"x": 1}, "text": "what it said"}
    assert say(load(raw), "ko") == "what it said"
    raw = {**dump(TIME(time=1)), "values": {}}
    assert say(load(raw)) == "1.0 s"


def test_values_must_fit() -> None:
    with pytest.raises(TypeError, match=r"test\.time"):
        TIME(seconds=1)
    with pytest.raises(ValueError, match="places differ"):
        message("test.bad", en="{a}", ko="{b}")
    with pytest.raises(ValueError, match="no format"):
        message("test.bad", en="{a:colour}", ko="{a}")
    with pytest.raises(ValueError, match="two messages"):
        message("test.time", en="{time}", ko="{time}")


def test_every_message_has_words_in_every_language() -> None:
    list(modules())
    for template in messages.TEMPLATES.values():
        assert set(template.texts) == set(LANGUAGES)
        for language, text in template.texts.items():
            assert text.strip(), f"{template.id} says nothing in {language}"


def test_every_use_has_the_values_that_the_message_takes() -> None:
    """Found in the source, so that a sentence that no test brings up is right as well."""
    wrong = [problem for module in modules() for problem in _misused(module)]
    assert not wrong, "\n".join(wrong)


def _misused(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
            continue
        template = _value(module, node.func)
        if isinstance(template, Template) and {keyword.arg for keyword in node.keywords} != template.places:
            yield f"{module.__name__}, line {node.lineno}: {template.id} takes {sorted(template.places)}"


def _value(scope: Any, node: ast.expr) -> Any:
    """What a name, or a dotted one, is in the module."""
    if isinstance(node, ast.Name):
        return getattr(scope, node.id, None)
    if isinstance(node, ast.Attribute):
        return getattr(_value(scope, node.value), node.attr, None)
    return None


def test_the_check_of_uses_finds_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("wrong")
    module.TIME = TIME  # type: ignore[attr-defined]
    monkeypatch.setattr(inspect, "getsource", lambda _: "TIME(time=1)\nTIME(seconds=1)\n")
    assert len(list(_misused(module))) == 1


def test_a_message_is_a_value() -> None:
    assert Message("a", {"x": [1]}) == Message("a", {"x": [1]}, written="another time")
