"""Finding interpreters: on PATH, under pyenv, never in a virtual environment; and what is said when there is none."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.errors import InputError
from naru.releases import python

pytestmark = pytest.mark.unit
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without any Python: an empty PATH, no pyenv, nothing managed by uv. Gives the directory on PATH."""
    for variable in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "PATH"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(python, "SYSTEM", ())
    python._find.cache_clear()
    yield tmp_path / "PATH"
    python._find.cache_clear()


def interpreter(path: Path, version: str, *, real: bool = True, headers: bool = True) -> Path:
    """An executable that answers as an interpreter of that version would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nprintf '%s' '{version}|{real}|{headers}|{path}'\n")
    path.chmod(0o755)
    return path


def test_a_real_one_is_found() -> None:
    assert python.available(THIS)
    found = python.find(THIS)
    assert found.is_absolute()
    assert found.parts[-2] == "bin"


def test_the_version_is_asked_for_not_read_from_the_name(bare: Path) -> None:
    interpreter(bare / "python3.7", "3.9")
    assert not python.available("3.7")


def test_a_virtual_environment_is_not_taken(bare: Path) -> None:
    interpreter(bare / "python3.7", "3.7", real=False)
    assert not python.available("3.7")


def test_one_that_crashes_is_not_taken(bare: Path) -> None:
    (bare / "python3.7").write_text("#!/bin/sh\nexit 3\n")
    (bare / "python3.7").chmod(0o755)
    assert not python.available("3.7")


def test_one_with_headers_is_preferred(bare: Path) -> None:
    interpreter(bare / "python3.7", "3.7", headers=False)
    complete = interpreter(bare.parent / "PYENV_ROOT" / "versions" / "3.7.16" / "bin" / "python3.7", "3.7")
    assert python.find("3.7") == complete


def test_the_newest_of_pyenv(bare: Path) -> None:
    versions = bare.parent / "PYENV_ROOT" / "versions"
    for patch in ("3.7.9", "3.7.16", "3.7-dev"):
        interpreter(versions / patch / "bin" / "python3.7", "3.7")
    assert python.find("3.7") == versions / "3.7.16" / "bin" / "python3.7"


def test_pyenv_shims_are_passed_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter(bare.parent / "shims" / "python3.7", "3.7")
    monkeypatch.setenv("PATH", str(bare.parent / "shims"))
    assert not python.available("3.7")


@pytest.mark.parametrize(
    ("version", "ways"),
    [("2.7", "pyenv install 2.7"), ("3.8", "uv python install 3.8 or pyenv install 3.8")],
)
def test_missing_says_who_needs_it_and_how_to_get_it(bare: Path, version: str, ways: str) -> None:
    with pytest.raises(InputError) as caught:
        python.find(version, needed_by="queens")
    assert caught.value.summary == f"queens needs Python {version}, which is not installed"
    assert caught.value.hint == f"Get it with: {ways}"
