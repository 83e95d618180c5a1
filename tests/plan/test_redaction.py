"""What is blotted out of values and texts, and what is left as it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.plan.redaction import BLOT, Redaction

pytestmark = pytest.mark.unit
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_a_long_secret_is_found_wherever_it_is() -> None:
    hidden = Redaction(["pass word/1", "12345678"])
    assert hidden.text("xpass word/1y pass%20word%2F1 pass+word%2F1") == f"x{BLOT}y {BLOT} {BLOT}"
    assert hidden.value({"pass word/1": ["pass word/1", 12345678, 12345679]}) == {BLOT: [BLOT, BLOT, 12345679]}


def test_a_short_one_is_a_word_of_its_own() -> None:
    hidden = Redaction(["net"])
    assert hidden.text("net network x-net:") == f"{BLOT} network x-{BLOT}:"
    assert hidden.value({"net": "the network"}) == {"net": "the network"}


def test_a_secret_that_holds_another_one_is_found_whole() -> None:
    assert Redaction(["secret12", "secret12-and-more"]).text("secret12-and-more") == BLOT


def test_nothing_is_no_secret() -> None:
    assert Redaction([""]).text("as it is") == "as it is"


@given(JSON, st.text(min_size=1))
def test_whatever_is_hidden_the_shape_stays(value: object, secret: str) -> None:
    hidden = Redaction([secret]).value(value)
    assert type(json.loads(json.dumps(hidden))) in (type(value), str)
