"""The file in which an operator names hooks, and what is kept of what they write."""

from pathlib import Path

import pytest

from naru.errors import InputError
from naru.move import moments
from naru.work import hooks

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text, says",
    [
        ("hooks: []", "its first line is `naru_hooks: 1`"),
        ("naru_hooks: 2", "newer Naru"),
        ("naru_hooks: 1\nhook: []", "hook: there is no such field; there are: naru_hooks, hooks"),
        ("naru_hooks: 1\nnaru_hooks: 1", "is there twice"),
        ("naru_hooks: 1\nhooks: {}", "hooks: give a list"),
        ("- [", "is not YAML"),
    ],
)
def test_a_file_that_is_none_is_one_error(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / hooks.FILE).write_text(text)
    with pytest.raises(InputError) as raised:
        hooks.load(tmp_path, moments.MOMENTS)
    assert says.lower() in str(raised.value).lower() and hooks.FILE in raised.value.summary


def test_secrets_of_the_environment_are_taken_out_of_what_is_kept() -> None:
    environment = {"OS_PASSWORD": "correct horse", "API_KEY": "abcdefgh", "KEYBOARD": "layout-us", "MY_TOKEN": "true"}
    text = "correct horse abcdefgh layout-us true truer"
    assert hooks.without_secrets(text, environment) == "*** *** layout-us *** truer"
