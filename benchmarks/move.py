"""How long a project of 50 servers takes to be planned and prepared, beside the clouds' own time; `make bench-move`.

The sample `wide` (50 servers, some 600 things) is seeded on a Pike cloud, its move to the newest release planned,
prepared, compared whole and rolled back. Then the same things are made once more by a plain client that does nothing
but ask and wait (`replay.py` beside this one; its docstring says what that is), and compared by the same command. What
that client takes is the clouds' own busy time with what was asked of them: measured in the same run, on the same
clouds, from the same plan, under the same limits. The last line is a JSON object:

    servers, resources  how many servers; how many things the plan makes, security groups' rules counted as things
    plan_s              seconds of `naru move plan`, both clouds read whole
    prepare_s           seconds of `naru move prepare`, from the start of its process to the end
    busy_s              the clouds' own: seconds of the plain client until everything was made
    ratio               prepare_s over busy_s
    busy_whole_s        busy_s, and the requests that a move needs for itself: marks taken away, doubles looked for
    requests            what prepare sent: by service and method, reads and tokens too
    by_kind             the same by the kind of step ("": those of the command itself)
    plain_requests      how many the plain client sent, up to busy_whole_s
    per_resource        requests of prepare for each resource
    journal_share       seconds in the journal's transactions over prepare_s, those of all threads added up
    load                the machine's load average over the minute before: numbers taken on a busy machine are worse
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from lab import PORT_BASE, quiet  # the benchmark beside this one
from replay import replay

from naru.actions import clouds
from naru.cli.main import main as naru
from naru.lab import spec
from naru.lab.lab import Lab
from naru.lab.seed import remove, seeder
from naru.lab.seed.load import load
from naru.plan.journal import Journal
from naru.releases import release

PROJECT = "wide"
SERVICES = ("keystone", "glance", "nova", "placement", "neutron", "cinder")


# -- in a process of its own: what it asks of the clouds and of its journal


class Spent:
    """What this process has sent, by kind of step, service and method, and the seconds it spent in its journal."""

    def __init__(self, lab: Lab) -> None:
        self.sent: Counter[tuple[str, str, str]] = Counter()
        self.journal = 0.0
        ports = {cloud.ports[name]: name for cloud in lab.clouds() for name in SERVICES}
        send = requests.Session.send
        read, write = Journal.read, Journal.write

        def counted(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            context = getattr(clouds._running, "context", None)
            service = ports.get(urlsplit(str(request.url)).port, "other")
            self.sent[context.kind if context else "", service, str(request.method)] += 1
            return send(session, request, **options)

        def timed(method: Any) -> Any:
            @contextlib.contextmanager
            def transaction(journal: Journal) -> Iterator[Any]:
                began = time.perf_counter()
                try:
                    with method(journal) as connection:
                        yield connection
                finally:
                    self.journal += time.perf_counter() - began

            return transaction

        requests.Session.send = counted
        Journal.read, Journal.write = timed(read), timed(write)

    def told(self) -> dict[str, Any]:
        by_service: dict[str, Counter[str]] = {}
        by_kind: dict[str, Counter[str]] = {}
        for (kind, service, method), count in self.sent.items():
            by_service.setdefault(service, Counter())[method] += count
            by_kind.setdefault(kind, Counter())[service] += count
        requests_ = {name: dict(found) for name, found in sorted(by_service.items())}
        kinds = {name: dict(found) for name, found in sorted(by_kind.items())}
        return {"requests": requests_, "by_kind": kinds, "journal": self.journal}


def measure(lab: Lab, what: str, arguments: list[str]) -> dict[str, Any]:
    spent = Spent(lab)
    with contextlib.redirect_stdout(sys.stderr):
        if what == "replay":
            found: dict[str, Any] = replay(Path(arguments[0]), "new")
        else:
            found = {"code": naru(["-q", "move", what, *arguments])}
    return found | spent.told()


# -- the run


class Bench:
    """The commands of the run, each in a process of its own."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.clouds_yaml)}

    def measured(self, what: str, *arguments: str) -> dict[str, Any]:
        """What `measure` answers, and `wall`: the seconds of the whole process."""
        argv = [sys.executable, __file__, "--lab", str(self.lab.directory), "--measure", what, *arguments]
        began = time.monotonic()
        done = subprocess.run(argv, env=self.env, stdout=subprocess.PIPE, text=True, check=True)
        found = dict(json.loads(done.stdout.splitlines()[-1]))
        found["wall"] = time.monotonic() - began
        if found.get("code"):
            raise SystemExit(f"naru move {what} ended with {found['code']}")
        print(f"{what}: {found['wall']:.1f} s", flush=True)
        return found

    def naru(self, *arguments: str) -> None:
        """A command that is not measured. Raises SystemExit when it does not end well."""
        done = subprocess.run([sys.executable, "-m", "naru.cli.main", "-q", "move", *arguments], env=self.env)
        if done.returncode:
            raise SystemExit(f"naru move {' '.join(arguments)} ended with {done.returncode}")

    def run(self, directory: Path) -> dict[str, Any]:
        moved, replayed = directory / "moved", directory / "replayed"
        which = ("--from", "old", "--to", "new", "--project", PROJECT, "--key", str(directory / "key"))
        planned = self.measured("plan", *which, "--work", str(moved))
        try:
            prepared = self.measured("prepare", str(moved))
            self.naru("verify", str(moved))
        finally:
            self.naru("rollback", str(moved))
        # planned anew: the same clouds as before, and no trace of the first move
        self.measured("plan", *which, "--work", str(replayed))
        try:
            plain = self.measured("replay", str(replayed))
            self.naru("verify", str(replayed))  # that it made the same
        finally:
            self.naru("rollback", str(replayed))
        sent = sum(sum(found.values()) for found in prepared["requests"].values())
        servers, resources = made(moved)
        return {
            "servers": servers,
            "resources": resources,
            "plan_s": round(planned["wall"], 1),
            "prepare_s": round(prepared["wall"], 1),
            "busy_s": round(plain["seconds"], 1),
            "ratio": round(prepared["wall"] / plain["seconds"], 2),
            "busy_whole_s": round(plain["whole"], 1),
            "requests": prepared["requests"],
            "by_kind": prepared["by_kind"],
            "plain_requests": sum(sum(found.values()) for found in plain["requests"].values()),
            "per_resource": round(sent / resources, 2),
            "journal_share": round(prepared["journal"] / prepared["wall"], 3),
        }


