"""How much a journaled step costs, beside a workflow library; `make bench-plan`.

The plan is 2,000 units of 50 trivial steps with edges within and across units and four limit groups. Every measurement
is a process of its own. The last line is a JSON object:

    ms_per_step       wall clock of the executor per step, in milliseconds, from an open journal to the last commit
    mib               the most memory that making or running the plan took
    resume_s          seconds from the start of a process that takes up a plan, killed halfway, to its first step
    steps             how many steps
    peer_ms_per_step  the same for DBOS (SQLite) and a tenth of the steps: a workflow for each unit, no edges across
    load              the machine's load average over the minute before: numbers taken on a busy machine are worse

The lines before give CPU seconds too, which depend less on what else the machine does.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

STEPS_OF_UNIT = 50
GROUPS = 4
AT_ONCE = 64


def plan_of(steps: int) -> Any:
    from naru.plan.model import Plan, Step

    limits = {"default": 8} | {f"group-{i}": AT_ONCE for i in range(GROUPS)}
    plan = Plan(title=f"{steps} trivial steps", limits=limits)
    for unit in range(steps // STEPS_OF_UNIT):
        for place in range(STEPS_OF_UNIT):
            plan.add(
                Step(
                    f"unit-{unit}/step-{place}",
                    "bench.trivial",
                    {"unit": unit, "place": place},
                    unit=f"unit-{unit}",
                    limits=(f"group-{(unit + place) % GROUPS}",),
                    title="A trivial step",
                ),
                after=[f"unit-{u}/step-{p}" for u, p in befores(unit, place)],
            )
    return plan


def befores(unit: int, place: int) -> Iterator[tuple[int, int]]:
    """Within a unit: chains that fork and join; across: every tenth step waits for the unit before."""
    if place % 5 == 4:
        yield from ((unit, place - back) for back in (1, 2))
    elif place:
        yield unit, place - 1 if place % 5 else place - 5
    if unit and place % 10 == 3:
        yield unit - 1, place - 2


def kinds(kill_at: int = 0, first: list[float] | None = None) -> Any:
    from naru.plan.arguments import Arguments
    from naru.plan.kinds import Kinds

    registry = Kinds()
    count = 0

    @registry.step("bench.trivial", args=Arguments, no_undo="nothing is done")
    def trivial(context: Any) -> None:
        nonlocal count
        count += 1
        if count == 1 and first is not None:
            first.extend((time.time(), time.process_time()))
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return registry


def create(work: Path, steps: int) -> dict[str, float]:
    from naru.plan.journal import Journal

    Journal.create(work, plan_of(steps)).close()
    return {}


def run(work: Path, steps: int) -> dict[str, float]:
    from naru.plan.executor import Executor, RunOutcome
    from naru.plan.journal import Journal

    with Journal.open(work) as journal:
        wall, cpu = time.perf_counter(), time.process_time()
        assert Executor(journal, kinds()).run() is RunOutcome.DONE
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def kill(work: Path, steps: int) -> dict[str, float]:
    from naru.plan.executor import Executor
    from naru.plan.journal import Journal

    Executor(Journal.open(work), kinds(kill_at=steps // 2)).run()
    raise AssertionError("the executor outlived its SIGKILL")


def resume(work: Path, steps: int) -> dict[str, float]:
    from naru.plan.executor import Executor, RunOutcome
    from naru.plan.journal import Journal

    first: list[float] = []
    with Journal.open(work) as journal:
        assert Executor(journal, kinds(first=first)).run() is RunOutcome.DONE
    return {"first": first[0], "cpu": first[1]}


def peer(work: Path, steps: int) -> dict[str, float]:
    from dbos import DBOS, DBOSConfig

    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{work}.sqlite",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)

    @DBOS.step()
    def trivial(unit: int, place: int) -> None:
        return

    @DBOS.workflow()
    def unit_of_steps(unit: int) -> None:
        for place in range(STEPS_OF_UNIT):
            trivial(unit, place)

    DBOS.launch()
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(GROUPS) as threads:
        list(threads.map(unit_of_steps, range(steps // STEPS_OF_UNIT)))
    answer = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    DBOS.destroy()
    return answer


MEASURES = {measure.__name__: measure for measure in (create, run, kill, resume, peer)}


def measured(name: str, work: Path, steps: int, python: str = sys.executable) -> dict[str, float]:
    """Runs one measurement in a process of its own; what it answers, and `mib`, its memory at most."""
    begun = time.time()
    command = [python, __file__, "--measure", name, "--work", str(work), "--steps", str(steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if name == "kill":
        assert done.returncode == -signal.SIGKILL, done.returncode
        return {}
    assert done.returncode == 0, f"{name}: {done.returncode}"
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if "first" in answer:
        answer["first"] -= begun
    print(f"{name} {steps} steps: " + ", ".join(f"{key} {value:.3f}" for key, value in answer.items()), flush=True)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000, help="a multiple of 500 (default: 100,000)")
    parser.add_argument("--tenfold", action="store_true", help="also ten times as many, to see that it grows linearly")
    parser.add_argument("--peer", metavar="PYTHON", help="the Python that has DBOS installed (default: no peer)")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    steps: int = options.steps
    if options.measure:
        answer = MEASURES[options.measure](options.work, steps)
        answer["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as directory:
        work, other = Path(directory) / "work", Path(directory) / "other"
        made = measured("create", work, steps)
        shutil.copytree(work, other)
        ran = measured("run", work, steps)
        measured("kill", other, steps)
        resumed = measured("resume", other, steps)
        if options.tenfold:
            measured("create", Path(directory) / "tenfold", steps * 10)
            measured("run", Path(directory) / "tenfold", steps * 10)
        beside = steps // 10
        peer_wall = measured("peer", Path(directory) / "peer", beside, options.peer)["wall"] if options.peer else None
    result = {
        "ms_per_step": round(ran["wall"] / steps * 1000, 4),
        "mib": round(max(made["mib"], ran["mib"], resumed["mib"]), 1),
        "resume_s": round(resumed["first"], 2),
        "steps": steps,
        "peer_ms_per_step": None if peer_wall is None else round(peer_wall / beside * 1000, 3),
        "load": round(load, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
