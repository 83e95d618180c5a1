"""A service whose code is changed, whose log is written and watched, for tests."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from naru.cli.main import main

from .lines import line

HOUR = 3600.0
OLD = """
LOG = logging.getLogger(__name__)
def start(host):
    LOG.error("cannot start server %s on the host", host)
    LOG.error("no room for %s", host)
    LOG.error("gone soon: %s", host)
    LOG.error("never printed %s", host)
def _spawn(host):
    LOG.error("it failed on %s", host)
def old_way(host):
    LOG.info("in %s", host)
"""
NEW = """
LOG = logging.getLogger(__name__)
def start(host):
    LOG.error("cannot start the server %s on its host", host)
    LOG.error("no room for %s", host)
    LOG.error("never printed %s", host)
    LOG.error("patched in: %s is odd", host)
def _spawn(host):
    LOG.error("it failed on %s", host)
def new_way(host):
    LOG.info("in %s", host)
"""


class Cloud:
    """A service whose code is deployed, whose log is written and watched."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.log, self.work = directory / "shop-api.log", str(directory / "watch")
        self.code = directory / "venv" / "lib" / "python3" / "site-packages" / "shop" / "manager.py"
        self.code.parent.mkdir(parents=True)
        self.code.write_text(OLD)
        self.now = time.time() - HOUR - 120
        self.log.touch()
        venv = str(directory / "venv")
        self.words = ["--files", str(self.log), "--host", "h1", "--zone", "UTC", "--venv", venv]

    def write(self, text: str, count: int = 1, *trace: str, over: float = HOUR) -> None:
        """So many records, evenly over some seconds, up to the cloud's present moment."""
        with self.log.open("a") as out:
            for number in range(count):
                moment = self.now - over + over * number / count
                stamp = time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(moment))
                out.write(line(text, logger="shop.manager", time=stamp) + "\n")
                out.writelines(f"{stamp} 7 ERROR shop.manager {one}\n" for one in trace)

    def naru(self, *words: str, code: int = 0) -> Any:
        """What a command of the watch answers."""
        self.capsys.readouterr()
        assert main(["watch", words[0], *words[1:], "-f", "json"]) == code
        return json.loads(self.capsys.readouterr().out)

    def run(self) -> list[str]:
        """Reads all, and gives what is told as new or come back."""
        self.capsys.readouterr()
        assert main(["watch", "run", self.work, *self.words, "--once", "-f", "json"]) in (0, 1)
        return [one for one in self.capsys.readouterr().err.splitlines() if not one.startswith("naru:")]

    def change(self, which: str, *words: str) -> Any:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.now))
        return self.naru("change", which, self.work, "--at", at, *words)

    def differences(self, number: int = 1) -> dict[str, tuple[str, Any]]:
        """By what a group says: what the change did to it, and its rates."""
        found = self.naru("changes", self.work, "--change", str(number))
        return {one["what"]: (one["kind"], one["before"], one["after"]) for one in found}

    def groups(self) -> dict[str, dict[str, Any]]:
        return {one["what"]: one for one in self.naru("groups", self.work, "--state", "all", "--since", "30d")}
