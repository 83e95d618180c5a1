"""OSDs made, and removed, by ceph-ansible: its playbooks run by ansible-runner, and the variables of its hosts."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from naru.errors import InputError
from naru.operate.scale import runner
from naru.operate.scale.growth import after

ADD = "infrastructure-playbooks/add-osd.yml"
"""Of 3.2 and 4.0; later ones have their whole playbook for it, with --limit."""
SHRINK = "infrastructure-playbooks/shrink-osd.yml"
WHOLE = ("site-container.yml", "site-docker.yml", "site.yml")
"""What a user copies from the samples, by how daemons run."""
MEMBERS = {"mons", "mgrs", "mdss", "rgws", "nfss", "rbdmirrors", "iscsigws", "monitoring", "grafana-server"}
"""Groups of ceph-ansible's other daemons: a new monitor is never deployed with --limit to itself."""


class Playbooks(NamedTuple):
    """A checkout of ceph-ansible, and the playbook in it that adds OSDs."""

    directory: Path
    playbook: str

    def argv(self, playbook: str, inventory: Path, given: Sequence[str], directory: Path, ident: str) -> list[str]:
        """The program that runs a playbook with these options. What it keeps of the run is in `directory`."""
        return runner.argv(playbook, self.directory, inventory, given, directory, ident)

    def environment(self) -> dict[str, str]:
        """With the Ansible that the user has on the path before that beside Naru: a ceph-ansible needs its own one."""
        beside = [os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]
        return {
            **os.environ,
            "PATH": ":".join(beside),
            "ANSIBLE_NOCOLOR": "1",
            # roles and modules that its playbooks name are found from here on
            **({"ANSIBLE_CONFIG": str(found)} if (found := self.directory / "ansible.cfg").is_file() else {}),
        }


def installed(directory: Path, playbook: str) -> Playbooks:
    """The checkout with the playbook; without a name the one there is. Raises InputError."""
    directory = directory.absolute()
    if not (directory / SHRINK).is_file():
        raise InputError(
            f"--ceph-ansible {directory}: there is no {SHRINK}", hint="Name the directory of ceph-ansible's own files."
        )
    if playbook:
        if not (directory / playbook).is_file():
            raise InputError(f"--playbook {playbook}: there is none in {directory}")
        return Playbooks(directory, playbook)
    if (directory / ADD).is_file():
        return Playbooks(directory, ADD)
    found = [name for name in WHOLE if (directory / name).is_file()]
    if len(found) != 1:
        raise InputError(
            f"--ceph-ansible {directory}: it has {' and '.join(found) or 'none of ' + ', '.join(WHOLE)}",
            hint="--playbook names the one that the cluster was deployed with.",
        )
    return Playbooks(directory, found[0])


def variables(file: Path, host: str, disks: Sequence[str], device_class: str) -> tuple[str, str]:
    """What the file of a host's variables is ("" for none), and what it becomes with the disks. Raises InputError for
    one that names its disks otherwise."""
    if not file.exists():
        made: dict[str, Any] = {"devices": list(disks)}
        if device_class:
            made["crush_device_class"] = device_class
        return "", yaml.safe_dump(made, sort_keys=False, explicit_start=True)
    old = file.read_text()
    hint = "Write the disks into it by hand; then give ceph-ansible's own command."
    try:
        root = yaml.compose(old, yaml.SafeLoader)
        content = yaml.safe_load(old)
    except yaml.YAMLError as error:
        raise InputError(f"{file} cannot be read", detail=str(error).splitlines()[0], hint=hint) from error
    fields = dict(getattr(root, "value", ()) or ()) if isinstance(root, yaml.MappingNode) else {}
    devices = next((value for name, value in fields.items() if name.value == "devices"), None)
    if not isinstance(devices, yaml.SequenceNode) or not devices.value:
        raise InputError(f"{file} has no list `devices`", hint=hint)
    if known := sorted(set(disks) & set(map(str, content["devices"]))):
        raise InputError(f"{file} has {', '.join(known)} already", hint="Leave them out of the command.")
    at, more = after(devices, devices.value[-1], old, list(disks))
    new = old[:at] + more + old[at:]
    if yaml.safe_load(new) != {**content, "devices": [*content["devices"], *disks]}:
        raise InputError(f"{file} cannot be added to", hint=hint)
    return old, new


def file_of(inventory: Path, host: str) -> Path:
    """The file of a host's variables beside the inventory, whether it is there or not."""
    directory = inventory.parent / "host_vars"
    for name in (host, f"{host}.yml", f"{host}.yaml"):
        if (directory / name).exists():
            return directory / name
    return directory / f"{host}.yml"


def options(hosts: Sequence[str]) -> list[str]:
    """What it is run with on these hosts alone."""
    return ["--limit", ",".join(hosts)]


def removing(osds: Sequence[int]) -> list[str]:
    """What it is run with to remove OSDs; it asks otherwise."""
    named: Mapping[str, str] = {"osd_to_kill": ",".join(map(str, osds)), "ireallymeanit": "yes"}
    return [word for name, value in named.items() for word in ("-e", f"{name}={value}")]
