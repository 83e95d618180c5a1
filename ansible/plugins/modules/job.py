#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Wait for a command that was begun."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Wait for a command of Naru that was begun
version_added: 0.1.0
description:
  - Waits for what a task with O(naru.openstack.host#module:wait=false) has begun, and answers as that task would have.
  - "The command goes on by itself: whether anybody waits for it, or how often, changes nothing."
  - Jobs are kept on the host where they were begun, of the user who has begun them, under
    C(~/.local/state/naru/ansible).
author:
  - The Naru developers (@naru-openstack)
options:
  job:
    description:
      - The job's name, as the task has returned it.
    type: str
    required: true
  timeout:
    description:
      - How many seconds to wait; V(0) only looks. What runs on then fails no task, and C(finished) is false.
    type: float
    default: 3600
notes:
  - In check mode there is no other answer.
"""

EXAMPLES = r"""
- name: Begin to empty a host
  naru.openstack.host:
    action: drain
    work: /var/lib/naru/compute7
    wait: false
  register: drain

- name: Look every minute, for eight hours
  naru.openstack.job:
    job: "{{ drain.job }}"
    timeout: 0
  register: ended
  until: ended.finished
  retries: 480
  delay: 60
"""

RETURN = r"""
finished:
  description: Whether it has ended.
  returned: always
  type: bool
outcome:
  description:
    - "What came of it: done, failed, bad input, paused, interrupted, killed, or running."
  returned: always
  type: str
  sample: done
result:
  description: What the command has answered, its JSON.
  returned: always
  type: raw
messages:
  description: What the command said beside it, such as findings, line by line.
  returned: always
  type: list
  elements: str
exit_code:
  description: The command's exit code.
  returned: when it has ended
  type: int
  sample: 0
command:
  description: The command's words.
  returned: when it has ended
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.naru.openstack.plugins.module_utils.naru import ended


def main():
    options = {"job": {"type": "str", "required": True}, "timeout": {"type": "float", "default": 3600}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    name = module.params["job"]
    if not name.replace("-", "").isalnum():
        module.fail_json(msg=f"job: {name} is no job's name")
    try:
        told = ended(name, module.params["timeout"])
    except FileNotFoundError:
        module.fail_json(msg=f"job: there is none of the name {name} on this host, of this user")
    if told is None:
        module.exit_json(changed=False, finished=False, outcome="running", result=None, messages=[])
    answer = dict(told.answer(changed=False), finished=True)
    if told.rc == 0:
        module.exit_json(**answer)
    module.fail_json(msg=told.message(), **answer)


if __name__ == "__main__":
    main()
