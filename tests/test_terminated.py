"""Tests that are ended with SIGTERM tear down what they have made."""

import signal
import sys
import time
from pathlib import Path

import pytest

from .processes import started

pytestmark = pytest.mark.unit
TEST = """
import multiprocessing
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def live():
    (HERE / "lives").touch()
    time.sleep(60)


@pytest.fixture(scope="session")
def cloud():
    child = multiprocessing.get_context("fork").Process(target=live)
    child.start()
    while not (HERE / "lives").exists():  # Python forgets signals that come while it forks
        time.sleep(0.01)
    child.terminate()
    child.join()
    (HERE / "up").write_text(str(child.exitcode))
    yield
    (HERE / "down").touch()


def test_it(cloud):
    (HERE / "runs").touch()
    time.sleep(60)
"""


def test_fixtures_are_torn_down_after_sigterm(tmp_path: Path) -> None:
    (tmp_path / "test_long.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    root = Path(__file__).parent.parent
    with started([*command, "-c", str(tmp_path / "pytest.ini")], cwd=root) as process:
        end = time.monotonic() + 120
        while not (tmp_path / "runs").exists():  # what is only being set up has nothing to tear down
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert (tmp_path / "down").exists()
    assert (tmp_path / "up").read_text() == str(-signal.SIGTERM), "what is forked ends as other processes do"
