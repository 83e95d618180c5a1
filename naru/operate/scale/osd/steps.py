"""The step kinds of OSDs that are added, whatever makes them: what is in the way looked for again, what moves data
switched off, OSDs proved, their weight raised, all put back."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from naru.actions.durations import DAY
from naru.errors import NaruError
from naru.messages import say
from naru.operate.scale.osd import guard, hosts, prechecks, proof, quiet, state, weights
from naru.operate.scale.osd import says as msg
from naru.operate.scale.osd.work import OfCeph, Place
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import Retry, step
from naru.plan.model import Finding

RETRY = (Retry(on=(Transient,), tries=12, pause=1.0, longest=10.0),)
SAMPLES = 5
"""Looks at how long writes take before anything is moved: the slowest counts."""
APPEAR = 600.0
"""Seconds that an OSD may take to come up."""
WEEKS = 60 * DAY
"""Data may move for long; what holds it up ends a step, see `weights`."""


class Noted(OfCeph):
    """`backfills` is how many an OSD takes and gives at a time while data moves."""

    backfills: int


class Checked(OfCeph):
    """`new` are those of the hosts that the site lacks, `like` the one that they are to be like."""

    new: list[str]
    like: str
    deployed_by: str


class After(OfCeph):
    """`note` is the step that has noted how it was."""

    note: str


class Proved(OfCeph):
    """The OSDs of `host`: of this device class, and there in CRUSH ("" and {}: wherever it is)."""

    host: str
    device_class: str
    location: dict[str, str]


class Weight(After):
    """The share `number` of `steps` of the full weight. `every` are the seconds between two looks, `patience` those
    that the cluster may be worse than before."""

    number: int
    steps: int
    every: float
    patience: float


class Back(OfCeph):
    """`hold` is the step that has switched off what is put back."""

    hold: str


@step("scale.osd.check", args=Checked, no_undo="it changes nothing", retry=RETRY, deadline=900)
def check(context: Context) -> dict[str, Any]:
    """Looks again for what is in the way: since it was planned a disk may have been used, or a flag set."""
    args = context.args
    place = Place(args)
    if begun := place.every():
        raise NaruError(
            f"OSDs have come to {', '.join(args['hosts'])} since this was planned: {', '.join(map(str, begun))}",
            hint="Plan again in another directory.",
        )
    seen = looks(place, args["disks"], args["like"])
    found = list(problems(place, seen, args["disks"], args["new"], args["like"], args["deployed_by"]))
    refuse(found)
    return {"warnings": [say(one.summary) for one in found]}


Looks = Mapping[str, hosts.Look | NaruError]


def looks(place: Place, disks: Mapping[str, list[str]], like: str) -> Looks:
    """What the hosts say, and the like one ("" for none) beside them."""
    others: dict[str, list[str]] = {like: []} if like and like not in disks else {}
    return hosts.look(place.fleet, {**disks, **others})


def problems(
    place: Place, seen: Looks, disks: Mapping[str, list[str]], new: Collection[str], like: str, deployed_by: str
) -> Iterator[Finding]:
    """What is in the way of the hosts' OSDs, by what hosts say and Ceph is asked. Raises Transient."""
    ceph = place.ceph
    yield from prechecks.of_ceph(state.read(ceph), ceph.ask("versions"))
    tree = ceph.ask("osd", "tree")["nodes"]
    yield from prechecks.of_hosts(seen, disks, tree, new, like, deployed_by)
    wanted = proof.networks_of(place, like, seen.get(like)) if like else {}
    for name in ("public", "cluster") if like and new else ():
        if name not in wanted:
            yield Finding("warning", msg.UNKNOWN(name=name, like=like), about=like)
    for host in new:
        look = seen[host]
        if isinstance(look, hosts.Look):
            yield from prechecks.of_networks(host, look, wanted)
            yield from proof.paths(place, host, look, wanted)


def refuse(found: Iterable[Finding]) -> None:
    """Raises NaruError for what is an error."""
    errors = [one for one in found if one.severity == "error"]
    if errors:
        hints = dict.fromkeys(say(one.hint) for one in errors if one.hint)
        raise NaruError(
            "something is in the way of new OSDs by now",
            detail="\n".join(say(one.summary) for one in errors),
            hint=" ".join(hints) or "Cure it, and give the command again.",
        )


@step("scale.osd.note", args=Noted, no_undo="it changes nothing", retry=RETRY, deadline=600)
def note(context: Context) -> dict[str, Any]:
    """Notes how it is. In a step of its own: it is in the journal before anything is set, so that whoever comes after
    one that was killed does not take our settings for somebody else's."""
    ceph = Place(context.args).ceph
    now = state.read(ceph)
    latency = now.latency
    for _ in range(SAMPLES - 1):
        context.sleep(1.0)
        latency = max(latency, state.slowest(ceph.ask("osd", "perf"), set()))
    return {"health": guard.noted(now, latency), "quiet": quiet.read(ceph, context.args["backfills"])}


