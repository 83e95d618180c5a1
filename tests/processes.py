"""Processes that tests start."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def started(argv: Sequence[str | Path], **more: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process, waited for at the end. Where the test fails it is killed: it would be waited for until the whole run
    gives up, and why the test failed would not be told."""
    with subprocess.Popen(argv, **more) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
