"""The step kinds that make OSDs, and remove them again: by cephadm's orchestrator, and by ceph-ansible."""

import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from naru.actions.durations import DAY
from naru.errors import NaruError
from naru.operate.ceph import Cluster, bucket
from naru.operate.scale.kolla import Progress
from naru.operate.scale.osd import cephadm, hosts, playbooks, state, weights
from naru.operate.scale.osd.playbooks import Playbooks
from naru.operate.scale.osd.steps import APPEAR, RETRY
from naru.operate.scale.osd.work import OfCeph, Place
from naru.operate.scale.steps import Failed
from naru.plan.arguments import Undo
from naru.plan.context import Context
from naru.plan.errors import Transient
from naru.plan.kinds import step
from naru.plan.program import run_program

KEY = (files("naru.operate.scale.osd") / "scripts" / "key.sh").read_text()
MADE = 3600.0
"""Seconds that all OSDs may take until they are up."""
GONE = 3600.0
"""Seconds that the removal of OSDs without data may take."""


class OfHost(OfCeph):
    """One of the hosts."""

    host: str


class Host(OfHost):
    """`labels` are the orchestrator's, `location` is where in CRUSH it belongs."""

    labels: list[str]
    location: dict[str, str]


class Applied(OfCeph):
    """`plan` is the id of the plan, which the services' names have; `device_class` is "" for what Ceph finds."""

    plan: str
    device_class: str


class Played(OfCeph):
    """ceph-ansible in `directory`, its `playbook`, the grown `inventory`; what is kept of runs is in `runs`."""

    directory: str
    playbook: str
    inventory: str
    runs: str


@step("scale.osd.key", args=OfHost, undo="scale.osd.key.undo", retry=RETRY, deadline=300)
def key(context: Context) -> dict[str, Any]:
    """Lets the orchestrator log in on the host: its key is among those of the user that it has."""
    user, public = _orchestrator(Place(context.args).ceph)
    is_ours = bool((context.earlier or {}).get("added")) or _keys(context.args, "look", user, public) != "there"
    told = {"added": is_ours, "user": user, "key": public}
    context.save(told)
    context.sleep(1.0)  # what is saved reaches the disk within a moment
    _keys(context.args, "add", user, public)
    return told


