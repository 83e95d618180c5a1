"""A volume carried from one cluster to another by workers, which know the storages alone: killed, and gone on with."""

import json
import os

import pytest

from naru.volumes.ceph.location import Rbd
from naru.volumes.engine.points import clean

from ..move.scenario import at_workers
from ..move.test_workers import Site, site  # noqa: F401
from ..plan.conftest import database, postgresql  # noqa: F401
from .conftest import MIB, Clusters, Writer, identical, rbd_tool

pytestmark = [pytest.mark.ceph, pytest.mark.postgresql, pytest.mark.kill]

SIZE = 128 * MIB  # twice what a copy has in memory


def test_another_worker_goes_on_between_two_clusters(site: Site, clusters: Clusters) -> None:  # noqa: F811
    sides = []
    for cluster, name, volume in ((clusters.old, "old", "v"), (clusters.new, "new", "w")):
        conf = str(cluster.conf("cinder"))
        backend = {"kind": "rbd", "pool": "volumes", "conf": conf, "user": "cinder"}
        (site.directory / f"{name}.yaml").write_text(json.dumps({"backends": {"nfs": backend}}))
        sides.append(Rbd("volumes", f"volume-{volume}", conf, "cinder"))
    source, target = sides
    content = site.directory / "content"
    content.write_bytes(os.urandom(SIZE))
    rbd_tool(clusters.old, "import", content, "volumes/volume-v")
    rbd_tool(clusters.new, "create", "volumes/volume-w", "--size", f"{SIZE}B")

    copied, position = site.go_on()
    assert copied["number"] == 1 and 0 < copied["read"] <= SIZE - position
    assert identical(source, target)

    Writer(source, SIZE).change(10)
    assert site.ended(site.move("move", "cutover", site.work))["state"] == "held"
    assert identical(source, target)
    assert at_workers(site.work) == {"content volume/v"}
    assert site.ended(site.move("move", "rollback", site.work))["state"] == "done"
    clean(source)
    for cluster, name in ((clusters.old, "v"), (clusters.new, "w")):
        rbd_tool(cluster, "rm", f"volumes/volume-{name}")
