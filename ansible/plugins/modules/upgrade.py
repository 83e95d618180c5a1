#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Upgrade a cloud in place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade
short_description: Upgrade a cloud in place
version_added: 0.1.0
description:
- Finds what is in the way, plans, prepares, rehearses on copies of the databases, goes through the window,
  and back.
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
    - V(path) is C(naru upgrade path). List the releases through which a cloud goes from one to a later
      one, and why.
    - 'V(check) is C(naru upgrade check). Look for what is in the way of an upgrade: rows in a cloud''s
      databases at which the code of a release on its way would end, or that would be lost; settings that
      a release refuses or ignores, in configuration files; what is under OpenStack, on hosts and as servers,
      and too old for a release: libvirt, QEMU, OVN, databases, message queues, Ceph, the C library.'
    - 'V(callers) is C(naru upgrade callers). List who still calls APIs that the wanted release has no
      more: programs of users, and services of the cloud.'
    - V(plan) is C(naru upgrade plan). Look for what is in the way of an upgrade, and write its plan into
      a work directory. Nothing is changed anywhere.
    - 'V(prepare) is C(naru upgrade prepare). Install the environments of all releases on the way, ship
      them to the host that does the work, and see that they run there; and see that the services that
      are to start are there. The wanted release''s environment is shipped to all hosts with a service
      under next: that has it of here (environment: in the site), and tried there. No user is touched,
      and nothing that runs is: environments lie beside it, in /opt/naru.'
    - 'V(rehearse) is C(naru upgrade rehearse). Rehearse an upgrade on a copy of the databases: every
      hop, and the way back, every second recorded.'
    - 'V(freeze) is C(naru upgrade freeze). Refuse users'' writes, and wait until nothing is under way:
      before the window of an upgrade.'
    - 'V(run) is C(naru upgrade run). The window of an upgrade: stop the services that run, dump their
      databases, take these through the releases, and start the services of the wanted release. Users''
      servers are not touched; no API answers meanwhile.'
    - V(agents) is C(naru upgrade agents). Start compute services and agents of the wanted release, after
      the window.
    - V(verify) is C(naru upgrade verify). Compare what a cloud has now with what it had before the upgrade,
      by the API, as its administrator.
    - 'V(thaw) is C(naru upgrade thaw). Let users write again: before the window, when it is not to be
      today, or after it.'
    - 'V(rollback) is C(naru upgrade rollback). Take an upgrade back, from any point of its window or
      after it: what was started is stopped, the databases are as they were dumped, the services that
      were stopped run again as they were.'
    - V(settle) is C(naru upgrade settle). After a rollback, let Nova look after guests again.
    - V(guests) is C(naru upgrade guests). After a rollback, show which guests are otherwise than Nova
      has them.
    - V(finalize) is C(naru upgrade finalize). Give up the way back of an upgrade, when all of it is done
      and nothing is missed.
    - 'V(status) is C(naru upgrade status). Show where an upgrade stands: what is prepared, how many rehearsals
      are done of those that are wanted, since when users'' writes are refused, and once the window has
      begun when it ends and until when one can turn back by then.'
    type: str
    choices:
    - path
    - check
    - callers
    - plan
    - prepare
    - rehearse
    - freeze
    - run
    - agents
    - verify
    - thaw
    - rollback
    - settle
    - guests
    - finalize
    - status
    required: true
  from:
    description:
    - 'A release by name: naru lab releases. Of V(path).'
    - 'A release by name: naru lab releases; without, the site''s. Of V(check), V(callers) and V(plan).'
    type: str
  to:
    description:
    - 'A release by name: naru lab releases. Of V(path), V(check), V(callers) and V(plan).'
    type: str
  services:
    description:
    - 'These alone, of: keystone, glance, placement, cinder, nova, neutron. Of V(path), V(check), V(callers)
      and V(plan).'
    type: list
    elements: str
  site:
    description:
    - The site (None). Of V(check) and V(callers).
    - The site (site.yaml). Of V(plan).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:. Of V(check), V(callers) and V(plan).
    type: bool
  days:
    description:
    - How many days of the logs are read, from now back (7). Of V(callers).
    type: str
  'on':
    description:
    - The host that does the work. Of V(plan).
    type: str
  memory:
    description:
    - Megabytes of the buffer pool of rehearsals' database server (512); as much as the databases' own
      has, if times are to be the same. Of V(plan).
    type: int
  rehearsals:
    description:
    - How many rehearsals are wanted before the upgrade (3). Of V(plan).
    type: int
  window:
    description:
    - 'How long the window is, as 4h: an upgrade that does not fit it there and back is refused. Of V(plan).'
    type: str
  row_by_row:
    description:
    - 'Have the releases'' own code fill every row, also where one statement gives all of them the same
      values: some ten milliseconds a server more. Of V(plan).'
    type: bool
  rate:
    description:
    - Bytes a second, like 80M or 1.5G; none for no cap (else that of before). Of V(prepare).
    type: str
  times:
    description:
    - So many, one after the other (1). Of V(rehearse).
    type: int
  allow:
    description:
    - An address or network that goes on writing, as operators'. Of V(freeze).
    type: list
    elements: str
  leave:
    description:
    - Do not wait for this one; it is recorded. Of V(freeze).
    type: list
    elements: str
  as:
    description:
    - 'A user, as a cloud of clouds.yaml: what it may read is compared (several times; else those of last
      time). Of V(freeze) and V(verify).'
    type: list
    elements: str
  without_rehearsal:
    description:
    - Although it was not rehearsed; it is recorded. Of V(run).
    type: str
  without_freeze:
    description:
    - Although users can write; it is recorded. Of V(run).
    type: str
  go_on:
    description:
    - Go on when the window will not do and it is time to turn back, unasked; it is recorded. Of V(run).
    type: str
  despite_checks:
    description:
    - Although one of the services' own upgrade checks has failed; it is recorded. Of V(run).
    type: str
  max_unacked:
    description:
    - Limit of messages that are not acknowledged (2000). Of V(agents) and V(settle).
    type: float
  max_ready:
    description:
    - Limit of messages that wait (2000). Of V(agents) and V(settle).
    type: float
  max_threads:
    description:
    - Limit of statements that run in the databases (64). Of V(agents) and V(settle).
    type: float
  max_late:
    description:
    - Limit of services and agents that are overdue, of a hundred (5). Of V(agents) and V(settle).
    type: float
  max_latency:
    description:
    - Limit of seconds that Neutron's server takes to answer a call (2). Of V(agents) and V(settle).
    type: float
  max_left:
    description:
    - Limit of queues that programs which ended have left behind (2000). Of V(agents) and V(settle).
    type: float
  max_failures:
    description:
    - How many may not start or report before no more are started (5). Of V(agents) and V(settle).
    type: int
  before:
    description:
    - Read the cloud as it is, ahead of the window, for later. Of V(verify).
    type: bool
  write_as:
    description:
    - 'A user, as a cloud of clouds.yaml: a thing of each kind is made and deleted. Of V(verify).'
    type: list
    elements: str
  flavor:
    description:
    - Of the server that is made, by name or id. Of V(verify).
    type: str
  image:
    description:
    - The same of its image. Of V(verify).
    type: str
  lose_writes:
    description:
    - Although what was written since the window began is lost. Of V(rollback).
    type: bool
  'off':
    description:
    - A host of next services that is off, whatever it says or does not say; may be given several times.
      Of V(rollback).
    type: list
    elements: str
  despite:
    description:
    - Although verify has not found all well; it is recorded. Of V(finalize).
    type: str
