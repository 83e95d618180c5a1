"""How long a round of copying ahead takes beside the same copies without any wait; `make bench-rounds`.

A number of tiny Ceph volumes (64 MiB, 1 MiB of it written) are carried as `naru move sync` does, in a first
round and later ones, in which 64 KiB changed of each. Eight points are made and four volumes copied at a time.
Three ways take turns:

    now     points of all, one wait, then copies that do not wait (what a round does)
    slots   every copy makes its own point and waits, holding its slot (what a round did before)
    plain   every copy makes its own point and does not wait: not sound, the least that there can be

The last line is a JSON object: `volumes`; seconds of each (the median of the later rounds); `ratio`, of now over plain;
`before`, of slots over plain; `load`. The wait is a constant and does not grow with the volumes, as `before` does.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from volumes import MIB, Bench, fill  # the benchmark beside this one

from naru.move.draft import COPIES, LIMITS, POINTS
from naru.move.steps.copying import SETTLE
from naru.volumes.control import Control
from naru.volumes.engine.copy import copy, take
from naru.volumes.engine.verify import verify
from naru.volumes.volume import Location

SIZE = 64 * MIB


class Pair(NamedTuple):
    source: Location
    target: Location
    state: Path


def _copy(pair: Pair, settle: float, settled: str) -> None:
    control = Control(memory=16 << 20)
    done = copy(*pair, settle=settle, settled=settled, control=control)
    verdict = verify(pair.source, pair.target, point=done.point, changed=True, directory=pair.state, control=control)
    if not verdict.equal:
        raise SystemExit(f"{pair.target} is not {pair.source}")


def carry(pairs: list[Pair], way: str) -> float:
    """The seconds of a round."""
    began = time.monotonic()
    settled = [""] * len(pairs)
    if way == "now":
        with ThreadPoolExecutor(LIMITS[POINTS]) as pool:
            settled = list(pool.map(lambda pair: take(*pair), pairs))
        time.sleep(SETTLE)
    settle = 0.0 if way == "plain" else SETTLE
    with ThreadPoolExecutor(LIMITS[COPIES]) as pool:
        list(pool.map(lambda pair, point: _copy(pair, settle, point), pairs, settled))
    return time.monotonic() - began


def rounds(bench: Bench, volumes: int, turns: int) -> dict[str, float]:
    ways = ("now", "slots", "plain")
    sources = [bench.image(0, SIZE) for _ in range(volumes)]
    for number, source in enumerate(sources):
        fill(source, 16, 64 << 10, 64 << 10, number, SIZE)
    pairs = {way: [Pair(source, bench.image(1, SIZE), bench.state()) for source in sources] for way in ways}
    later: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns + 1):
        for number, source in enumerate(sources):
            fill(source, 1, 64 << 10, 64 << 10, turn * volumes + number, SIZE)
        for way in ways[turn % 3 :] + ways[: turn % 3]:
            took = carry(pairs[way], way)
            print(f"{'later' if turn else 'first'}, {way}: {took:.1f} s", flush=True)
            if turn:
                later[way].append(took)
    return {way: round(statistics.median(took), 1) for way, took in later.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3, help="later rounds (default: 3)")
    parser.add_argument("--directory", type=Path, help="where clusters are made (the temporary directory)")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no cluster may be left behind
    directory = Path(tempfile.mkdtemp(prefix="naru-bench-", dir=arguments.directory))
    try:
        with Bench(directory) as bench:
            took = rounds(bench, arguments.volumes, arguments.turns)
    finally:
        shutil.rmtree(directory)
    ratios = {"ratio": took["now"] / took["plain"], "before": took["slots"] / took["plain"]}
    told = {"volumes": arguments.volumes, **took, **{name: round(value, 2) for name, value in ratios.items()}}
    print(json.dumps({**told, "load": round(load, 2)}))


if __name__ == "__main__":
    main()
