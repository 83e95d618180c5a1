"""Block storage: the `ceph` backend on the cloud's own cluster, the `nfs` backend on a bind mount, backups."""

import shlex
from pathlib import Path

from naru.lab.cloud import Cloud
from naru.lab.process import Command
from naru.lab.services import api

DATABASES = ("cinder",)
ETC_CEPH = Path("/etc/ceph")


def catalog(cloud: Cloud) -> tuple[tuple[str, str, str], ...]:
    v3 = "/v3/%(project_id)s"
    entries = (("volumev3", "cinderv3", v3), ("block-storage", "cinder", v3))
    return (("volumev2", "cinderv2", "/v2/%(project_id)s"), *entries) if cloud.release.has("cinder-v2") else entries


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    return [(cloud.program("cinder-manage"), *cloud.config("cinder"), "db", "sync")]


def programs(cloud: Cloud) -> list[Command]:
    env = cloud.environment()

    def worker(name: str, wrap: bool) -> Command:
        argv: tuple[str, ...] = (cloud.program(name), *cloud.config("cinder"))
        return Command(name, _with_mounts(cloud, argv) if wrap else argv, env)

    return [
        api.command(cloud, "cinder", *cloud.config("cinder")),
        worker("cinder-scheduler", wrap=False),
        worker("cinder-volume", wrap=True),
        worker("cinder-backup", wrap=True),
    ]


def _with_mounts(cloud: Cloud, argv: tuple[str, ...]) -> tuple[str, ...]:
    """`argv` with the NFS share mounted, and the cloud's Ceph, if any, over /etc/ceph, where os-brick looks for a
    client's key whatever Cinder says (backups of RBD volumes); in a mount namespace of its own: when the process ends
    they are gone."""
    export, mount = shlex.quote(str(cloud.nfs_export)), shlex.quote(str(cloud.nfs_mount))
    mounts = f"mkdir -p {export} {mount} && mount --bind {export} {mount}"
    if "ceph" in cloud.backends and (etc := cloud.ceph_conf("cinder").parent) != ETC_CEPH:
        mounts += f" && mount --bind {shlex.quote(str(etc))} {ETC_CEPH}"
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", f"{mounts} && exec {shlex.join(argv)}")
