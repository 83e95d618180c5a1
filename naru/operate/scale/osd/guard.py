"""Whether clients suffer from what is moved: a function of how the cluster was, and how it is."""

from collections.abc import Collection, Mapping
from typing import Any

from naru.operate.scale.osd.state import State

LOOKS = 3
"""How often in a row something has to be so: peering, and a slow moment, are over by then."""
TIMES, MORE = 3.0, 50.0
"""A write may take so many times as long as before, or so many milliseconds longer, whichever is more: less is what a
busy moment makes of a disk."""
EXPECTED = {
    *("OBJECT_MISPLACED", "PG_DEGRADED", "OSDMAP_FLAGS", "PG_NOT_SCRUBBED", "PG_NOT_DEEP_SCRUBBED"),
    *("POOL_TOO_FEW_PGS", "POOL_TOO_MANY_PGS", "TOO_FEW_PGS"),
}
"""Health checks that moving data, what is switched off meanwhile, and more OSDs bring by themselves."""
FULL = {"OSD_NEARFULL", "OSD_BACKFILLFULL", "OSD_FULL", "POOL_NEARFULL", "POOL_BACKFILLFULL", "POOL_FULL"}
FULL_NOW = {"PG_BACKFILL_FULL", "PG_RECOVERY_FULL", *FULL}
"""Health checks that are not waited for: what is moved on fills."""


def allowed(before: float) -> float:
    """The milliseconds that a write may take, by those of before."""
    return max(before * TIMES, before + MORE)


def worse(before: Mapping[str, Any], now: State, ours: Collection[int] = ()) -> tuple[list[str], bool]:
    """What is worse than it was `before` (see `noted`), and whether that is not to be waited for. `ours` are OSDs that
    are given up, and may be down."""
    found, at_once = [], False
    for name, severity in sorted(now.checks.items()):
        if name in before["checks"] and not (severity == "HEALTH_ERR" != before["checks"][name]):
            continue
        if severity != "HEALTH_ERR" and (name in EXPECTED or (name.endswith("DOWN") and _is_of(now, ours, before))):
            continue
        found.append(f"{name}: {now.said.get(name, '')}".rstrip(": "))
        at_once = at_once or severity == "HEALTH_ERR" or name in FULL_NOW
    limit = allowed(float(before["latency"]))
    if now.latency > limit:
        found.append(
            f"writes take {now.latency:.0f} ms on the slowest OSDs, {float(before['latency']):.0f} ms before "
            f"(at most {limit:.0f} ms)"
        )
    return found, at_once


def over(before: Mapping[str, Any], now: State) -> dict[str, Any]:
    """How it was, without what was nearly full then and is not any more: that is not borne again."""
    checks = {name: one for name, one in before["checks"].items() if name in now.checks or name not in FULL}
    return {**before, "checks": checks}


def _is_of(now: State, ours: Collection[int], before: Mapping[str, Any]) -> bool:
    """Whether all OSDs that are down, and were not, are ours."""
    gone = set(now.down) - set(before["down"])
    return bool(gone) and gone <= set(ours)


def noted(state: State, latency: float) -> dict[str, Any]:
    """What `worse` has to know of how it was, as JSON."""
    return {"checks": dict(state.checks), "latency": latency, "down": sorted(state.down)}
