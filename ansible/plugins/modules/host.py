#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Empty a compute host for maintenance, and give it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: Empty a compute host for maintenance, and give it back
version_added: 0.1.0
description:
- Plans what becomes of each server on a host, moves them within limits, each proved on its new host,
  and puts everything back afterwards.
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
    - V(plan) is C(naru host plan). Decide for each server on a compute host what becomes of it when the
      host is emptied, and where it fits. Nothing is changed anywhere.
    - 'V(drain) is C(naru host drain). Empty the host: no more servers are scheduled to it, and those
      on it are moved as it was planned, each proved on its new host, until nothing is left but what stays.'
    - 'V(return) is C(naru host return). Give the host back. After a drain: once its compute service is
      up, servers are scheduled to it again, if and only if it was this plan that has disabled that. What
      was begun of a move, and not ended, is ended first.'
    - V(status) is C(naru host status). Show where a drain or an evacuation stands, or the return of its
      host once that has begun; with --watch until nothing runs any more.
    type: str
    choices:
    - plan
    - drain
    - return
    - status
    required: true
  host:
    description:
    - The host, as Nova calls it. Of V(plan).
    type: str
  site:
    description:
    - The site (site.yaml). Of V(plan).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:. Of V(plan).
    type: bool
  answer:
    description:
    - 'What becomes of a server (name or id): live, cold or leave. Of V(plan).'
    type: dict
  onto:
    description:
    - Hosts that alone may take servers; without, all that are up and enabled. Of V(plan).
    type: list
    elements: str
  leave_stopped:
    description:
    - Servers that are off stay on the host. Of V(plan).
    type: bool
  at_once:
    description:
    - Servers that move at a time (4). Of V(plan).
    type: int
  per_source:
    description:
    - Servers that leave one host at a time; Nova by itself has the rest wait (1). Of V(plan).
    type: int
  per_target:
    description:
    - Servers that come to one host at a time (1). Of V(plan).
    type: int
  stuck_after:
    description:
    - A live migration of which so long nothing new was the least that is left is ended, and tried again
      after others (2m). Of V(plan).
    type: str
  force_complete:
    description:
    - 'Such a one is forced first: its guest pauses until it is over. Of V(plan).'
    type: bool
  settle:
    description:
    - How long to wait for servers that something is being done to (1m). Of V(plan).
    type: str
  reason:
    description:
    - Added to the reason that others see in Nova. Of V(plan).
    type: str
  back:
    description:
    - 'After a drain: bring the servers home that were moved. Of V(return).'
    type: bool
  power_on:
    description:
    - 'After an evacuation: switch the host on. Of V(return).'
    type: bool
  enable:
    description:
    - 'After an evacuation: have servers scheduled to it. Of V(return).'
    type: bool
"""

EXAMPLES = r"""
- name: Plan it
  naru.openstack.host:
    action: plan
    host: compute7
    site: /etc/naru/site.yaml
    work: /var/lib/naru/compute7

- name: Begin to empty it
  naru.openstack.host:
    action: drain
    work: /var/lib/naru/compute7
    wait: false
  register: drain

- name: Wait for two hours at most
  naru.openstack.job:
    job: "{{ drain.job }}"
    timeout: 7200
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
begun:
  description:
  - Whether the plan was left alone, since something of it is done already.
  returned: of actions that plan
  type: bool
"""

from ansible_collections.naru.openstack.plugins.module_utils.naru import Action, main

OPTIONS = {
    "host": {"type": "str"},
    "site": {"type": "path"},
    "next": {"type": "bool"},
    "answer": {"type": "dict"},
    "onto": {"type": "list", "elements": "str"},
    "leave_stopped": {"type": "bool"},
    "at_once": {"type": "int"},
    "per_source": {"type": "int"},
    "per_target": {"type": "int"},
    "stuck_after": {"type": "str"},
    "force_complete": {"type": "bool"},
    "settle": {"type": "str"},
    "reason": {"type": "str"},
    "back": {"type": "bool"},
    "power_on": {"type": "bool"},
    "enable": {"type": "bool"},
}

ACTIONS = {
    "plan": Action(
        "host plan",
        "plan",
        arguments=["host"],
        options=[
            "site",
            "next",
            "work",
            "answer",
            "onto,",
            "leave_stopped",
            "at_once",
            "per_source",
            "per_target",
            "stuck_after",
            "force_complete",
            "settle",
            "reason",
        ],
        needed=["host"],
        same={"host": "host", "site": "site"},
    ),
    "drain": Action(
        "host drain", "act", options=["work"], status="host status", preview=(["plan", "steps"], [], ["work"])
    ),
    "return": Action("host return", "act", options=["work", "back", "power_on", "enable"], status="host status"),
    "status": Action("host status", "read", options=["work"], passes=(0, 1, 3)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
