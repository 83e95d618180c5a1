"""A directory of files, written beside its place, then put there in one piece."""

import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from naru.errors import InputError, NaruError


def write_directory(files: Iterable[tuple[str, str]], directory: Path, *, marker: str) -> Path:
    """Writes the report's files, (name, content) each, to `directory`, and returns that as an absolute path.

    An earlier report there, which is known by its file `marker`, is replaced, and its mode kept; a new directory is its
    owner's alone. At every instant the directory is a whole report or is not there. When a file cannot be made or
    written, the earlier report stays. Raises InputError for a directory with anything else in it, NaruError when it
    cannot be written.
    """
    directory = directory.absolute()
    if not directory.name:
        raise InputError(f"a report cannot be written to {directory}", hint="Name a directory that is not there yet.")
    new, old = (directory.with_name(f".{directory.name}.{what}") for what in ("new", "old"))
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _recover(directory, old)
        _refuse_foreign(directory, marker)
        if new.exists():  # of one that was killed
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        try:
            for name, content in files:
                # a lone surrogate is no character of UTF-8; in JSON its escape is what it was
                (new / name).write_bytes(content.encode(errors="backslashreplace"))
            if directory.exists():
                # who may read the earlier one, or an empty one, may read this one
                new.chmod(stat.S_IMODE(directory.stat().st_mode))
                directory.rename(old)
            new.rename(directory)
        except BaseException:
            _recover(directory, old)
            shutil.rmtree(new, ignore_errors=True)  # the error that is under way says more
            raise
        if old.exists():
            shutil.rmtree(old)
    except OSError as error:
        raise NaruError(f"the report cannot be written to {directory}", detail=str(error)) from error
    return directory


def _recover(directory: Path, old: Path) -> None:
    """Ends what a killed run began: the earlier report goes back to its place, or away when a new one is there."""
    if old.exists() and not directory.exists():
        old.rename(directory)
    elif old.exists():
        shutil.rmtree(old)


def _refuse_foreign(directory: Path, marker: str) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise InputError(f"{directory} is not a directory", hint="Name one that is not there yet.")
    if directory.exists() and any(directory.iterdir()) and not (directory / marker).exists():
        raise InputError(
            f"{directory} has something else in it than a report",
            hint="Name a directory that is not there yet: an earlier report is replaced whole.",
        )
