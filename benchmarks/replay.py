"""The limit that `benchmarks/move.py` measures against: what a move prepares, made by a client that only asks.

The steps of preparing are taken out of a plan and their literal requests sent, each as soon as what it refers to is
there, the longest path first, under the plan's own limits: a step holds its place until what it made can be used, as it
does in a move. All of it is in memory. There is no journal, and no look for what an earlier attempt made. What is under
way (a server's build, a volume's creation) is waited for with one short list for all of a state, asked for twice a
second, however many wait.

What this takes is the clouds' own time with these requests on this machine, under this load. The requests that are the
move's own way of keeping order (marks removed, what a service made twice looked for, temporary roles revoked)
are sent as well, after that time has been taken.
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from sqlalchemy import update

from naru.actions.arguments import resolve, url
from naru.actions.clouds import send
from naru.cloud.client import Cloud
from naru.plan import schema
from naru.plan.context import Context
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import Plan, Step
from naru.plan.ready import DONE, ReadyQueue

POLL = 0.5
"""Seconds between two lists of what has reached a state."""
LONGEST = 600.0
"""Seconds that anything may take to reach its state."""
LISTS = {"server": ("compute", "/servers", "servers"), "volume": ("block-storage", "/volumes", "volumes")}


class Arrivals:
    """What has reached a state, by lists of ids that all waiting threads share."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], tuple[float, set[str]]] = {}

    def until(self, kind: str, identity: str, status: str) -> None:
        """Waits until the thing has the status. Raises TimeoutError."""
        end = time.monotonic() + LONGEST
        while identity not in self._now(kind, status):
            if time.monotonic() > end:
                raise TimeoutError(f"{kind} {identity} is not {status} after {LONGEST:.0f} s")
            time.sleep(POLL / 5)

    def _now(self, kind: str, status: str) -> set[str]:
        with self._lock:
            at, ids = self._found.get((kind, status), (0.0, set()))
            if time.monotonic() - at >= POLL:
                service, path, collection = LISTS[kind]
                items = self.cloud.items(service, f"{path}?all_tenants=1&status={status}", collection)
                ids = {item["id"] for item in items}
                self._found[kind, status] = (time.monotonic(), ids)
            return ids


class Replay:
    """One run over a plan. `results` are what its steps would have answered, by id; `failed` are those under way when
    the run broke off."""

    without: Collection[str] = ()
    """Step kinds that are passed over."""

    def __init__(self, plan: Plan, cloud: Cloud) -> None:
        self.plan = plan
        self.cloud = cloud
        self.results: dict[str, Any] = {}
        self.failed: list[str] = []
        self._arrivals = Arrivals(cloud)
        self._acting: dict[tuple[str, str], Cloud] = {}
        self._lock = threading.Lock()

    def run(self, done: Collection[str] = (), gates: Collection[str] = (), last: str = "prepared") -> dict[str, float]:
        """Runs all that is not `done` (ids) yet and that no gate but these keeps back. `seconds` until the last step
        whose id begins so was done, by default the barrier behind all that is made; `whole` until the move's own
        requests were sent, too. Raises the first error, when what was under way has ended."""
        ready = ReadyQueue.of(self.plan)
        ready.closed_gates = set(self.plan.gates) - set(gates)
        for n, step in enumerate(self.plan.steps, 1):
            if step.id in done:
                ready.set(n, DONE)
        began, made = time.monotonic(), 0.0
        running: dict[Future[Any], int] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(sum(self.plan.limits.values())) as pool:
            while True:
                if failure is None:
                    for n in ready.take()[0]:
                        running[pool.submit(self._perform, self.plan.steps[n - 1])] = n
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    n = running.pop(future)
                    step = self.plan.steps[n - 1]
                    if error := future.exception():
                        self.failed.append(step.id)
                        failure = failure or error
                        continue
                    if step.kind not in self.without:
                        self.results[step.id] = future.result()
                    ready.set(n, DONE)
                    if step.id.startswith(last):
                        made = time.monotonic() - began
        if failure is not None:
            raise failure
        return {"seconds": made, "whole": time.monotonic() - began}

    def _perform(self, step: Step) -> Any:
        context = Context(
            n=0,
            id=step.id,
            kind=step.kind,
            unit=step.unit,
            args=step.args,
            attempt=1,
            earlier=None,
            reader=lambda _: self.results,
        )
        if step.kind in self.without:
            return None
        plain = self._plain().get(step.kind)
        if plain is None or step.args.get("find", {}).get("ids"):
            return KINDS.get(step.kind).run(context)  # a few of each: what they look at is part of their making
        return plain(resolve(step.args, self.results, context))

    def _plain(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        """By step kind: its literal requests."""
        return {"cloud.create": self._create, "cloud.call": self._call, "cloud.power": self._power}

    def _client(self, args: Mapping[str, Any]) -> Cloud:
        who = args.get("actor")
        if not who:
            return self.cloud
        key = (who["project"], who.get("user", ""))
        with self._lock:
            if key not in self._acting:
                self._acting[key] = self.cloud.acting(who["project"], who.get("user", ""), who.get("password", ""))
            return self._acting[key]

    def _create(self, args: Mapping[str, Any]) -> dict[str, Any]:
        wrap, path = args["wrap"], url(args["path"])
        body = {wrap: args["body"], **args.get("beside", {})} if wrap else args["body"]
        made = self._client(args)(args["service"], "POST", path, body, version=args.get("version", ""))
        made = made[wrap] if wrap else made
        key = str(made[args.get("key", "id")])
        if "wait" in args and made.get(args["wait"]["field"]) not in args["wait"]["until"]:
            self._arrivals.until(wrap, key, args["wait"]["until"][0])
        return {"id": key, "path": args.get("item", path.partition("?")[0] + "/") + key}

    def _call(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for request in args["requests"]:
            send(self._client(args), args["service"], request)
        return {"undo": args.get("undo", [])}

    def _power(self, args: Mapping[str, Any]) -> dict[str, Any]:
        action = {"SHUTOFF": "os-stop", "ACTIVE": "os-start"}[args["to"]]
        self.cloud("compute", "POST", f"/servers/{args['server']}/action", {action: None})
        self._arrivals.until("server", args["server"], args["to"])
        return {"server": args["server"], "seconds": 0.0}


def replay(work: Path, name: str) -> dict[str, float]:
    """Makes on the cloud `name` what the plan in `work` prepares, and writes to its journal that it is done: the move
    can be verified, and rolled back, as if it had prepared it itself."""
    with Journal.open(work) as journal:
        load(journal.modules())
        plan = journal.plan(rollbacks=False)
        with Cloud(name) as cloud:
            run = Replay(plan, cloud)
            try:
                return run.run()
            finally:
                record(journal, run)


def record(journal: Journal, run: Replay) -> None:
    """Writes to the journal what was done, as if the move had done it."""
    now = time.time()
    steps_ = schema.steps
    with journal.write() as connection:
        values: dict[str, Any]
        for identity, result in run.results.items():
            values = {"state": "done", "attempt": 1, "started": now, "ended": now}
            values["result"] = None if result is None else json.dumps(result)
            connection.execute(update(steps_).where(steps_.c.id == identity).values(values))
        for identity in run.failed:
            connection.execute(update(steps_).where(steps_.c.id == identity).values(state="failed", attempt=1))
