"""The programs that stand in for the distribution's on the path of a cloud's services."""

import subprocess
from pathlib import Path

import pytest

from naru.lab.cloud import INSIDE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("first", [(), (INSIDE / "guests-bin",)])
@pytest.mark.parametrize("asked", ["info disk", "info disk --output=json", "create disk"])
def test_qemu_img_finds_the_real_one_wherever_it_stands_itself(tmp_path: Path, first: tuple[Path], asked: str) -> None:
    real = tmp_path / "qemu-img"
    real.write_text('#!/bin/sh\necho "virtual size: 3 MiB (3145728 bytes) $*"\n')
    real.chmod(0o755)
    path = ":".join(map(str, (*first, INSIDE / "bin", tmp_path, "/usr/bin", "/bin")))
    argv = ["env", f"PATH={path}", "qemu-img", *asked.split()]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    size = "3M" if asked == "info disk" else "3 MiB"
    assert (done.returncode, done.stdout) == (0, f"virtual size: {size} (3145728 bytes) {asked}\n")
