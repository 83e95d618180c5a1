"""Since when something is so, for what nobody else knows it of: when the exporter first saw it. Kept over restarts."""

import json
import logging
import time
from collections.abc import Collection
from pathlib import Path

from naru.errors import InputError
from naru.files import write_whole

FILE = "since.json"
_log = logging.getLogger(__name__)


class Since:
    """In the file `since.json` of a directory; without one, for as long as the process lives."""

    def __init__(self, directory: Path | None) -> None:
        self._file = directory / FILE if directory else None
        self._seen: dict[str, dict[str, float]] = {}
        self._unwritten = self._said = False
        if self._file and self._file.exists():
            try:
                read = json.loads(self._file.read_text())
                self._seen = {str(kind): {str(k): float(v) for k, v in of.items()} for kind, of in read.items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise InputError(f"{self._file} cannot be read", detail=repr(error), hint="Remove it.") from error

    def of(self, kind: str, there: Collection[str]) -> dict[str, float]:
        """When each of those that are there now was first seen; what is not there any more is forgotten."""
        before = self._seen.get(kind, {})
        found = {name: before.get(name) or time.time() for name in there}
        if found != before:
            self._seen = {**self._seen, kind: found}
            self._unwritten = True
        if self._file and self._unwritten:
            self._write(self._file)
        return found

    def _write(self, file: Path) -> None:
        try:
            write_whole(file, json.dumps(self._seen, indent=1) + "\n")
        except OSError as error:  # a full disk here takes no metrics away; it is tried again at the next reading
            if not self._said:
                _log.warning("%s cannot be written: after a restart its times begin anew: %s", file, error)
            self._said = True
        else:
            self._unwritten = self._said = False
