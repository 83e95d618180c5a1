"""Ceph clusters: the flags that somebody has set, and since when. All else its own manager exports."""

import json
import shlex

from naru.errors import InputError, NaruError
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known
from naru.site.model import Ceph
from naru.site.ssh import Remote

FLAGS = frozenset(
    ("noout", "noin", "noup", "nodown", "norecover", "nobackfill", "norebalance", "noscrub", "nodeep-scrub")
) | {"notieragent", "nosnaptrim", "noautoscale", "pauserd", "pausewr", "full"}
"""Those that people set, or that say that nothing is written; others are always there (sortbitwise)."""
SECONDS = 30.0


class Reading:
    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        site, fleet = self._known.site, self._known.fleet
        clusters = [one for one in site.part.storage if isinstance(one, Ceph)]
        if fleet is None or not clusters:
            raise NothingThere("the site has no Ceph cluster")
        for cluster in clusters:
            flags: frozenset[str] | None = None
            for host in site.named(cluster.monitors):
                try:
                    flags = fleet.call(_flags(cluster, fleet.remote(host.name)), self._known.check)
                    break
                except InputError:
                    raise  # a key that cannot be read says nothing of the cluster
                except NaruError:  # another monitor may answer; that none does is told
                    self._known.check()
            samples.add("naru_ceph_answers", float(flags is not None), cluster.name)
            if flags is None:
                continue
            samples.add("naru_ceph_flags", len(flags), cluster.name)
            for flag, seen in self._known.since.of(f"ceph {cluster.name}", flags).items():
                samples.add("naru_ceph_flag_since_timestamp_seconds", seen, cluster.name, flag)


async def _flags(cluster: Ceph, remote: Remote) -> frozenset[str]:
    words = ["ceph", "--cluster", cluster.cluster, "--name", f"client.{cluster.client}", "--connect-timeout", "15"]
    said = await remote.checked(f"{shlex.join(words)} osd dump -f json 2>/dev/null", seconds=SECONDS)
    try:
        flags = json.loads(said[said.index("{") :])["flags"]
    except (ValueError, KeyError) as error:
        raise NaruError(f"{remote.name}: ceph osd dump says no flags: {said[:200]}") from error
    return FLAGS.intersection(flags.split(","))
