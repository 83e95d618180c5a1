"""The share of data that new OSDs have: weights set, and the wait until data is where it belongs, as long as clients do
not suffer from it."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from naru.errors import NaruError
from naru.operate.ceph import Cluster
from naru.operate.scale.osd import guard, state
from naru.operate.scale.osd.quiet import FLAG
from naru.plan.context import Context
from naru.plan.errors import Transient

NEAR = 1e-4
"""Weights that differ by less are the same: CRUSH keeps 16 bits behind the point."""
IMPOSSIBLE = {"norecover", "nobackfill", "pause"}
"""Flags with which no data moves; others have set them."""


def wanted(ceph: Cluster, ours: Collection[int], share: float) -> dict[int, float]:
    """What each of the OSDs is to weigh with that share of its full weight."""
    every = state.osds(ceph)
    others = [one for number, one in every.items() if number not in ours]
    if silent := [f"osd.{number}" for number in ours if number in every and not every[number].size]:
        raise Transient(f"{', '.join(silent)} has not told its size yet")
    return {number: round(state.full_weight(every[number], others) * share, 5) for number in ours if number in every}


def put(ceph: Cluster, weights: Mapping[int, float]) -> int:
    """Sets the weights that are otherwise, in one go; how many that were."""
    now = state.osds(ceph)
    commands = [
        ["osd", "crush", "reweight", f"osd.{number}", str(weight)]
        for number, weight in sorted(weights.items())
        if abs(now[number].weight - weight) > NEAR
    ]
    if commands and (ran := ceph.all_of(commands)).code:
        raise Transient("weights cannot be set", detail=ran.errors.strip()[-1000:])
    return len(commands)


class Moving:
    """The wait until data is where it belongs. While clients suffer `norebalance` holds it, which is taken away when
    they do not any more; when that takes longer than `patience` seconds, the flag stays, and the step fails. A flag
    that somebody else has set is waited for in the same way, and left."""

    def __init__(
        self, context: Context, ceph: Cluster, before: Mapping[str, Any], ours: Sequence[int], *, leaving: bool = False
    ) -> None:
        self._context = context
        self._ceph = ceph
        self._before = before
        self._ours = list(ours)
        self._leaving = list(ours) if leaving else []
        self._every = float(context_args(context)["every"])
        self._patience = float(context_args(context)["patience"])
        earlier = context.earlier or (context.args.get("result") or {})
        self.held = bool(earlier.get("held"))
        self.pauses = int(earlier.get("pauses", 0))
        self._bad = self._good = self._clean = 0
        self._most = 0.0

    def record(self) -> dict[str, Any]:
        """What is known, as a step's result."""
        return {"held": self.held, "pauses": self.pauses, "before": dict(self._before)}

    def finish(self) -> None:
        """Waits. Raises NaruError when it cannot go on."""
        since: float | None = time.monotonic() if self.held else None
        why = "it was held when this began"
        while True:
            now = state.read(self._ceph, without=self._ours)
            self._before = guard.over(self._before, now)
            found, at_once = guard.worse(self._before, now, self._leaving)
            found += self._stopped(now)
            self._bad, self._good = (self._bad + 1, 0) if found else (0, self._good + 1)
            if found:
                why = "; ".join(found)
            if not self.held and found and (at_once or self._bad >= guard.LOOKS):
                self._hold(now)
                since = since or time.monotonic()
            elif self.held and found and FLAG not in now.flags:
                self._flag("set")
            elif self.held and self._good >= guard.LOOKS:
                self._go_on()
            if not found and not self.held:
                since = None
            self._tell(now)
            # what was just set may not be in what the manager says yet
            self._clean = 0 if now.unclean or found or self.held else self._clean + 1
            if self._clean >= guard.LOOKS:
                return
            if since is not None and time.monotonic() - since > self._patience:
                raise NaruError(
                    "data is not moved on: the cluster is worse than before",
                    detail=why,
                    hint=f"{FLAG} holds it. See ceph -s; when it is well give the command again, or roll back.",
                )
            self._context.sleep(self._every)

    def _stopped(self, now: state.State) -> list[str]:
        flags = (IMPOSSIBLE | (set() if self.held else {FLAG})) & now.flags
        return [f"somebody has set {', '.join(sorted(flags))}"] if flags and now.unclean else []

    def _hold(self, now: state.State) -> None:
        if FLAG in now.flags:
            return
        self.held, self.pauses, self._good = True, self.pauses + 1, 0
        self._context.save(self.record())
        self._context.sleep(1.0)  # what is saved reaches the disk within a moment
        self._flag("set")

    def _go_on(self) -> None:
        self._flag("unset")
        self.held, self._bad = False, 0
        self._context.save(self.record())

    def _flag(self, how: str) -> None:
        self._context.log(f"ceph osd {how} {FLAG}")
        ran = self._ceph.run("osd", how, FLAG)
        if ran.code:
            raise Transient(f"ceph osd {how} {FLAG} is not done", detail=ran.errors.strip()[-1000:])

    def _tell(self, now: state.State) -> None:
        self._most = max(self._most, now.misplaced)
        if self._most:
            self._context.progress(round(1000 * (1 - now.misplaced / self._most)), 1000, "count")


def context_args(context: Context) -> Mapping[str, Any]:
    """The arguments of the step, or of the one that it undoes."""
    found: Mapping[str, Any] = context.args.get("args", context.args)
    return found
