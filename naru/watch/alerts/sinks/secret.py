"""Secrets of sinks, in files that only their owner reads."""

import shlex
import stat
from pathlib import Path

from naru.errors import InputError


def text_of(file: Path, told: str) -> str:
    """What is in a file that nobody else may read. `told` begins the message when it cannot be had. Raises
    InputError."""
    try:
        with file.open() as opened:
            mode = Path(f"/proc/self/fd/{opened.fileno()}").stat().st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(
                    f"{told}: {file} may be read by others than its owner", hint=f"chmod 600 {shlex.quote(str(file))}"
                )
            return opened.read()
    except OSError as error:
        raise InputError(f"{told}: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{told}: {file}: not a text") from error
