"""Small files that are written whole or not at all, and survive a loss of power; where a user's are. For every room."""

import os
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Writes the file, for its owner alone, in place of one that is there. Killed at any instant it leaves the file as
    it was or as it will be; when it returns, that is on disk. Raises OSError."""
    new = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
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


def state_directory() -> Path:
    """Where what a user's commands leave behind is kept: $XDG_STATE_HOME/naru, or under ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "naru"
