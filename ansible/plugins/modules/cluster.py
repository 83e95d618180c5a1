#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Take a whole cloud down, and up again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster
short_description: Take a whole cloud down, and up again
version_added: 0.1.0
description:
- Records what runs, keeps the databases, stops everything in order, and starts it again as it was.
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
    - 'V(plan) is C(naru cluster plan down). Look at all that runs of a cloud, and plan how it goes down:
      in which order, and why there. Nothing is changed anywhere.'
    - 'V(down) is C(naru cluster down). Take the cloud down as it was planned: what runs is recorded,
      the databases are dumped and the dumps read back, servers stop in their order, then services, queues,
      databases, and in the end it is proved that nothing runs.'
    - 'V(up) is C(naru cluster up). Bring the cloud up as it was recorded: hosts answer, Ceph has its
      OSDs and loses the flags that were set for it, the newest member of each Galera cluster begins it
      and the others join until they are Synced, queues are whole, services start in order and report
      as they did, servers start in waves, and all is proved to be as it was.'
    - V(status) is C(naru cluster status). Show where the way stands that was gone last, down or up; with
      --watch until nothing runs any more.
    type: str
    choices:
    - plan
    - down
    - up
    - status
    required: true
  site:
    description:
    - The site (site.yaml). Of V(plan).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:. Of V(plan).
    type: bool
  backup:
    description:
    - Where the databases' dumps are kept; by default /var/lib/naru-backup on the first host of each.
      Of V(plan).
    type: str
  flags:
    description:
    - 'Ceph''s: noout, recovery (noout, nobackfill, norecover), all six, or none (noout). Of V(plan).'
    type: str
    choices:
    - noout
    - recovery
    - all
    - none
  computes:
    description:
    - When compute services stop. Of V(plan).
    type: str
    choices:
    - first
    - last
  guests:
    description:
    - Whether servers are stopped before (stop). Of V(plan).
    type: str
    choices:
    - stop
    - leave
  answer:
    description:
    - A server (name or id) that is left as it is. Of V(plan).
    type: dict
  order:
    description:
    - 'Waves of servers, as they start: a list of lists of names or ids. Of V(plan).'
    type: path
  at_once:
    description:
    - Servers at a time (8). Of V(plan).
    type: int
  unhealthy_because:
    description:
    - Why Ceph need not be HEALTH_OK. Of V(plan).
    type: str
  lost:
    description:
    - A host that does not come back. Of V(down) and V(up).
    type: list
    elements: str
  behind:
    description:
    - 'A database may begin with less than was seen of it: writes are lost. Of V(up).'
    type: bool
"""

EXAMPLES = r"""
- name: Plan it
  naru.openstack.cluster:
    action: plan
    site: /etc/naru/site.yaml
    work: /var/lib/naru/maintenance

- name: Down
  naru.openstack.cluster:
    action: down
    work: /var/lib/naru/maintenance
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
    "site": {"type": "path"},
    "next": {"type": "bool"},
    "backup": {"type": "str"},
    "flags": {"type": "str", "choices": ["noout", "recovery", "all", "none"]},
    "computes": {"type": "str", "choices": ["first", "last"]},
    "guests": {"type": "str", "choices": ["stop", "leave"]},
    "answer": {"type": "dict"},
    "order": {"type": "path"},
    "at_once": {"type": "int"},
    "unhealthy_because": {"type": "str"},
    "lost": {"type": "list", "elements": "str"},
    "behind": {"type": "bool"},
}

ACTIONS = {
    "plan": Action(
        "cluster plan down",
        "plan",
        options=[
            "site",
            "next",
            "work",
            "backup",
            "flags",
            "computes",
            "guests",
            "answer",
            "order",
            "at_once",
            "unhealthy_because",
        ],
        same={"site": "site"},
    ),
    "down": Action(
        "cluster down",
        "act",
        options=["work", "lost"],
        status="cluster status",
        preview=(["plan", "steps"], [], ["work"]),
    ),
    "up": Action("cluster up", "act", options=["work", "lost", "behind"], status="cluster status"),
    "status": Action("cluster status", "read", options=["work"], passes=(0, 1, 3)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
