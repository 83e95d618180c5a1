"""A service in a container of podman, as kolla has it: by kolla's name, started again by podman when it ends, and by a
unit at each boot. The image is nothing but places for the host's own programs.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path

from naru.lab.hosted.cloud import ROOT, HostedCloud
from naru.lab.hosted.units import Unit

ENGINE = "podman"
IMAGE = "naru-host:1"
DIRECTORY = ROOT / "containers"
"""Where a host has a script for each of its containers, which makes it unless it is there, and starts it."""
GROUP = "naru-containers"
"""The cgroup that they are in."""

# the kernel of a lab's host has no overlay on its overlay, and its limits cannot be raised
_STORAGE = """[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""
_ENGINE = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4000:4000"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_SCRIPT = """#!/bin/sh
set -eu
if ! podman image exists {image}; then
  root=$(mktemp -d)
  cd "$root"
  mkdir usr etc dev proc sys run tmp root var
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$name"; done
  ln -s /run var/run
  tar -c . | podman import - {image}
  cd /
  rm -r "$root"
fi
podman container exists {name} || {create}
podman start {name}
"""


def name(service: str) -> str:
    """What kolla calls the container of a service."""
    return service.replace("-", "_")


def files(cloud: HostedCloud, unit: Unit) -> dict[Path, str]:
    """What a host has on its disk for the container that the unit makes; `cloud` as the host sees it."""
    mounts = [f"{path}:{path}:ro" for path in ("/usr", "/etc", *(str(mount.source) for mount in cloud.given()))]
    command = unit.command
    inside = " && ".join(shlex.join(argv) for argv in unit.preparing())
    run = f"exec {shlex.join(command.argv)} >>{shlex.quote(str(unit.log))} 2>&1"
    create = [
        *("podman", "create", "--name", unit.container, "--restart", "always", "--network", "host", "--pid", "host"),
        *("--privileged", "--cgroup-parent", f"/{GROUP}", "--stop-timeout", f"{command.grace:g}"),
        *_each("--volume", [*mounts, f"{ROOT}:{ROOT}", "/run:/run:rslave"]),
        *_each("--env", [f"{key}={value}" for key, value in command.env.items()]),
        *(["--workdir", str(command.cwd)] if command.cwd else []),
        *(IMAGE, "sh", "-c", f"{inside} && {run}" if inside else run),
    ]
    return {
        Path("/etc/containers/storage.conf"): _STORAGE,
        Path("/etc/containers/containers.conf"): _ENGINE,
        DIRECTORY / unit.container: _SCRIPT.format(image=IMAGE, name=unit.container, create=shlex.join(create)),
    }


def _each(option: str, values: Iterable[str]) -> list[str]:
    """An option that is given once for each value."""
    return [word for value in values for word in (option, value)]
