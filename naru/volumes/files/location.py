"""Where a file or block device is: file:PATH for raw content, qcow2:PATH."""

from dataclasses import dataclass
from pathlib import Path

from naru.volumes.volume import Location

FORMS = {"file": "file:PATH", "qcow2": "qcow2:PATH"}


@dataclass(frozen=True)
class File(Location):
    """A file or block device, `raw` or `qcow2`."""

    path: str
    format: str = "raw"

    def __str__(self) -> str:
        return f"{'file' if self.format == 'raw' else self.format}:{self.path}"


def parse(scheme: str, rest: str) -> File:
    """The location that is written as `scheme:rest`; a relative path is of the current directory."""
    return File(str(Path(rest).absolute()), "raw" if scheme == "file" else scheme)
