"""What begins a command on a host, given to a shell here: it begins nothing with half of an environment."""

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.actions.hosts.place import script_text

pytestmark = pytest.mark.unit


@pytest.mark.skipif(os.geteuid() != 0, reason="the script is root's")
@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("export A=whole\n# whole\n", 0, "whole\n"),
        ("# whole\n", 0, "\n"),
        ("export A=who", 65, None),
        ("export A=whole\n", 65, None),
        ("", 65, None),  # whoever sent it was killed before
    ],
)
def test_a_command_begins_with_its_whole_environment_or_not_at_all(
    tmp_path: Path, given: str, code: int, said: str | None
) -> None:
    place, unit = tmp_path / "place", f"naru-test-{uuid.uuid4()}"
    script = "".join(map(script_text, ("common", "begin", "detached")))
    # where there is no systemd it is a process: here as well
    words = [str(place), "1", "start", "do", unit, 'echo "$A"', script_text("run")]
    line = script.replace("[ -d /run/systemd/system ]", "false")
    done = subprocess.run(["sh", "-c", line, "naru", *words], input=given, text=True, capture_output=True, timeout=60)
    assert done.returncode == code, done
    assert not Path(f"/run/naru/{unit}.env").exists() or code == 0
    if said is None:
        time.sleep(0.3)
        assert not (place / "do" / "started").exists()
        return
    deadline = time.monotonic() + 30
    while not (place / "do" / "ended").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (place / "do" / "output.0").read_text() == said
    assert not Path(f"/run/naru/{unit}.env").exists()


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """The script makes the directory, if this machine has none."""
    yield
    with contextlib.suppress(OSError):  # somebody else has something there
        Path("/run/naru").rmdir()
