#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Run, watch and steer any plan of Naru."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Run, watch and steer any plan of Naru
version_added: 0.1.0
description:
- Runs a plan that was made, shows where it stands, pauses it, changes its limits, retries and skips steps.
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
    - V(status) is C(naru plan status). Show the state of a plan, once or live.
    - V(steps) is C(naru plan steps). List steps with their states, attempts and times.
    - 'V(show) is C(naru plan show). Show a plan: its text, or as JSON that `create` reads.'
    - 'V(timings) is C(naru plan timings). Show where the time went, in seconds: of one run, or of several
      rehearsals side by side.'
    - V(run) is C(naru plan run). Run a plan, or go on with one that was interrupted.
    - V(rollback) is C(naru plan rollback). Take back what was done, of some units or of everything, in
      the reverse order.
    - V(pause) is C(naru plan pause). Let running steps finish and start no further ones.
    - V(resume) is C(naru plan resume). End a pause or a cancel; it starts no executor.
    - V(cancel) is C(naru plan cancel). Ask running steps to stop, start no further ones, and end the
      run.
    - 'V(hold) is C(naru plan hold). Hold a gate: the steps behind it do not start until it is released.'
    - 'V(release) is C(naru plan release). Release a gate: the steps behind it may start. Not of a move,
      whose commands open its gates.'
    - V(limit) is C(naru plan limit). Change how many steps of a limit group run at once, also while the
      plan runs.
    - V(retry) is C(naru plan retry). Let failed, skipped or undone steps run again.
    - V(skip) is C(naru plan skip). Take steps as done without running them; what waits for them goes
      on.
    type: str
    choices:
    - status
    - steps
    - show
    - timings
    - run
    - rollback
    - pause
    - resume
    - cancel
    - hold
    - release
    - limit
    - retry
    - skip
    required: true
  state:
    description:
    - Only those in this state. Of V(steps).
    type: str
    choices:
    - waiting
    - running
    - done
    - failed
    - skipped
    - undone
    - held
  unit:
    description:
    - Only those of this unit. Of V(steps).
    - 'With --rollback: of this unit only. Of V(show).'
    - Only this unit. Of V(rollback).
    - 'Instead of steps: those of this unit. Of V(retry) and V(skip).'
    type: list
    elements: str
  kind:
    description:
    - Only those of this kind. Of V(steps).
    type: str
  rollback:
    description:
    - The plan a rollback would make and run. Of V(show).
    type: bool
  with_dependents:
    description:
    - 'With --unit: and what depends on it. Of V(show).'
    - Also the steps of other units that rest on the unit. Of V(rollback).
    type: bool
  directories:
    description:
    - One or more, in place of --work. Of V(timings).
    type: list
    elements: str
  by:
    description:
    - 'Whole: wall clock, cumulative, critical path; path: the steps of the critical path (default: kind).
      Of V(timings).'
    type: str
    choices:
    - kind
    - unit
    - step
    - whole
    - path
  gate:
    description:
    - The gate's name, or a pattern with * for several. Of V(hold) and V(release).
    type: str
  group:
    description:
    - The limit group. Of V(limit).
    type: str
  value:
    description:
    - Steps at once; 0 starts none. Of V(limit).
    type: int
  steps:
    description:
    - Ids of steps. Of V(retry) and V(skip).
    type: list
    elements: str
  args:
    description:
    - Arguments to be replaced, for one step. Of V(retry).
    type: str
  failed:
    description:
    - 'Instead of steps: all that have failed. Of V(retry).'
    type: bool
  reason:
    description:
    - 'Why: it is kept in the journal. Of V(skip).'
    type: str
"""

EXAMPLES = r"""
- name: Fewer at a time, while it runs
  naru.openstack.plan:
    action: limit
    group: cloud
    value: 2
    work: /var/lib/naru/compute7
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
    "state": {"type": "str", "choices": ["waiting", "running", "done", "failed", "skipped", "undone", "held"]},
    "unit": {"type": "list", "elements": "str"},
    "kind": {"type": "str"},
    "rollback": {"type": "bool"},
    "with_dependents": {"type": "bool"},
    "directories": {"type": "list", "elements": "str"},
    "by": {"type": "str", "choices": ["kind", "unit", "step", "whole", "path"]},
    "gate": {"type": "str"},
    "group": {"type": "str"},
    "value": {"type": "int"},
    "steps": {"type": "list", "elements": "str"},
    "args": {"type": "str", "no_log": False},
    "failed": {"type": "bool"},
    "reason": {"type": "str"},
}

ACTIONS = {
    "status": Action("plan status", "read", options=["work"], passes=(0, 1, 3)),
    "steps": Action("plan steps", "read", options=["work", "state", "unit", "kind"], single=["unit"]),
    "show": Action("plan show", "read", options=["work", "rollback", "unit", "with_dependents"]),
    "timings": Action("plan timings", "read", arguments=["directories"], options=["work", "by"]),
    "run": Action("plan run", "act", options=["work"], status="plan status", preview=(["plan", "steps"], [], ["work"])),
    "rollback": Action(
        "plan rollback",
        "act",
        options=["work", "unit", "with_dependents"],
        status="plan status",
        preview=(["plan", "show", "--rollback"], [], ["work", "unit", "with_dependents"]),
    ),
    "pause": Action("plan pause", "act", options=["work"], status="plan status", has_json=False),
    "resume": Action("plan resume", "act", options=["work"], status="plan status", has_json=False),
    "cancel": Action("plan cancel", "act", options=["work"], status="plan status", has_json=False),
    "hold": Action(
        "plan hold", "act", arguments=["gate"], options=["work"], needed=["gate"], status="plan status", has_json=False
    ),
    "release": Action(
        "plan release",
        "act",
        arguments=["gate"],
        options=["work"],
        needed=["gate"],
        status="plan status",
        has_json=False,
    ),
    "limit": Action(
        "plan limit",
        "act",
        arguments=["group", "value"],
        options=["work"],
        needed=["group", "value"],
        status="plan status",
        has_json=False,
    ),
    "retry": Action(
        "plan retry",
        "act",
        arguments=["steps"],
        options=["unit", "work", "args", "failed"],
        status="plan status",
        single=["unit"],
        has_json=False,
    ),
    "skip": Action(
        "plan skip",
        "act",
        arguments=["steps"],
        options=["unit", "work", "reason"],
        needed=["reason"],
        status="plan status",
        single=["unit"],
        has_json=False,
    ),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
