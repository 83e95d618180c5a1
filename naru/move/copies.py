"""Where the copies of a move lie in its work directory, each in a directory of its own: what is known of what was
copied (see `naru.volumes.engine.state`)."""

from pathlib import Path


def of_volume(work: str, volume: str) -> str:
    """The directory of the copy of a volume, by its old id; `work` is the move's work directory."""
    return f"{work}/volumes/{volume}"


def of_backup(work: str, backup: str) -> str:
    """The directory of what is copied for a backup, by its old id; `work` is the move's work directory."""
    return f"{work}/backups/{backup}"


def work_of(directory: Path) -> Path:
    """The move's work directory, from that of a copy."""
    return directory.parent.parent
