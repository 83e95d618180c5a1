#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Move projects from one cloud to another."""

from __future__ import annotations

DOCUMENTATION = r"""
module: move
short_description: Move projects from one cloud to another
version_added: 0.1.0
description:
- Plans, prepares, copies ahead, cuts over, verifies, finalizes, or takes back.
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
    - 'V(plan) is C(naru move plan). Read both clouds and write the plan of a move: what is created, matched
      and left, and every problem at once.'
    - V(refresh) is C(naru move refresh). Read both clouds again and show what has changed since the move
      was planned; nothing else is done.
    - 'V(prepare) is C(naru move prepare). Make everything on the new cloud that can be made without any
      effect on users: all but the cut-over.'
    - V(sync) is C(naru move sync). Copy the volumes' content ahead, while the old servers run; each further
      round only what changed since.
    - 'V(cutover) is C(naru move cutover). The window: stop the old servers, carry their content, change
      the addresses over, start the new servers.'
    - 'V(run) is C(naru move run). Move many projects at the times of a schedule: prepare all, cut over
      wave by wave, finalize.'
    - 'V(verify) is C(naru move verify). Compare everything that was moved, field by field: the old cloud
      as it was against the new one as it is.'
    - 'V(finalize) is C(naru move finalize). End the move: exact quotas; what the old cloud held for a
      rollback is given up. No rollback after that.'
    - 'V(rollback) is C(naru move rollback). Roll the move back, or some of its projects: the old servers
      run as before, nothing is left on the new cloud.'
    - 'V(report) is C(naru move report). Write the report: for each project''s users and for the operators,
      in English and Korean, as HTML and Markdown; the map from old ids to new as CSV, JSON and Terraform''s
      import blocks.'
    - V(status) is C(naru move status). Show how far the move is, once or live.
    type: str
    choices:
    - plan
    - refresh
    - prepare
    - sync
    - cutover
    - run
    - verify
    - finalize
    - rollback
    - report
    - status
    required: true
  from:
    description:
    - The old cloud, as in clouds.yaml. Of V(plan).
    type: str
  to:
    description:
    - The new one. Of V(plan).
    - Where to write it (DIR/report). Of V(report).
    type: str
  project:
    description:
    - A name or id. Of V(plan).
    - Only this one. Of V(sync), V(cutover), V(finalize) and V(rollback).
    type: list
    elements: str
  all:
    description:
    - Every project but admin and the services' own. Of V(plan).
    - Also what is explained, not due yet, left, rolled back. Of V(verify).
    type: bool
  nova_database:
    description:
    - 'A file with the URL of the old cloud''s Nova database: key pairs come from there. Of V(plan).'
    type: str
  map:
    description:
    - What of the old cloud becomes what of the new. Of V(plan).
    type: path
  storage:
    description:
    - Where a cloud's Cinder backends keep their volumes; give both, or all content goes by images. Of
      V(plan).
    type: dict
  journal:
    description:
    - 'The PostgreSQL database for the journals, as workers need it (default: files in the work directory).
      Of V(plan).'
    type: str
  key:
    description:
    - Where new users' passwords come from (~/.config/naru/move.key). Of V(plan).
    type: path
  rehearsal:
    description:
    - 'The work directory of an earlier move of the same: its times become the estimates (repeatable).
      Of V(plan).'
    type: list
    elements: str
  as_planned:
    description:
    - 'Although things were made since: they stay on the old cloud. Of V(prepare), V(sync), V(cutover),
      V(run) and V(finalize).'
    type: bool
  whole:
    description:
    - Compare everything, not only what changed. Of V(sync).
    type: bool
  every:
    description:
    - Begin a round this often, like 1h. Of V(sync).
    - 'With --hold: begin a round this often (60s). Of V(cutover).'
    type: str
  until:
    description:
    - Go on until the next one takes no longer. Of V(sync).
    - 'The last phase (default: finalize). Of V(run).'
    type: str
  alone:
    description:
    - Also without the projects that those of --project need. Of V(cutover) and V(finalize).
    type: bool
  hold:
    description:
    - Copy ahead, again and again, until it is released. Of V(cutover).
    type: bool
  schedule:
    description:
    - The waves and their times. Of V(run).
    type: path
  dry_run:
    description:
    - Show what is done when, and do nothing. Of V(run).
    type: bool
  counts:
    description:
    - How many of each kind are in which state. Of V(verify).
    type: bool
  despite:
    description:
    - Although verify finds differences; the reason is recorded. Of V(finalize).
    type: str
  carry_back:
    description:
    - Carry what was written to the new volumes back to the old ones. Of V(rollback).
    type: bool
  'off':
    description:
    - A server (name or old id, or all) that is off on the new cloud, whatever that says or does not say.
      Of V(rollback).
    type: list
    elements: str
  language:
    description:
    - May be repeated (en and ko). Of V(report).
    type: list
    elements: str
    choices:
    - en
    - ko
"""

