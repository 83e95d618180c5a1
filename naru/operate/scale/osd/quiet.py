"""What is switched off, and bounded, while OSDs are made and data moves: read before, and put back exactly as it was.

What somebody else has set meanwhile is theirs, and stays.
"""

from collections.abc import Mapping
from typing import Any

from naru.errors import NaruError
from naru.operate.ceph import EINVAL, Cluster
from naru.plan.errors import Transient

FLAG = "norebalance"
"""With which data stays where it is, but for what lacks copies."""
BIRTH = "osd_crush_initial_weight"
"""The weight that a new OSD gives itself."""
BIRTHS = {BIRTH: "0"}
UNKNOWN = {EINVAL, 95}
"""Exit codes of `ceph` for a command that this cluster does not know, or whose module of the manager is off."""


def limits(scheduler: str, backfills: int) -> dict[str, str]:
    """What bounds the moving of data, by the OSDs' scheduler: mClock, of Quincy on, has a profile for it and does not
    heed the rest."""
    if scheduler == "mclock_scheduler":
        return {"osd_mclock_profile": "high_client_ops"}
    return {"osd_max_backfills": str(backfills), "osd_recovery_max_active": str(backfills)}


def read(ceph: Cluster, backfills: int) -> dict[str, Any]:
    """How it is, as JSON: the flags, whether the balancer is on (None where there is none), the pools whose numbers of
    placement groups are changed by Ceph itself, and those of our settings that the configuration of all OSDs has; with
    what they are to be. `config` is None where the release has no such configuration (before Mimic)."""
    dump = ceph.ask("osd", "dump")
    pools = ceph.ask("osd", "pool", "ls", "detail")
    balancer = _maybe(ceph, "balancer", "status")
    config = _maybe(ceph, "config", "dump")
    wanted: dict[str, str] = {}
    if config is not None:
        wanted = {**BIRTHS, **limits(_scheduler(ceph), backfills)}
    return {
        "flags": sorted(one for one in str(dump["flags"]).split(",") if one),
        "balancer": None if balancer is None else bool(balancer["active"]),
        "scaled": sorted(one["pool_name"] for one in pools if one.get("pg_autoscale_mode") == "on"),
        "config": None if config is None else {name: _of(config, name) for name in wanted},
        "wanted": wanted,
    }


def _scheduler(ceph: Cluster) -> str:
    found = ceph.run("config", "get", "osd", "osd_op_queue")
    return found.out.strip().strip('"') if found.code == 0 else ""


def _of(config: list[Mapping[str, Any]], name: str) -> str | None:
    """What the configuration of all OSDs has; None for nothing."""
    for one in config:
        if one["section"] == "osd" and one["name"] == name and not one.get("mask"):
            return str(one["value"])
    return None


def _maybe(ceph: Cluster, *words: str) -> Any:
    """What Ceph answers; None where it does not know the command."""
    ran = ceph.run(*words)
    return None if ran.code in UNKNOWN else ceph.ask(*words)


def ours(before: Mapping[str, Any], *, flag: bool = True) -> dict[str, Any]:
    """What `hold` sets, as JSON, and what of it was so before."""
    return {
        "flags": [FLAG] if flag and FLAG not in before["flags"] else [],
        "balancer": bool(before["balancer"]),
        "scaled": before["scaled"],
        "config": {name: value for name, value in before["wanted"].items() if flag or name not in BIRTHS},
        "before": dict(before),
    }


def hold(ceph: Cluster, before: Mapping[str, Any], *, flag: bool = True) -> dict[str, Any]:
    """Sets what is not set, and says what of it is ours; with `flag` also `norebalance`, and the weight of new OSDs.
    `before` is what `read` gave. Given again, it finds what it has set."""
    mine = ours(before, flag=flag)
    now = read(ceph, 1)
    commands = []
    if flag and FLAG not in now["flags"]:
        commands.append(["osd", "set", FLAG])
    if before["balancer"] and now["balancer"]:
        commands.append(["balancer", "off"])
    commands += [
        ["osd", "pool", "set", pool, "pg_autoscale_mode", "off"] for pool in before["scaled"] if pool in now["scaled"]
    ]
    commands += [["config", "set", "osd", name, value] for name, value in mine["config"].items()]
    _do(ceph, commands)
    return mine


def born(ceph: Cluster, held: Mapping[str, Any]) -> dict[str, Any]:
    """OSDs are there: takes away what was for their birth, `norebalance` and the weight of new ones. `held` is what
    `hold` gave."""
    config = {name: value for name, value in held["config"].items() if name in BIRTHS}
    return release(ceph, {**held, "balancer": False, "scaled": [], "config": config})


def release(ceph: Cluster, held: Mapping[str, Any]) -> dict[str, Any]:
    """Puts back what `hold` has set, and says what; also what is otherwise by now, which is left as it is."""
    before, left = held["before"], []
    now = read(ceph, 1)
    commands = [["osd", "unset", flag] for flag in held["flags"] if flag in now["flags"]]
    if held["balancer"] and now["balancer"] is False:
        commands.append(["balancer", "on"])
    there = {one["pool_name"] for one in ceph.ask("osd", "pool", "ls", "detail")} if held["scaled"] else set()
    commands += [
        ["osd", "pool", "set", pool, "pg_autoscale_mode", "on"]
        for pool in held["scaled"]
        if pool in there and pool not in now["scaled"]
    ]
    config = ceph.ask("config", "dump") if held["config"] else []
    for name, mine in held["config"].items():
        is_now, was = _of(config, name), before["config"][name]
        if is_now == was:
            continue
        if is_now is None or not same(is_now, mine):
            left.append(f"{name} is {is_now}: it was {was}, and {mine} while data moved")
            continue
        commands.append(["config", "rm", "osd", name] if was is None else ["config", "set", "osd", name, was])
    _do(ceph, commands)
    return {"put back": [" ".join(one) for one in commands], "left": left}


def same(one: str, other: str) -> bool:
    """Whether two values of a setting are the same: Ceph writes numbers its own way, as 0.000000."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def _do(ceph: Cluster, commands: list[list[str]]) -> None:
    if not commands:
        return
    ran = ceph.all_of(commands)
    if ran.code:
        what = "; ".join("ceph " + " ".join(one) for one in commands)
        if ran.code in UNKNOWN:
            raise NaruError(f"Ceph refuses: {what}", detail=ran.errors.strip()[-1000:], hint="See what it says.")
        raise Transient(f"Ceph does not do: {what}", detail=ran.errors.strip()[-1000:])
