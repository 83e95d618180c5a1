#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Add compute hosts to a cloud, or OSDs to its Ceph."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scale
short_description: Add compute hosts to a cloud, or OSDs to its Ceph
version_added: 0.1.0
description:
- Shows how inventory and site change, runs kolla-ansible on the new hosts, and keeps them out of use
  until they are proved.
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
    - V(compute) is C(naru scale compute). Plan how compute hosts come to a cloud that kolla-ansible has
      deployed. Nothing is changed anywhere.
    - V(osd) is C(naru scale osd). Plan how OSDs come to a Ceph cluster, on new hosts or on new disks
      of hosts. Nothing is changed anywhere.
    - 'V(run) is C(naru scale run). Bring the hosts to the cloud as it was planned: checked, deployed,
      kept out until each is proved, opened.'
    - 'V(rollback) is C(naru scale rollback). Take the hosts back: no more servers are scheduled to them,
      they leave the aggregates, inventory and site.yaml are as they were. What kolla-ansible has deployed
      on them stays; servers that are on them do, too.'
    - V(status) is C(naru scale status). Show how far it is, once, or with --watch until nothing runs
      any more.
    type: str
    choices:
    - compute
    - osd
    - run
    - rollback
    - status
    required: true
  hosts:
    description:
    - The new hosts, as Nova will call them. Of V(compute).
    - Hosts, as `hostname` calls them there; one that the site has gets more disks. Of V(osd).
    type: list
    elements: str
  site:
    description:
    - The site (site.yaml). Of V(compute) and V(osd).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:. Of V(compute) and V(osd).
    type: bool
  like:
    description:
    - The compute host that they are to be like. Of V(compute).
    - The host of OSDs that new hosts are to be like. Of V(osd).
    type: str
  inventory:
    description:
    - kolla-ansible's inventory, in INI form. Of V(compute).
    - ceph-ansible's inventory, in INI form. Of V(osd).
    type: path
  kolla:
    description:
    - What kolla-ansible is installed under; without, that of the program on the path. Of V(compute).
    type: path
  config:
    description:
    - Where globals.yml and passwords.yml are (/etc/kolla). Of V(compute).
    type: path
  aggregate:
    description:
    - They come to it. Of V(compute).
    type: list
    elements: str
  flavor:
    description:
    - Of the server that each host is tried with. Of V(compute).
    type: str
  image:
    description:
    - Of that server. Of V(compute).
    type: str
  network:
    description:
    - Of that server; without, it has none. Of V(compute).
    type: str
  mtu:
    description:
    - Packets so big have to go from the other host to each new one, whole. Of V(compute).
    type: int
  disk:
    description:
    - An OSD is made of it; without HOST on each of the hosts. Of V(osd).
    type: list
    elements: str
  storage:
    description:
    - The Ceph cluster as the site calls it, where it has several. Of V(osd).
    type: str
  class:
    description:
    - The OSDs' device class, as ssd. Of V(osd).
    type: str
  location:
    description:
    - Where in CRUSH the hosts belong, as rack=r3. Of V(osd).
    type: dict
  label:
    description:
    - cephadm's, for new hosts. Of V(osd).
    type: list
    elements: str
  steps:
    description:
    - In which data comes to the OSDs (5). Of V(osd).
    type: int
  backfills:
    description:
    - That an OSD takes and gives at a time meanwhile (1). Of V(osd).
    type: int
  every:
    description:
    - Between two looks while data moves (10.0). Of V(osd).
    type: float
  patience:
    description:
    - That data is held when something is worse than before, until the step fails (1800.0). Of V(osd).
    type: float
  ceph_ansible:
    description:
    - Where ceph-ansible's playbooks are. Of V(osd).
    type: path
  playbook:
    description:
    - The one of them that the cluster was deployed with, where there are several. Of V(osd).
    type: str
"""

EXAMPLES = r"""
- name: Plan it
  naru.openstack.scale:
    action: compute
    hosts: [compute8=192.0.2.18, compute9=192.0.2.19]
    like: compute7
    inventory: /etc/kolla/multinode
    site: /etc/naru/site.yaml
    work: /var/lib/naru/grow

- name: Do it
  naru.openstack.scale:
    action: run
    work: /var/lib/naru/grow

- name: Plan OSDs on a new host
  naru.openstack.scale:
    action: osd
    hosts: [osd7=192.0.2.27]
    like: osd6
    disk: [/dev/sdb, /dev/sdc]
    site: /etc/naru/site.yaml
    work: /var/lib/naru/osds
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
    "hosts": {"type": "list", "elements": "str"},
    "site": {"type": "path"},
    "next": {"type": "bool"},
    "like": {"type": "str"},
    "inventory": {"type": "path"},
    "kolla": {"type": "path"},
    "config": {"type": "path"},
    "aggregate": {"type": "list", "elements": "str"},
    "flavor": {"type": "str"},
    "image": {"type": "str"},
    "network": {"type": "str"},
    "mtu": {"type": "int"},
    "disk": {"type": "list", "elements": "str"},
    "storage": {"type": "str"},
    "class": {"type": "str"},
    "location": {"type": "dict"},
    "label": {"type": "list", "elements": "str"},
    "steps": {"type": "int"},
    "backfills": {"type": "int"},
    "every": {"type": "float"},
    "patience": {"type": "float"},
    "ceph_ansible": {"type": "path"},
    "playbook": {"type": "str"},
}

ACTIONS = {
    "compute": Action(
        "scale compute",
        "plan",
        arguments=["hosts"],
        options=[
            "site",
            "next",
            "work",
            "like",
            "inventory",
            "kolla",
            "config",
            "aggregate",
            "flavor",
            "image",
            "network",
            "mtu",
        ],
        needed=["hosts", "like", "inventory"],
        same={"hosts": "hosts", "like": "like", "inventory": "inventory", "aggregate": "aggregates", "site": "site"},
    ),
    "osd": Action(
        "scale osd",
        "plan",
        arguments=["hosts"],
        options=[
            "site",
            "next",
            "work",
            "disk",
            "like",
            "storage",
            "class",
            "location",
            "label",
            "steps",
            "backfills",
            "every",
            "patience",
            "ceph_ansible",
            "playbook",
            "inventory",
        ],
        needed=["hosts", "disk"],
        same={"hosts": "hosts", "like": "like", "inventory": "inventory", "disk": "disk", "site": "site"},
    ),
    "run": Action(
        "scale run", "act", options=["work"], status="scale status", preview=(["plan", "steps"], [], ["work"])
    ),
    "rollback": Action("scale rollback", "act", options=["work"], status="scale status"),
    "status": Action("scale status", "read", options=["work"], passes=(0, 1, 3)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