"""

EXAMPLES = r"""
- name: Through which releases it goes
  naru.openstack.upgrade:
    action: path
    from: pike
    to: "2026.1"

- name: What is in the way
  naru.openstack.upgrade:
    action: check
    site: /etc/naru/site.yaml
    to: "2026.1"
  register: found
  failed_when: found.exit_code not in [0, 1]
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
    "from": {"type": "str"},
    "to": {"type": "str"},
    "services": {"type": "list", "elements": "str"},
    "site": {"type": "path"},
    "next": {"type": "bool"},
    "days": {"type": "str"},
    "on": {"type": "str"},
    "memory": {"type": "int"},
    "rehearsals": {"type": "int"},
    "window": {"type": "str"},
    "row_by_row": {"type": "bool"},
    "rate": {"type": "str"},
    "times": {"type": "int"},
    "allow": {"type": "list", "elements": "str"},
    "leave": {"type": "list", "elements": "str"},
    "as": {"type": "list", "elements": "str"},
    "without_rehearsal": {"type": "str"},
    "without_freeze": {"type": "str"},
    "go_on": {"type": "str"},
    "despite_checks": {"type": "str"},
    "max_unacked": {"type": "float"},
    "max_ready": {"type": "float"},
    "max_threads": {"type": "float"},
    "max_late": {"type": "float"},
    "max_latency": {"type": "float"},
    "max_left": {"type": "float"},
    "max_failures": {"type": "int"},
    "before": {"type": "bool"},
    "write_as": {"type": "list", "elements": "str"},
    "flavor": {"type": "str"},
    "image": {"type": "str"},
    "lose_writes": {"type": "bool"},
    "off": {"type": "list", "elements": "str"},
    "despite": {"type": "str"},
}

