"""How long the servers of a project are off when it is cut over, beside the same calls by hand; `make bench-window`.

The sample `wide` (10 servers unless told otherwise, each booting from a volume; floating IPs, a router) is seeded on a
Pike cloud, its move to the newest release planned, prepared, copied ahead and cut over, and rolled back. Then the move
is planned and prepared once more, and a plain client makes the calls of its window and nothing else: old servers are
stopped, addresses taken from the old cloud and given on the new one, new servers started, each as soon as the plan
allows it, as many at a time, and looked at by one list twice a second. No content is carried, nothing is journaled or
compared. The last line is a JSON object:

    servers             how many were off
    window_s            seconds from the beginning of the first stop to the end of the last start
    by_hand_s           the same of the plain client
    ratio               window_s over by_hand_s
    off_s               seconds that a server was off, the median of all, and its parts as `naru move downtime` has them
    off_longest_s       the longest
    command_s           seconds of `naru move cutover`, both clouds read again before it
    load                the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import PORT_BASE  # the benchmarks beside this one
from move import PROJECT, add_lab, seeded
from replay import Replay, record

from naru.cloud.client import Cloud
from naru.lab.lab import Lab
from naru.move.purposes import START, STOP
from naru.plan.journal import Journal
from naru.plan.kinds import load as load_kinds
from naru.plan.queries import reading

PARTS = ("measured", "stop", "content", "wait", "start")
NEW, OLD = "new", "old"


class ByHand(Replay):
    """The calls of a window, on two clouds."""

    without = ("move.content", "move.content.flatten", "move.content.kept", "move.hook")

    def __init__(self, work: Path, journal: Journal, old: Cloud, new: Cloud) -> None:
        super().__init__(journal.plan(rollbacks=False), new)
        self._clouds = {OLD: Replay(self.plan, old), NEW: self}
        with reading(journal) as now:
            done = now.steps(states=("done", "skipped"), result=True)
        self.before = {step.id: step.result for step in done}
        self.results.update(self.before)

    def _plain(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        return {
            "cloud.create": lambda args: self._clouds[args["cloud"]]._create(args),
            "cloud.call": lambda args: self._clouds[args["cloud"]]._call(args),
            "move.server.stop": lambda args: self._switched(args, "SHUTOFF"),
            "move.server.start": lambda args: self._switched(args, "ACTIVE"),
        }

    def _switched(self, args: Mapping[str, Any], to: str) -> dict[str, Any]:
        self._clouds[args["cloud"]]._power({"server": args["server"], "to": to})
        return {"server": args["server"], "ran": True, "seconds": 0.0}


def by_hand(work: Path) -> float:
    """Makes the calls of the window of the move that was prepared in `work`; the seconds until the last server ran."""
    with Journal.open(work) as journal, Cloud(OLD) as old, Cloud(NEW) as new:
        load_kinds(journal.modules())
        run = ByHand(work, journal, old, new)
        gates = [gate for gate in run.plan.gates if gate.startswith("cutover")]
        try:
            return run.run(run.before.keys(), gates, "start server")["seconds"]
        finally:
            for done in run.before:
                del run.results[done]
            record(journal, run)


class Bench:
    """The commands of the run, each in a process of its own."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.clouds_yaml)}
        self._which = ["--from", OLD, "--to", NEW, "--project", PROJECT, "--key", str(directory / "key")]
        for cloud in (OLD, NEW):
            self._which += ["--storage", f"{cloud}={lab.directory / f'storage-{cloud}.yaml'}"]

    def naru(self, *arguments: object) -> str:
        """A command of the move; its answer as JSON. Raises SystemExit when it does not end well."""
        argv = [sys.executable, "-m", "naru.cli.main", "-q", "move", *map(str, arguments), "-f", "json"]
        began = time.monotonic()
        done = subprocess.run(argv, env=self._env, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"naru move {arguments[0]} ended with {done.returncode}")
        print(f"{arguments[0]}: {time.monotonic() - began:.1f} s", flush=True)
        return done.stdout

    def until_prepared(self, work: Path) -> None:
        self.naru("plan", *self._which, "--work", work)
        self.naru("prepare", work)

    def run(self, directory: Path) -> dict[str, Any]:
        moved, called = directory / "moved", directory / "called"
        try:
            self.until_prepared(moved)
            self.naru("sync", moved)
            began = time.monotonic()
            self.naru("cutover", moved)
            command = time.monotonic() - began
            off = json.loads(self.naru("downtime", moved))
            with Journal.open(moved) as journal, reading(journal) as now:
                stops, starts = (now.steps(purpose=purpose, states=["done"]) for purpose in (STOP, START))
            window = max(step.ended for step in starts) - min(step.started for step in stops)
        finally:
            self.naru("rollback", moved)
        try:
            self.until_prepared(called)
            os.environ.update(self._env)
            hand = by_hand(called)
        finally:
            self.naru("rollback", called)
        return {
            "servers": len(off),
            "window_s": round(window, 1),
            "by_hand_s": round(hand, 1),
            "ratio": round(window / hand, 2),
            "off_s": {part: round(statistics.median(server[part] for server in off), 1) for part in PARTS},
            "off_longest_s": max(server["measured"] for server in off),
            "command_s": round(command, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_lab(parser, each=2)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    load_before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="naru-bench-") as name,
        seeded(arguments, Path(name), 2, PORT_BASE) as lab,
    ):
        answer = Bench(lab, Path(name)).run(Path(name))
    print(json.dumps(answer | {"load": round(load_before, 2)}))


if __name__ == "__main__":
    main()
