"""A stand-in for kolla-ansible: as it is installed, with playbooks that write down what was asked, and at deploy do
what a test says. ansible-runner and Ansible are real."""

import json
import sys
from pathlib import Path
from typing import Any

INVENTORY = f"""# of the first rack
[control]
control1 ansible_host=127.0.0.1 ansible_connection=local

[compute]
compute1 ansible_host=127.0.0.1 ansible_connection=local rack=r1  # the first

[all:vars]
ansible_python_interpreter={sys.executable}

[nova-compute:children]
compute
"""
ASKED = "echo {{ kolla_action }} {{ inventory_hostname }} {{ rack }} {{ secret }} >> {{ log }}"
PLAYBOOK: list[dict[str, Any]] = [
    {
        "hosts": "compute",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Note what was asked",
                "ansible.builtin.shell": ASKED,
            },
            {
                "name": "Deploy",
                "ansible.builtin.shell": "{{ deploy }}",
                "when": "kolla_action == 'deploy'",
            },
        ],
    }
]


def installed(directory: Path, deploy: str = "true") -> dict[str, Path]:
    """The options --kolla, --config and --inventory, by name. `deploy` is a line for a shell; what was asked comes to
    the file `log`."""
    playbooks = directory / "kolla" / "share" / "kolla-ansible" / "ansible"
    (playbooks / "inventory").mkdir(parents=True)
    for name in ("site.yml", "kolla-host.yml"):
        (playbooks / name).write_text(json.dumps(PLAYBOOK))
    (playbooks / "inventory" / "multinode").write_text(INVENTORY + "\n[valkey:children]\ncontrol\n")
    config = directory / "etc"
    (config / "globals.d").mkdir(parents=True)
    (config / "globals.yml").write_text(json.dumps({"log": str(directory / "log"), "deploy": "false"}))
    (config / "globals.d" / "more.yml").write_text(json.dumps({"deploy": deploy}))
    (config / "passwords.yml").write_text(json.dumps({"secret": "for-nobody"}))
    (directory / "multinode").write_text(INVENTORY)
    return {"kolla": directory / "kolla", "config": config, "inventory": directory / "multinode"}
