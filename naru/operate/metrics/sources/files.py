"""When the newest file of a pattern was written: how old the last backup is, the last drill, whatever writes a file."""

import glob
import os
from collections.abc import Sequence

from naru.operate.metrics.families import NothingThere, Samples


class Reading:
    """`patterns` are names and what stands for files, as the shell has it."""

    def __init__(self, patterns: Sequence[tuple[str, str]]) -> None:
        self._patterns = patterns

    def __call__(self, samples: Samples) -> None:
        if not self._patterns:
            raise NothingThere("no --newest is given")
        for name, pattern in self._patterns:
            times = [_written(path) for path in glob.glob(pattern, recursive=True)]  # noqa: PTH207
            samples.add("naru_newest_file_timestamp_seconds", max(times, default=0.0), name)


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116
    except OSError:  # a link that leads nowhere, or one that was removed just now, says nothing of the others
        return 0.0
