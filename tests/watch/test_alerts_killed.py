"""Whatever kills the watch, and whenever: each group is told, by one alert; one that was sent when the kill came may
come again, and says so."""

import datetime
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from naru.watch.alerts.outbox import DIGEST, NEW, Outbox
from naru.watch.store import Store

from ..processes import started
from .lines import line
from .watched import receiver, req

WATCH = """
import sys
from naru.cli.main import main
from naru.watch import follow, phases
from naru.watch.alerts import alerts
from naru.watch.alerts import budget
from naru.watch.alerts import sender
follow.QUIET, follow.CHUNK, phases.EVERY = 0, 4000, 0.01
alerts.WAITS, budget.ALERTS, sender.EVERY, sender.AGAIN, sender.MOST = 0.1, 10**6, 0.01, 0.05, 10**6
sys.exit(main(sys.argv[1:]))
"""


def killed(directory: Path, kills: int) -> None:
    chance = random.Random(kills)
    log, work = directory / "nova-api.log", directory / "watch"
    log.touch()
    words = [sys.executable, "-c", WATCH, "-q", "watch", "run", str(work), "--host", "h1", "--zone", "UTC"]
    words += ["--files", str(log)]
    number = 0
    with receiver() as server:
        words += ["--alert-to", f"webhook:{server.url}"]
        subprocess.run([*words, "--once"], check=True, stdout=subprocess.DEVNULL, timeout=120)
        for _ in range(kills):
            with started(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watch:
                begun, until = time.time(), 0.0
                while not until or time.monotonic() < until:
                    if not until and _read(work) > begun:
                        until = time.monotonic() + chance.random() * 1.5
                    number += 1
                    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:23]
                    with log.open("a") as out:
                        out.write(
                            line(f"failed {_word(number)}", context=f"{req(number)} u1 p1 - - -", time=when) + "\n"
                        )
                    server.answers = 503 if chance.random() < 0.1 else 200
                    time.sleep(0.2)
                assert watch.poll() is None
                os.kill(watch.pid, signal.SIGKILL)
        server.answers = 200
        for _ in range(2):
            subprocess.run([*words, "--once"], check=True, stdout=subprocess.DEVNULL, timeout=600)
        got = server.bodies()
    with Store(work) as store:
        keys = [one["key"] for one in store.groups()]
        states = Counter(state for _, _, sinks in Outbox(store).alerts(0) for state, _ in sinks.values())
    assert len(keys) == number
    assert {one["why"] for one in got} == {NEW}
    assert set(states) == {"sent"}
    told = Counter(one["group"] for one in {one["id"]: one for one in got}.values())
    assert told == Counter(keys)
    twice = [one for number, one in enumerate(got) if one["id"] in {other["id"] for other in got[:number]}]
    print(f"{kills} kills, {number} groups, {len(twice)} sent again")
    assert all(one["again"] for one in twice)
    assert len(twice) <= kills


def _word(number: int) -> str:
    """A number in letters, which nobody takes for a value."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def _read(work: Path) -> float:
    """When the watch had read all files the last time."""
    with Store(work) as store:
        return float(store.setting("read") or 0.0)


STORM = """
import resource, sys
from naru.cli.main import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
sys.exit(code)
"""


@pytest.mark.releases
def test_a_storm_of_a_hundred_thousand_groups(tmp_path: Path) -> None:
    """Scenario 25: one digest, in bounded memory (MiB)."""
    log, work = tmp_path / "nova-api.log", tmp_path / "watch"
    log.touch()
    with receiver() as server:
        words = ["-q", "watch", "run", str(work), "--host", "h1", "--zone", "UTC", "--files", str(log), "--once"]
        words += ["--alert-to", f"webhook:{server.url}"]
        argv = [sys.executable, "-c", STORM, *words]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=120)
        when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:23]
        with log.open("w") as out:
            for number in range(100_000):
                out.write(line(f"failed {_word(number)}", context=f"{req(number)} u1 p1 - - -", time=when) + "\n")
        done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=1200)
        told = [(one["why"], one["count"], len(one["groups"])) for one in server.bodies()]
    print(done.stdout.splitlines()[-1], "MiB")
    assert told == [(DIGEST, 100_000, 20)]
    assert int(done.stdout.splitlines()[-1]) < 250


@pytest.mark.kill
@pytest.mark.unit
def test_killed(tmp_path: Path) -> None:
    killed(tmp_path, 4)


@pytest.mark.kill
@pytest.mark.releases
def test_killed_200_times(tmp_path: Path) -> None:
    killed(tmp_path, 200)