@step("scale.osd.key.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=300)
def undo_key(context: Context) -> dict[str, Any]:
    """Takes the key away again, if the step has put it there."""
    before = context.undone.result or {}
    if not before.get("added"):
        return {"removed": False}
    return {"removed": _keys(context.undone.args, "remove", before["user"], before["key"]) == "removed"}


def _orchestrator(ceph: Cluster) -> tuple[str, str]:
    """The user as whom the orchestrator logs in on hosts, and its public key."""
    said = []
    for words in (("cephadm", "get-user"), ("cephadm", "get-pub-key")):
        ran = ceph.run(*words)
        if ran.code or not ran.out.strip():
            raise NaruError(
                f"ceph {' '.join(words)} gives nothing",
                detail=ran.errors.strip()[-500:],
                hint="Is the cluster deployed by cephadm? See ceph orch status.",
            )
        said.append(ran.out.strip())
    return said[0], said[1]


def _keys(args: Any, how: str, user: str, public: str) -> str:
    place = Place(args)
    argv = ["sh", "-c", KEY, "naru", how, user]
    return place.fleet.call(place.fleet.remote(args["host"]).checked(argv, given=public.encode(), seconds=60)).strip()


@step("scale.osd.host", args=Host, undo="scale.osd.host.undo", retry=RETRY, deadline=900)
def host(context: Context) -> dict[str, Any]:
    """The host becomes one of the orchestrator's, with its labels, where it belongs in CRUSH."""
    args = context.args
    place = Place(args)
    if args["host"] in cephadm.hosts(place.ceph):
        return {"added": bool((context.earlier or {}).get("added"))}
    context.save({"added": True})
    spec = cephadm.host_spec(args["host"], place.site.hosts[args["host"]].address, args["labels"], args["location"])
    context.log(f"ceph orch apply -i -\n{cephadm.text([spec])}")
    cephadm.apply(place.ceph, [spec])
    return {"added": True}


@step("scale.osd.host.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=GONE)
def undo_host(context: Context) -> dict[str, Any]:
    """Takes the host from the orchestrator, if the step has given it: daemons first. Never as one that is offline, nor
    by force: with that its OSDs would be purged."""
    args = context.undone.args
    ceph = Place(args).ceph
    if not (context.undone.result or {}).get("added") or args["host"] not in cephadm.hosts(ceph):
        return {"removed": False}
    # unknown before Pacific, where nothing but OSDs has to go
    ceph.run("orch", "host", "drain", args["host"])
    end = time.monotonic() + GONE - 120
    while (ran := ceph.run("orch", "host", "rm", args["host"])).code:
        if time.monotonic() > end:
            raise NaruError(
                f"the orchestrator does not let {args['host']} go",
                detail=ran.errors.strip()[-500:],
                hint="See ceph orch ps HOST; when it is empty give the command again.",
            )
        context.sleep(10.0)
    _bucket(ceph, args["host"])
    return {"removed": True}


def _bucket(ceph: Cluster, host: str) -> None:
    """Removes the host's bucket from CRUSH, if it is empty."""
    for one in ceph.ask("osd", "tree")["nodes"]:
        if one["type"] == "host" and one["name"] == bucket(host) and not one.get("children"):
            ceph.run("osd", "crush", "rm", bucket(host))


@step("scale.osd.apply", args=Applied, undo="scale.osd.apply.undo", retry=RETRY, deadline=MADE + 3 * APPEAR)
def apply(context: Context) -> dict[str, Any]:
    """Has the orchestrator make OSDs of the disks that were named, and of no other ones, and then make no more: a disk
    that is erased later does not become an OSD by itself."""
    args = context.args
    place = Place(args)
    specs = cephadm.osd_specs(args["plan"], args["disks"], args["device_class"], unmanaged=False)
    names = {f"osd.{one['service_id']}" for one in specs}
    there = {str(one.get("service_name")) for one in cephadm.exported(place.ceph) if one["service_type"] == "osd"}
    shown = (context.earlier or {}).get("preview", "")
    if not names <= there:
        _available(context, place)
        shown = cephadm.preview(place.ceph, specs)
        context.save({"preview": shown})
        context.log(f"ceph orch apply -i -\n{cephadm.text(specs)}")
        cephadm.apply(place.ceph, specs)
    made = _all_made(context, place)
    done = cephadm.osd_specs(args["plan"], args["disks"], args["device_class"], unmanaged=True)
    cephadm.apply(place.ceph, done)
    return {"osds": made, "services": sorted(names), "preview": shown}


def _available(context: Context, place: Place) -> None:
    """Waits until the orchestrator takes all of the disks."""
    looks = hosts.look(place.fleet, place.args["disks"])
    end = time.monotonic() + APPEAR
    while True:
        said = []
        for name, paths in place.args["disks"].items():
            look = looks[name]
            if isinstance(look, NaruError):
                raise look
            said += cephadm.unavailable(place.ceph, look, name, paths)
        if not said:
            return
        if time.monotonic() > end:
            raise NaruError(
                "the orchestrator does not take all disks",
                detail="\n".join(said),
                hint="See ceph orch device ls --wide --refresh; cure it, and give the command again.",
            )
        context.sleep(10.0)


def _all_made(context: Context, place: Place) -> dict[str, list[int]]:
    """Waits until each host has as many new OSDs as disks. Those that weigh something by then, where the cluster did
    not heed what was said of that, lose it: `norebalance` has kept data where it was."""
    end = time.monotonic() + MADE
    while True:
        made = place.ours()
        every = state.osds(place.ceph)
        heavy = {one: 0.0 for found in made.values() for one in found if one in every and every[one].weight > 0}
        if heavy:
            weights.put(place.ceph, heavy)
        missing = {name: len(paths) - len(made[name]) for name, paths in place.args["disks"].items()}
        if not any(missing.values()):
            return made
        if time.monotonic() > end:
            said = [f"{name}: {count} of {len(place.args['disks'][name])}" for name, count in missing.items() if count]
            raise NaruError(
                f"OSDs are missing after {MADE:.0f} s",
                detail="\n".join(said),
                hint="See ceph orch ps --daemon-type osd, and the log of cephadm on the host.",
            )
        context.progress(sum(map(len, made.values())), sum(map(len, place.args["disks"].values())), "count")
        context.sleep(5.0)


@step("scale.osd.apply.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=GONE + 600)
def undo_apply(context: Context) -> dict[str, Any]:
    """Removes the OSDs by the orchestrator, which erases their disks, that were empty before; then its services."""
    args = context.undone.args
    place = Place(args)
    specs = cephadm.osd_specs(args["plan"], args["disks"], args["device_class"], unmanaged=True)
    there = {str(one.get("service_name")) for one in cephadm.exported(place.ceph) if one["service_type"] == "osd"}
    mine = [one for one in specs if f"osd.{one['service_id']}" in there]
    if mine:
        # first of all nothing new is made of what is erased
        cephadm.apply(place.ceph, mine)
    removed = place.every()
    _without_data(place.ceph, removed)
    if removed:
        ran = place.ceph.run("orch", "osd", "rm", *map(str, removed), "--zap")
        # it exits with 0 where it does not know an OSD, as it does for a while after a restart
        if ran.code or "Unable to find" in ran.out:
            detail = (ran.errors or ran.out).strip()[-500:]
            raise Transient("the orchestrator does not remove OSDs", detail=detail)
        _wait_gone(context, place)
    for one in mine:
        place.ceph.run("orch", "rm", f"osd.{one['service_id']}")
    return {"removed": removed}


def _without_data(ceph: Cluster, osds: list[int]) -> None:
    """Raises NaruError for OSDs that placement groups need."""
    if not osds:
        return
    ran = ceph.run("osd", "safe-to-destroy", *map(str, osds))
    if ran.code:
        raise Transient(
            f"{', '.join(f'osd.{one}' for one in osds)} cannot be removed yet",
            detail=ran.errors.strip()[-500:],
            hint="Placement groups are on them: see ceph osd df, and ceph osd safe-to-destroy.",
        )


def _wait_gone(context: Context, place: Place) -> None:
    end = time.monotonic() + GONE
    while left := place.every():
        if time.monotonic() > end:
            raise NaruError(f"OSDs are not removed: {', '.join(map(str, left))}", hint="See ceph orch osd rm status.")
        context.sleep(5.0)


@step("scale.osd.play", args=Played, undo="scale.osd.play.undo", retry=(), deadline=DAY)
def play(context: Context) -> dict[str, Any]:
    """Runs ceph-ansible's playbook on these hosts alone. Given again after anything that ended it, it runs from its
    beginning: its tasks find what they have done."""
    args = context.args
    place = Place(args)
    done = _play(context, args, args["playbook"], playbooks.options(args["hosts"]))
    return {**done, "osds": _all_made(context, place)}


@step("scale.osd.play.undo", args=Undo, no_undo="it is an undo itself", retry=RETRY, deadline=DAY)
def undo_play(context: Context) -> dict[str, Any]:
    """Removes the OSDs by ceph-ansible, which erases their disks, that were empty before. The packages, or images, and
    the configuration that it has put on hosts stay."""
    args = context.undone.args
    place = Place(args)
    removed = place.every()
    _without_data(place.ceph, removed)
    if removed:
        _play(context, args, playbooks.SHRINK, playbooks.removing(removed))
        _wait_gone(context, place)
    for name in args["hosts"]:
        _bucket(place.ceph, name)
    return {"removed": removed}


def _play(context: Context, args: Any, playbook: str, options: list[str]) -> dict[str, Any]:
    runs = Path(args["runs"])
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    ident = f"{Path(playbook).stem}-{context.run}-{context.attempt}"
    found = Playbooks(Path(args["directory"]), args["playbook"])
    argv = found.argv(playbook, Path(args["inventory"]), options, runs, ident)
    progress = Progress(runs, ident)
    context.log(" ".join(argv))

    def look() -> None:
        context.check()
        context.progress(progress.look(), None, "count")

    began = time.monotonic()
    ended = run_program(argv, check=look, env=found.environment())
    if ended.code != 0:
        said = progress.failures() or ended.output.splitlines()[-20:]
        raise Failed(
            f"ceph-ansible's {playbook} ended with {ended.code}",
            detail="\n".join(said),
            hint=f"All of it: {runs / 'artifacts' / ident / 'stdout'}. Cure it and give the command again.",
        )
    return {"seconds": round(time.monotonic() - began, 1), "kept": str(runs / "artifacts" / ident)}
