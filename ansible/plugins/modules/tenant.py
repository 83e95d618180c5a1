#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Make projects what a file declares."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenant
short_description: Make projects what a file declares
version_added: 0.1.0
description:
- Compares a cloud with a file of projects, people, quotas, networks and flavors, and makes it so. What
  the file does not name is left alone.
- Each action is a command of Naru, which does all of it.
author:
- The Naru developers (@naru-openstack)
extends_documentation_fragment:
- naru.openstack.naru
- naru.openstack.naru.work
- naru.openstack.naru.wait
options:
  action:
    description:
    - What is done.
    - V(apply) is C(naru tenant apply). Make a cloud what a file declares.
    - V(diff) is C(naru tenant diff). Show what a cloud has in another way than a file declares. Nothing
      is changed.
    - V(plan) is C(naru tenant plan). Show what `apply` would do, step by step. Nothing is changed.
    - 'V(export) is C(naru tenant export). Write the file of what a cloud has: of some projects with all
      who are in them, or of the whole cloud.'
    - 'V(rollback) is C(naru tenant rollback). Take back what the last apply did: what it made is deleted,
      what it changed is as it was.'
    type: str
    choices:
    - apply
    - diff
    - plan
    - export
    - rollback
    default: apply
  file:
    description:
    - tenants.yaml, or a directory of such files. Of V(apply), V(diff) and V(plan).
    - The file that is written. Of V(export).
    type: path
  cloud:
    description:
    - The cloud of clouds.yaml. Of V(apply), V(diff), V(plan) and V(export).
    type: str
  undeclared:
    description:
    - Also what the cloud alone has. Of V(diff).
    type: bool
  project:
    description:
    - 'A project: its name, DOMAIN/NAME or id (several times; without, all). Of V(export).'
    type: list
    elements: str
  replace:
    description:
    - Also where the file is there already. Of V(export).
    type: bool
  images:
    description:
    - Write the content of images into files there, too. Of V(export).
    type: path
"""

EXAMPLES = r"""
- name: What would change, in check mode with --diff; else made so
  naru.openstack.tenant:
    file: /etc/naru/tenants.yaml
    cloud: seoul
    work: /var/lib/naru/tenants
  environment:
    OS_CLIENT_CONFIG_FILE: /etc/naru/clouds.yaml
"""

RETURN = r"""
outcome:
  description:
  - 'What came of it: done, failed, bad input, paused, interrupted, killed, or running.'
  returned: always
  type: str
  sample: done
result:
  description:
  - 'What the command has answered: its JSON.'
  returned: always
  type: raw
messages:
  description:
  - What the command said beside it, such as findings, line by line.
  returned: always
  type: list
  elements: str
exit_code:
  description:
  - The command's exit code.
  returned: always
  type: int
  sample: 0
command:
  description:
  - The command's words.
  returned: always
  type: list
  elements: str
job:
  description:
  - The name by which M(naru.openstack.job) waits for it.
  returned: when wait is false
  type: str
  sample: host-drain-1b2c3d4e5f60
"""

from ansible_collections.naru.openstack.plugins.module_utils.naru import Action, main

OPTIONS = {
    "file": {"type": "path"},
    "cloud": {"type": "str"},
    "undeclared": {"type": "bool"},
    "project": {"type": "list", "elements": "str"},
    "replace": {"type": "bool"},
    "images": {"type": "path"},
}

ACTIONS = {
    "apply": Action(
        "tenant apply",
        "act",
        arguments=["file"],
        options=["cloud", "work"],
        needed=["file", "cloud"],
        preview=(["tenant", "plan"], ["file"], ["cloud"]),
        compare=(["tenant", "diff"], ["file"], ["cloud"]),
    ),
    "diff": Action(
        "tenant diff",
        "read",
        arguments=["file"],
        options=["cloud", "undeclared"],
        needed=["file", "cloud"],
        passes=(0, 1),
    ),
    "plan": Action("tenant plan", "read", arguments=["file"], options=["cloud"], needed=["file", "cloud"]),
    "export": Action(
        "tenant export",
        "act",
        arguments=["file"],
        options=["cloud", "project", "replace", "images"],
        needed=["file", "cloud"],
        has_json=False,
    ),
    "rollback": Action("tenant rollback", "act", options=["work"]),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS, default="apply")
