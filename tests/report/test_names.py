"""Names fit for files and for a shell, whatever users called things."""

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.report.commands import command, each_after, last, option
from naru.report.names import lines, shell, stem, unique, visible

pytestmark = pytest.mark.unit


@given(st.dictionaries(st.text(), st.text(), max_size=8))
@settings(max_examples=200)
def test_unique_names(names: dict[str, str]) -> None:
    found = unique(names, stem, taken=("overview",))
    assert found.keys() == names.keys()
    assert len({text.casefold() for text in found.values()} | {"overview"}) == len(names) + 1
    assert found == unique(dict(reversed(names.items())), stem, taken=("overview",))
    assert all(re.fullmatch(r"[\w.-]+", text) for text in found.values())


@given(st.text())
@settings(max_examples=200)
def test_names_fit(name: str) -> None:
    assert re.fullmatch(r"\w[\w.-]*", stem(name)) and ".." not in stem(name)
    for text in (visible(name), shell(name)):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


def test_ends_of_lines_stay_in_code() -> None:
    assert lines("a\nb\tc") == "a\nb\u2409c" and visible("a\nb") == "a\u240ab"


@pytest.mark.parametrize("name", ["-rf", "it's", "a b", "two\nlines", "$(echo run)", ""])
def test_a_shell_reads_the_name_as_it_is(name: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {option('name', name)} {last(name)}"], capture_output=True, check=True
    )
    words = done.stdout.decode().split("\0")[:-1]
    assert words[-1] == name and (words[1] == name or words[0] == f"--name={name}")


def test_commands() -> None:
    assert command("a", "b") == "a b"
    assert command("a" * 60, "b" * 60) == f"{'a' * 60} \\\n    {'b' * 60}"
    stopped = subprocess.run(["bash", "-c", each_after("false", "echo ran")], capture_output=True, check=False)
    assert stopped.returncode == 1 and stopped.stdout == b""