ACTIONS = {
    "path": Action("upgrade path", "read", options=["from", "to", "services,"], needed=["from", "to"]),
    "check": Action("upgrade check", "read", options=["work", "site", "next", "from", "to", "services,"]),
    "callers": Action(
        "upgrade callers", "read", options=["work", "site", "next", "from", "to", "services,", "days"], passes=(0, 1)
    ),
    "plan": Action(
        "upgrade plan",
        "plan",
        options=[
            "site",
            "next",
            "work",
            "from",
            "to",
            "services,",
            "on",
            "memory",
            "rehearsals",
            "window",
            "row_by_row",
        ],
        needed=["to"],
        same={"to": "goal", "from": "start", "services": "services", "site": "site"},
    ),
    "prepare": Action("upgrade prepare", "act", options=["work", "rate"], status="upgrade status"),
    "rehearse": Action("upgrade rehearse", "act", options=["work", "times"]),
    "freeze": Action("upgrade freeze", "act", options=["work", "allow", "leave", "as"]),
    "run": Action(
        "upgrade run",
        "act",
        options=["work", "without_rehearsal", "without_freeze", "go_on", "despite_checks"],
        status="upgrade status",
        preview=(["plan", "steps"], [], ["work"]),
    ),
    "agents": Action(
        "upgrade agents",
        "act",
        options=[
            "work",
            "max_unacked",
            "max_ready",
            "max_threads",
            "max_late",
            "max_latency",
            "max_left",
            "max_failures",
        ],
        status="upgrade status",
        preview=(["plan", "steps"], [], ["work"]),
    ),
    "verify": Action("upgrade verify", "act", options=["work", "before", "as", "write_as", "flavor", "image"]),
    "thaw": Action("upgrade thaw", "act", options=["work"]),
    "rollback": Action("upgrade rollback", "act", options=["work", "lose_writes", "off"]),
    "settle": Action(
        "upgrade settle",
        "act",
        options=[
            "work",
            "max_unacked",
            "max_ready",
            "max_threads",
            "max_late",
            "max_latency",
            "max_left",
            "max_failures",
        ],
    ),
    "guests": Action("upgrade guests", "read", options=["work"], passes=(0, 1)),
    "finalize": Action("upgrade finalize", "act", options=["work", "despite"]),
    "status": Action("upgrade status", "read", options=["work"], passes=(0, 1)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
