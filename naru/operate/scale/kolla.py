"""kolla-ansible as it is installed: its playbooks, run by ansible-runner with the programs of its own environment."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from naru.errors import InputError
from naru.operate.scale import runner

ACTIONS = {
    "bootstrap-servers": ("kolla-host", "bootstrap-servers"),
    "prechecks": ("site", "precheck"),
    "pull": ("site", "pull"),
    "deploy": ("site", "deploy"),
}
"""By the command of kolla-ansible's own program: its playbook, and its `kolla_action`, in the order in which they are
run: prechecks look for what bootstrap-servers installs. The same in all releases."""


class Kolla(NamedTuple):
    """Where it is: the `prefix` under which it is installed, such as a virtual environment, and the directory of
    globals.yml and passwords.yml."""

    prefix: Path
    config: Path

    @property
    def playbooks(self) -> Path:
        return self.prefix / "share" / "kolla-ansible" / "ansible"

    @property
    def multinode(self) -> Path:
        """The inventory that its release comes with."""
        return self.playbooks / "inventory" / "multinode"

    def check(self) -> None:
        """Raises InputError for what is not there."""
        if not (self.playbooks / "site.yml").is_file():
            raise InputError(
                f"--kolla {self.prefix}: there is no {self.playbooks / 'site.yml'}",
                hint="Name the directory that kolla-ansible is installed under, such as its virtual environment.",
            )
        for name in ("globals.yml", "passwords.yml"):
            if not (self.config / name).is_file():
                raise InputError(
                    f"--config {self.config}: there is no {name}", hint="Name kolla-ansible's own, /etc/kolla."
                )

    def variables(self, action: str) -> list[str]:
        """The variables that its own program gives, as options of ansible-playbook."""
        given = [self.config / "globals.yml", *sorted((self.config / "globals.d").glob("*.yml"))]
        files = [f"@{file}" for file in (*given, self.config / "passwords.yml")]
        words = [*files, f"kolla_action={ACTIONS[action][1]}", f"CONFIG_DIR={self.config}"]
        return [word for one in words for word in ("-e", one)]

    def argv(self, action: str, inventory: Path, hosts: Sequence[str], directory: Path, ident: str) -> list[str]:
        """The program that runs one of ACTIONS on `hosts` alone. What it keeps of the run is in `directory`. Raises
        InputError where there is no ansible-runner."""
        given = [*self.variables(action), "--limit", ",".join(hosts)]
        return runner.argv(f"{ACTIONS[action][0]}.yml", self.playbooks, inventory, given, directory, ident)

    def environment(self) -> dict[str, str]:
        """With its own Ansible before any other one."""
        beside = [str(self.prefix / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        return {**os.environ, "PATH": ":".join(beside), "ANSIBLE_NOCOLOR": "1"}


def installed(prefix: Path | None, config: Path) -> Kolla:
    """The one under `prefix`, else that of the program on the path. Raises InputError where there is none."""
    if prefix is None:
        found = shutil.which("kolla-ansible")
        if found is None:
            raise InputError("kolla-ansible is not on the path", hint="--kolla DIR names what it is installed under.")
        prefix = Path(found).resolve().parent.parent
    kolla = Kolla(prefix.absolute(), config.absolute())
    kolla.check()
    return kolla