def made(work: Path) -> tuple[int, int]:
    """How many servers, and how many things, a plan makes."""
    decisions = json.loads((work / "decisions.json").read_text())["decisions"]
    kinds = Counter(decision["kind"] for decision in decisions if decision["decision"] == "create")
    with Journal.open(work) as journal:
        rules = sum(len(step.args["rules"]) for step in journal.plan(rollbacks=False).find(kind="move.rules"))
    return kinds["server"], kinds.total() + rules


def add_lab(parser: argparse.ArgumentParser, each: int) -> None:
    """The options that say how large the sample is, and where."""
    parser.add_argument("--each", type=int, default=each, help=f"a fifth of the servers (default: {each})")
    parser.add_argument(
        "--lab", type=Path, help="the directory of a running lab with clouds old and new; the sample is taken out after"
    )


@contextlib.contextmanager
def seeded(arguments: argparse.Namespace, directory: Path, computes: int, port_base: int) -> Iterator[Lab]:
    """Clouds `old` and `new`, the sample on the old one: those of --lab, or others in the directory."""
    sample = load(PROJECT, {"each": arguments.each})
    lab = Lab(arguments.lab or directory / "lab")
    try:
        if not arguments.lab:
            clouds = ["old=pike", f"new={release.names()[-1]}"]
            lab.up(spec.build(clouds, ["core"], computes, port_base), quiet, quiet)
        began = time.monotonic()
        seeder.seed(sample, lab.cloud("old"), quiet)
        print(f"seeded in {time.monotonic() - began:.1f} s", flush=True)
        yield lab
    finally:
        if arguments.lab:
            remove.remove(sample, lab.cloud("old"), quiet)
        else:
            lab.down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_lab(parser, each=10)
    parser.add_argument("--computes", type=int, default=4, help="fake compute hosts of each cloud (default: 4)")
    parser.add_argument("--measure", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of the lab is to be left
    if arguments.measure:
        what, *given = arguments.measure
        print(json.dumps(measure(Lab(arguments.lab), what, given)))
        return
    load_before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="naru-bench-") as name,
        seeded(arguments, Path(name), arguments.computes, PORT_BASE + 1600) as lab,
    ):
        answer = Bench(lab).run(Path(name))
    print(json.dumps(answer | {"load": round(load_before, 2)}))


if __name__ == "__main__":
    main()
