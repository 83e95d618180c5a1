"""One grammar for which work directory is meant, in all commands: DIR, --work, $NARU_WORK, the current directory."""

import argparse
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naru.cli import directory
from naru.cli.main import COMMANDS
from naru.errors import InputError
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step

from ..plan.test_cli import naru, naru_json
from . import moves

pytestmark = pytest.mark.unit

# of all commands that concern one work directory, those whose arguments are other things: they have --work alone
OPTION_ALONE = {
    *("archive diff", "archive list", "archive show", "cluster plan down", "guard approve", "guard drill"),
    *("guard hold", "guard run", "guard status", "guard verdicts", "host evacuate", "host plan", "host waves leave"),
    *("object copy", "object verify"),
    *("host waves plan", "inventory", "plan create", "plan hold", "plan limit", "plan release", "plan retry"),
    *("plan skip", "plan timings", "scale compute", "scale osd", "server revive", "tenant apply", "volume copy"),
    *("volume verify", "watch notifications plan", "worker"),
}
# commands that concern no work directory, or two
NONE = {
    *("exporter", "exporter config", "guard witness", "plan diff", "plan kinds", "tenant diff", "tenant export"),
    *("tenant plan", "trends", "upgrade path", "watch sources", "watch statements"),
}


def parser_of(words: str) -> argparse.ArgumentParser:
    module, _, name = COMMANDS[words].partition(":")
    command = getattr(importlib.import_module(module), name)(SimpleNamespace(options=None, stdout=None), None)
    parser: argparse.ArgumentParser = command.get_parser(f"naru {words}")
    return parser


def argument(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    return next((one for one in parser._actions if name in (one.dest, *one.option_strings)), None)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in NONE])
def test_every_command_has_the_grammar_in_the_same_words(words: str) -> None:
    parser = parser_of(words)
    option, dir_ = argument(parser, "--work"), argument(parser, "directory")
    group = words.partition(" ")[0]
    if option is None:
        assert group in ("lab", "site", "volume") and dir_ is None and words not in OPTION_ALONE
        return
    assert (words in OPTION_ALONE) == (dir_ is None), words
    told = option if dir_ is None else dir_
    assert f"else ${directory.VARIABLE}" in str(told.help) and "work directory" in str(told.help)
    if dir_ is not None:
        assert (dir_.nargs, dir_.metavar, option.help) == ("?", "DIR", "the same as DIR")
    endings = [ending for ending in directory._ELSE.values() if str(told.help).endswith(f"({ending})")]
    assert len(endings) == 1 and parser.get_default("settle") is not None


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The work directories of two moves, and a current directory that is none."""
    monkeypatch.delenv(directory.VARIABLE, raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return moves.move(tmp_path / "one"), moves.move(tmp_path / "two")


@pytest.mark.parametrize("words", ["plan status", "move status", "move hooks", "move downtime", "plan steps"])
def test_the_directory_is_found_in_the_order_of_the_rule(
    words: str, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    command = words.split()
    for work in two:  # told apart by what is wrong with them
        (work / "hooks.yaml").write_text(f"naru_hooks: 1\nof_{work.name}: 1\n")

    def meant(*more: object) -> Path:
        parser = parser_of(words)
        parsed = parser.parse_args([str(word) for word in more])
        directory.settle(parsed)
        return Path(parsed.work)

    assert meant(one) == meant("--work", one) == meant(one, "--work", one) == one
    said = naru(*command, one, "--work", other, code=2).stderr
    assert "two work directories are named" in said
    if words != "move hooks":
        said = naru(*command, code=2).stderr
        assert "the work directory is missing" in said and directory.VARIABLE in said and "DIR" in said
    monkeypatch.setenv(directory.VARIABLE, str(other))
    assert meant() == other and meant(one) == meant("--work", one) == one
    monkeypatch.chdir(one)
    assert meant() == other
    monkeypatch.delenv(directory.VARIABLE)
    assert meant() == Path()
    if words == "move hooks":
        assert "of_one" in naru(*command, code=2).stderr
    elif words.startswith("plan"):
        assert naru_json(*command) is not None


def test_commands_with_other_arguments_take_the_option(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = two
    assert "the work directory is missing" in naru("plan", "hold", "cutover hanok", code=2).stderr
    naru("plan", "hold", "cutover hanok", "--work", one)
    monkeypatch.setenv(directory.VARIABLE, str(other))
    naru("plan", "hold", "cutover hanok")
    for work in two:
        with Journal.open(work) as journal, journal.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM events WHERE what = 'gate held'").scalar() == 1
    assert len(naru_json("archive", "list")) == 2
    assert naru_json("plan", "timings", one, "--by", "whole") and naru_json("plan", "timings", "--by", "whole")


def test_what_makes_a_move_never_takes_the_current_directory(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(two[0])
    words = ("move", "plan", "--from", "old", "--to", "new", "--project", "hanok")
    assert "the work directory is missing" in naru(*words, code=2).stderr


def test_what_makes_what_it_needs_takes_any(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("steps: [{id: a, kind: noop}]\n")
    naru("plan", "create", tmp_path / "plan.yaml")
    assert naru_json("plan", "run")["state"] == "done"  # here, which is a work directory now


def test_a_single_word_of_rate_is_the_rate_or_the_directory(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    assert naru_json("move", "rate", one, "80M")["bytes a second"] == 80 << 20
    monkeypatch.setenv(directory.VARIABLE, str(one))
    assert naru_json("move", "rate", "70M")["bytes a second"] == 70 << 20
    assert naru_json("move", "rate")["bytes a second"] == naru_json("move", "rate", one)["bytes a second"] == 70 << 20
    assert naru_json("move", "rate", "none")["bytes a second"] in (None, 0)
    assert naru_json("move", "rate", "60M", "--work", one)["bytes a second"] == 60 << 20


def test_a_missing_directory_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(directory.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    directory.add_directory(parser, positional=False)
    with pytest.raises(InputError) as raised:
        directory.settle(parser.parse_args([]))
    error = raised.value
    assert "--work DIR" in error.detail and str(tmp_path) in error.detail and "--work DIR" in error.hint
    optional = argparse.ArgumentParser()
    directory.add_directory(optional, optional=True)
    parsed: Any = optional.parse_args([])
    directory.settle(parsed)
    assert parsed.work is None
    Journal.create(tmp_path, Plan(steps=[Step("a", "noop")])).close()
    parsed = optional.parse_args([])
    directory.settle(parsed)
    assert parsed.work == "."
