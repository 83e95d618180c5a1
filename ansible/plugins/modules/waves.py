#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Empty many compute hosts in waves, with a command on each."""

from __future__ import annotations

DOCUMENTATION = r"""
module: waves
short_description: Empty many compute hosts in waves, with a command on each
version_added: 0.1.0
description:
- Plans the waves, and wave by wave empties hosts, runs their command, proves that they are back, gives
  them back.
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
    - V(plan) is C(naru host waves plan). Propose waves in which hosts are emptied, maintained by a command
      and given back, and say what becomes of their servers. Nothing is changed anywhere.
    - 'V(run) is C(naru host waves run). Wave by wave: empty hosts, run their command, prove that they
      are back, give them back.'
    - 'V(leave) is C(naru host waves leave). Leave a host behind: its steps that are left are skipped,
      moves that were begun are ended, and others go on. It stays disabled with the waves'' reason; with
      --return servers are scheduled to it again, once its compute service is up. What was moved stays
      where it is.'
    - 'V(status) is C(naru host waves status). Show how far each host is, and when all will be done: by
      what is expected of moves, and what commands took on the hosts that are done.'
    type: str
    choices:
    - plan
    - run
    - leave
    - status
    required: true
  hosts:
    description:
    - Hosts, as Nova calls them. Of V(plan).
    type: list
    elements: str
  site:
    description:
    - The site (site.yaml). Of V(plan).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:. Of V(plan).
    type: bool
  rack:
    description:
    - The site's hosts of a rack. Of V(plan).
    type: list
    elements: str
  all:
    description:
    - All hosts on which the site has nova-compute. Of V(plan).
    type: bool
  hosts_at_once:
    description:
    - Hosts of a wave (1). Of V(plan).
    type: int
  run:
    description:
    - A line for the shell of each empty host. Of V(plan).
    type: str
  repeat:
    description:
    - The command may be run again by itself when it was cut off. Of V(plan).
    type: bool
  reboot:
    description:
    - Boot each host after its command. Of V(plan).
    type: bool
  boots:
    description:
    - 'Whether the command boots the host, so that another boot is waited for (without: whether it says
      reboot or shutdown as a word of its own). Of V(plan).'
    type: str
    choices:
    - 'yes'
    - 'no'
  run_for:
    description:
    - After which the command is ended (2h). Of V(plan).
    type: str
  back_within:
    description:
    - How long a host may take to be back (20m). Of V(plan).
    type: str
  failures:
    description:
    - No further wave with more failed hosts (1). Of V(plan).
    type: int
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
    - 'Why: it is kept. Of V(leave).'
    type: str
  host:
    description:
    - The host, as Nova calls it. Of V(leave).
    type: str
  return:
    description:
    - Servers are scheduled to it again. Of V(leave).
    type: bool
  end:
    description:
    - Its command is ended where it still runs, and a shutdown called off. Of V(leave).
    type: bool
  'off':
    description:
    - 'The host is off, or out of reach for good: it is not asked. Of V(leave).'
    type: bool
"""

EXAMPLES = r"""
- name: Plan them
  naru.openstack.waves:
    action: plan
    rack: [r1]
    run: apt-get -y upgrade
    reboot: true
    site: /etc/naru/site.yaml
    work: /var/lib/naru/june
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
    "hosts": {"type": "list", "elements": "str"},
    "site": {"type": "path"},
    "next": {"type": "bool"},
    "rack": {"type": "list", "elements": "str"},
    "all": {"type": "bool"},
    "hosts_at_once": {"type": "int"},
    "run": {"type": "str"},
    "repeat": {"type": "bool"},
    "reboot": {"type": "bool"},
    "boots": {"type": "str", "choices": ["yes", "no"]},
    "run_for": {"type": "str"},
    "back_within": {"type": "str"},
    "failures": {"type": "int"},
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
    "host": {"type": "str"},
    "return": {"type": "bool"},
    "end": {"type": "bool"},
    "off": {"type": "bool"},
}

ACTIONS = {
    "plan": Action(
        "host waves plan",
        "plan",
        arguments=["hosts"],
        options=[
            "site",
            "next",
            "work",
            "rack",
            "all",
            "hosts_at_once",
            "run",
            "repeat",
            "reboot",
            "boots",
            "run_for",
            "back_within",
            "failures",
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
    ),
    "run": Action("host waves run", "act", options=["work"], status="host waves status"),
    "leave": Action(
        "host waves leave",
        "act",
        arguments=["host"],
        options=["work", "reason", "return", "end", "off"],
        needed=["host", "reason"],
        status="host waves status",
        has_json=False,
    ),
    "status": Action("host waves status", "read", options=["work"], passes=(0, 1, 3)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
