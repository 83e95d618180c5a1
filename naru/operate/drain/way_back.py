"""The plan of a host's return: made from what the drain's journal has come to."""

from collections.abc import Iterator
from typing import Any

from naru.cloud.client import Cloud
from naru.operate import compute
from naru.operate.drain import beside, planner
from naru.operate.drain.work import Work
from naru.plan.journal import Journal
from naru.plan.kinds import KINDS, load
from naru.plan.model import OVER, About, Finding, Plan, Step
from naru.plan.queries import StepRow, reading

HOME = "home"
"""The setting of a return that brings servers back."""


def is_home(journal: Journal) -> bool:
    """Whether a return brings servers back."""
    return bool(journal.settings().get(HOME))


def plan(work: Work, journal: Journal, cloud: Cloud, *, home: bool) -> Plan:
    """What was begun of moves is ended, scheduling enabled if the mark of the drain is there, agents and OSDs of the
    host are seen to, and with `home` the servers that it has moved are brought back from where they are now."""
    load(planner.MODULES)
    settings = work.settings
    host = settings.host
    made = Plan(
        title=planner.BACK_TITLE(host=host, cloud=settings.cloud),
        modules=planner.MODULES,
        limits={planner.CLOUD: settings.at_once, planner.HOST: 1, planner.PROOFS: 8},
        settings={**settings.dump(), HOME: home},
    )
    with reading(journal) as now:
        moves = now.steps(purpose=planner.MOVE, args=True, result=True)
        parts = now.steps(purpose=beside.PURPOSES, args=True, result=True)
        proofs = {one.about_id: one for one in now.steps(purpose=planner.PROOF, args=True)}
    ended = [settle(made, one) for one in moves if one.attempt and one.state not in OVER]
    enable = Step(
        planner.ENABLE,
        "drain.enable",
        {"cloud": settings.cloud, "host": host, "plan": work.plan_id},
        host,
        (planner.HOST,),
        title=planner.ENABLE_TITLE(host=host),
        about=About("host", host, host),
        purpose=planner.ENABLE,
    )
    made.add(enable, after=ended)
    for number in work.returns.numbers():  # what a return before has taken back is taken back
        with Journal.open(work.returns.path(number)) as earlier, reading(earlier) as now:
            parts += now.steps(purpose=beside.PURPOSES, args=True, result=True)
    begun = [one for one in parts if one.attempt]
    beside.add_take_back(made, host, begun, planner.HOST, ended, wait=True)
    if home:
        for one in moves:
            if one.state == "done" and one.result and one.result.get("how") in ("live", "cold"):
                made.findings += _home(made, one, proofs[one.about_id], cloud, settings.per_source, settings.per_target)
    KINDS.check_arguments(made)
    return made


def settle(made: Plan, move: StepRow) -> str:
    """Adds the step that ends what was begun of a move; its id."""
    about = move.about
    assert about
    title = planner.SETTLE_TITLE(name=about.name)
    step = Step(
        f"{about.id}/settle",
        "drain.settle",
        move.args,
        move.unit,
        (planner.CLOUD,),
        title=title,
        about=about,
        purpose=planner.SETTLE,
    )
    return made.add(step).id


def _home(
    made: Plan, move: StepRow, proof: StepRow, cloud: Cloud, per_source: int, per_target: int
) -> Iterator[Finding]:
    """Adds the way home of one server; what is to be known of it."""
    about, host = move.about, str(move.args["host"])
    assert about
    server = compute.server(cloud, about.id)
    if server is None or server[compute.HOST] in (host, None):
        return
    here = str(server[compute.HOST])
    way = move.args["ways"].get(server["status"])
    if not way or not compute.can_name(cloud, way):
        yield Finding("warning", planner.UNNAMED(name=about.name, to=here), about=about.id)
        return
    groups = {f"from {here}": per_source, f"to {host}": per_target}
    made.limits |= groups
    common: dict[str, Any] = {"cloud": move.args["cloud"], "host": here, "server": about.id}
    args = {**move.args, **common, "status": server["status"], "to": host, "exact": True}
    seen = {
        **{**proof.args, **common, "nodes": _nodes(cloud, server), "locked": bool(server.get("locked"))},
        "volumes": sorted(one["id"] for one in server.get(compute.VOLUMES) or ()),
    }
    title = (planner.LIVE if way == "live" else planner.COLD)(name=about.name, to=host)
    limits = (planner.CLOUD, *groups)
    planner.add_move(made, about, args, title, limits, move.estimate, seen, after=[planner.ENABLE])


def _nodes(cloud: Cloud, server: compute.Item) -> list[str]:
    """The resource providers of the host where it is now."""
    if not cloud.has("placement"):
        return []
    path = f"/resource_providers?name={server[compute.NODE]}"
    return [one["uuid"] for one in cloud.items("placement", path, "resource_providers")]
