"""Environments of the wanted release on the hosts of services under `next:` that say so (`environment`): shipped days
ahead to the place for which they were built, and tried there. The window switches the link under which units find
them (`naru.upgrade.window.window`): a unit is written before anybody knows that place, whose name has a digest in it.

Hosts of compute services and agents are many, and some do not answer, or have no room. Nothing waits for these but
their own services: what is left there, `prepare` given again and `agents` ship, and never the window, whose time it
would take.
"""

import shlex
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from naru.actions.hosts.file import AbsolutePath
from naru.actions.hosts.place import HostAction, Place, script_text
from naru.messages import message
from naru.plan.context import Context
from naru.plan.errors import PlanError
from naru.plan.kinds import step
from naru.plan.model import About, Plan, Step
from naru.releases import portable, release
from naru.releases.portable import Requirements
from naru.upgrade.check.programs import numbers, version_of
from naru.upgrade.facts import Facts
from naru.upgrade.window.placed import Placed
from naru.upgrade.window.window import AHEAD, COMPUTE_PATIENCE, PREPARE, environments

SHIPPING, AT_ONCE = "ship", 8
"""The limit group of what is shipped, and how many hosts at a time: naru plan limit ship 2 --work DIR."""
SHIP, PROVE = "ship", "prove"
"""What the steps are for."""
SECONDS = 600.0

SHIP_TITLE = message("upgrade.title.ship", en="environment of {release} on {host}", ko="{host}에 {release} 환경 설치")
RUNS_TITLE = message("upgrade.title.prove", en="{release} runs on {host}", ko="{host}에서 {release} 실행 확인")


class Runs(HostAction):
    """See `runs`."""

    step_kind: ClassVar[str] = "upgrade.runs"

    release: str
    path: AbsolutePath
    services: list[list[str]]
    links: list[AbsolutePath]


class Shipped(NamedTuple):
    """What was planned: by host the step for which its services wait, and those steps without which nothing begins."""

    ready: dict[str, str]
    needed: list[str]


def add(plan: Plan, facts: Facts, common: dict[str, Any], work: str, packed: str) -> Shipped:
    """Adds for each host a step that ships, unless one is there, and one that proves; `work` is the work directory,
    `packed` the step by which the archive is there."""
    goal, needed, ready = facts.span.goal, list[str](), dict[str, str]()
    hosts = environments(facts)
    if hosts:
        plan.limits[SHIPPING] = AT_ONCE
    known = {one.id for one in plan.steps}
    for host, lines in hosts.items():
        of_computes = all(one.of_computes for one in lines)
        ship, runs = _steps(goal, host, lines, common["site"], work, of_computes=of_computes)
        if ship.id not in known:  # the host that does the work has it for that
            plan.add(ship, after=[packed])
        ready[host] = plan.add(runs, after=[ship.id]).id
        needed += [] if of_computes else [runs.id]
    return Shipped(ready, needed)


def _steps(goal: str, host: str, lines: Sequence[Placed], site: str, work: str, *, of_computes: bool) -> list[Step]:
    """The one that ships to a host, and the one that proves."""
    loaded = release.load(goal)
    args: dict[str, Any] = {"site": site, "next": True, "host": host, "path": str(portable.place(loaded))}
    args |= {"patience": COMPUTE_PATIENCE} if of_computes else {}
    shipping = {"archive": str(portable.archive_path(loaded)), "work": work}
    services = [[one.service.name, _unit(one), *one.service.config] for one in lines]
    links = sorted({one.service.environment for one in lines if one.service.environment})
    proving = {"release": goal, "services": services, "links": links}
    words = {"release": goal, "host": host}
    return [
        Step(
            f"{goal}/{host}/{name}",
            kind,
            {**args, **more},
            AHEAD if of_computes else goal,
            (SHIPPING,),
            gate=PREPARE if of_computes else "",
            title=title,
            about=About("host", host, host),
            purpose=purpose,
        )
        for name, kind, more, title, purpose in (
            ("ship", "host.tree", shipping, SHIP_TITLE(**words), SHIP),
            ("runs", "upgrade.runs", proving, RUNS_TITLE(**words), PROVE),
        )
    ]


def _unit(one: Placed) -> str:
    return getattr(one.service.managed, "unit", "")


@step("upgrade.runs", args=Runs, no_undo="it only looks", deadline=2 * SECONDS, retry=())
def runs(context: Context) -> dict[str, Any]:
    """Sees whether the environment of a `release`, which is at `path`, runs on the host: the C library is as new as it
    needs, Python begins, and those programs of `services` say their version that it has. Each is a name, its unit, and
    its configuration files: Nova's libvirt driver needs libvirt's binding besides, as the unit has it. And that
    `links` may be made: nothing else is there."""
    args = context.args
    place = Place(context, args, context.id)
    needs = portable.requirements(args["release"])
    context.log(f"{place.host}: {', '.join(name for name, *_ in args['services'])} of {args['path']}")
    calls = [["environment", args["path"], needs.python], *(["service", *one] for one in args["services"])]
    calls += [["link", one] for one in args["links"]]
    text = "\n".join([script_text("runs", "naru.upgrade"), *map(shlex.join, calls)])
    said = judged(place.ask(lambda remote: remote.checked(["sh", "-c", text], seconds=SECONDS)), needs)
    if said.wrong:
        raise PlanError(
            f"{place.host}: {args['path']} does not run there: {said.wrong[0]}",
            detail="\n".join(said.wrong[1:]),
            hint="Mend it there, and give the command again. Its services are not started before.",
        )
    return {"glibc": said.glibc, "versions": said.versions}


class Said(NamedTuple):
    """What a host says of an environment, and what is wrong with it there."""

    glibc: str
    versions: dict[str, str]
    wrong: list[str]


def judged(text: str, needs: Requirements) -> Said:
    """What its lines mean: see scripts/runs.sh."""
    rows = [line.split("\t") for line in text.splitlines()]
    glibc = next((version_of(said) for name, *rest in rows if name == "glibc" for said in rest), "")
    wrong = [said for name, *rest in rows if name == "wrong" for said in rest]
    if not glibc or numbers(glibc) < numbers(needs.glibc):
        wrong.insert(
            0, f"it needs glibc {needs.glibc}, and the host has {glibc or 'one that does not say its version'}"
        )
    return Said(glibc, {row[1]: row[2].strip() for row in rows if row[0] == "runs"}, wrong)
