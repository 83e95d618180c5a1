"""OSDs that were made, and that go, whatever makes and removes them."""

import time

from naru.errors import NaruError
from naru.operate.ceph import Cluster, bucket
from naru.operate.scale.osd import state, weights
from naru.operate.scale.osd.work import Place
from naru.plan.context import Context
from naru.plan.errors import Transient

MADE = 3600.0
"""Seconds that all OSDs may take until they are there."""
GONE = 3600.0
"""Seconds that the removal of OSDs without data may take."""


def all_made(context: Context, place: Place) -> dict[str, list[int]]:
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
                hint="See ceph osd tree; of cephadm ceph orch ps --daemon-type osd, and its log on the host.",
            )
        context.progress(sum(map(len, made.values())), sum(map(len, place.args["disks"].values())), "count")
        context.sleep(5.0)


def refuse_data(ceph: Cluster, osds: list[int]) -> None:
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


def wait_gone(context: Context, place: Place) -> None:
    """Waits until the OSDs are no more. Raises NaruError."""
    end = time.monotonic() + GONE
    while left := place.every():
        if time.monotonic() > end:
            raise NaruError(
                f"OSDs are not removed: {', '.join(map(str, left))}",
                hint="See ceph osd tree; of cephadm ceph orch osd rm status.",
            )
        context.sleep(5.0)


def remove_bucket(ceph: Cluster, host: str) -> None:
    """Removes the host's bucket from CRUSH, if it is empty."""
    for one in ceph.ask("osd", "tree")["nodes"]:
        if one["type"] == "host" and one["name"] == bucket(host) and not one.get("children"):
            ceph.run("osd", "crush", "rm", bucket(host))
