#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Bring up the servers of a compute host that has failed on others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evacuate
short_description: Bring up the servers of a compute host that has failed on others
version_added: 0.1.0
description:
- Switches the failed host off, has that proved, and brings its servers up elsewhere, each proved. In
  check mode it says how many servers would be.
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
    - 'V(run) is C(naru host evacuate). Bring the servers of a compute host that has failed up on other
      hosts: never before the host is proved off.'
    - V(status) is C(naru plan status). Show the state of a plan, once or live.
    type: str
    choices:
    - run
    - status
    default: run
  host:
    description:
    - The host, as Nova calls it. Of V(run).
    type: str
  site:
    description:
    - The site (site.yaml). Of V(run).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:. Of V(run).
    type: bool
  answer:
    description:
    - 'What becomes of a server (name or id): evacuate or leave. Of V(run).'
    type: dict
  shared:
    description:
    - Disks of servers lie on storage that hosts share (Ceph, NFS). Of V(run).
    type: bool
  'off':
    description:
    - Who has seen that the host is off, and that it stays so. Of V(run).
    type: str
  trust_controller:
    description:
    - You know that the power controller in the site is the host's own. Of V(run).
    type: bool
  at_once:
    description:
    - Servers (4). Of V(run).
    type: int
  settle:
    description:
    - How long its power controller has to go on saying off (20s). Of V(run).
    type: str
  reason:
    description:
    - Added to the reason that others see in Nova. Of V(run).
    type: str
"""

EXAMPLES = r"""
- name: Whoever has seen that it is off says so, where its power controller does not answer
  naru.openstack.evacuate:
    host: compute7
    site: /etc/naru/site.yaml
    work: /var/lib/naru/compute7-failed
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
    "host": {"type": "str"},
    "site": {"type": "path"},
    "next": {"type": "bool"},
    "answer": {"type": "dict"},
    "shared": {"type": "bool"},
    "off": {"type": "str"},
    "trust_controller": {"type": "bool"},
    "at_once": {"type": "int"},
    "settle": {"type": "str"},
    "reason": {"type": "str"},
}

ACTIONS = {
    "run": Action(
        "host evacuate",
        "act",
        arguments=["host"],
        options=["site", "next", "work", "answer", "shared", "off", "trust_controller", "at_once", "settle", "reason"],
        needed=["host"],
        status="plan status",
        preview=(
            ["host", "evacuate", "--dry-run"],
            ["host"],
            ["site", "next", "work", "answer", "shared", "off", "trust_controller", "at_once", "settle", "reason"],
        ),
    ),
    "status": Action("plan status", "read", options=["work"], passes=(0, 1, 3)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS, default="run")
