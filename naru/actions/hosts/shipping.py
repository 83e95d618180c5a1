"""Bytes from here to a host, in pieces, going on where it ended."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from naru.actions.hosts.place import Damaged, Place
from naru.plan.errors import PlanError
from naru.volumes.control import Throttle

PIECE = 4 << 20
"""Bytes that are sent at a time."""
TRIES = 2
"""How often something is sent whole that arrives damaged, as when a power cut takes the end of a file."""


class Source:
    """What is shipped: the file at `path`, or else a text. Raises PlanError for a file that is not there, or is not the
    one with the digest `wanted`, of which the plan was made."""

    def __init__(self, *, path: str = "", text: str = "", wanted: str = "") -> None:
        self._file = Path(path).expanduser() if path else None
        self._data = text.encode()
        try:
            stat = self._file.stat() if self._file else None
            self.size = stat.st_size if stat else len(self._data)
            self.digest = (
                _digest(str(self._file), stat.st_size, stat.st_mtime_ns)
                if stat
                else hashlib.sha256(self._data).hexdigest()
            )
        except OSError as error:
            raise PlanError(f"{self._file} cannot be read", detail=error.strerror or str(error)) from error
        if wanted and wanted != self.digest:
            raise PlanError(
                f"{self._file or 'the text'} is not what the plan was made with",
                detail=f"sha256 {self.digest}, not {wanted}",
                hint="Put back the one that was planned, or plan again.",
            )

    def piece(self, offset: int) -> bytes:
        """The bytes from there on, PIECE at most."""
        if self._file is None:
            return self._data[offset : offset + PIECE]
        with self._file.open("rb") as file:
            file.seek(offset)
            return file.read(PIECE)


@lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ship(
    place: Place,
    source: Source,
    part: str,
    there: int,
    put: Callable[[], object],
    rate: Callable[[], float | None] = lambda: None,
) -> None:
    """Sends what is not `there` yet to the file `part` on the host, and then calls `put`, whose script checks it. What
    is Damaged is sent once more, whole. `rate` is asked all the time how many bytes a second that may be."""
    throttle = Throttle(rate)
    for left in reversed(range(TRIES)):
        offset = there // PIECE * PIECE if there <= source.size else 0
        # also what has no byte at all
        while True:
            piece = source.piece(offset)
            throttle.take(len(piece), place.context.check)
            place.change("ship", part, str(offset), given=piece)
            offset += len(piece)
            place.context.progress(offset, source.size)
            if len(piece) < PIECE:
                break
        try:
            put()
            return
        except Damaged:
            if not left:
                raise
            there = 0
