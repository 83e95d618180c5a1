"""What the guard takes of a core: signed heartbeats of many hosts heard, a witness's reports, peers, and a round of
verdicts every 15 s, with all that is written to disk. Nova and power controllers are not asked.

    python benchmarks/guard.py [--hosts 1000] [--rounds 24] [--dead 3]
"""

import argparse
import tempfile
import time
from pathlib import Path

from naru.operate.guard.beat import pack
from naru.operate.guard.engine import Engine, Seen
from naru.operate.guard.evidence import Host, Witness
from naru.operate.guard.gates import NEEDED
from naru.operate.guard.heartbeat import Listener
from naru.operate.guard.memory import Memory
from naru.operate.guard.policy import Policy
from naru.operate.guard.state import Directory
from naru.operate.guard.verdict import summary

EVERY, BEAT = 15.0, 10.0
"""Seconds between two rounds, and between two heartbeats."""
PEERS = 3
KEY = b"k" * 64


def packets(names: list[str], dead: set[str], number: int) -> list[bytes]:
    """One heartbeat of each host that lives."""
    found = []
    for at, name in enumerate(names):
        if name in dead:
            continue
        peers = [names[(at + step) % len(names)] for step in range(1, PEERS + 1)]
        said = {"peers": peers, "hears": [one for one in peers if one not in dead]}
        found.append(pack(KEY, "beat", name, 1, number, said))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--dead", type=int, default=3)
    arguments = parser.parse_args()
    names = [f"compute{at:04}.example" for at in range(arguments.hosts)]
    racks = {name: f"r{at % 50}" for at, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as path:
        run(arguments, names, racks, Directory(Path(path) / "guard", make=True))


def run(arguments: argparse.Namespace, names: list[str], racks: dict[str, str], directory: Directory) -> None:
    clock = [0.0]
    memory = Memory(patience=3 * EVERY)
    engine = Engine(Policy(), memory, lambda: clock[0], lambda: clock[0])
    listener, other = Listener([KEY]), Listener([KEY])
    health = dict.fromkeys(NEEDED, True)
    spent, dead, number, counts = 0.0, set[str](), 0, {}
    for turn in range(arguments.rounds):
        clock[0] += EVERY
        if turn == arguments.rounds // 4:
            dead = {names[at * 41] for at in range(arguments.dead)}
        heard = []
        for _ in range(round((turn + 1) * EVERY / BEAT) - round(turn * EVERY / BEAT)):
            number += 1
            heard += packets(names, dead, number)
        for one in heard:
            other.take(one, clock[0])
        for said in other.report("rack-b", True, clock[0]):
            number += 1
            heard.append(pack(KEY, "report", "w2", 1, number, said))
        began = time.process_time()
        for one in heard:
            listener.take(one, clock[0])
        hosts = [
            Host(
                name,
                name,
                "down" if name in dead else "up",
                *(racks[name], "z", ""),
                servers=("x",),
                power="on",
                identified=True,
            )
            for name in names
        ]
        seen = Seen(
            hosts=hosts,
            readings=list(listener.readings(names, "guard", "rack-a", racks, clock[0])),
            witnesses=(Witness("guard", "rack-a", True), *listener.witnesses(clock[0])),
            reports={name: str(clock[0]) for name in names},
            health=health,
        )
        verdicts = engine.round(seen, directory.entries())
        kept = directory.load()
        kept.seen, kept.newest = set(memory.seen), listener.newest
        directory.save(kept)
        told = {one.host: {"outcome": one.outcome} for one in verdicts if one.outcome != "none"}
        directory.write_now(told, {})
        spent += time.process_time() - began
        counts = summary(verdicts)
    share = spent / (arguments.rounds * EVERY)
    print(f"{arguments.hosts} hosts, {arguments.rounds} rounds: {spent / arguments.rounds:.3f} s of a core each")
    print(f"{share:.1%} of a core at a round every {EVERY:.0f} s and a heartbeat every {BEAT:.0f} s")
    print(f"verdicts of the last round: {counts}")


if __name__ == "__main__":
    main()
