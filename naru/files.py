"""Small files that are written whole or not at all, and survive a loss of power; locks that are files; where a user's
files are. For every room."""

import contextlib
import fcntl
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from naru.errors import InputError, NaruError


def write_whole(file: Path, text: str, *, private: bool = True) -> None:
    """Writes the file in place of one that is there: for its owner alone, or when it is not `private` with the mode of
    that one, else of any new file; where a link is, to what that leads to. Killed at any instant it leaves the file as
    it was or as it will be; when it returns, that is on disk. Raises OSError."""
    if not private:
        file = file.resolve()
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666), "w") as opened:
        if private or file.exists():  # one that was killed may have left a file with another mode
            os.fchmod(opened.fileno(), 0o600 if private else stat.S_IMODE(file.stat().st_mode))
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
    sync_directory(file.parent)


def sync_directory(path: Path) -> None:
    """The names in a directory survive a loss of power: a rename that power cuts off is none. Raises OSError."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def opened_directory(path: Path) -> Iterator[int]:
    """A descriptor of the directory. By /proc/self/fd a socket in it has a short path, where the full one may exceed
    what a socket's address can hold. Raises OSError."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class FileLock:
    """A file that one process at a time holds, or several that share it: from `take` to the end of the `with`, or to
    `close`, or to the end of the process.

    It is given up in so many words. Closing alone is not enough: a program that another thread is just starting has
    the descriptor, too, until it begins, and would go on holding the lock that long. Only a lock that programs are to
    hold as well (`fileno`) stays theirs.
    """

    def __init__(self, file: Path) -> None:
        """Opens the file, made when there is none. Raises OSError."""
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._given = False

    def take(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Takes the lock; whether that went well. With `wait` it waits until it does."""
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def fileno(self) -> int:
        """The descriptor, for programs that are to hold the lock as well, should this process end before them."""
        self._given = True
        return self._descriptor

    def close(self) -> None:
        """Gives the lock up."""
        if not self._given:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


HELD = "lock"
"""The file by which a process holds a directory of states."""


@contextlib.contextmanager
def held_directory(directory: Path) -> Iterator[None]:
    """A directory of states, made for its owner alone unless it exists; no other process uses it until the end.

    Raises InputError when it cannot be made, and NaruError while another process has it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(directory / HELD)
    except OSError as error:
        raise InputError(f"{directory} cannot be written", detail=error.strerror or "") from error
    with lock:
        if not lock.take():
            raise NaruError(f"{directory} is being used by another process", hint="Wait for it, or end it.")
        yield


def state_directory() -> Path:
    """Where what a user's commands leave behind is kept: $XDG_STATE_HOME/naru, or under ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "naru"


def read_private(file: Path, what: str) -> str:
    """The text of a file that nobody but its owner may read. `what` begins the message when it cannot be had. Raises
    InputError."""
    try:
        with file.open() as opened:
            if os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(
                    f"{what}: {file} may be read by others than its owner", hint=f"chmod 600 {shlex.quote(str(file))}"
                )
            return opened.read()
    except OSError as error:
        raise InputError(f"{what}: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{what}: {file}: not a text") from error