@step("scale.osd.hold", args=After, undo="scale.osd.hold.undo", retry=RETRY, deadline=600)
def hold(context: Context) -> dict[str, Any]:
    """No data moves by itself: `norebalance`, the balancer and the autoscaler of placement groups are off, new OSDs
    weigh nothing, and what moves later is bounded."""
    ceph = Place(context.args).ceph
    before = _noted(context)["quiet"]
    if quiet.FLAG in before["flags"]:
        raise NaruError(f"Ceph has {quiet.FLAG} set already", hint="Somebody else has set it: wait, and plan again.")
    context.save(quiet.ours(before))
    context.sleep(1.0)  # what is saved reaches the disk within a moment
    return quiet.hold(ceph, before)


@step("scale.osd.hold.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_hold(context: Context) -> dict[str, Any]:
    """All is as it was before."""
    held = context.undone.result
    return quiet.release(Place(context.undone.args).ceph, held) if held else {}


@step("scale.osd.prove", args=Proved, no_undo="it is removed with its OSDs", retry=RETRY, deadline=APPEAR + 300)
def prove(context: Context) -> dict[str, Any]:
    """Proves the OSDs of a host: as many as disks, up and in, of the others' version, weighing nothing yet, and where
    they belong in CRUSH: a host that is elsewhere is moved there while it weighs nothing."""
    args = context.args
    place = Place(args)
    end = time.monotonic() + APPEAR
    while found := proof.problems(context, place, args["host"], args["device_class"], args["location"]):
        if time.monotonic() > end:
            raise NaruError(
                f"the OSDs of {args['host']} are not as they are to be",
                detail="\n".join(found),
                hint="Cure it, and give the command again; naru plan skip, with a reason, if it is right so.",
            )
        context.sleep(2.0)
    return {"osds": place.ours()[args["host"]]}


@step("scale.osd.free", args=Back, no_undo="the new OSDs weigh nothing", retry=RETRY, deadline=600)
def free(context: Context) -> dict[str, Any]:
    """Data may move again where it has to: `norebalance` goes, and new OSDs weigh again what they did before."""
    held = context.results().get(context.args["hold"])
    return quiet.born(Place(context.args).ceph, held) if held else {}


@step("scale.osd.weight", args=Weight, undo="scale.osd.weight.undo", retry=RETRY, deadline=WEEKS)
def weight(context: Context) -> dict[str, Any]:
    """Gives the new OSDs their share of data, and waits until it is there."""
    args = context.args
    place = Place(args)
    ours = place.every()
    if not ours:
        raise NaruError("there are no new OSDs any more", hint="See ceph osd tree; roll back, and plan again.")
    before = _noted(context)["health"]
    moving = weights.Moving(context, place.ceph, before, ours)
    context.save(moving.record())
    given = weights.wanted(place.ceph, ours, args["number"] / args["steps"])
    weights.put(place.ceph, given)
    moving.finish()
    groups = {number: one.groups for number, one in state.osds(place.ceph).items() if number in ours}
    if args["number"] == args["steps"] and not any(groups.values()):
        raise NaruError(
            f"no placement group has come to {', '.join(f'osd.{number}' for number in ours)}",
            hint="The pools' CRUSH rules do not reach them: see ceph osd crush rule dump, and their root and class.",
        )
    return {**moving.record(), "weights": given, "placement groups": groups}


@step("scale.osd.weight.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=WEEKS)
def undo_weight(context: Context) -> dict[str, Any]:
    """Takes that share of data from the OSDs again, and waits until it is elsewhere."""
    args = context.undone.args
    place = Place(args)
    ours = place.every()
    if not ours:
        return {"weights": {}}
    now = guard.noted(state.read(place.ceph), 0.0)
    # what is wrong by now may be why it is taken back
    before = (context.undone.result or {}).get("before") or now
    before = {**before, "checks": {**now["checks"], **before["checks"]}}
    moving = weights.Moving(context, place.ceph, before, ours, leaving=True)
    given = weights.wanted(place.ceph, ours, (args["number"] - 1) / args["steps"])
    weights.put(place.ceph, given)
    moving.finish()
    return {**moving.record(), "weights": given}


@step("scale.osd.release", args=Back, undo="scale.osd.release.undo", retry=RETRY, deadline=600)
def release(context: Context) -> dict[str, Any]:
    """The balancer, the autoscaler and the limits are as they were."""
    held = context.results().get(context.args["hold"])
    if not held:
        return {}
    put = quiet.release(Place(context.args).ceph, {**held, "flags": []})
    return {**put, "held": held}


@step("scale.osd.release.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=600)
def undo_release(context: Context) -> dict[str, Any]:
    """Before data moves back the balancer and the autoscaler are off again, and what moves is bounded."""
    held = (context.undone.result or {}).get("held")
    return quiet.hold(Place(context.undone.args).ceph, held["before"], flag=False) if held else {}


def _noted(context: Context) -> dict[str, Any]:
    found: dict[str, Any] | None = context.results().get(context.args["note"])
    if found is None:
        raise NaruError("how it was before is not known", hint="Roll back, and plan again.")
    return found