EXAMPLES = r"""
- name: Plan it
  naru.openstack.move:
    action: plan
    from: old
    to: new
    project: [hanok, carpenters]
    work: /var/lib/naru/hanok

- name: Make everything that can be made ahead
  naru.openstack.move:
    action: prepare
    work: /var/lib/naru/hanok
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
    "project": {"type": "list", "elements": "str"},
    "all": {"type": "bool"},
    "nova_database": {"type": "str"},
    "map": {"type": "path"},
    "storage": {"type": "dict"},
    "journal": {"type": "str"},
    "key": {"type": "path", "no_log": False},
    "rehearsal": {"type": "list", "elements": "str"},
    "as_planned": {"type": "bool"},
    "whole": {"type": "bool"},
    "every": {"type": "str"},
    "until": {"type": "str"},
    "alone": {"type": "bool"},
    "hold": {"type": "bool"},
    "schedule": {"type": "path"},
    "dry_run": {"type": "bool"},
    "counts": {"type": "bool"},
    "despite": {"type": "str"},
    "carry_back": {"type": "bool"},
    "off": {"type": "list", "elements": "str"},
    "language": {"type": "list", "elements": "str", "choices": ["en", "ko"]},
}

ACTIONS = {
    "plan": Action(
        "move plan",
        "plan",
        options=[
            "from",
            "to",
            "project",
            "all",
            "nova_database",
            "work",
            "map",
            "storage",
            "journal",
            "key",
            "rehearsal",
        ],
        needed=["from", "to"],
        own=["journal", "key"],
        same={"from": "from", "to": "to", "project": "asked"},
    ),
    "refresh": Action("move refresh", "read", options=["work"], passes=(0, 1)),
    "prepare": Action(
        "move prepare",
        "act",
        options=["work", "as_planned"],
        status="move status",
        preview=(["plan", "steps"], [], ["work"]),
    ),
    "sync": Action("move sync", "act", options=["work", "project", "as_planned", "whole", "every", "until"]),
    "cutover": Action(
        "move cutover",
        "act",
        options=["work", "as_planned", "project", "alone", "hold", "every"],
        status="move status",
        preview=(["plan", "steps"], [], ["work"]),
    ),
    "run": Action(
        "move run",
        "act",
        options=["work", "schedule", "dry_run", "until", "as_planned"],
        needed=["schedule"],
        status="move status",
        preview=(["move", "run", "--dry-run"], [], ["work", "schedule", "until", "as_planned"]),
    ),
    "verify": Action("move verify", "read", options=["work", "all", "counts"]),
    "finalize": Action(
        "move finalize",
        "act",
        options=["work", "as_planned", "project", "alone", "despite"],
        status="move status",
        preview=(["plan", "steps"], [], ["work"]),
    ),
    "rollback": Action("move rollback", "act", options=["work", "project", "carry_back", "off"], status="move status"),
    "report": Action("move report", "act", options=["work", "to", "language"]),
    "status": Action("move status", "read", options=["work"], passes=(0, 1, 3)),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
