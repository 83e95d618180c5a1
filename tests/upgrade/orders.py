"""The commands of `naru upgrade`, as an operator gives them."""

import os
import subprocess
import sys
from pathlib import Path


def begin(*words: str) -> "subprocess.Popen[str]":
    naru = Path(sys.executable).with_name("naru")
    return subprocess.Popen(
        [naru, "upgrade", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "300"},
    )


def naru(*words: str, code: int = 0, seconds: float = 900) -> tuple[str, str]:
    """What a command says, on both ways."""
    with begin(*words) as process:
        out, errors = process.communicate(timeout=seconds)
    assert process.returncode == code, (words, process.returncode, out, errors)
    return out, errors
